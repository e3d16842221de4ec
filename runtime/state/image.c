/*
** Up to a megabyte the image is copied back; beyond that only its start is, and the system puts back the pages that
** were written to. An image is taken after a full collection, with the collector's pause set so that small states
** seldom collect in a call.
*/
#include "state/image.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/allocate.h"
#include "moons.h"
#include "sizes.h"
#include "system/pages.h"

enum { COPY_OFFSET = 1024, PIECE_BYTES = 2 << 10, LONG_BYTES = 28 << 10 };
enum { ROOM_SHARE = 8 };                      /* of a copy: how much room there may be beside it */
enum { USUAL_PAUSE = 200, MAX_PAUSE = 1000 }; /* percent; Lua's default, and the most it can keep */

int moons__slot_open(moons__slot *slot, size_t max_bytes, moons__budget *all) {
  *slot = (moons__slot){0};
  int error = moons__arena_open(&slot->arena, max_bytes, all);
  if (error) return error;
  slot->L = lua_newstate(moons__arena_alloc, &slot->arena);
  if (slot->L != NULL) return 0;
  moons__slot_close(slot);
  return MOONS_ENOMEM;
}

void moons__slot_use(moons__slot *slot, const void *beside) {
  slot->beside = beside;
  slot->arena.userdata.beside = beside;
}

void moons__slot_close(moons__slot *slot) {
  moons__free(slot->spare);
  moons__arena_close(&slot->arena);
  *slot = (moons__slot){0};
}

/* {== Copies ================================================================================== */

/* Programs that take turns have images alike, of which one goes when the next comes. What else is made in between would lie
** in the place of the old one, and the new one had to lie elsewhere: memory that fits is kept for it. */
static void leave_block(moons__image *image) {
  moons__slot *slot = image->slot;
  moons__free(slot->spare);
  slot->spare = image->copy_block;
  slot->spare_bytes = image->block_bytes;
}

/* Memory for a copy: what is kept where it fits and is not much too large. */
static void *get_block(moons__slot *slot, size_t *n_bytes) {
  size_t has_bytes = slot->spare_bytes;
  if (slot->spare == NULL || has_bytes < *n_bytes || has_bytes - *n_bytes > *n_bytes / ROOM_SHARE)
    return moons__allocate(slot->beside, *n_bytes);
  void *block = slot->spare;
  slot->spare = NULL;
  *n_bytes = has_bytes;
  return block;
}

/* The copy begins COPY_OFFSET bytes into a page, and the state at the start of one: where both lie at
** the same offset, the processor takes loads from the one for loads of what it has just stored to the
** other, and waits (4K aliasing; measured: 5% of a call). */
static int copy_bytes(moons__image *image, size_t n_bytes) {
  size_t page = moons__pages_size();
  size_t block_bytes = n_bytes + page;
  char *block = get_block(image->slot, &block_bytes);
  if (block == NULL) return MOONS_ENOMEM;
  moons__free(image->copy_block);
  image->copy_block = block;
  image->block_bytes = block_bytes;
  image->copy = block + (page + COPY_OFFSET - (uintptr_t)block % page) % page;
  image->copied_bytes = n_bytes;
  image->piece_bytes = n_bytes > LONG_BYTES ? n_bytes : PIECE_BYTES;
  memcpy(image->copy, image->slot->arena.heap, n_bytes);
  return 0;
}

void moons__image_close(moons__image *image) {
  moons__slot *slot = image->slot;
  if (slot != NULL) moons__budget_give(slot->arena.all, image->kept_bytes);
  if (slot != NULL && slot->holds == image) slot->holds = NULL;
  if (slot != NULL && image->copy_block != NULL) leave_block(image);
  *image = (moons__image){0};
}

size_t moons__image_bytes(const moons__image *image) {
  return image->n_bytes + (image->block_bytes - image->copied_bytes);
}

/* {== Taking ================================================================================== */

/* A full collection leaves the collector to start again after the state has grown by the pause
** that is set then, so the pause is raised just for it where the state is small. */
static void collect(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  size_t n_bytes = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024 + 1;
  size_t percent = 100 + 100 * MOONS_FIRST_COLLECTION_BYTES / n_bytes;
  if (percent <= USUAL_PAUSE) return;
  int usual_pause = lua_gc(L, LUA_GCSETPAUSE, percent < MAX_PAUSE ? (int)percent : MAX_PAUSE);
  lua_gc(L, LUA_GCCOLLECT);
  lua_gc(L, LUA_GCSETPAUSE, usual_pause);
}

/* The pages from `hot_bytes` on: the system puts back those that a call writes to. */
static int freeze_beyond(moons__image *image, size_t hot_bytes) {
  size_t page = moons__pages_size();
  size_t end = (image->n_bytes + page - 1) / page * page;
  int error = moons__pages_freeze((char *)image->slot->arena.heap + hot_bytes, end - hot_bytes);
  if (!error) image->frozen_bytes = end - hot_bytes;
  return error;
}

/* A small copy is always to be had, as a small state is. */
static int take_from_budget(moons__image *image) {
  const moons__arena *arena = &image->slot->arena;
  moons__budget_give(arena->all, image->kept_bytes);
  image->kept_bytes = 0;
  if (image->n_bytes <= MOONS_COMMIT_BYTES)
    moons__budget_force(arena->all, image->n_bytes);
  else if (moons__budget_take(arena->all, image->n_bytes, arena->all_bytes))
    return MOONS_ENOMEM;
  image->kept_bytes = image->n_bytes;
  return 0;
}

/* Begins to take an image: collects, and says how much there is to keep. */
static int begin(moons__image *image, moons__slot *slot) {
  collect(slot->L);
  image->slot = slot;
  slot->holds = image;
  image->n_bytes = moons__arena_used_bytes(&slot->arena);
  image->frozen_bytes = 0;
  return take_from_budget(image);
}

int moons__image_take_copy(moons__image *image, moons__slot *slot) {
  if (begin(image, slot)) return MOONS_ENOMEM;
  return copy_bytes(image, image->n_bytes);
}

int moons__image_take(moons__image *image, moons__slot *slot) {
  if (begin(image, slot)) return MOONS_ENOMEM;
  if (image->n_bytes >= MOONS_COW_MIN_BYTES && !freeze_beyond(image, MOONS_COW_HOT_BYTES))
    return copy_bytes(image, MOONS_COW_HOT_BYTES);
  return copy_bytes(image, image->n_bytes);
}

/* {== Putting back ============================================================================ */

/* Copies up to LONG_BYTES in pieces. For more than PIECE_BYTES glibc's memcpy turns to `rep movsb`, which takes long to
** start: of 4 to 28 KB it is 15 to 32% slower than pieces. So is what a compiler makes of a constant size, hence the field. */
static void copy_back(const moons__image *image, char *start) {
  const char *from = image->copy;
  size_t left = image->copied_bytes, piece = image->piece_bytes;
  for (; left > piece; left -= piece, start += piece, from += piece)
    memcpy(start, from, piece);
  memcpy(start, from, left);
}

void moons__image_restore(const moons__image *image) {
  moons__slot *slot = image->slot;
  char *start = (char *)slot->arena.heap;
  copy_back(image, start);
  if (image->frozen_bytes > 0) moons__pages_thaw(start + image->copied_bytes, image->frozen_bytes);
  moons__arena_trim(&slot->arena, image->n_bytes + MOONS_ARENA_KEEP_BYTES);
  slot->holds = image;
}
