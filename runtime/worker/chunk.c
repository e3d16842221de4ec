/*
** Lists are chains with a tail: chunks are appended, taken from the front, and seldom withdrawn. A list knows how many it
** has, so a backend can tell without walking. A chunk is in one list at most, by `next` and `before`; beside that its owner
** has a chain of all that it has submitted, which the list knows nothing of. Nothing here locks: the backend's lock guards
** its queue and `is_queued`, the owner's lock the chain.
*/
#include "worker/chunk.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/allocate.h"
#include "worker/scope.h"

void moons__chunk_enter_scope(moons__chunk *chunk) {
  chunk->is_in_scope = chunk->plan->scope != NULL;
  if (chunk->is_in_scope) moons__scope_begin_chunk(chunk->plan->scope);
}

void moons__chunk_leave_scope(moons__chunk *chunk) {
  if (chunk->is_in_scope) moons__scope_end_chunk(chunk->plan->scope);
  chunk->is_in_scope = 0;
}

/* Arguments are not divided: `bytes` are those of all calls, and the second chunk skips what comes before its first one. So
** nobody has to know where the arguments of each begin. What has become of calls stays with the first chunk, and so does
** `counted_bytes`, unless the caller moves it. */
moons__chunk *moons__chunk_cut(moons__chunk *chunk, uint32_t n_kept, char *bytes) {
  moons__chunk *rest = moons__allocate_zeros(bytes, sizeof *rest);
  if (rest == NULL) return NULL;
  *rest = (moons__chunk){.plan = chunk->plan,
                         .first = chunk->first + n_kept,
                         .n_calls = chunk->n_calls - n_kept,
                         .n_skipped = chunk->n_skipped + n_kept,
                         .n_losses = chunk->n_losses,
                         .host = chunk->host,
                         .n_bytes = chunk->n_bytes,
                         .shared = moons__shared_list_share(chunk->shared),
                         .owner = chunk->owner,
                         .done = chunk->done,
                         .parted = chunk->parted,
                         .n_workers = chunk->n_workers,
                         .line = chunk->line,
                         .depth = chunk->depth};
  moons__shared_list_begin_reading(rest->shared);
  rest->bytes = bytes;
  chunk->n_calls = n_kept;
  return rest;
}

/* Blocks count as read as long as a chunk waits or runs; a call that was given up holds them, but counts no more. */
void moons__chunk_drop_arguments(moons__chunk *chunk) {
  moons__free(chunk->bytes);
  chunk->bytes = NULL;
  moons__shared_list_end_reading(chunk->shared);
  moons__shared_list_release(chunk->shared);
  chunk->shared = NULL;
}

void moons__chunk_insert(moons__chunk_list *list, moons__chunk *before, moons__chunk *chunk) {
  moons__chunk **at = before != NULL ? &before->next : &list->first;
  chunk->next = *at;
  chunk->before = before;
  if (*at != NULL) (*at)->before = chunk;
  *at = chunk;
  if (list->last == before) list->last = chunk;
  list->n++;
}

void moons__chunk_append(moons__chunk_list *list, moons__chunk *chunk) {
  moons__chunk_insert(list, list->last, chunk);
}

void moons__chunk_prepend(moons__chunk_list *list, moons__chunk *chunk) {
  moons__chunk_insert(list, NULL, chunk);
}

void moons__chunk_remove(moons__chunk_list *list, moons__chunk *chunk) {
  *(chunk->before != NULL ? &chunk->before->next : &list->first) = chunk->next;
  *(chunk->next != NULL ? &chunk->next->before : &list->last) = chunk->before;
  list->n--;
}

moons__chunk *moons__chunk_take(moons__chunk_list *list) {
  moons__chunk *chunk = list->first;
  if (chunk != NULL) moons__chunk_remove(list, chunk);
  return chunk;
}

void moons__chunk_enqueue(moons__chunk_list *queue, moons__chunk *chunk) {
  moons__chunk_append(queue, chunk);
  chunk->is_queued = 1;
}

static moons__chunk *take_out(moons__chunk_list *queue, moons__chunk *chunk) {
  if (chunk == NULL) return NULL;
  moons__chunk_remove(queue, chunk);
  chunk->is_queued = 0;
  return chunk;
}

/* Passes over chunks for lower numbers: a job that wants few workers must not hold up those behind it. */
moons__chunk *moons__chunk_dequeue(moons__chunk_list *queue, unsigned worker_number) {
  moons__chunk *chunk = queue->first;
  while (chunk != NULL && chunk->n_workers <= worker_number)
    chunk = chunk->next;
  return take_out(queue, chunk);
}

unsigned moons__chunk_count(const moons__chunk_list *queue, unsigned worker_number,
                            unsigned n_most) {
  unsigned n = 0;
  for (const moons__chunk *chunk = queue->first; chunk != NULL && n < n_most; chunk = chunk->next)
    n += chunk->n_workers > worker_number;
  return n;
}

/* An owner puts each chunk that it submits at the head of its chain, so the last one that is queued has waited longest. */
moons__chunk *moons__chunk_withdraw(moons__chunk_list *queue, moons__chunk *chain) {
  moons__chunk *last = NULL;
  for (; chain != NULL; chain = chain->next_of_owner)
    if (chain->is_queued) last = chain;
  return take_out(queue, last);
}

moons__chunk_list moons__chunk_empty(moons__chunk_list *queue) {
  moons__chunk_list all = *queue;
  for (moons__chunk *chunk = all.first; chunk != NULL; chunk = chunk->next)
    chunk->is_queued = 0;
  *queue = (moons__chunk_list){0};
  return all;
}
