/*
** How many cores this process may really use. cpus_linux.c counts affinity and container quota;
** cpus_posix.c, the portable twin, counts the cores that are there.
*/
#ifndef MOONS_CPUS_H
#define MOONS_CPUS_H

/* At least 1. */
unsigned moons__cpus(void);

#endif
