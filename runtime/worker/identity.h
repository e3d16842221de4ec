/*
** What both ends of a stream of chunks must have in common: what is sent holds bytecode, and numbers as they lie in memory.
*/
#ifndef MOONS_WORKER_IDENTITY_H
#define MOONS_WORKER_IDENTITY_H

/* Names versions, sizes and the order of bytes in one line. A constant string; any thread. */
const char *moons__identity(void);

#endif
