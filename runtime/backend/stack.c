/*
** A worker is added when a call waits for a map for the first time at its depth, and stays. What others may look at
** changes under the mutex alone: which chunk a worker runs, and the list of workers. The thread itself reads them
** without it: others change nothing but the chunks of a thread that they give up.
*/
#include "backend/stack.h"

#include <stdlib.h>

#include "base/allocate.h"
#include "moons.h"
#include "sizes.h"

/* The thread of the stack. */

/* Opens one more worker. The mutex is held, or nobody else looks yet: the stations may move. */
static int add_station(moons__stack *s, const moons__worker *outer) {
  moons__station *stations =
      moons__reallocate(s->config->beside, s->stations, (s->n_stations + 1) * sizeof *stations);
  if (stations == NULL) return MOONS_ENOMEM;
  s->stations = stations;
  moons__station *new = &stations[s->n_stations];
  *new = (moons__station){.worker = NULL};
  if (moons__worker_open(&new->worker, s->config, outer)) return MOONS_ENOMEM;
  moons__worker_number(new->worker, s->number, s->seat, s->row);
  s->n_stations++;
  return 0;
}

int moons__stack_open(moons__stack *s) { return add_station(s, NULL); }

int moons__stack_prepare(moons__stack *s) {
  if (s->n_busy < s->n_stations) return 0;
  uv_mutex_lock(s->mutex);
  int error = add_station(s, s->stations[s->n_busy - 1].worker);
  uv_mutex_unlock(s->mutex);
  return error;
}

/* Says which chunk a station runs, NULL at its end: from then on it cannot be cancelled. Whoever cancels finds the chunk by
** its owner under this mutex, so a cancel that comes late is taken back here and cannot meet the next chunk. */
static void set_chunk(const moons__stack *s, moons__station *station, moons__chunk *chunk) {
  uv_mutex_lock(s->mutex);
  station->chunk = chunk;
  if (chunk == NULL) moons__worker_cancel(station->worker, 0);
  uv_mutex_unlock(s->mutex);
}

/* The worker learns of the plan before it runs, and then the watcher is nudged: a timeout must be known before its time has
** begun. */
int moons__stack_run(moons__stack *s, moons__chunk *chunk) {
  moons__station *station = &s->stations[s->n_busy++];
  moons__worker *worker = station->worker; /* stations may move while a call adds one */
  station->depth = chunk->depth;
  station->start_ns = uv_hrtime();
  set_chunk(s, station, chunk);
  if (moons__worker_expect(worker, chunk->plan)) moons__alarm_nudge(s->alarm);
  return moons__worker_run(worker, chunk);
}

/* Waits until whoever gives the thread up, which is done under the mutex, has taken all from it. */
static void wait_for_loss(const moons__stack *s) {
  uv_mutex_lock(s->mutex);
  uv_mutex_unlock(s->mutex);
}

void moons__stack_finish(moons__stack *s, moons__chunk *chunk, int is_given_up) {
  moons__station *station = &s->stations[--s->n_busy];
  station->depth = 0;
  if (is_given_up) {
    wait_for_loss(s);
    return;
  }
  chunk->begun_ns = station->start_ns;
  chunk->busy_ns = uv_hrtime() - station->start_ns;
  set_chunk(s, station, NULL);
  chunk->done(chunk);
}

const moons__station *moons__stack_here(const moons__stack *s) {
  return &s->stations[s->n_busy > 0 ? s->n_busy - 1 : 0];
}

void moons__stack_rest(const moons__stack *s) {
  for (unsigned i = 0; i < s->n_stations; i++)
    moons__worker_rest(s->stations[i].worker);
}

/* A state that was kept runs finalizers when it is closed, and these may never end. They count as told to end at once, so
** that the watcher gives the thread up half a second later. */
void moons__stack_end(const moons__stack *s) {
  int keeps_state = 0;
  uv_mutex_lock(s->mutex);
  for (unsigned i = 0; i < s->n_stations; i++) {
    if (!moons__worker_keeps_state(s->stations[i].worker)) continue;
    moons__worker_cancel(s->stations[i].worker, uv_hrtime());
    keeps_state = 1;
  }
  uv_mutex_unlock(s->mutex);
  if (keeps_state) moons__alarm_nudge(s->alarm);
  for (unsigned i = 0; i < s->n_stations; i++) {
    moons__worker_end(s->stations[i].worker);
    if (moons__worker_is_lost(s->stations[i].worker)) wait_for_loss(s);
  }
}

void moons__stack_close(moons__stack *s) {
  for (unsigned i = 0; i < s->n_stations; i++)
    moons__worker_close(s->stations[i].worker);
  moons__free(s->stations);
}

/* Another thread. */

/* The innermost station that runs a chunk; where none does, the thread ends, and any may be closing a state. */
static int is_innermost(const moons__stack *s, unsigned i) {
  for (unsigned k = i + 1; k < s->n_stations; k++)
    if (s->stations[k].chunk != NULL) return 0;
  return s->stations[i].chunk != NULL || s->stations[0].chunk == NULL;
}

/* A call that does not end because of one within it is not given up: that one is, and all others with it. */
uint64_t moons__stack_watch(const moons__stack *s, uint64_t now_ns) {
  uint64_t next_ns = UINT64_MAX;
  for (unsigned i = 0; i < s->n_stations; i++) {
    uint64_t at_ns = moons__worker_watch(s->stations[i].worker, now_ns);
    if (at_ns == 0 && !is_innermost(s, i)) at_ns = now_ns + MOONS_LOOK_NS; /* for what runs in it */
    if (at_ns < next_ns) next_ns = at_ns;
  }
  return next_ns;
}

int moons__stack_cancel(const moons__stack *s, const void *owner, uint64_t now_ns) {
  int found = 0;
  for (unsigned i = 0; i < s->n_stations; i++) {
    const moons__station *station = &s->stations[i];
    if (station->chunk == NULL || station->chunk->owner != owner) continue;
    moons__worker_cancel(station->worker, now_ns);
    found = 1;
  }
  return found;
}

moons__chunk *moons__stack_share(const moons__stack *s, const void *owner, unsigned n_sharers) {
  moons__chunk *rest = NULL;
  for (unsigned i = 0; i < s->n_stations && rest == NULL; i++) {
    const moons__station *station = &s->stations[i];
    if (station->chunk != NULL && station->chunk->owner == owner)
      rest = moons__worker_share(station->worker, n_sharers);
  }
  return rest;
}

/* The innermost call first, for that one is held while it is given up, so that it cannot end meanwhile; the others wait for
** it, and so cannot run. */
int moons__stack_give_up(const moons__stack *s, uint64_t now_ns, moons__chunk_list *given_up) {
  int is_given_up = 0;
  for (unsigned i = s->n_stations; i-- > 0 && !is_given_up;)
    is_given_up = is_innermost(s, i) && moons__worker_give_up(s->stations[i].worker, 0);
  if (!is_given_up) return 0;
  for (unsigned i = s->n_stations; i-- > 0;) {
    moons__station *station = &s->stations[i];
    moons__worker_give_up(station->worker, 1);
    if (station->chunk == NULL) continue;
    station->chunk->begun_ns = station->start_ns;
    station->chunk->busy_ns = now_ns - station->start_ns;
    moons__chunk_append(given_up, station->chunk);
    station->chunk = NULL;
  }
  return 1;
}
