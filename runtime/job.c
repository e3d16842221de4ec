#include "job.h"

#include <stddef.h>

static void append(moons__chunk_list *list, moons__work *chunk) {
  chunk->next = NULL;
  if (list->last != NULL)
    list->last->next = chunk;
  else
    list->first = chunk;
  list->last = chunk;
}

static moons__work *remove_first(moons__chunk_list *list) {
  moons__work *chunk = list->first;
  if (chunk == NULL) return NULL;
  list->first = chunk->next;
  if (list->first == NULL) list->last = NULL;
  return chunk;
}

static int fails_before(const moons__work *a, const moons__work *b) {
  if (a->task.failed != b->task.failed) return a->task.failed;
  return a->task.failed && a->task.first_failed < b->task.first_failed;
}

/* Puts failed chunks at the front, ordered by their first failure; others at the end. */
static void insert_finished(moons__chunk_list *list, moons__work *chunk) {
  if (!chunk->task.failed) {
    append(list, chunk);
    return;
  }
  moons__work **at = &list->first;
  while (*at != NULL && !fails_before(chunk, *at))
    at = &(*at)->next;
  chunk->next = *at;
  *at = chunk;
  if (chunk->next == NULL) list->last = chunk;
}

void moons__job_put(moons__job *job, moons__work *chunk) {
  append(&job->waiting, chunk);
  job->n_waiting++;
}

moons__work *moons__job_start(moons__job *job) {
  if (job->stopped || job->n_running >= job->max_running) return NULL;
  moons__work *chunk = remove_first(&job->waiting);
  if (chunk == NULL) return NULL;
  job->n_waiting--;
  job->n_running++;
  return chunk;
}

void moons__job_finish(moons__job *job, moons__work *chunk) {
  job->n_running--;
  job->n_finished++;
  insert_finished(&job->finished, chunk);
  if (chunk->task.failed && !job->collect) moons__job_stop(job);
}

void moons__job_return(moons__job *job) { job->n_running--; }

void moons__job_stop(moons__job *job) { job->stopped = 1; }

moons__work *moons__job_drop(moons__job *job) {
  moons__work *chunk = job->stopped ? remove_first(&job->waiting) : NULL;
  if (chunk != NULL) job->n_waiting--;
  return chunk;
}

moons__work *moons__job_take(moons__job *job) {
  moons__work *chunk = remove_first(&job->finished);
  if (chunk != NULL) job->n_finished--;
  return chunk;
}
