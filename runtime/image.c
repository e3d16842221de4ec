#include "image.h"

#include <stdlib.h>
#include <string.h>

#include "limits.h"
#include "moons.h"
#include "pages.h"

enum { USUAL_PAUSE = 200, MAX_PAUSE = 1000 }; /* percent; Lua's default, and the most it can keep */

int moons__image_open(moons__image *image, size_t max_bytes) {
  *image = (moons__image){0};
  int error = moons__arena_open(&image->arena, max_bytes);
  if (error) return error;
  image->L = lua_newstate(moons__arena_alloc, &image->arena);
  if (image->L == NULL) {
    moons__image_close(image);
    return MOONS_ENOMEM;
  }
  return 0;
}

void moons__image_close(moons__image *image) {
  moons__arena_close(&image->arena);
  free(image->copy);
  *image = (moons__image){0};
}

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

static int copy_bytes(moons__image *image, size_t n_bytes) {
  char *copy = malloc(n_bytes);
  if (copy == NULL) return MOONS_ENOMEM;
  memcpy(copy, image->arena.heap, n_bytes);
  free(image->copy);
  image->copy = copy;
  image->copied_bytes = n_bytes;
  return 0;
}

static int freeze_beyond(moons__image *image, size_t hot_bytes) {
  size_t page = moons__pages_size();
  size_t end = (image->n_bytes + page - 1) / page * page;
  int error = moons__pages_freeze((char *)image->arena.heap + hot_bytes, end - hot_bytes);
  if (!error) image->frozen_bytes = end - hot_bytes;
  return error;
}

int moons__image_take(moons__image *image) {
  collect(image->L);
  image->n_bytes = moons__arena_used_bytes(&image->arena);
  image->frozen_bytes = 0;
  if (image->n_bytes >= MOONS_COW_MIN_BYTES && !freeze_beyond(image, MOONS_COW_HOT_BYTES))
    return copy_bytes(image, MOONS_COW_HOT_BYTES);
  return copy_bytes(image, image->n_bytes);
}

void moons__image_restore(moons__image *image) {
  char *start = (char *)image->arena.heap;
  memcpy(start, image->copy, image->copied_bytes);
  if (image->frozen_bytes > 0) moons__pages_thaw(start + image->copied_bytes, image->frozen_bytes);
  moons__arena_trim(&image->arena, image->n_bytes + MOONS_ARENA_KEEP_BYTES);
}
