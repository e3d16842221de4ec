/*
** The memory of a runtime, but that of states. Who gives it is the host's affair (`alloc` of moons_options), and a process may
** have several that do. So each block knows by whom it was given, and a new one is made beside another one.
*/
#ifndef MOONS_BASE_ALLOCATE_H
#define MOONS_BASE_ALLOCATE_H

#include <stddef.h>

/* As lua_Alloc; NULL: malloc and its kin. */
typedef void *(*moons__alloc)(void *data, void *old, size_t old_bytes, size_t new_bytes);

/* A block of zeros from this allocator. NULL: no memory, as for all functions here. Any thread. */
void *moons__allocate_by(moons__alloc alloc, void *data, size_t n_bytes);

/* A block from the allocator that has given the block `beside`, which begins there; NULL: from malloc. It may outlive that
** one. `zeros` fills it with zeros, `copy` with a text. */
void *moons__allocate(const void *beside, size_t n_bytes);
void *moons__allocate_zeros(const void *beside, size_t n_bytes);
char *moons__allocate_copy(const void *beside, const char *text);

/* Makes a block larger, or smaller: it may lie elsewhere then. NULL for the block: makes one. On failure it stays as it was. */
void *moons__reallocate(const void *beside, void *block, size_t n_bytes);

/* Gives a block back to its allocator. Accepts NULL. */
void moons__free(void *block);

#endif
