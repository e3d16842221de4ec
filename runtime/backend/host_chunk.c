/*
** A chunk on its way to a host, and what comes home of it. When the host is lost nobody knows how far it had come: so its calls are
** made elsewhere, at least once each, and since one of them may be why, one by one.
*/
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/arrival.h"
#include "backend/cargo.h"
#include "backend/host.h"
#include "wire/batch.h"
#include "worker/outcome.h"
#include "worker/scope.h"

/* {== Taking a chunk ========================================================================== */

/* How many workers of all hosts come before worker number `place` of this one. */
static unsigned count_before(const host *h, unsigned place) {
  const hosts *b = h->backend;
  unsigned n = 0;
  for (unsigned i = 0; i < b->n_hosts; i++) {
    const host *other = &b->hosts[i];
    if (other->phase == PHASE_OUT) continue;
    unsigned n_most = other < h ? place + 1 : place;
    n += other->n_works < n_most ? other->n_works : n_most;
  }
  return n;
}

unsigned moons__host_next_worker(const host *h) {
  if (h->phase != PHASE_UP || h->n_running >= h->n_works) return UINT_MAX;
  return count_before(h, h->n_running);
}

/* Takes a chunk from the queue for a worker that has nothing to do; NULL: there is none for it. The mutex is held. */
static work *take_work(host *h) {
  hosts *b = h->backend;
  unsigned number = moons__host_next_worker(h);
  moons__chunk *chunk = number != UINT_MAX ? moons__chunk_dequeue(&b->queue, number) : NULL;
  if (chunk == NULL) return NULL;
  work *w = h->works;
  while (w->chunk != NULL)
    w++;
  *w = (work){.chunk = chunk, .number = ++h->last_number, .n_workers = ++h->n_running};
  return w;
}

/* Ends the chunk without a host where that must be. Returns 0 where it is to be run. */
static int settle(moons__chunk *chunk) {
  static const char TEXT[] = "%u hosts were lost while they ran it, the last one '%s'";
  char text[sizeof TEXT + MOONS_HOST_BYTES];
  moons__batch_writer none;
  if (atomic_load(&chunk->plan->cancelled)) {
    moons__batch_begin(&none, &chunk->results);
  } else if (chunk->n_losses >= MOONS_HOST_LOSSES && chunk->n_calls == 1) {
    snprintf(text, sizeof text, TEXT, chunk->n_losses, chunk->host != NULL ? chunk->host : "?");
    moons__chunk_refuse(chunk, MOONS__FAILURE_LOST, text);
  } else {
    return 0;
  }
  return 1;
}

/* The arguments of the first call alone, where those of all are many; else a copy. */
static int split_arguments(moons__chunk *chunk, moons__buffer *of_first) {
  if (chunk->n_bytes > MOONS_SMALL_CHUNK_BYTES &&
      moons__batch_copy_one(of_first, chunk->bytes, chunk->n_bytes, chunk->n_skipped) == 0)
    return 1;
  of_first->n_bytes = 0;
  moons__buffer_append(of_first, chunk->bytes, chunk->n_bytes);
  return 0;
}

/* Leaves the chunk its first call; the others go back. Without memory they stay. */
static void leave_one(host *h, moons__chunk *chunk) {
  hosts *b = h->backend;
  moons__buffer bytes = {0};
  int is_alone = split_arguments(chunk, &bytes);
  if (bytes.n_bytes == 0) return;
  uv_mutex_lock(&b->mutex);
  moons__chunk *rest = moons__chunk_cut(chunk, 1, chunk->bytes);
  if (rest != NULL) {
    chunk->bytes = bytes.bytes;
    chunk->n_bytes = bytes.n_bytes;
    if (is_alone) chunk->n_skipped = 0;
  }
  uv_mutex_unlock(&b->mutex);
  if (rest != NULL)
    chunk->parted(chunk, rest);
  else
    moons__buffer_free(&bytes);
}

/* What the host itself has done; the mutex is held. */
static void count(host *h, const moons__chunk *chunk) {
  h->stats.n_done += chunk->n_run;
  h->stats.n_failed += chunk->n_failed;
  h->stats.busy_ns += chunk->busy_ns;
}

/* The work has no chunk any more. Returns that which it had. */
static moons__chunk *end_work(host *h, work *w, int has_run) {
  hosts *b = h->backend;
  uv_mutex_lock(&b->mutex);
  moons__chunk *chunk = w->chunk;
  if (has_run) count(h, chunk);
  w->chunk = NULL;
  h->n_running--;
  uv_mutex_unlock(&b->mutex);
  uv_cond_signal(&h->wake);
  return chunk;
}

/* {== The writer ============================================================================== */

/* Where it fails the reader sees that the host is lost, and gives the chunk back with all others. */
static void send_work(host *h, work *w) {
  moons__chunk *chunk = w->chunk;
  if (settle(chunk)) {
    end_work(h, w, 0);
    chunk->done(chunk);
    return;
  }
  if (chunk->n_losses > 0 && chunk->n_calls > 1) leave_one(h, chunk);
  chunk->begun_ns = uv_hrtime();
  moons__outbox_send(&h->outbox, chunk, w->number, w->n_workers);
}

/* Takes an order from a work, and returns its kind; 0: there is none. The mutex is held. */
static int take_order(work *w, moons__frame_order *order) {
  *order = (moons__frame_order){.work = w->number, .n = w->wants_part};
  int kind = w->wants_cancel     ? MOONS__FRAME_CANCEL
             : w->wants_stop     ? MOONS__FRAME_STOP
             : w->wants_part > 0 ? MOONS__FRAME_PART
                                 : 0;
  if (kind == MOONS__FRAME_PART)
    w->wants_part = 0;
  else
    w->wants_cancel = w->wants_stop = 0;
  return kind;
}

static int find_order(host *h, moons__frame_order *order) {
  int kind = 0;
  if (h->wants_answer) {
    h->wants_answer = 0;
    *order = (moons__frame_order){.work = h->asked};
    return MOONS__FRAME_ASK;
  }
  for (unsigned i = 0; i < h->n_works && kind == 0; i++)
    if (h->works[i].chunk != NULL && h->works[i].is_sent) kind = take_order(&h->works[i], order);
  return kind;
}

static void write_frame(host *h, moons__frame_kind kind, const void *head, size_t n_head) {
  moons__link_write(&h->out, kind, head, n_head, NULL, 0);
}

static void note_sent(work *w) {
  w->is_sent = 1;
  w->sent_ns = uv_hrtime();
}

/* Sends one thing, without the mutex meanwhile. Returns whether there was one. */
static int write_something(host *h) {
  hosts *b = h->backend;
  moons__frame_order order;
  int kind = find_order(h, &order);
  int is_due = uv_hrtime() >= h->heart_ns;
  work *w = kind == 0 && !is_due ? take_work(h) : NULL;
  if (kind == 0 && !is_due && w == NULL) return 0;
  if (is_due) h->heart_ns = uv_hrtime() + MOONS_HEART_NS;
  if (w != NULL) note_sent(w);
  h->is_writing = 1;
  if (w != NULL) moons__hosts_call(b);
  uv_mutex_unlock(&b->mutex);
  if (is_due) write_frame(h, MOONS__FRAME_HEART, NULL, 0);
  if (kind != 0) write_frame(h, (moons__frame_kind)kind, &order, sizeof order);
  if (w != NULL) send_work(h, w);
  uv_mutex_lock(&b->mutex);
  h->is_writing = 0;
  uv_cond_broadcast(&b->news);
  return 1;
}

/* No host is left: refuses a chunk, without the mutex meanwhile. Returns whether there was one. */
static int refuse_one(hosts *b) {
  moons__chunk *chunk = b->refusal != NULL ? moons__chunk_dequeue(&b->queue, 0) : NULL;
  if (chunk == NULL) return 0;
  uv_mutex_unlock(&b->mutex);
  moons__chunk_refuse(chunk, MOONS__FAILURE_SYSTEM, b->refusal);
  chunk->done(chunk);
  uv_mutex_lock(&b->mutex);
  return 1;
}

/* Chunks that are cancelled may still run at the end. */
static int is_over(const host *h) {
  return h->backend->closing && (h->phase != PHASE_UP || h->n_running == 0);
}

void moons__host_write(void *data) {
  host *h = data;
  hosts *b = h->backend;
  uv_mutex_lock(&b->mutex);
  while (!is_over(h)) {
    if (h->phase == PHASE_UP ? write_something(h) : refuse_one(b)) continue;
    if (h->phase == PHASE_UP)
      uv_cond_timedwait(&h->wake, &b->mutex, MOONS_HEART_NS);
    else
      uv_cond_wait(&h->wake, &b->mutex);
  }
  int is_up = h->phase == PHASE_UP;
  h->is_writing = is_up;
  uv_mutex_unlock(&b->mutex);
  if (!is_up) return;
  write_frame(h, MOONS__FRAME_BYE, NULL, 0);
  uv_mutex_lock(&b->mutex);
  h->is_writing = 0;
  uv_cond_broadcast(&b->news);
  uv_mutex_unlock(&b->mutex);
}

/* {== The reader ============================================================================== */

/* Only the reader ends works that were sent, so what it finds stays. */
static work *find_work(const host *h, uint64_t number) {
  hosts *b = h->backend;
  work *found = NULL;
  uv_mutex_lock(&b->mutex);
  for (unsigned i = 0; i < h->n_works && found == NULL; i++)
    if (h->works[i].chunk != NULL && h->works[i].number == number) found = &h->works[i];
  uv_mutex_unlock(&b->mutex);
  return found;
}

static int read_results(host *h, const moons__frame *frame, moons__buffer *results) {
  size_t n_bytes = (size_t)frame->n_bytes;
  results->n_bytes = 0;
  if (h->is_short || moons__buffer_reserve(results, n_bytes))
    return moons__link_skip(&h->in, frame->n_bytes);
  results->n_bytes = n_bytes;
  return moons__link_read(&h->in, results->bytes, n_bytes);
}

static void pass_on(host *h) {
  const moons__worker_config *config = &h->backend->config.worker;
  if (h->has_printed && config->flush != NULL) config->flush(config->write_data);
  h->has_printed = 0;
}

/* Numbers that the calls have put into the array of their plan. They count when the chunk is done, and not before: where the host is
** lost in between, the calls are made again, and may find there what they started from. */
static int take_stored(host *h, const moons__frame *frame) {
  moons__frame_order head;
  if (moons__link_head(&h->in, frame, &head, sizeof head)) return -1;
  h->stored.n_bytes = 0;
  if (moons__buffer_reserve(&h->stored, (size_t)frame->n_bytes)) {
    h->is_short = 1;
    return moons__link_skip(&h->in, frame->n_bytes);
  }
  h->stored.n_bytes = (size_t)frame->n_bytes;
  return moons__link_read(&h->in, h->stored.bytes, h->stored.n_bytes);
}

/* Puts them there. Returns 0, or -1 where they are not those of the chunk. */
static int store(const host *h, const moons__chunk *chunk, uint32_t n_run) {
  const moons__sink *sink = &chunk->plan->luggage.sink;
  if (sink->block == NULL || n_run == 0 || h->is_short) return 0;
  size_t n_item = sink->n_numbers * moons__element_bytes(sink->type);
  if (h->stored.n_bytes != n_run * n_item) return -1;
  if (n_item > 0)
    memcpy(sink->block->bytes + (size_t)(chunk->first - 1) * n_item, h->stored.bytes,
           h->stored.n_bytes);
  return 0;
}

/* The host may be lost in the midst of results: the chunk changes when they are there, or not at all. */
static int take_results(host *h, const moons__frame *frame, const moons__frame_done *done,
                        moons__chunk *chunk) {
  if (done->n_run > chunk->n_calls || read_results(h, frame, &chunk->results) ||
      store(h, chunk, done->n_run))
    return -1;
  return moons__arrival_take(done, chunk);
}

static int take_done(host *h, const moons__frame *frame) {
  moons__frame_done done;
  if (moons__link_head(&h->in, frame, &done, sizeof done)) return -1;
  work *w = find_work(h, done.work);
  if (w == NULL || take_results(h, frame, &done, w->chunk)) return -1;
  h->stored.n_bytes = 0;
  w->chunk->given = h->given;
  w->chunk->host = h->name->name;
  h->given = NULL;
  h->is_short = 0;
  h->n_losses = 0;
  moons__chunk *chunk = end_work(h, w, 1);
  pass_on(h);
  chunk->done(chunk);
  return 0;
}

static int take_part(host *h, const moons__frame *frame) {
  hosts *b = h->backend;
  moons__frame_order parted;
  if (moons__link_head(&h->in, frame, &parted, sizeof parted)) return -1;
  work *w = find_work(h, parted.work);
  if (w == NULL || parted.n >= w->chunk->n_calls) return -1;
  moons__chunk *rest = moons__arrival_part(w->chunk, parted.n, &b->mutex);
  uv_mutex_lock(&b->mutex);
  w->asked_ns = 0;
  uv_mutex_unlock(&b->mutex);
  if (rest != NULL) w->chunk->parted(w->chunk, rest);
  return 0;
}

/* It stays: calls of the plan print, so the reader has not ended all works that have it. */
static const moons__luggage *find_luggage(const host *h, uint64_t plan) {
  hosts *b = h->backend;
  const moons__luggage *luggage = NULL;
  uv_mutex_lock(&b->mutex);
  for (unsigned i = 0; i < h->n_works && luggage == NULL; i++) {
    const moons__chunk *chunk = h->works[i].chunk;
    if (chunk != NULL && chunk->plan->number == plan) luggage = &chunk->plan->luggage;
  }
  uv_mutex_unlock(&b->mutex);
  return luggage;
}

/* Gives what calls of a plan have printed to whoever takes that. */
static void print(host *h, const moons__frame_print *head) {
  const moons__luggage *luggage = head->plan != 0 ? find_luggage(h, head->plan) : NULL;
  const moons__terms *terms = luggage != NULL ? luggage->terms : NULL;
  void *call_data = luggage != NULL ? luggage->call_data : NULL;
  if (moons__arrival_pass_on(&h->backend->config.worker, terms, call_data, head->stream, &h->text))
    h->has_printed = 1;
}

static int take_print(host *h, const moons__frame *frame) {
  moons__frame_print head;
  if (moons__arrival_print(&h->in, frame, &head, &h->text)) return -1;
  print(h, &head);
  return 0;
}

int moons__host_take(host *h, const moons__frame *frame) {
  switch (frame->kind) {
  case MOONS__FRAME_HEART: return 0;
  case MOONS__FRAME_PRINT: return take_print(h, frame);
  case MOONS__FRAME_TRACED: return moons__host_take_events(h, frame);
  case MOONS__FRAME_RUNNING: return moons__host_take_answer(h, frame);
  case MOONS__FRAME_GIVEN:
    return moons__cargo_take_given(&h->in, frame, h->backend->hosts, &h->given, &h->is_short);
  case MOONS__FRAME_STORED: return take_stored(h, frame);
  case MOONS__FRAME_PARTED: return take_part(h, frame);
  case MOONS__FRAME_DONE: return take_done(h, frame);
  default: return -1;
  }
}

/* Nothing of it counts as run. */
static void give_up(host *h, work *w) {
  moons__batch_writer none;
  moons__chunk *chunk = end_work(h, w, 0);
  chunk->n_losses++;
  chunk->is_given_up = 1;
  chunk->host = h->name->name;
  chunk->results.n_bytes = 0;
  moons__batch_begin(&none, &chunk->results);
  chunk->done(chunk);
}

void moons__host_give_up(host *h) {
  for (unsigned i = 0; i < h->n_works; i++)
    if (h->works[i].chunk != NULL) give_up(h, &h->works[i]);
  pass_on(h);
}

void moons__host_look_after(host *h) {
  hosts *b = h->backend;
  uint64_t now_ns = uv_hrtime();
  uv_mutex_lock(&b->mutex);
  for (unsigned i = 0; i < h->n_works; i++) {
    work *w = &h->works[i];
    if (w->chunk == NULL || w->is_cancelled) continue;
    moons__scope_look(w->chunk->plan->scope, now_ns);
    if (!moons__scope_is_over(w->chunk->plan->scope)) continue;
    w->is_cancelled = w->wants_cancel = 1;
    uv_cond_signal(&h->wake);
  }
  uv_mutex_unlock(&b->mutex);
  pass_on(h);
}
