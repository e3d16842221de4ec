/*
** Chunks run in the order in which they came. Failed ones come home first, the lowest index before others, so that the
** error that is raised is the lowest known by then.
*/
#include "schedule/job.h"

#include <stddef.h>

static int fails_before(const moons__work *a, const moons__work *b) {
  if (a->task.failed != b->task.failed) return a->task.failed;
  return a->task.failed && a->task.first_failed < b->task.first_failed;
}

/* Puts failed chunks at the front, ordered by their first failure; others at the end. */
static void insert_finished(moons__work_list *list, moons__work *chunk) {
  if (!chunk->task.failed) {
    moons__work_append(list, chunk);
    return;
  }
  moons__work *before = NULL, *at = list->first;
  for (; at != NULL && !fails_before(chunk, at); at = at->next)
    before = at;
  moons__work_insert(list, before, chunk);
}

/* The chain of chunks that were started. */

static void begin_running(moons__job *job, moons__work *chunk) {
  chunk->before_of_owner = NULL;
  chunk->next_of_owner = job->running;
  if (job->running != NULL) job->running->before_of_owner = chunk;
  job->running = chunk;
  job->n_running++;
}

static void end_running(moons__job *job, moons__work *chunk) {
  moons__work *before = chunk->before_of_owner, *next = chunk->next_of_owner;
  *(before != NULL ? &before->next_of_owner : &job->running) = next;
  if (next != NULL) next->before_of_owner = before;
  job->n_running--;
}

void moons__job_put(moons__job *job, moons__work *chunk) {
  moons__work_append(&job->waiting, chunk);
}

void moons__job_put_rest(moons__job *job, moons__work *chunk) {
  moons__work_prepend(&job->waiting, chunk);
}

moons__work *moons__job_start(moons__job *job) {
  if (job->stopped || job->n_running >= job->max_running) return NULL;
  moons__work *chunk = moons__work_take(&job->waiting);
  if (chunk != NULL) begin_running(job, chunk);
  return chunk;
}

unsigned moons__job_idle(const moons__job *job) {
  return job->stopped || job->waiting.n > 0 ? 0 : job->max_running - job->n_running;
}

void moons__job_finish(moons__job *job, moons__work *chunk) {
  end_running(job, chunk);
  insert_finished(&job->finished, chunk);
  if (chunk->task.found || (chunk->task.failed && !job->collect)) moons__job_stop(job);
}

void moons__job_return(moons__job *job, moons__work *chunk) { end_running(job, chunk); }

void moons__job_stop(moons__job *job) { job->stopped = 1; }

moons__work *moons__job_drop(moons__job *job) {
  return job->stopped ? moons__work_take(&job->waiting) : NULL;
}

moons__work *moons__job_take(moons__job *job) { return moons__work_take(&job->finished); }
