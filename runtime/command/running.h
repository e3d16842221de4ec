/*
** What runs now, told on stderr to a person who asks: each call, its function, its worker, and for how long it has run.
*/
#ifndef MOONS_COMMAND_RUNNING_H
#define MOONS_COMMAND_RUNNING_H

#include "worker/roster.h"

/* Of these workers, and those that others tell of; `program` begins the message. Both must stay. Once, before anybody asks. */
void moons__running_open(const char *program, const moons__roster *of_runtime);

/* Tells it, which may wait half a second for other machines. On one thread at a time, which is neither a worker's nor in a
** signal handler. */
void moons__running_tell(void);

#endif
