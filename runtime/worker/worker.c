/*
** Keeps the sessions that were used last (sessions.h), and one state for all calls that keep theirs. Runs a chunk's calls in
** order; a call ends its chunk only where its error ends the map, or it was given up. What other threads may touch, and
** when, stands with each field and in STOPPING.md.
*/
#include "worker/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "moons.h"
#include "sizes.h"
#include "system/fork.h"
#include "system/machine.h"
#include "wire/setup.h"
#include "worker/call.h"
#include "worker/session.h"
#include "worker/sessions.h"

struct moons__worker {
  moons__workshop workshop;
  moons__sessions fresh;
  moons__session kept;
  moons__base kept_base; /* of it */
  moons__call call;
  uint64_t clock;      /* chunks so far: tells which loaded set-up was used last */
  moons__buffer spare; /* memory of the last chunk's arguments, for the next one's results */
  const moons__worker *outer;
  unsigned number; /* from 1; 0: of a thread that waits */

  /* For a signal handler on any thread. */
  moons__entry *entry;
  _Atomic uint64_t running;       /* number of the call that runs, and 1, or SET_UP; 0: none */
  _Atomic(const char *) position; /* of its function; NULL: not known yet */

  /* Written by the worker before each call; whoever holds the call (stop.h) may change it. */
  moons__chunk *chunk; /* that runs; NULL: none */
  moons__batch_writer results;
  unsigned n_tries;     /* that the call has had before */
  uint64_t begun_ns;    /* when the call that reports began; 0: it has not, or has ended */
  moons__usage usage;   /* of it, once it has ended */
  int goes_on;          /* after the call others are made in one go */
  int is_setting_up;    /* what runs is no call yet */
  char *given_up_bytes; /* of the chunk that was given up, which the call may still use */
  moons__shared_list *given_up_shared;
  moons__plan *given_up_plan;

  _Atomic(moons__scope *)
      scope; /* of the call, or the set-up; NULL: it has started nothing. Changed by the worker */

  /* For the thread that watches, or cancels. */
  _Atomic(moons__scope *) within; /* that of the call that the chunk is part of, or NULL */
  atomic_int is_foreign;          /* others look after that */
  _Atomic uint64_t cancelled_ns;  /* when the chunk was cancelled; 0: it was not */
  _Atomic uint64_t timeout_ns;    /* of the calls of the chunk; 0: none */
  _Atomic uint64_t started_ns;    /* when the call began; 0: no call with a timeout runs */

  /* Of the thread that watches, or cancels: of one at a time. */
  uint64_t told_started_ns; /* when the call began that was told last that its time is over */
  uint64_t told_ns;         /* when it was told */
};

enum { LEAST_SPARE_BYTES = 1024 }; /* smaller ones are as well had from malloc */
#define SET_UP UINT64_MAX
enum { WATCH_AGAIN_NS = 1000000 }; /* a call that must end is told again after this */

int moons__worker_open(moons__worker **worker, const moons__worker_config *config,
                       const moons__worker *outer) {
  *worker = calloc(1, sizeof **worker);
  if (*worker == NULL) return MOONS_ENOMEM;
  (*worker)->outer = outer;
  (*worker)->workshop.config = *config;
  (*worker)->workshop.make_call = moons__call_main;
  (*worker)->workshop.sandbox.write = config->write;
  (*worker)->workshop.sandbox.flush = config->flush;
  (*worker)->workshop.sandbox.write_data = config->write_data;
  (*worker)->workshop.sandbox.fork_number = moons__fork_number();
  moons__stop_open(&(*worker)->workshop.sandbox.stop, config->stop_signal,
                   &(*worker)->cancelled_ns);
  (*worker)->workshop.sandbox.starter.children = config->children;
  (*worker)->entry = moons__roster_join(config->roster, *worker);
  return 0;
}

void moons__worker_number(moons__worker *w, unsigned number) { w->number = number; }

static int is_open(const moons__session *s) { return s->slot != NULL; }

int moons__worker_keeps_state(const moons__worker *w) { return is_open(&w->kept); }

static void close_kept(moons__worker *w) {
  moons__session_close(&w->kept);
  moons__base_close(&w->kept_base);
}

void moons__worker_end(moons__worker *w) {
  moons__sessions_close(&w->fresh);
  close_kept(w);
  moons__sandbox_flush(&w->workshop.sandbox);
}

void moons__worker_close(moons__worker *w) {
  if (w == NULL) return;
  moons__worker_end(w);
  moons__roster_leave(w->entry);
  moons__sandbox_free(&w->workshop.sandbox);
  moons__models_free(&w->workshop.models);
  moons__buffer_free(&w->workshop.reporter.traceback);
  moons__buffer_free(&w->workshop.failure);
  moons__classes_free(&w->call.classes);
  moons__encoder_end(&w->call.encoder);
  moons__buffer_free(&w->call.message);
  moons__buffer_free(&w->spare);
  moons__scope_release(atomic_load(&w->scope)); /* of a call that was given up */
  free(w->given_up_bytes);
  moons__shared_list_release(w->given_up_shared);
  moons__plan_release(w->given_up_plan);
  free(w);
}

/* Sessions. */

static moons__libraries allowed_to(const moons__plan *plan) {
  return moons__setup_allowed(plan->options.setup, plan->options.setup_bytes);
}

/* All libraries that its first calls may have. Calls that may have others need another one. */
static moons__session *kept_session(moons__worker *w, const moons__plan *plan,
                                    moons__libraries needs) {
  moons__libraries allowed = allowed_to(plan);
  if (is_open(&w->kept) && w->kept_base.allowed == allowed) return &w->kept;
  close_kept(w);
  needs |= MOONS__LIBRARIES_ALL & allowed;
  if (moons__base_open(&w->kept_base, &w->workshop, needs, allowed) == 0 &&
      moons__session_open_kept(&w->kept, &w->workshop, &w->kept_base) == 0)
    return &w->kept;
  moons__base_close(&w->kept_base);
  return NULL;
}

/* What draws random numbers; a map within a call does so for its seed. */
#define DRAWING (MOONS__LIBRARIES_RANDOM | MOONS__LIBRARIES_PARALLEL)

static int enter(moons__worker *w, moons__plan *plan, moons__libraries needs) {
  needs |= moons__setup_libraries(plan->options.setup, plan->options.setup_bytes);
  if (w->workshop.config.open != NULL) needs |= MOONS__LIBRARIES_ALL; /* the host may use any */
  if ((needs & MOONS__LIBRARIES_ALL) == MOONS__LIBRARIES_ALL) needs |= MOONS__LIBRARIES_RANDOM;
  needs &= allowed_to(plan) | ~MOONS__LIBRARIES_ALL; /* beyond all are no libraries */
  moons__session *s = plan->options.fresh
                          ? moons__sessions_get(&w->fresh, &w->workshop, plan, needs)
                          : kept_session(w, plan, needs);
  if (s == NULL) return -1;
  moons__loaded_setup *loaded = moons__session_enter(s, plan);
  if (loaded == NULL) return -1;
  loaded->last_used = ++w->clock;
  s->reached |= needs;
  w->call.seeds = loaded->has_random && (s->reached & DRAWING) != 0;
  w->call.is_timed = (~s->reached & (MOONS__LIBRARIES_OS | MOONS__LIBRARIES_CLOCK)) == 0;
  w->call.session = s;
  w->call.loaded = loaded;
  w->call.classes.outer = &loaded->classes;
  w->call.classes.n_known = UINT32_MAX; /* the caller knows every class that it sent */
  return 0;
}

/* Chunks. */

/* Writes what `n` calls from the next one on have returned to the sink. It is as large as there are calls to come, and the thread
** that puts results is the only one that has these calls: nobody else writes to their places. */
static void store(const moons__chunk *chunk, const void *bytes, size_t n) {
  const moons__sink *sink = &chunk->plan->luggage.sink;
  size_t n_bytes = sink->n_numbers * moons__element_bytes(sink->type);
  memcpy(sink->block->bytes + (size_t)(chunk->first + chunk->n_run - 1) * n_bytes, bytes,
         n * n_bytes);
}

/* Takes the outcome of a call to the results; 1 where there is no memory for it. */
static int put_result(moons__batch_writer *results, const moons__item *item) {
  switch (item->kind) {
  case MOONS__ITEM_STORED: return moons__batch_stored(results, 1);
  case MOONS__ITEM_INTEGER: return moons__batch_integer(results, item->integer);
  case MOONS__ITEM_FLOAT: return moons__batch_float(results, item->number);
  case MOONS__ITEM_BOOLEAN: return moons__batch_boolean(results, item->integer);
  case MOONS__ITEM_NIL: return moons__batch_nil(results);
  default: return moons__batch_bytes(results, item->kind, item->bytes, item->n_bytes);
  }
}

static moons__item set_up_failure(const moons__worker *w) {
  const moons__buffer *failure = &w->workshop.failure;
  return (moons__item){
      .kind = MOONS__ITEM_ERROR, .bytes = failure->bytes, .n_bytes = failure->n_bytes};
}

static void note_failed(moons__chunk *chunk) {
  if (!chunk->failed) chunk->first_failed = chunk->first + chunk->n_run;
  chunk->failed = 1;
  chunk->n_failed++;
}

/* Puts n strings that calls made in one go gave. Returns 0 where there is no memory for one. */
static int put_strings(moons__worker *w, uint32_t n) {
  const moons__call *c = &w->call;
  size_t start = 0;
  for (uint32_t i = 0; i < n; start = (size_t)c->plain[i++], w->chunk->n_run++)
    if (moons__batch_bytes(&w->results, MOONS__ITEM_STRING, c->strings + start,
                           (size_t)c->plain[i] - start))
      return 0;
  return 1;
}

static int put_stored(moons__worker *w, uint32_t n) {
  if (moons__batch_stored(&w->results, n)) return MOONS_ENOMEM;
  store(w->chunk, w->call.plain, n);
  return 0;
}

static int copy_plain(moons__worker *w, uint32_t n) {
  const moons__call *c = &w->call;
  char *room;
  if (moons__batch_plain_begin(&w->results, c->kind, n, &room)) return MOONS_ENOMEM;
  memcpy(room, c->plain, n * sizeof c->plain[0]);
  moons__batch_plain_end(&w->results, n);
  return 0;
}

/* Puts the values that calls made in one go gave. Returns 0 where there is no memory for them: they are lost. */
static int put_plain(moons__worker *w) {
  moons__call *c = &w->call;
  uint32_t n = atomic_load_explicit(&c->n_plain, memory_order_acquire);
  if (n == 0) return 1;
  atomic_store_explicit(&c->n_plain, 0, memory_order_relaxed);
  if (c->kind == MOONS__ITEM_STRING) return put_strings(w, n);
  if (c->kind == MOONS__ITEM_STORED ? put_stored(w, n) : copy_plain(w, n)) return 0;
  w->chunk->n_run += n;
  return 1;
}

/* Whether a result is true. */
static int is_true(const moons__item *item) {
  switch (item->kind) {
  case MOONS__ITEM_ERROR:
  case MOONS__ITEM_NIL: return 0;
  case MOONS__ITEM_BOOLEAN: return item->integer != 0;
  case MOONS__ITEM_MESSAGE: return moons__wire_is_true(item->bytes, item->n_bytes);
  default: return 1;
  }
}

/* Puts what the next call has used, where that is asked for. One that has not ended was given up. */
static int put_usage(moons__worker *w) {
  if (!w->chunk->plan->options.report) return 0;
  moons__usage usage = w->usage;
  if (w->begun_ns != 0) {
    usage.wall_ns = moons_clock_ns() - w->begun_ns;
    usage.cpu_ns = usage.memory_bytes = MOONS__UNKNOWN;
  }
  usage.worker = w->number;
  usage.n_tries = w->n_tries + 1;
  return moons__batch_usage(&w->results, &usage);
}

/* Counts the outcome with the call that the chunk is part of. Returns 0 where that may not hold so much. */
static int count_outcome(moons__chunk *chunk, const moons__item *item) {
  int has_bytes = item->kind == MOONS__ITEM_STRING || item->kind == MOONS__ITEM_MESSAGE ||
                  item->kind == MOONS__ITEM_ERROR;
  if (chunk->plan->scope == NULL || !has_bytes) return 1;
  moons__budget *budget = moons__scope_budget(chunk->plan->scope);
  if (moons__budget_take(budget, item->n_bytes, 0)) return 0;
  chunk->counted_bytes += item->n_bytes;
  return 1;
}

/* Puts a failure for want of memory in place of an outcome that is too much. */
static int put_too_much(moons__worker *w) {
  static const char TEXT[] = "not enough memory for the results";
  moons__failure failure = moons__failure_of(MOONS__FAILURE_MEMORY, TEXT);
  moons__buffer bytes = {0};
  int error = moons__failure_write(&bytes, &failure);
  moons__item item = {.kind = MOONS__ITEM_ERROR, .bytes = bytes.bytes, .n_bytes = bytes.n_bytes};
  if (!error) error = put_result(&w->results, &item);
  moons__buffer_free(&bytes);
  if (error) return 0;
  note_failed(w->chunk);
  w->chunk->n_run++;
  return 1;
}

/* Puts the outcome of the next call. Returns 0 where there is no memory for it. */
static int put_outcome(moons__worker *w, const moons__item *item) {
  if (put_usage(w)) return 0;
  if (!count_outcome(w->chunk, item)) return put_too_much(w);
  if (put_result(&w->results, item)) return 0;
  if (item->kind == MOONS__ITEM_STORED) store(w->chunk, item->bytes, 1);
  if (item->kind == MOONS__ITEM_ERROR) note_failed(w->chunk);
  if (w->chunk->plan->options.until && is_true(item)) w->chunk->found = 1;
  w->chunk->n_run++;
  return 1;
}

/* The call that the chunk is part of must end, or has ended. */
static int is_within_ended(const moons__worker *w) {
  const moons__scope *within = atomic_load_explicit(&w->within, memory_order_relaxed);
  return within != NULL && moons__scope_is_over(within);
}

/* Calls of the chunk that have not begun must not begin. */
static int is_cancelled(const moons__worker *w) {
  return atomic_load_explicit(&w->cancelled_ns, memory_order_relaxed) != 0 || is_within_ended(w) ||
         (w->outer != NULL && moons__worker_is_ending(w->outer));
}

static void start_clock(moons__worker *w) {
  if (atomic_load_explicit(&w->timeout_ns, memory_order_relaxed) == 0) return;
  atomic_store_explicit(&w->started_ns, moons_clock_ns(), memory_order_relaxed);
}

static void stop_clock(moons__worker *w) {
  atomic_store_explicit(&w->started_ns, 0, memory_order_relaxed);
}

int moons__worker_is_lost(const moons__worker *w) {
  return moons__stop_is_lost(&w->workshop.sandbox.stop);
}

/* What a call starts. */

/* The end of the call, or of the set-up, is the end of what it has started; but what a set-up has started in a kept state
** goes on as that does. */
static void leave_scope(moons__worker *w, int goes_on) {
  moons__scope *scope = atomic_load_explicit(&w->scope, memory_order_relaxed);
  if (scope == NULL) return;
  if (!goes_on) moons__scope_end(scope, moons_clock_ns());
  atomic_store(&w->scope, NULL);
  moons__scope_release(scope);
}

/* What the call holds counts from now on for all that it starts as well. */
static moons__scope *enter_scope(moons__worker *w) {
  const moons_job_options *options = &w->call.plan->options;
  uint64_t started_ns = atomic_load(&w->started_ns), deadline_ns = UINT64_MAX;
  size_t memory_bytes = w->is_setting_up ? 0 : options->memory_bytes;
  if (options->timeout_ns > 0 && started_ns > 0) deadline_ns = started_ns + options->timeout_ns;
  moons__scope *scope = moons__scope_new(atomic_load(&w->within), memory_bytes, deadline_ns);
  if (scope == NULL) return NULL;
  if (memory_bytes > 0)
    moons__arena_charge_inner(&w->call.session->slot->arena, moons__scope_budget(scope));
  atomic_store(&w->scope, scope);
  if (moons__worker_is_ending(w))
    moons__scope_end(scope, moons_clock_ns()); /* whatever ended it saw no scope */
  return scope;
}

moons__scope *moons__worker_scope(moons__worker *w) {
  moons__scope *scope = atomic_load_explicit(&w->scope, memory_order_relaxed);
  if (scope == NULL)
    scope = enter_scope(w);
  else if (!w->is_setting_up)
    moons__arena_settle(&w->call.session->slot->arena);
  return moons__scope_share(scope);
}

/* In a state that is not put back, calls without limits of their own may be made in one go; but not the first of a chunk,
** nor when others are to share the calls: nobody can take any of a go that has begun. */
static int may_go_on(const moons__worker *w) {
  const moons__call *c = &w->call;
  return (!c->plan->options.fresh || c->session->in_lane) && c->plan->options.timeout_ns == 0 &&
         !c->plan->options.report && !c->is_timed && c->plan->options.n_retries == 0 &&
         !c->plan->options.until && w->chunk->n_run > 0 &&
         !atomic_load_explicit(&c->is_cut_short, memory_order_relaxed);
}

/* What a call uses, from its arguments to its end: numbers at its begin, and then what has been added to them. */
typedef struct meter {
  uint64_t cpu_ns;
  size_t touched_bytes;
} meter;

static void begin_meter(moons__worker *w, meter *m) {
  if (!w->call.plan->options.report) return;
  m->touched_bytes = moons__arena_begin_peak(&w->call.session->slot->arena);
  m->cpu_ns = moons__machine_cpu_ns();
  w->begun_ns = moons_clock_ns();
}

static void end_meter(moons__worker *w, const meter *m) {
  if (!w->call.plan->options.report) return;
  w->usage.wall_ns = moons_clock_ns() - w->begun_ns;
  w->usage.cpu_ns = moons__machine_cpu_ns() - m->cpu_ns; /* asking has taken some */
  if (w->usage.cpu_ns > w->usage.wall_ns) w->usage.cpu_ns = w->usage.wall_ns;
  w->usage.memory_bytes = moons__arena_end_peak(&w->call.session->slot->arena, m->touched_bytes);
  w->begun_ns = 0;
}

/* What a call has started that then failed, in a kept state, nothing may hold any more: threads of a pool go when that is
** collected. */
static int must_collect(const moons__worker *w) {
  return atomic_load_explicit(&w->scope, memory_order_relaxed) != NULL &&
         !w->call.plan->options.fresh && w->call.result.kind == MOONS__ITEM_ERROR;
}

/* Whether the call, or the last of some, has come to its end with a result. */
static int is_whole(const moons__call *c, int outcome) {
  return outcome == 0 && !c->is_odd && c->result.kind != MOONS__ITEM_ERROR;
}

/* How the next call may be made. */
static moons__way way_of(const moons__call *c) {
  if (c->is_again) return MOONS__WAY_RESTORED;
  int are_numbers = c->item.kind <= MOONS__ITEM_FLOAT || c->item.kind == MOONS__ITEM_NUMBERS;
  return are_numbers ? MOONS__WAY_NUMBERS : MOONS__WAY_ANY;
}

/* Counts the calls that were made, but none that is made again. */
static void count_made(moons__worker *w) {
  const moons__call *c = &w->call;
  uint32_t n_made = !c->is_odd && c->result.kind != MOONS__ITEM_END;
  n_made += atomic_load_explicit(&c->n_plain, memory_order_relaxed);
  if (c->session->in_lane) {
    w->chunk->n_proved += n_made;
    moons__lane_note(&c->session->lane, n_made, c->is_odd);
  } else if (c->plan->options.fresh) {
    w->chunk->n_restored++;
  }
}

/* Makes the call, or some in one go. Returns 0 with the outcome in w->call.result, or where it is odd with none, MOONS_ENOMEM, or
** 1 where it was given up. */
static int run_once(moons__worker *w) {
  moons__call *c = &w->call;
  meter used = {0};
  start_clock(w);
  c->is_odd = 0;
  if (moons__session_begin_call(c->session, c->plan, way_of(c), c->seeds)) {
    w->usage = (moons__usage){0};
    c->result = set_up_failure(w);
    if (moons__worker_is_lost(w)) return 1;
    leave_scope(w, 0);
    return 0;
  }
  if (c->session->is_late) start_clock(w); /* what it has done is no part of the call */
  uint32_t n_left = w->chunk->n_calls - w->chunk->n_run;
  c->n_in_one_go = n_left < MOONS__CALLS_IN_ONE_GO ? n_left : MOONS__CALLS_IN_ONE_GO;
  w->goes_on = !c->is_again && may_go_on(w);
  begin_meter(w, &used);
  w->workshop.sandbox.cpu_begun_ns = c->is_timed ? moons__machine_cpu_ns() : MOONS__UNKNOWN;
  int outcome = w->goes_on ? moons__call_run_some(c) : moons__call_run(c);
  if (outcome == 1 || moons__session_end_call(c->session, is_whole(c, outcome))) return 1;
  end_meter(w, &used);
  if (must_collect(w)) moons__session_collect(c->session);
  if (moons__worker_is_lost(w)) return 1;
  stop_clock(w);
  leave_scope(w, 0);
  count_made(w);
  return outcome;
}

/* Makes the call again, in a state that was put back, so that its error, or what it does at a limit, is what it would have been
** without any proof. Its time begins anew. Of some calls in one go the last is meant. */
static int run_again(moons__worker *w) {
  moons__call *c = &w->call;
  if (!put_plain(w)) return MOONS_ENOMEM;
  moons__call_take_odd(c);
  c->index = w->chunk->first + w->chunk->n_run;
  atomic_store_explicit(&w->running, c->index + 1, memory_order_relaxed);
  c->is_again = 1;
  int outcome = run_once(w);
  c->is_again = 0;
  return outcome;
}

/* Makes the call once. Returns 0 with its outcome in w->call.result, MOONS_ENOMEM, or 1 where it was
** given up. */
static int run_call(moons__worker *w) {
  int outcome = run_once(w);
  return outcome == 0 && w->call.is_odd ? run_again(w) : outcome;
}

/* Makes a call, and again where it fails and may be tried again. */
static int run_tries(moons__worker *w) {
  for (;;) {
    int outcome = run_call(w);
    if (outcome != 0 || w->call.result.kind != MOONS__ITEM_ERROR) return outcome;
    if (w->n_tries >= w->call.plan->options.n_retries || is_cancelled(w)) return outcome;
    w->n_tries++;
    w->chunk->n_retried++;
  }
}

static int is_over(const moons__worker *w) {
  const moons__chunk *chunk = w->chunk;
  if (chunk->n_run >= chunk->n_calls) return 1;
  if (chunk->found || (chunk->failed && !chunk->plan->options.collect) || is_cancelled(w)) return 1;
  return atomic_load_explicit(&chunk->plan->cancelled, memory_order_relaxed);
}

/* Takes the blocks that the outcome speaks of to the chunk: where the call has ended, for one that is given up may still add to
** them. Returns 0 or MOONS_ENOMEM. */
static int put_given(moons__worker *w) {
  moons__encoder *e = &w->call.encoder;
  if (e->shared == NULL) return 0;
  int error = moons__shared_list_add_all(&w->chunk->given, e->shared);
  moons__shared_list_release(e->shared);
  e->shared = NULL;
  e->n_shared_before = w->chunk->given != NULL ? w->chunk->given->n : 0;
  return error;
}

/* Makes the calls of the chunk. Returns 1 where one was given up. */
static int run_calls(moons__worker *w, moons__batch_reader *arguments) {
  while (!is_over(w)) {
    moons__batch_next(arguments, &w->call.item);
    w->call.index = w->chunk->first + w->chunk->n_run;
    w->call.n_begun = 0;
    atomic_store_explicit(&w->running, w->call.index + 1, memory_order_relaxed);
    int outcome = run_tries(w);
    if (outcome == 1) return 1;
    if (!put_plain(w) || outcome != 0 || put_given(w)) break;
    if (w->call.result.kind != MOONS__ITEM_END && !put_outcome(w, &w->call.result)) break;
    w->n_tries = 0;
  }
  return 0;
}

/* Every call of the chunk fails as its set-up did. */
static void fail_calls(moons__worker *w) {
  moons__item failure = set_up_failure(w);
  w->usage = (moons__usage){0};
  while (!is_over(w) && put_outcome(w, &failure))
    ;
}

/* Counts calls of which nothing could be proved, for whoever asks why they take long. */
static void note_unproved(const moons__worker *w) {
  const moons__lane *lane = &w->call.session->lane;
  const moons__chunk *chunk = w->chunk;
  if (chunk->n_restored == 0 || lane->reason[0] == '\0') return;
  moons__setup_note_unproved(chunk->plan->setup, chunk->n_restored, w->call.loaded->position,
                             lane->reason);
}

/* Brings a state to the set-up, and makes the calls. Returns 1 where that was given up. */
static int run_chunk(moons__worker *w, moons__chunk *chunk) {
  moons__batch_reader arguments;
  w->call.arguments = &arguments;
  moons__batch_open(&arguments, chunk->bytes, chunk->n_bytes);
  arguments.shared = chunk->plan->luggage.shared;
  w->call.shared = chunk->shared;
  w->call.encoder.n_shared_before = chunk->given != NULL ? chunk->given->n : 0;
  for (uint32_t i = 0; i < chunk->n_skipped; i++)
    moons__batch_next(&arguments, &w->call.item);
  w->is_setting_up = 1;
  atomic_store_explicit(&w->position, NULL, memory_order_relaxed);
  atomic_store_explicit(&w->running, SET_UP, memory_order_relaxed);
  start_clock(w);
  int is_set_up = enter(w, chunk->plan, arguments.needs) == 0;
  if (moons__worker_is_lost(w)) return 1;
  stop_clock(w);
  leave_scope(w, !chunk->plan->options.fresh);
  w->is_setting_up = 0;
  if (is_set_up)
    atomic_store_explicit(&w->position, w->call.loaded->position, memory_order_relaxed);
  if (!is_set_up) {
    fail_calls(w);
    return 0;
  }
  if (run_calls(w, &arguments)) return 1; /* the state is still needed: it must be closed */
  moons__session_leave(w->call.session);
  if (moons__worker_is_lost(w)) return 1;
  note_unproved(w);
  return 0;
}

static void take_spare(moons__worker *w, moons__chunk *chunk) {
  if (chunk->results.bytes != NULL) return;
  chunk->results = w->spare;
  w->spare = (moons__buffer){0};
}

/* Results are often as large as arguments. */
static void keep_spare(moons__worker *w, moons__chunk *chunk) {
  if (chunk->n_bytes < LEAST_SPARE_BYTES || chunk->n_bytes > MOONS_SPARE_BYTES) return;
  moons__buffer_free(&w->spare);
  w->spare = (moons__buffer){.bytes = chunk->bytes, .capacity = chunk->n_bytes};
  chunk->bytes = NULL;
}

void moons__worker_rest(moons__worker *w) {
  if (w->spare.capacity > MOONS_IDLE_SPARE_BYTES) moons__buffer_free(&w->spare);
}

int moons__worker_expect(moons__worker *w, moons__plan *plan) {
  atomic_store_explicit(&w->within, plan->scope, memory_order_relaxed);
  atomic_store_explicit(&w->is_foreign, plan->is_foreign, memory_order_relaxed);
  if (plan->options.timeout_ns > 0) atomic_store(&w->timeout_ns, plan->options.timeout_ns);
  return plan->options.timeout_ns > 0 || plan->is_foreign;
}

/* Returns 1 where the chunk was given up. */
static int run_whole(moons__worker *w, moons__chunk *chunk) {
  moons__stop *stop = &w->workshop.sandbox.stop;
  moons__stop_enter(stop);
  int is_given_up = run_chunk(w, chunk);
  moons__stop_leave(stop);
  return is_given_up;
}

int moons__worker_run(moons__worker *w, moons__chunk *chunk) {
  w->chunk = chunk;
  w->call.plan = chunk->plan;
  w->n_tries = chunk->n_tries;
  w->goes_on = 0;
  atomic_store_explicit(&w->call.is_cut_short, 0, memory_order_relaxed);
  int is_given_up = 0;
  take_spare(w, chunk);
  if (moons__batch_begin(&w->results, &chunk->results) == 0 && !is_over(w))
    is_given_up = run_whole(w, chunk);
  if (is_given_up) return 1;
  atomic_store_explicit(&w->within, NULL, memory_order_relaxed);
  w->chunk = NULL;
  atomic_store_explicit(&w->running, 0, memory_order_relaxed);
  moons__sandbox_pass_on(&w->workshop.sandbox);
  keep_spare(w, chunk);
  atomic_store(&w->timeout_ns, 0);
  stop_clock(w);
  if (w->call.message.capacity > MOONS_ARENA_KEEP_BYTES) moons__buffer_free(&w->call.message);
  return 0;
}

void moons__worker_cancel_here(void) { moons__stop_thread(); }

/* From any thread. */

void moons__worker_cancel(moons__worker *w, uint64_t since_ns) {
  atomic_store(&w->cancelled_ns, since_ns);
}

int moons__worker_is_ending(const moons__worker *w) {
  return moons__worker_is_lost(w) || moons__stop_reason_of(&w->workshop.sandbox.stop) != 0 ||
         is_cancelled(w);
}

/* Leaves the call that runs, which is held, and the worker's part of those after it. What is held may also be what comes
** after the last call. */
static moons__chunk *share_chunk(moons__chunk *chunk, unsigned n_sharers) {
  if (chunk->n_run + 1 >= chunk->n_calls) return NULL;
  uint32_t n_left = chunk->n_calls - chunk->n_run - 1;
  uint32_t n_taken = n_left / n_sharers + (n_left % n_sharers > 0);
  char *bytes = malloc(chunk->n_bytes + 1);
  if (bytes == NULL) return NULL;
  memcpy(bytes, chunk->bytes, chunk->n_bytes);
  moons__chunk *rest = moons__chunk_cut(chunk, chunk->n_calls - n_taken, bytes);
  if (rest == NULL) free(bytes);
  return rest;
}

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

/* From a signal handler, when the process is about to die: what it reads may be changing. */

/* The calls of a go have begun one after the other from the one that is noted. */
static uint64_t last_begun(const moons__worker *w, uint64_t running) {
  unsigned n_begun = w->goes_on ? w->call.n_begun : 0;
  return running - 1 + (n_begun > 0 ? n_begun - 1 : 0);
}

int moons__worker_running(const moons__worker *w, moons__running *r) {
  uint64_t running = atomic_load_explicit(&w->running, memory_order_relaxed);
  const char *position = atomic_load_explicit(&w->position, memory_order_relaxed);
  const moons__interrupt *here = &w->workshop.sandbox.stop.here;
  *r = (moons__running){.position = position, .call = last_begun(w, running)};
  r->is_setting_up = running == SET_UP;
  r->worker = w->number;
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

/* Tells the call that runs, its programs, and what it has started, to end; one with a timeout only where it is still the one
** that began at `started_ns`. */
static void tell(moons__worker *w, moons__stop_reason reason, uint64_t started_ns) {
  moons__stop *stop = &w->workshop.sandbox.stop;
  if (!moons__stop_hold(stop)) return;
  if (started_ns == 0 || atomic_load(&w->started_ns) == started_ns) {
    moons__stop_request(stop, reason);
    moons__scope_end(atomic_load(&w->scope), moons_clock_ns());
    if (w->chunk != NULL) moons__sandbox_end_programs(&w->workshop.sandbox);
  }
  moons__stop_let_go(stop);
}

void moons__worker_notice(moons__worker *w) {
  if (atomic_load_explicit(&w->scope, memory_order_relaxed) == NULL) return;
  uint64_t timeout_ns = atomic_load(&w->timeout_ns), started_ns = atomic_load(&w->started_ns);
  if (timeout_ns == 0 || started_ns == 0 || moons_clock_ns() < started_ns + timeout_ns) return;
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

static uint64_t watch_own(moons__worker *w, uint64_t now_ns) {
  if (moons__worker_is_lost(w)) return UINT64_MAX;
  uint64_t since_ns = cancelled_since(w);
  if (since_ns != 0) {
    tell(w, MOONS__STOP(CANCELLED), 0);
    return look_again(since_ns, now_ns);
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

/* Puts a failure without traceback: of the next call, or of all that are left. */
static void put_failure(moons__worker *w, moons__failure_kind kind, const char *text, int of_all) {
  moons__failure failure = moons__failure_of(kind, text);
  moons__buffer bytes = {0};
  if (moons__failure_write(&bytes, &failure) == 0) {
    moons__item item = {.kind = MOONS__ITEM_ERROR};
    item.bytes = bytes.bytes;
    item.n_bytes = bytes.n_bytes;
    while (put_outcome(w, &item) && of_all && w->chunk->n_run < w->chunk->n_calls)
      ;
  }
  moons__buffer_free(&bytes);
}

/* A set-up that does not end would not for the next call either. */
static void fail_given_up(moons__worker *w, moons__failure_kind kind) {
  static const char LOST[] = "its worker was lost: a call within it did not end";
  char text[128];
  snprintf(text, sizeof text, "%s in a function that cannot be stopped; its worker was given up",
           moons__failure_text(kind));
  put_failure(w, kind, kind == MOONS__FAILURE_LOST ? LOST : text, w->is_setting_up);
}

/* The worker keeps the bytes of its chunk, which get a copy where calls are left to run. */
static void keep_bytes(moons__worker *w) {
  moons__chunk *chunk = w->chunk;
  w->given_up_bytes = chunk->bytes;
  w->given_up_shared = moons__shared_list_share(chunk->shared);
  w->given_up_plan = chunk->plan;
  moons__plan_share(chunk->plan);
  chunk->bytes = chunk->n_run < chunk->n_calls ? malloc(chunk->n_bytes) : NULL;
  if (chunk->bytes != NULL) memcpy(chunk->bytes, w->given_up_bytes, chunk->n_bytes);
}

static void give_up_chunk(moons__worker *w) {
  put_plain(w);
  moons__failure_kind kind = cancelled_since(w) != 0 ? MOONS__FAILURE_CANCELLED
                             : was_told(w)           ? MOONS__FAILURE_TIMEOUT
                                                     : MOONS__FAILURE_LOST;
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
  keep_bytes(w);
  w->chunk = NULL;
}

/* Holds the call that runs where it was told to end. */
static int hold_told(moons__worker *w) {
  moons__stop *stop = &w->workshop.sandbox.stop;
  if (!moons__stop_hold(stop)) return 0;
  if (cancelled_since(w) != 0 || was_told(w)) return 1;
  moons__stop_let_go(stop);
  return 0;
}

int moons__worker_give_up(moons__worker *w, int with_others) {
  if (moons__worker_is_lost(w)) return 1;
  if (!with_others && !hold_told(w)) return 0;
  moons__scope_end(atomic_load(&w->scope), moons_clock_ns());
  if (w->chunk != NULL) give_up_chunk(w);
  moons__stop_give_up(&w->workshop.sandbox.stop);
  moons__sandbox_kill_programs(
      &w->workshop.sandbox); /* its thread kills those that it starts from now on */
  return 1;
}

void moons__chunk_refuse(moons__chunk *chunk) {
  moons__worker w = {.chunk = chunk};
  chunk->n_lost = chunk->n_calls;
  if (moons__batch_begin(&w.results, &chunk->results)) return;
  put_failure(&w, MOONS__FAILURE_LOST, "no worker is left: the calls of all of them do not end", 1);
}
