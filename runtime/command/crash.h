/*
** What is told when the process crashes: with which signal, and which calls ran.
*/
#ifndef MOONS_COMMAND_CRASH_H
#define MOONS_COMMAND_CRASH_H

#include "worker/roster.h"

/* From now on a fault in the process is told on stderr; then the process dies of it as it would have. Signals that have a handler
** already, as under sanitizers, keep it. `program` begins the message; both arguments must stay. On the thread that runs the
** script, once. */
void moons__crash_open(const char *program, const moons__roster *of_runtime);

#endif
