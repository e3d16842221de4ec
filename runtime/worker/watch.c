/*
** What other threads do to a worker that runs a chunk: cancel it, take calls from it, look after its time, and give it up. They hold
** the call (stop.h) before they touch what its thread writes; what they only look at is atomic. STOPPING.md tells in what order.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/allocate.h"
#include "moons.h"
#include "sizes.h"
#include "system/clock.h"
#include "worker/inside.h"
#include "worker/worker.h"

enum { WATCH_AGAIN_NS = 1000000 }; /* a call that must end is told again after this */

/* The call that the chunk is part of must end, or has ended. */
static int is_within_ended(const moons__worker *w) {
  const moons__scope *within = atomic_load_explicit(&w->within, memory_order_relaxed);
  return within != NULL && moons__scope_is_over(within);
}

int moons__worker_is_cancelled(const moons__worker *w) {
  return atomic_load_explicit(&w->cancelled_ns, memory_order_relaxed) != 0 || is_within_ended(w) ||
         (w->outer != NULL && moons__worker_is_ending(w->outer));
}

int moons__worker_is_lost(const moons__worker *w) {
  return moons__stop_is_lost(&w->workshop.sandbox.stop);
}

/* From any thread. */

void moons__worker_cancel(moons__worker *w, uint64_t since_ns) {
  atomic_store(&w->cancelled_ns, since_ns);
}

int moons__worker_is_ending(const moons__worker *w) {
  return moons__worker_is_lost(w) || moons__stop_reason_of(&w->workshop.sandbox.stop) != 0 ||
         moons__worker_is_cancelled(w);
}

/* Leaves the call that runs, which is held, and the worker's part of those after it. What is held may also be what comes
** after the last call. */
static moons__chunk *share_chunk(moons__chunk *chunk, unsigned n_sharers) {
  if (chunk->n_run + 1 >= chunk->n_calls) return NULL;
  uint32_t n_left = chunk->n_calls - chunk->n_run - 1;
  uint32_t n_taken = n_left / n_sharers + (n_left % n_sharers > 0);
  char *bytes = moons__allocate(chunk->plan, chunk->n_bytes + 1);
  if (bytes == NULL) return NULL;
  memcpy(bytes, chunk->bytes, chunk->n_bytes);
  moons__chunk *rest = moons__chunk_cut(chunk, chunk->n_calls - n_taken, bytes);
  if (rest == NULL) moons__free(bytes);
  return rest;
}

/* Of calls in one go none can be taken: it is cut short, and whoever wants them asks again. */
moons__chunk *moons__worker_share(moons__worker *w, unsigned n_sharers) {
  moons__stop *stop = &w->workshop.sandbox.stop;
  moons__chunk *rest = NULL;
  if (!moons__stop_hold(stop)) return NULL;
  if (w->chunk != NULL && w->goes_on)
    atomic_store_explicit(&w->call.is_cut_short, 1, memory_order_relaxed);
  else if (w->chunk != NULL)
    rest = share_chunk(w->chunk, n_sharers);
  moons__stop_let_go(stop);
  return rest;
}

/* For a person who asks what runs, or a signal handler: what is read may be changing. */

/* The calls of a go have begun one after the other from the one that is noted. */
static uint64_t last_begun(const moons__worker *w, uint64_t running) {
  unsigned n_begun = moons__call_n_begun(&w->call);
  return running - 1 + (n_begun > 0 ? n_begun - 1 : 0);
}

int moons__worker_running(const moons__worker *w, moons__running *r) {
  uint64_t running = atomic_load_explicit(&w->running, memory_order_relaxed);
  const char *position = atomic_load_explicit(&w->position, memory_order_relaxed);
  const moons__interrupt *here = &w->workshop.sandbox.stop.here;
  *r = (moons__running){.position = position, .call = last_begun(w, running)};
  r->is_setting_up = running == MOONS__SET_UP;
  uint64_t since_ns = atomic_load_explicit(&w->since_ns, memory_order_relaxed);
  r->since_ns = since_ns;
  r->is_earlier = !(since_ns & 1);
  r->pool = w->workshop.config.pool;
  r->worker = atomic_load_explicit(&w->number, memory_order_relaxed);
  r->is_here = moons__interrupt_is_here(here);
  r->is_innermost = moons__interrupt_is_innermost(here);
  return running != 0;
}

/* From the thread that watches. */

/* Whether the call that runs was told that its time is over. */
static int was_told(const moons__worker *w) {
  uint64_t started_ns = atomic_load(&w->started_ns);
  return started_ns != 0 && started_ns == w->told_started_ns;
}

/* Since when the chunk is cancelled, also as part of a call that must end; 0: it is not. */
static uint64_t cancelled_since(const moons__worker *w) {
  uint64_t since_ns = atomic_load(&w->cancelled_ns);
  if (since_ns == 0) since_ns = moons__scope_ended_since(atomic_load(&w->within));
  if (since_ns != 0 || w->outer == NULL) return since_ns;
  if (was_told(w->outer)) return w->outer->told_ns;
  return cancelled_since(w->outer);
}

/* Whether the call that is held is the one that is to end: one with a timeout where it is still the one that began at
** `started_ns`, one that ends itself where it still does. */
static int is_meant(const moons__worker *w, moons__stop_reason reason, uint64_t started_ns) {
  const moons__stop *stop = &w->workshop.sandbox.stop;
  if (started_ns != 0) return atomic_load(&w->started_ns) == started_ns;
  return reason == MOONS__STOP(CANCELLED) ||
         (moons__stop_ending_since(stop) != 0 && moons__stop_ending_for(stop) == reason);
}

/* Says so to whoever looks after this process. The call is held. */
static void mark_ending(const moons__worker *w) {
  const moons__stop *stop = &w->workshop.sandbox.stop;
  uint64_t ending_ns = moons__stop_ending_since(stop);
  if (ending_ns == 0 || w->chunk == NULL || w->chunk->mark == NULL) return;
  atomic_store_explicit(&w->chunk->mark->ending_for, moons__stop_ending_for(stop) - 1,
                        memory_order_relaxed);
  atomic_store_explicit(&w->chunk->mark->ending_ns, ending_ns, memory_order_release);
}

/* Tells the call that runs, its programs, and what it has started, to end. */
static void tell(moons__worker *w, moons__stop_reason reason, uint64_t started_ns) {
  moons__stop *stop = &w->workshop.sandbox.stop;
  if (!moons__stop_hold(stop)) return;
  if (is_meant(w, reason, started_ns)) {
    moons__stop_request(stop, reason);
    mark_ending(w);
    moons__scope_end(atomic_load(&w->scope), moons__clock_ns());
    if (w->chunk != NULL) moons__sandbox_end_programs(&w->workshop.sandbox);
  }
  moons__stop_let_go(stop);
}

void moons__worker_notice(moons__worker *w) {
  if (atomic_load_explicit(&w->scope, memory_order_relaxed) == NULL) return;
  uint64_t timeout_ns = atomic_load(&w->timeout_ns), started_ns = atomic_load(&w->started_ns);
  if (timeout_ns == 0 || started_ns == 0 || moons__clock_ns() < started_ns + timeout_ns) return;
  tell(w, MOONS__STOP(TIMEOUT), started_ns);
}

static uint64_t look_again(uint64_t since_ns, uint64_t now_ns) {
  return now_ns >= since_ns + MOONS_GRACE_NS ? 0 : now_ns + WATCH_AGAIN_NS;
}

/* As part of a call that others look after: when its time is over, or has been given up. */
static uint64_t watch_outer(const moons__worker *w, uint64_t now_ns) {
  const moons__scope *within = atomic_load(&w->within);
  if (within == NULL || !atomic_load(&w->is_foreign)) return UINT64_MAX;
  uint64_t deadline_ns = moons__scope_deadline(within), look_ns = now_ns + MOONS_LOOK_OUT_NS;
  return deadline_ns < look_ns ? deadline_ns : look_ns;
}

static uint64_t watch_own(moons__worker *w, uint64_t now_ns);

uint64_t moons__worker_watch(moons__worker *w, uint64_t now_ns) {
  moons__scope_look(atomic_load(&w->within), now_ns);
  uint64_t own_ns = watch_own(w, now_ns), outer_ns = watch_outer(w, now_ns);
  return own_ns < outer_ns ? own_ns : outer_ns;
}

/* The clock of a call that was told runs from then on: it has some grace, and is told again and again. */
static uint64_t watch_own(moons__worker *w, uint64_t now_ns) {
  if (moons__worker_is_lost(w)) return UINT64_MAX;
  uint64_t since_ns = cancelled_since(w);
  if (since_ns != 0) {
    tell(w, MOONS__STOP(CANCELLED), 0);
    return look_again(since_ns, now_ns);
  }
  uint64_t ending_ns = moons__stop_ending_since(&w->workshop.sandbox.stop);
  if (ending_ns != 0) {
    tell(w, moons__stop_ending_for(&w->workshop.sandbox.stop), 0);
    return look_again(ending_ns, now_ns);
  }
  uint64_t timeout_ns = atomic_load(&w->timeout_ns), started_ns = atomic_load(&w->started_ns);
  if (timeout_ns == 0) return UINT64_MAX;
  if (started_ns == 0) return now_ns + timeout_ns;
  if (now_ns < started_ns + timeout_ns) return started_ns + timeout_ns;
  if (w->told_started_ns != started_ns) w->told_ns = now_ns;
  w->told_started_ns = started_ns;
  tell(w, MOONS__STOP(TIMEOUT), started_ns);
  return look_again(w->told_ns, now_ns);
}

/* A set-up that does not end would not for the next call either. */
static void fail_given_up(moons__worker *w, moons__failure_kind kind) {
  static const char LOST[] = "its worker was lost: a call within it did not end";
  char text[128];
  snprintf(text, sizeof text, "%s in a function that cannot be stopped; its worker was given up",
           moons__failure_text(kind));
  moons__worker_fail(w, kind, kind == MOONS__FAILURE_LOST ? LOST : text, w->is_setting_up);
}

/* The worker keeps the bytes of its chunk, which get a copy where calls are left to run. */
static void keep_bytes(moons__worker *w) {
  moons__chunk *chunk = w->chunk;
  w->given_up_bytes = chunk->bytes;
  w->given_up_shared = moons__shared_list_share(chunk->shared);
  w->given_up_plan = chunk->plan;
  moons__plan_share(chunk->plan);
  chunk->bytes = chunk->n_run < chunk->n_calls ? moons__allocate(w, chunk->n_bytes) : NULL;
  if (chunk->bytes != NULL) memcpy(chunk->bytes, w->given_up_bytes, chunk->n_bytes);
}

/* Why the call that runs was to end. */
static moons__failure_kind why_ended(const moons__worker *w) {
  const moons__stop *stop = &w->workshop.sandbox.stop;
  if (cancelled_since(w) != 0) return MOONS__FAILURE_CANCELLED;
  if (moons__stop_ending_since(stop) != 0)
    return (moons__failure_kind)(moons__stop_ending_for(stop) - 1);
  return was_told(w) ? MOONS__FAILURE_TIMEOUT : MOONS__FAILURE_LOST;
}

/* What the calls before it have given stays; the call fails, or is tried again; those after it run elsewhere. */
static void give_up_chunk(moons__worker *w) {
  moons__worker_put_go(w);
  moons__failure_kind kind = why_ended(w);
  moons__chunk *chunk = w->chunk;
  int is_after_all = chunk->n_run >= chunk->n_calls; /* what does not end collects garbage */
  int is_tried_again = !is_after_all && kind != MOONS__FAILURE_CANCELLED && !w->is_setting_up &&
                       w->n_tries < chunk->plan->options.n_retries;
  chunk->n_tries = is_tried_again ? w->n_tries + 1 : 0;
  if (is_tried_again)
    chunk->n_retried++;
  else if (!is_after_all)
    fail_given_up(w, kind);
  chunk->is_given_up = 1;
  chunk->n_lost++;
  moons__worker_trace_chunk(w);
  keep_bytes(w);
  w->chunk = NULL;
}

/* Holds the call that runs where it was told to end. */
static int hold_told(moons__worker *w) {
  moons__stop *stop = &w->workshop.sandbox.stop;
  if (!moons__stop_hold(stop)) return 0;
  if (why_ended(w) != MOONS__FAILURE_LOST) return 1;
  moons__stop_let_go(stop);
  return 0;
}

int moons__worker_give_up(moons__worker *w, int with_others) {
  if (moons__worker_is_lost(w)) return 1;
  if (!with_others && !hold_told(w)) return 0;
  moons__scope_end(atomic_load(&w->scope), moons__clock_ns());
  if (w->chunk != NULL) give_up_chunk(w);
  moons__stop_give_up(&w->workshop.sandbox.stop);
  moons__sandbox_kill_programs(
      &w->workshop.sandbox); /* its thread kills those that it starts from now on */
  return 1;
}
