/*
** Blocks are counted apart from what reads them: a call that was given up may hold its block for ever, but counts as a reader no
** more. Large blocks lie on large pages where the system has them, and cost nothing before they are touched.
*/
#include "system/shared.h"

#include <stdlib.h>

#include "base/allocate.h"
#include "moons.h"
#include "system/blocks.h"

static char *zeros(const void *beside, size_t n_bytes) {
  if (n_bytes < MOONS_LARGE_BLOCK_BYTES) return moons__allocate_zeros(beside, n_bytes);
  return moons__block_zeros(n_bytes);
}

static void free_bytes(char *bytes, size_t n_bytes) {
  if (n_bytes < MOONS_LARGE_BLOCK_BYTES)
    moons__free(bytes);
  else
    moons__block_resize(bytes, n_bytes, 0);
}

static atomic_uint_least64_t last_id;

void moons__shared_number_from(uint64_t number) { atomic_store(&last_id, number); }

/* Makes a block of no bytes yet. */
static moons__shared *new_block(const void *beside, size_t n_bytes) {
  moons__shared *block = moons__allocate_zeros(beside, sizeof *block);
  if (block == NULL) return NULL;
  block->n_bytes = n_bytes;
  block->id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
  atomic_init(&block->n_users, 1);
  atomic_init(&block->n_watchers, 1);
  atomic_init(&block->changes, MOONS__CHANGED);
  return block;
}

moons__shared *moons__shared_new(const void *beside, size_t n_bytes) {
  moons__shared *block = new_block(beside, n_bytes);
  if (block == NULL) return NULL;
  block->bytes = zeros(block, n_bytes);
  if (block->bytes != NULL) return block;
  moons__free(block);
  return NULL;
}

moons__shared *moons__shared_of(const void *beside, char *bytes, size_t n_bytes, uint64_t id) {
  moons__shared *block = new_block(beside, n_bytes);
  if (block == NULL) return NULL;
  block->id = id;
  block->bytes = bytes;
  return block;
}

/* Relaxed: whoever shares is, or stands beside, a user already, so it cannot go meanwhile. */
moons__shared *moons__shared_share(moons__shared *block) {
  atomic_fetch_add_explicit(&block->n_users, 1, memory_order_relaxed);
  return block;
}

/* Releasing orders what each user did before what the last one frees. */
void moons__shared_release(moons__shared *block) {
  if (block == NULL) return;
  if (atomic_fetch_sub_explicit(&block->n_users, 1, memory_order_acq_rel) > 1) return;
  struct moons__shared_file *file = atomic_load(&block->file);
  if (file == NULL || block->close_file(file, block->bytes))
    free_bytes(block->bytes, block->n_bytes);
  block->bytes = NULL;
  moons__shared_unwatch(block);
}

moons__shared *moons__shared_watch(moons__shared *block) {
  atomic_fetch_add_explicit(&block->n_watchers, 1, memory_order_relaxed);
  return block;
}

void moons__shared_unwatch(moons__shared *block) {
  if (atomic_fetch_sub_explicit(&block->n_watchers, 1, memory_order_acq_rel) > 1) return;
  moons__free(block);
}

int moons__shared_has_gone(const moons__shared *block) {
  return atomic_load_explicit(&block->n_users, memory_order_acquire) == 0;
}

/* Lists. */

enum { FIRST_CAPACITY = 4 };

/* Makes room for one more. */
static int need_room(moons__shared_list **list, const moons__shared *beside) {
  moons__shared_list *l = *list;
  if (l != NULL && l->n < l->capacity) return 0;
  unsigned capacity = l != NULL ? 2 * l->capacity : FIRST_CAPACITY;
  moons__shared_list *grown =
      moons__reallocate(beside, l, sizeof *grown + capacity * sizeof grown->blocks[0]);
  if (grown == NULL) return MOONS_ENOMEM;
  if (l == NULL) {
    atomic_init(&grown->n_users, 1);
    grown->n = 0;
  }
  grown->capacity = capacity;
  *list = grown;
  return 0;
}

int moons__shared_list_add(moons__shared_list **list, moons__shared *block) {
  if (need_room(list, block)) return MOONS_ENOMEM;
  (*list)->blocks[(*list)->n++] = moons__shared_share(block);
  return 0;
}

int moons__shared_list_add_all(moons__shared_list **list, const moons__shared_list *others) {
  for (unsigned i = 0; others != NULL && i < others->n; i++)
    if (moons__shared_list_add(list, others->blocks[i])) return MOONS_ENOMEM;
  return 0;
}

moons__shared *moons__shared_list_find(const moons__shared_list *list, uint64_t id) {
  for (unsigned i = 0; list != NULL && i < list->n; i++)
    if (list->blocks[i]->id == id) return list->blocks[i];
  return NULL;
}

void moons__shared_list_remove(moons__shared_list *list, uint64_t id) {
  unsigned i = 0;
  while (list != NULL && i < list->n && list->blocks[i]->id != id)
    i++;
  if (list == NULL || i == list->n) return;
  moons__shared_release(list->blocks[i]);
  list->blocks[i] = list->blocks[--list->n];
}

moons__shared_list *moons__shared_list_share(moons__shared_list *list) {
  if (list != NULL) atomic_fetch_add_explicit(&list->n_users, 1, memory_order_relaxed);
  return list;
}

void moons__shared_list_release(moons__shared_list *list) {
  if (list == NULL) return;
  if (atomic_fetch_sub_explicit(&list->n_users, 1, memory_order_acq_rel) > 1) return;
  for (unsigned i = 0; i < list->n; i++)
    moons__shared_release(list->blocks[i]);
  moons__free(list);
}

void moons__shared_list_begin_reading(const moons__shared_list *list) {
  for (unsigned i = 0; list != NULL && i < list->n; i++)
    atomic_fetch_add_explicit(&list->blocks[i]->n_readers, 1, memory_order_relaxed);
}

/* Release: who finds no reader left may write, after all that was read. */
void moons__shared_list_end_reading(const moons__shared_list *list) {
  for (unsigned i = 0; list != NULL && i < list->n; i++)
    atomic_fetch_sub_explicit(&list->blocks[i]->n_readers, 1, memory_order_release);
}
