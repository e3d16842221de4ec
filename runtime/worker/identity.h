/*
** What both ends of a stream of chunks must have in common: what is sent holds bytecode, and numbers as they lie in memory.
*/
#ifndef MOONS_WORKER_IDENTITY_H
#define MOONS_WORKER_IDENTITY_H

/* Names versions, sizes and the order of bytes in one line, and whether a host offers functions of its own (`open` of moons_terms).
** A constant string; any thread. */
const char *moons__identity(int has_host);

#endif
