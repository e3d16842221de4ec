/*
** Large blocks of memory for one thread's use, as a script's long lists are: where the system has large pages, blocks lie on
** them, and moving a block moves its pages. Small blocks are malloc's.
*/
#ifndef MOONS_SYSTEM_BLOCKS_H
#define MOONS_SYSTEM_BLOCKS_H

#include <stddef.h>

/* Makes a block of `old_bytes` one of `new_bytes` > 0, which may lie elsewhere; a new one, where `block` is NULL and `old_bytes`
** 0. Blocks of less than MOONS_LARGE_BLOCK_BYTES may come from malloc. Returns NULL where there is no memory, and the block
** stays: where it would grow, or become a small one. */
void *moons__block_resize(void *block, size_t old_bytes, size_t new_bytes);

/* Accepts NULL, with 0 bytes. */
void moons__block_free(void *block, size_t n_bytes);

#endif
