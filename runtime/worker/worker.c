/*
** Keeps the sessions that were used last (sessions.h), and one state for all calls that keep theirs. Runs a chunk's calls in
** order; a call ends its chunk only where its error ends the map, or it was given up. What other threads may touch, and
** when, stands with each field (inside.h) and in STOPPING.md.
*/
#include "worker/worker.h"

#include <stdlib.h>
#include <string.h>

#include "base/allocate.h"
#include "moons.h"
#include "sizes.h"
#include "system/alarm.h"
#include "system/clock.h"
#include "system/fork.h"
#include "system/machine.h"
#include "system/waiter.h"
#include "wire/setup.h"
#include "worker/inside.h"
#include "worker/job_options.h"

enum { LEAST_SPARE_BYTES = 1024 }; /* smaller ones are as well had anew */

/* Between looks whether what a call has started has ended. */
enum { LEAST_DOZE_NS = 20000, MOST_DOZE_NS = 1000000 };

/* All that grows in it. */
static void lie_beside(moons__worker *w) {
  moons__workshop *shop = &w->workshop;
  w->fresh.beside = shop->models.beside = w;
  shop->models.numbers.beside = shop->models.inner.beside = w;
  shop->reporter.traceback.beside = shop->failure.beside = w;
  shop->sandbox.deferred.beside = shop->sandbox.lines[0].beside = w;
  shop->sandbox.lines[1].beside = w->call.message.beside = w;
  w->call.classes.numbers.beside = w;
  w->row.start.beside = w->spare.beside = w;
}

int moons__worker_open(moons__worker **worker, const moons__worker_config *config,
                       const moons__worker *outer) {
  *worker = moons__allocate_zeros(config->beside, sizeof **worker);
  if (*worker == NULL) return MOONS_ENOMEM;
  (*worker)->outer = outer;
  lie_beside(*worker);
  (*worker)->workshop.config = *config;
  (*worker)->workshop.make_call = moons__call_main;
  (*worker)->workshop.sandbox.write = config->write;
  (*worker)->workshop.sandbox.flush = config->flush;
  (*worker)->workshop.sandbox.write_data = config->write_data;
  (*worker)->workshop.sandbox.fork_number = moons__fork_number();
  moons__stop_open(&(*worker)->workshop.sandbox.stop, config->stop_signal, &(*worker)->cancelled_ns,
                   config->alarm);
  (*worker)->workshop.sandbox.starter.children = config->children;
  moons__row_open(&(*worker)->row, config->trace, 0);
  (*worker)->call.is_traced = config->trace != NULL;
  (*worker)->entry = moons__roster_join(config->roster, *worker);
  return 0;
}

void moons__worker_number(moons__worker *w, unsigned number, unsigned seat, uint64_t row) {
  w->workshop.sandbox.seat = seat;
  w->row.number = row;
  atomic_store_explicit(&w->number, number, memory_order_relaxed);
}

static int is_open(const moons__session *s) { return s->slot != NULL; }

int moons__worker_keeps_state(const moons__worker *w) { return is_open(&w->kept); }

static void close_kept(moons__worker *w) {
  moons__session_close(&w->kept);
  moons__base_close(&w->kept_base);
}

void moons__worker_end(moons__worker *w) {
  moons__sessions_close(&w->fresh);
  close_kept(w);
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
  moons__row_close(&w->row);
  moons__scope_release(atomic_load(&w->scope)); /* of a call that was given up */
  moons__free(w->given_up_bytes);
  moons__shared_list_release(w->given_up_shared);
  moons__plan_release(w->given_up_plan);
  moons__free(w);
}

/* Sessions. */

static moons__libraries allowed_to(const moons__plan *plan) {
  return moons__setup_allowed(plan->options.setup, plan->options.setup_bytes);
}

/* All libraries that its first calls may have. Calls that may have others, or have other terms, need another one. */
static moons__session *kept_session(moons__worker *w, const moons__plan *plan,
                                    moons__libraries needs) {
  moons__libraries allowed = allowed_to(plan);
  moons__terms *terms = plan->luggage.terms;
  if (is_open(&w->kept) && w->kept_base.allowed == allowed && w->kept.terms == terms)
    return &w->kept;
  close_kept(w);
  needs |= MOONS__LIBRARIES_ALL & allowed;
  if (moons__base_open(&w->kept_base, &w->workshop, needs, allowed) == 0 &&
      moons__session_open_kept(&w->kept, &w->workshop, &w->kept_base, terms) == 0)
    return &w->kept;
  moons__base_close(&w->kept_base);
  return NULL;
}

/* What draws random numbers; a map within a call does so for its seed. */
#define DRAWING (MOONS__LIBRARIES_RANDOM | MOONS__LIBRARIES_PARALLEL)

static int enter(moons__worker *w, moons__plan *plan, moons__libraries needs) {
  needs |= moons__setup_libraries(plan->options.setup, plan->options.setup_bytes);
  if (moons__terms_host(plan->luggage.terms) != 0)
    needs |= MOONS__LIBRARIES_ALL; /* the host may use any */
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
  w->call.may_seed = loaded->has_random && (s->reached & DRAWING) != 0;
  w->call.is_timed = (~s->reached & (MOONS__LIBRARIES_OS | MOONS__LIBRARIES_CLOCK)) == 0;
  w->call.session = s;
  w->call.loaded = loaded;
  w->call.classes.outer = &loaded->classes;
  w->call.classes.n_known = UINT32_MAX; /* the caller knows every class that it sent */
  return 0;
}

/* Chunks. */

static moons__item set_up_failure(const moons__worker *w) {
  const moons__buffer *failure = &w->workshop.failure;
  return (moons__item){
      .kind = MOONS__ITEM_ERROR, .bytes = failure->bytes, .n_bytes = failure->n_bytes};
}

static void set_clock(moons__worker *w, uint64_t started_ns) {
  atomic_store_explicit(&w->started_ns, started_ns, memory_order_relaxed);
  if (w->chunk != NULL && w->chunk->mark != NULL)
    atomic_store_explicit(&w->chunk->mark->started_ns, started_ns, memory_order_relaxed);
}

static void start_clock(moons__worker *w) {
  if (atomic_load_explicit(&w->timeout_ns, memory_order_relaxed) == 0) return;
  set_clock(w, moons__clock_ns());
}

/* What was to end has ended, and what came after it too. */
static void settle(moons__worker *w) {
  if (moons__stop_ending_since(&w->workshop.sandbox.stop) == 0) return;
  moons__stop_settle(&w->workshop.sandbox.stop);
  if (w->chunk != NULL && w->chunk->mark != NULL)
    atomic_store_explicit(&w->chunk->mark->ending_ns, 0, memory_order_relaxed);
}

static void stop_clock(moons__worker *w) {
  set_clock(w, 0);
  settle(w);
}

/* Says where the chunk is, for whoever finds the worker dead. */

static void mark_stage(const moons__chunk *chunk, moons__stage stage) {
  if (chunk->mark != NULL) atomic_store_explicit(&chunk->mark->stage, stage, memory_order_release);
}

static void mark_tries(const moons__worker *w) {
  if (w->chunk->mark != NULL)
    atomic_store_explicit(&w->chunk->mark->n_tries, w->n_tries, memory_order_relaxed);
}

/* Release: whoever sees the number sees the outcomes, and that the next call has had no try. */
static void mark_outcomes(const moons__worker *w) {
  moons__mark *mark = w->chunk->mark;
  if (mark == NULL) return;
  mark_tries(w);
  atomic_store_explicit(&mark->n_bytes, w->chunk->results.n_bytes, memory_order_relaxed);
  atomic_store_explicit(&mark->n_run, w->chunk->n_run, memory_order_release);
}

/* What a call starts. */

/* In a worker process a call counts when what it has started has ended, for a crash there is that call's. Where something does not
** end, the process makes no other call. */
static void await_in_process(moons__worker *w) {
  const moons__worker_config *config = &w->workshop.config;
  if (w->chunk->mark != NULL && config->await_within(config->await_data)) w->chunk->is_given_up = 1;
}

/* Waits until what the call has started has ended, as it was told to, or was given up: it may use what the host frees when the call
** comes home. In the child of a fork nothing else runs. */
static void await_within(const moons__worker *w, const moons__scope *scope) {
  uint64_t doze_ns = LEAST_DOZE_NS;
  if (!moons__scope_is_busy(scope)) return;
  if (w->workshop.config.alarm != NULL) moons__alarm_nudge(w->workshop.config.alarm);
  while (moons__scope_is_busy(scope) && !moons__worker_is_lost(w) &&
         moons__fork_number() == w->workshop.sandbox.fork_number) {
    moons__waiter_doze(doze_ns);
    if (doze_ns < MOST_DOZE_NS) doze_ns *= 2;
  }
}

static void end_within(moons__worker *w, moons__scope *scope) {
  moons__scope_end(scope, moons__clock_ns());
  if (w->workshop.config.await_within != NULL)
    await_in_process(w);
  else
    await_within(w, scope);
}

/* The end of the call, or of the set-up, is the end of what it has started; but what a set-up has started in a kept state
** goes on as that does. While that is waited for, the time of the call runs. */
static void leave_scope(moons__worker *w, int goes_on) {
  moons__scope *scope = atomic_load_explicit(&w->scope, memory_order_relaxed);
  if (scope == NULL) return;
  if (!goes_on) end_within(w, scope);
  w->workshop.sandbox.printed = moons__scope_printed(atomic_load(&w->within));
  atomic_store(&w->scope, NULL);
  moons__scope_release(scope);
}

/* What the call holds counts from now on for all that it starts as well. */
static moons__scope *enter_scope(moons__worker *w) {
  const moons__job_options *options = &w->call.plan->options;
  uint64_t started_ns = atomic_load(&w->started_ns), deadline_ns = UINT64_MAX;
  size_t memory_bytes = w->is_setting_up ? 0 : options->memory_bytes;
  if (options->timeout_ns > 0 && started_ns > 0) deadline_ns = started_ns + options->timeout_ns;
  moons__scope *scope = moons__scope_new(w, atomic_load(&w->within), memory_bytes, deadline_ns);
  if (scope == NULL) return NULL;
  scope->is_kept = w->is_setting_up && !options->fresh;
  if (w->workshop.sandbox.printed == NULL) {
    atomic_store(&scope->n_printed, w->workshop.sandbox.n_printed);
    w->workshop.sandbox.printed = &scope->n_printed;
  }
  if (memory_bytes > 0)
    moons__arena_charge_inner(&w->call.session->slot->arena, moons__scope_budget(scope));
  atomic_store(&w->scope, scope);
  if (moons__worker_is_ending(w))
    moons__scope_end(scope, moons__clock_ns()); /* whatever ended it saw no scope */
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

/* Terms under which calls may be made in one go: what they print is not counted for each, and a string of a go is short. */
static int may_terms(const moons__call *c) {
  const moons_terms *terms = moons__terms_of(c->plan->luggage.terms);
  return terms->output_bytes == 0 &&
         (terms->result_bytes == 0 || terms->result_bytes >= MOONS__STRINGS_IN_ONE_GO);
}

/* In a state that is not put back, calls without limits of their own may be made in one go; but not the first of a chunk,
** nor when others are to share the calls: nobody can take any of a go that has begun. Nor where a death must cost one call:
** outcomes of a go are not there before its end. */
static int may_go_on(const moons__worker *w) {
  const moons__call *c = &w->call;
  return w->chunk->mark == NULL && (!c->plan->options.fresh || c->session->in_lane) &&
         c->plan->options.timeout_ns == 0 && !c->plan->options.report && !c->is_timed &&
         may_terms(c) && c->plan->options.n_retries == 0 && !c->plan->options.until &&
         w->chunk->n_run > 0 && !atomic_load_explicit(&c->is_cut_short, memory_order_relaxed);
}

/* What a call uses, from its arguments to its end: numbers at its begin, and then what has been added to them. */
typedef struct meter {
  uint64_t cpu_ns;
  size_t touched_bytes;
} meter;

static void mark_begun(const moons__worker *w, uint64_t begun_ns) {
  if (w->chunk->mark != NULL)
    atomic_store_explicit(&w->chunk->mark->begun_ns, begun_ns, memory_order_relaxed);
}

static void begin_trace(moons__worker *w) {
  moons__row_begin_call(&w->row);
  mark_begun(w, w->row.begun_ns);
}

static void end_trace(moons__worker *w) {
  w->row.ended_ns = moons__clock_ns();
  mark_begun(w, 0);
}

static void begin_meter(moons__worker *w, meter *m) {
  if (w->call.is_traced) begin_trace(w);
  if (!w->call.plan->options.report) return;
  m->touched_bytes = moons__arena_begin_peak(&w->call.session->slot->arena);
  m->cpu_ns = moons__machine_cpu_ns();
  w->begun_ns = moons__clock_ns();
  mark_begun(w, w->begun_ns);
}

static void end_meter(moons__worker *w, const meter *m) {
  if (w->call.is_traced) end_trace(w);
  if (!w->call.plan->options.report) return;
  w->usage.wall_ns = moons__clock_ns() - w->begun_ns;
  w->usage.cpu_ns = moons__machine_cpu_ns() - m->cpu_ns; /* asking has taken some */
  if (w->usage.cpu_ns > w->usage.wall_ns) w->usage.cpu_ns = w->usage.wall_ns;
  w->usage.memory_bytes = moons__arena_end_peak(&w->call.session->slot->arena, m->touched_bytes);
  w->begun_ns = 0;
  mark_begun(w, 0);
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
    moons__lane_note(c->session->lane, n_made, c->is_odd);
  } else if (c->plan->options.fresh) {
    w->chunk->n_restored++;
  }
}

static void note_memory(const moons__worker *w) {
  size_t held = moons__arena_held_bytes(&w->call.session->slot->arena);
  if (held > w->chunk->memory_bytes) w->chunk->memory_bytes = held;
}

static void note_since(moons__worker *w, uint64_t since_ns) {
  atomic_store_explicit(&w->since_ns, since_ns, memory_order_relaxed);
  if (w->chunk->mark != NULL)
    atomic_store_explicit(&w->chunk->mark->since_ns, since_ns, memory_order_relaxed);
}

/* Notes for a person who asks what runs, and for how long. Chunks of many calls are made of short ones, for which the begin of
** the chunk says enough: so only calls of small ones ask the clock. */
static void note_begin(moons__worker *w) {
  if (w->chunk->n_calls > MOONS_FEW_CALLS) return;
  uint64_t now_ns = moons__clock_ns();
  note_since(w, w->goes_on ? now_ns & ~UINT64_C(1) : now_ns | 1);
}

/* Whether the outermost call has printed more than it may, with all that it has started: the errors of these it may have caught. */
static int has_printed_too_much(const moons__worker *w) {
  const moons__sandbox *sandbox = &w->workshop.sandbox;
  if (sandbox->printed == NULL || atomic_load(&w->within) != NULL) return 0;
  size_t most = moons__terms_of(sandbox->terms)->output_bytes;
  return most > 0 && atomic_load_explicit(sandbox->printed, memory_order_relaxed) > most;
}

/* Why what has come to its end has failed nevertheless, or 0. */
static moons__stop_reason late_reason(const moons__worker *w) {
  const moons__stop *stop = &w->workshop.sandbox.stop;
  if (moons__stop_ending_since(stop) != 0) return moons__stop_ending_for(stop);
  return has_printed_too_much(w) ? MOONS__STOP(OUTPUT) : 0;
}

/* Makes the call, or some in one go. Returns 0 with the outcome in w->call.result, or where it is odd with none, MOONS_ENOMEM, or
** 1 where it was given up. */
static int run_once(moons__worker *w) {
  moons__call *c = &w->call;
  meter used = {0};
  start_clock(w);
  c->is_odd = 0;
  moons__session_expect(c->session, &c->item);
  if (moons__session_begin_call(c->session, c->plan, way_of(c), c->may_seed)) {
    w->usage = (moons__usage){0};
    c->result = set_up_failure(w);
    if (moons__worker_is_lost(w)) return 1;
    stop_clock(w);
    leave_scope(w, 0);
    return 0;
  }
  c->seeds = c->may_seed && moons__session_may_draw(c->session);
  if (c->session->is_late) start_clock(w); /* what it has done is no part of the call */
  uint32_t n_left = w->chunk->n_calls - w->chunk->n_run;
  c->n_in_one_go = n_left < MOONS__CALLS_IN_ONE_GO ? n_left : MOONS__CALLS_IN_ONE_GO;
  w->goes_on = !c->is_again && may_go_on(w);
  w->workshop.sandbox.is_in_call = 1;
  w->workshop.sandbox.n_printed = 0;
  note_begin(w);
  begin_meter(w, &used);
  w->workshop.sandbox.cpu_begun_ns = c->is_timed ? moons__machine_cpu_ns() : MOONS__UNKNOWN;
  int outcome = w->goes_on ? moons__call_run_some(c) : moons__call_run(c);
  if (outcome == 1 || moons__session_end_call(c->session, is_whole(c, outcome))) return 1;
  moons__stop_reason late = late_reason(w);
  if (late != 0 && is_whole(c, outcome)) outcome = moons__call_end_late(c, late);
  w->workshop.sandbox.is_in_call = 0;
  moons__sandbox_release(&w->workshop.sandbox);
  end_meter(w, &used);
  if (must_collect(w)) moons__session_collect(c->session);
  if (moons__worker_is_lost(w)) return 1;
  leave_scope(w, 0);
  stop_clock(w);
  count_made(w);
  note_memory(w);
  return outcome;
}

/* Makes the call again, in a state that was put back, so that its error, or what it does at a limit, is what it would have been
** without any proof. Its time begins anew. Of some calls in one go the last is meant. */
static int run_again(moons__worker *w) {
  moons__call *c = &w->call;
  if (!moons__worker_put_go(w)) return MOONS_ENOMEM;
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
    if (w->n_tries >= w->call.plan->options.n_retries || moons__worker_is_cancelled(w))
      return outcome;
    if (w->call.is_traced) moons__worker_trace(w, &w->call.result);
    w->n_tries++;
    w->chunk->n_retried++;
    mark_tries(w);
  }
}

static int is_over(const moons__worker *w) {
  const moons__chunk *chunk = w->chunk;
  if (chunk->n_run >= chunk->n_calls) return 1;
  if (chunk->found || (chunk->failed && !chunk->plan->options.collect) ||
      moons__worker_is_cancelled(w))
    return 1;
  return atomic_load_explicit(&chunk->plan->cancelled, memory_order_relaxed);
}

/* In the child of a fork in a call of a worker process, which ends with that call. */
static int is_child(const moons__worker *w) {
  return w->chunk->mark != NULL && moons__fork_number() != w->workshop.sandbox.fork_number;
}

/* Makes the calls of the chunk. Returns 1 where one was given up. */
static int run_calls(moons__worker *w, moons__batch_reader *arguments) {
  while (!is_over(w)) {
    moons__batch_next(arguments, &w->call.item);
    w->call.index = w->chunk->first + w->chunk->n_run;
    moons__call_set_begun(&w->call, 0);
    atomic_store_explicit(&w->running, w->call.index + 1, memory_order_relaxed);
    int outcome = run_tries(w);
    if (outcome == 1) return 1;
    if (is_child(w)) break;
    if (!moons__worker_put_go(w) || outcome != 0 || !moons__worker_put_outcome(w)) break;
    w->n_tries = 0;
    mark_outcomes(w);
    if (w->chunk->is_given_up) break;
  }
  return 0;
}

/* Every call of the chunk fails as its set-up did. */
static void fail_calls(moons__worker *w) {
  moons__item failure = set_up_failure(w);
  w->usage = (moons__usage){0};
  while (!is_over(w) && moons__worker_put(w, &failure))
    ;
}

/* Counts calls of which nothing could be proved, for whoever asks why they take long. */
static void note_unproved(const moons__worker *w) {
  const moons__lane *lane = w->call.session->lane;
  const moons__chunk *chunk = w->chunk;
  if (lane == NULL || chunk->n_restored == 0 || lane->reason[0] == '\0') return;
  moons__setup_note_unproved(chunk->plan->setup, chunk->n_restored, w->call.loaded->position,
                             lane->reason);
}

/* A copy, since whoever looks at it may be late, and the set-up gone. */
static void note_position(moons__worker *w) {
  memcpy(w->position_bytes, w->call.loaded->position, sizeof w->position_bytes);
  atomic_store_explicit(&w->position, w->position_bytes, memory_order_relaxed);
  if (w->chunk->mark != NULL)
    memcpy(w->chunk->mark->position, w->position_bytes, sizeof w->position_bytes);
}

/* The set-up fails where what it has started has printed too much. Returns -1 then. */
static int check_printed(moons__worker *w) {
  moons__workshop *shop = &w->workshop;
  if (!has_printed_too_much(w)) return 0;
  moons__failure failure =
      moons__failure_of(MOONS__FAILURE_OUTPUT, moons__failure_text(MOONS__FAILURE_OUTPUT));
  shop->failure.n_bytes = 0;
  moons__failure_write(&shop->failure, &failure);
  return -1;
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
  atomic_store_explicit(&w->running, MOONS__SET_UP, memory_order_relaxed);
  start_clock(w);
  mark_stage(chunk, MOONS__STAGE_SETTING_UP);
  int is_set_up = enter(w, chunk->plan, arguments.needs) == 0;
  if (moons__worker_is_lost(w)) return 1;
  if (is_set_up && check_printed(w)) is_set_up = 0;
  leave_scope(w, !chunk->plan->options.fresh);
  stop_clock(w);
  w->is_setting_up = 0;
  if (w->call.is_traced) moons__row_set_up(&w->row, is_set_up ? w->call.loaded->position : NULL);
  if (is_set_up) note_position(w);
  if (!is_set_up) {
    fail_calls(w);
    return 0;
  }
  mark_tries(w);
  mark_stage(chunk, MOONS__STAGE_CALLS);
  if (run_calls(w, &arguments)) return 1; /* the state is still needed: it must be closed */
  mark_stage(chunk, MOONS__STAGE_AFTER);
  moons__session_leave(w->call.session);
  if (moons__worker_is_lost(w)) return 1;
  note_unproved(w);
  return 0;
}

static void take_spare(moons__worker *w, moons__chunk *chunk) {
  if (chunk->results.bytes != NULL) return;
  chunk->results = w->spare;
  chunk->results.beside = chunk->plan; /* which stays as long as the chunk */
  w->spare = (moons__buffer){.beside = w};
}

/* Results are often as large as arguments. */
static void keep_spare(moons__worker *w, moons__chunk *chunk) {
  if (chunk->n_bytes < LEAST_SPARE_BYTES || chunk->n_bytes > MOONS_SPARE_BYTES) return;
  moons__buffer_free(&w->spare);
  w->spare = (moons__buffer){.bytes = chunk->bytes, .capacity = chunk->n_bytes, .beside = w};
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

/* Returns 1 where the chunk was given up. What is left of a line, of a set-up that has failed say, goes to who takes what these calls
** print, and to none that comes later. */
static int run_whole(moons__worker *w, moons__chunk *chunk) {
  moons__sandbox *sandbox = &w->workshop.sandbox;
  const moons__luggage *luggage = &chunk->plan->luggage;
  w->call.encoder.leaves_process = chunk->mark != NULL;
  moons__sandbox_enter(sandbox, luggage->terms, luggage->call_data);
  w->before_calls = *luggage;
  w->before_calls.call_data = NULL;
  sandbox->printed = moons__scope_printed(chunk->plan->scope);
  sandbox->n_printed = 0;
  moons__stop_enter(&sandbox->stop);
  int is_given_up = run_chunk(w, chunk);
  moons__stop_leave(&sandbox->stop);
  if (is_given_up) return 1;
  moons__sandbox_flush(sandbox);
  moons__sandbox_enter(sandbox, NULL, NULL);
  return 0;
}

int moons__worker_run(moons__worker *w, moons__chunk *chunk) {
  w->chunk = chunk;
  w->call.plan = chunk->plan;
  w->n_tries = chunk->n_tries;
  w->goes_on = 0;
  w->workshop.n_built = 0;
  atomic_store_explicit(&w->call.is_cut_short, 0, memory_order_relaxed);
  int is_given_up = 0;
  note_since(w, moons__clock_ns() & ~UINT64_C(1));
  if (w->call.is_traced) moons__row_begin(&w->row);
  take_spare(w, chunk);
  moons__chunk_enter_scope(chunk);
  if (moons__batch_begin(&w->results, &chunk->results) == 0 && !is_over(w))
    is_given_up = run_whole(w, chunk);
  if (is_given_up) return 1;
  chunk->n_images = w->workshop.n_built;
  atomic_store_explicit(&w->within, NULL, memory_order_relaxed);
  moons__worker_trace_chunk(w);
  w->chunk = NULL;
  atomic_store_explicit(&w->running, 0, memory_order_relaxed);
  moons__sandbox_pass_on(&w->workshop.sandbox);
  keep_spare(w, chunk);
  atomic_store(&w->timeout_ns, 0);
  stop_clock(w);
  if (w->call.message.capacity > MOONS_ARENA_KEEP_BYTES) moons__buffer_free(&w->call.message);
  return 0;
}

const moons__luggage *moons__worker_luggage(const moons__worker *w) {
  return w->workshop.sandbox.is_in_call ? &w->call.plan->luggage : &w->before_calls;
}

void moons__worker_cancel_here(void) { moons__stop_thread(); }
