/*
** Chunks run in the order in which they came, at most as many at a time as the job may have workers. Failed ones come home
** first, the lowest index before others, so that the error that is raised is the lowest known by then. Nothing here locks or
** wakes anybody: owner.c does.
*/
#include "schedule/job.h"

#include <stddef.h>

static int fails_before(const moons__chunk *a, const moons__chunk *b) {
  if (a->failed != b->failed) return a->failed;
  return a->failed && a->first_failed < b->first_failed;
}

/* Puts failed chunks at the front, ordered by their first failure; others at the end. Few fail, so a walk is short. */
static void insert_finished(moons__chunk_list *list, moons__chunk *chunk) {
  if (!chunk->failed) {
    moons__chunk_append(list, chunk);
    return;
  }
  moons__chunk *before = NULL, *at = list->first;
  for (; at != NULL && !fails_before(chunk, at); at = at->next)
    before = at;
  moons__chunk_insert(list, before, chunk);
}

/* The chain of chunks that were started. */

static void begin_running(moons__job *job, moons__chunk *chunk) {
  chunk->before_of_owner = NULL;
  chunk->next_of_owner = job->running;
  if (job->running != NULL) job->running->before_of_owner = chunk;
  job->running = chunk;
  job->n_running++;
}

static void end_running(moons__job *job, moons__chunk *chunk) {
  moons__chunk *before = chunk->before_of_owner, *next = chunk->next_of_owner;
  *(before != NULL ? &before->next_of_owner : &job->running) = next;
  if (next != NULL) next->before_of_owner = before;
  job->n_running--;
}

void moons__job_put(moons__job *job, moons__chunk *chunk) {
  moons__chunk_append(&job->waiting, chunk);
}

void moons__job_put_rest(moons__job *job, moons__chunk *chunk) {
  moons__chunk_prepend(&job->waiting, chunk);
}

moons__chunk *moons__job_start(moons__job *job) {
  if (job->stopped || job->n_running >= job->max_running) return NULL;
  moons__chunk *chunk = moons__chunk_take(&job->waiting);
  if (chunk != NULL) begin_running(job, chunk);
  return chunk;
}

unsigned moons__job_idle(const moons__job *job) {
  return job->stopped || job->waiting.n > 0 ? 0 : job->max_running - job->n_running;
}

void moons__job_finish(moons__job *job, moons__chunk *chunk) {
  end_running(job, chunk);
  insert_finished(&job->finished, chunk);
  if (chunk->found || (chunk->failed && !job->collect)) moons__job_stop(job);
}

void moons__job_return(moons__job *job, moons__chunk *chunk) { end_running(job, chunk); }

void moons__job_stop(moons__job *job) { job->stopped = 1; }

moons__chunk *moons__job_drop(moons__job *job) {
  return job->stopped ? moons__chunk_take(&job->waiting) : NULL;
}

moons__chunk *moons__job_take(moons__job *job) { return moons__chunk_take(&job->finished); }
