/*
** Calls on their way, from inside.
*/
#ifndef MOONS_HOST_QUEUE_H
#define MOONS_HOST_QUEUE_H

#include "host/program.h"

/* Calls a function by its name, which is not looked up, and waits. Returns as moons_run does. */
int moons__host_call_run(moons_call **call, moons_program *program, const char *function,
                         const moons_value *arguments, size_t n_arguments);

#endif
