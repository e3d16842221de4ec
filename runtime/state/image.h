/*
** A state as it starts: built once, put back for each call.
**
** The state lies in an arena, together a slot. Taking an image keeps what the arena holds; restoring puts that
** back, at the same address, so that every pointer in it is right again. Small images are copied, and a slot may have
** many, which take turns in it. Of a large one only the start is copied, and the rest is put back by the system (pages.h),
** which costs in proportion to what the call wrote: that one needs a slot of its own. Slot and images are used by one thread
** at a time.
*/
#ifndef MOONS_STATE_IMAGE_H
#define MOONS_STATE_IMAGE_H

#include <lua.h>
#include <stddef.h>

#include "state/arena.h"

/* Memory with a state in it. */
typedef struct moons__slot {
  moons__arena arena;
  lua_State *L;                     /* the state; the same address for the slot's whole life */
  const struct moons__image *holds; /* taken here or put back last; NULL: none yet */
  const void *beside;               /* a block, beside which copies lie (allocate.h) */
  void *spare; /* the block of a copy that was closed, for the next one; owned */
  size_t spare_bytes;
} moons__slot;

typedef struct moons__image {
  moons__slot *slot; /* whose state it is; NULL: not taken yet */
  size_t n_bytes;    /* of the arena, as taken */
  char *copy;        /* of the first copied_bytes */
  void *copy_block;  /* the memory that it lies in; owned */
  size_t block_bytes;
  size_t copied_bytes;
  size_t piece_bytes;  /* that are copied at a time */
  size_t frozen_bytes; /* the rest, put back by the system; 0: all is copied */
  size_t kept_bytes;   /* taken from the budget of all states for the copy */
} moons__image;

/* Makes an empty state that may hold `max_bytes` (0: MOONS_ARENA_BYTES). It and its images are taken from the
** budget `all` of all states, which may be NULL. Returns 0 or MOONS_ENOMEM. */
int moons__slot_open(moons__slot *slot, size_t max_bytes, moons__budget *all);

/* From now on memory beside that of the state is made beside this block (allocate.h), which outlives the slot. */
void moons__slot_use(moons__slot *slot, const void *beside);

/* Frees the state; no finalizer runs. Its images were closed before. Does nothing for a slot that is not open. */
void moons__slot_close(moons__slot *slot);

/* Collects garbage, then keeps the state as it is in the slot, its stack too. May be called again for a later state of the same
** slot. Where the image is frozen in part, no other may be put into the slot. Returns 0 or MOONS_ENOMEM. */
int moons__image_take(moons__image *image, moons__slot *slot);

/* The same, copied whole however large it is: other images of the slot may take turns with it, each of at most
** MOONS_ARENA_KEEP_BYTES, which a slot always keeps room for. */
int moons__image_take_copy(moons__image *image, moons__slot *slot);

/* Leaves the copy's memory to the slot, for the next copy. Does nothing for an image that was not taken. */
void moons__image_close(moons__image *image);

/* What it holds: the copy, with the room around it, and the pages that the system puts back. */
size_t moons__image_bytes(const moons__image *image);

/* Puts the state back as it was taken, whatever has become of it, lua_close included. */
void moons__image_restore(const moons__image *image);

#endif
