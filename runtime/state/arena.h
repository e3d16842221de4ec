/*
** The memory of one state: one contiguous stretch, which a lua_Alloc hands out from.
**
** Everything that the allocator knows of its blocks lies inside the stretch too. So a copy of the
** bytes in use is a copy of the state, and copying them back puts the state back, allocator and
** all. An arena is used by one thread at a time.
*/
#ifndef MOONS_STATE_ARENA_H
#define MOONS_STATE_ARENA_H

#include <stddef.h>

#include "state/memory.h"

/* Reserves space and lays an empty heap in it. `max_bytes` is the most that its blocks, and what
** the allocator adds, may take up; 0: MOONS_ARENA_BYTES. All of it is reserved, which costs nothing; but where
** the process may have only so much address space, an arena takes what it needs as it grows. What it touches is taken
** from the budget `all`, which may be NULL, and outlives the arena; the first MOONS_COMMIT_BYTES whether they are there or
** not, so that small states always work. Returns 0 or MOONS_ENOMEM. */
int moons__arena_open(moons__arena *arena, size_t max_bytes, moons__budget *all);

/* Gives the space back. Does nothing for an arena that is not open. */
void moons__arena_close(moons__arena *arena);

/* Forgets all blocks: an empty heap again. */
void moons__arena_reset(moons__arena *arena);

/* The lua_Alloc; `ud` is the arena. */
void *moons__arena_alloc(void *ud, void *at, size_t old_bytes, size_t new_bytes);

/* Bytes from the heap's start that hold everything allocated, packed as they can be. */
size_t moons__arena_used_bytes(moons__arena *arena);

/* Joins what was freed, which takes time in proportion to that, and gives memory back that nothing needs, also in the
** midst. No copy of the bytes in use that was made before may be put back after that. */
void moons__arena_shrink(moons__arena *arena);

/* Begins to count userdata, from 0, or ends it and frees what that took. */
void moons__arena_count_userdata(moons__arena *arena, int on);

/* Whether a userdata was made since the mark was last cleared; it may own something that does not
** lie in the arena. The mark lies in the heap, so it is put back with it. */
int moons__arena_made_userdata(const moons__arena *arena);
void moons__arena_clear_mark(moons__arena *arena);

/* Around the making of one userdata that owns nothing: it leaves no mark, and does not count. Lua may make others in between,
** in a finalizer, but only after that one; these leave theirs. */
void moons__arena_begin_view(moons__arena *arena);
void moons__arena_end_view(moons__arena *arena);

#endif
