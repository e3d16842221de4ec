/*
** What a worker process has died of, in words.
*/
#ifndef MOONS_BACKEND_DEATH_H
#define MOONS_BACKEND_DEATH_H

#include <stddef.h>

/* Writes it into `why`: the status is that of waitpid; -1: nobody knows. */
void moons__death_tell(char *why, size_t n_bytes, int status);

#endif
