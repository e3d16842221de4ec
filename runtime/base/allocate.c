/*
** Before a block stands who has given it, and its size, which such functions want to know. So whoever frees it need not know
** whose it is.
*/
#include "base/allocate.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct origin {
  _Alignas(max_align_t) moons__alloc alloc; /* NULL: malloc */
  void *data;
  size_t n_bytes; /* of all, with this */
} origin;

static const origin MALLOC = {.alloc = NULL};

static const origin *origin_of(const void *block) {
  return block != NULL ? (const origin *)block - 1 : &MALLOC;
}

static int is_too_much(size_t n_bytes) { return n_bytes > SIZE_MAX / 2; }

static void *begin(origin *o, const origin *like, size_t n_bytes) {
  if (o == NULL) return NULL;
  *o = (origin){.alloc = like->alloc, .data = like->data, .n_bytes = n_bytes};
  return o + 1;
}

static void *make(const origin *like, size_t n_bytes) {
  if (is_too_much(n_bytes)) return NULL;
  n_bytes += sizeof(origin);
  origin *o = like->alloc != NULL ? like->alloc(like->data, NULL, 0, n_bytes) : malloc(n_bytes);
  return begin(o, like, n_bytes);
}

/* malloc may know that what it gives is zero already. */
static void *make_zeros(const origin *like, size_t n_bytes) {
  if (is_too_much(n_bytes)) return NULL;
  if (like->alloc == NULL)
    return begin(calloc(1, n_bytes + sizeof(origin)), like, n_bytes + sizeof(origin));
  void *block = make(like, n_bytes);
  if (block != NULL) memset(block, 0, n_bytes);
  return block;
}

void *moons__allocate_by(moons__alloc alloc, void *data, size_t n_bytes) {
  return make_zeros(&(const origin){.alloc = alloc, .data = data}, n_bytes);
}

void *moons__allocate(const void *beside, size_t n_bytes) {
  return make(origin_of(beside), n_bytes);
}

void *moons__allocate_zeros(const void *beside, size_t n_bytes) {
  return make_zeros(origin_of(beside), n_bytes);
}

char *moons__allocate_copy(const void *beside, const char *text) {
  size_t n_bytes = strlen(text) + 1;
  char *copy = moons__allocate(beside, n_bytes);
  if (copy != NULL) memcpy(copy, text, n_bytes);
  return copy;
}

void *moons__reallocate(const void *beside, void *block, size_t n_bytes) {
  if (block == NULL) return moons__allocate(beside, n_bytes);
  if (is_too_much(n_bytes)) return NULL;
  origin *old = (origin *)block - 1, like = *old;
  n_bytes += sizeof(origin);
  origin *o = like.alloc != NULL ? like.alloc(like.data, old, like.n_bytes, n_bytes)
                                 : realloc(old, n_bytes);
  return begin(o, &like, n_bytes);
}

void moons__free(void *block) {
  if (block == NULL) return;
  origin *o = (origin *)block - 1;
  if (o->alloc != NULL)
    o->alloc(o->data, o, o->n_bytes, 0);
  else
    free(o);
}
