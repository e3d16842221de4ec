/*
** A state as it starts: built once, put back for each call.
**
** The state lies in an arena. Taking the image keeps what the arena holds; restoring puts that
** back, at the same address, so that every pointer in it is right again. Small images are copied.
** Of large ones only the start is copied, and the rest is put back by the system (pages.h), which
** costs in proportion to what the call wrote. An image is used by one thread at a time.
*/
#ifndef MOONS_STATE_IMAGE_H
#define MOONS_STATE_IMAGE_H

#include <lua.h>
#include <stddef.h>

#include "state/arena.h"

typedef struct moons__image {
  moons__arena arena;
  lua_State *L;     /* the state; the same address for the image's whole life */
  size_t n_bytes;   /* of the arena, as taken; 0: not taken yet */
  char *copy;       /* of the first copied_bytes */
  void *copy_block; /* the memory that it lies in; owned */
  size_t copied_bytes;
  size_t piece_bytes;  /* that are copied at a time */
  size_t frozen_bytes; /* the rest, put back by the system; 0: all is copied */
  size_t kept_bytes;   /* taken from the budget of all states for the copy */
} moons__image;

/* Makes an empty state that may hold `max_bytes` (0: MOONS_ARENA_BYTES). It and its image are taken from the
** budget `all` of all states, which may be NULL. Returns 0 or MOONS_ENOMEM. */
int moons__image_open(moons__image *image, size_t max_bytes, moons__budget *all);

/* Frees state and image; no finalizer runs. Does nothing for an image that is not open. */
void moons__image_close(moons__image *image);

/* Collects garbage, then keeps the state as it is. May be called again for a later state. The
** stack of `L` is kept too. Returns 0 or MOONS_ENOMEM. */
int moons__image_take(moons__image *image);

/* Puts the state back as it was taken, whatever has become of it, lua_close included. */
void moons__image_restore(moons__image *image);

#endif
