/*
** Address space: reserved at once, committed as it fills, given back when it is not needed; and
** stretches that can be put back as they were without copying them, where the system has that.
** Reserving is pages.c; of the rest pages_linux.c has it all, and pages_posix.c is the portable twin, without
** the last.
*/
#ifndef MOONS_SYSTEM_PAGES_H
#define MOONS_SYSTEM_PAGES_H

#include <stddef.h>

/* The size of a page in bytes: every address and size below is a multiple of it. */
size_t moons__pages_size(void);

/* Reserves address space without memory behind it. Returns NULL when there is none. */
void *moons__pages_reserve(size_t n_bytes);

/* Reserves `n_bytes`, if it can be where `room_bytes` are likely to stay free, so that it can be extended.
** Returns NULL when there is none. */
void *moons__pages_reserve_far(size_t n_bytes, size_t room_bytes);

/* Reserves the space right behind what was reserved. Returns 0, or MOONS_ENOMEM where it is taken, or there is no
** more. */
int moons__pages_extend(void *end, size_t n_bytes);

/* The most address space that this process may have (`ulimit -v`); SIZE_MAX: it has no limit of its own. */
size_t moons__pages_limit(void);

/* Gives reserved space back, all of it or a part. */
void moons__pages_release(void *start, size_t n_bytes);

/* Puts memory behind reserved space. Returns 0 or MOONS_ENOMEM. */
int moons__pages_commit(void *start, size_t n_bytes);

/* Gives the memory behind committed space back; it stays committed, with what it holds undefined. */
void moons__pages_discard(void *start, size_t n_bytes);

/* Makes what committed space holds now its frozen content, from which writes are kept apart.
** Returns 0, MOONS_ENOMEM, or MOONS_EUNSUPPORTED with nothing changed. */
int moons__pages_freeze(void *start, size_t n_bytes);

/* Puts the frozen content back. */
void moons__pages_thaw(void *start, size_t n_bytes);

#endif
