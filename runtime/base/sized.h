/*
** Structs of moons.h that begin with `struct_bytes` and grow at their end: a program has them as its header says, which may be
** older or newer than the library.
*/
#ifndef MOONS_BASE_SIZED_H
#define MOONS_BASE_SIZED_H

#include <stddef.h>

/* Fills in a program's struct of so many bytes from one of the library's: what the library does not know becomes 0. Does
** nothing to NULL, or where there is no room for the size. */
void moons__sized_fill(void *given, size_t given_bytes, const void *own, size_t own_bytes);

/* Whether a struct of a program can have so many bytes. */
int moons__sized_can_be(size_t n_bytes);

/* Copies a program's struct over one of the library's, which has the defaults; NULL: they stay. Returns 0, MOONS_EINVAL where
** it has no size that can be, or MOONS_EUNSUPPORTED where something is set that the library does not know: what it knows is
** copied then, too. */
int moons__sized_copy(void *own, size_t own_bytes, const void *given);

#endif
