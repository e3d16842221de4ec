/*
** Chunks run in worker processes: whatever a call does to its process costs that call alone.
**
** Each process has a thread here, its keeper, which takes a chunk from the queue, hands it over, and waits for its results. The
** keeper alone talks to the process, kills it, and waits for its end, so it never waits for another one's; others only put
** orders into its second stream. Nothing is started before there is work: a chunk for which no keeper sleeps starts one, and
** that its process, whose place a new one takes when it dies.
**
** What a process has died of is told by the mark that it has left (mark.h): before its first call nobody is to blame, and the
** chunk is handed over again, a few times; afterwards the call that ran is lost, outcomes before it are taken over, and calls
** after it are made elsewhere.
*/
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "backend/backend.h"
#include "backend/cargo.h"
#include "backend/death.h"
#include "backend/frame.h"
#include "moons.h"
#include "sizes.h"
#include "system/machine.h"
#include "system/park.h"
#include "system/process.h"
#include "system/thread.h"
#include "system/trace.h"
#include "worker/identity.h"
#include "worker/outcome.h"
#include "worker/row.h"

/* The command that serves. */
static const char NAME[] = "moons";

enum { TEXT_BYTES = 1024, KEEPER_STACK_BYTES = 1 << 20 };

/* What a keeper has, only its thread touches, but for what the mutex of the backend guards. */
typedef struct keeper {
  moons__backend *backend;
  uv_thread_t id;
  moons__sleeper sleeper; /* its number is the worker's */

  int is_up; /* there is a process */
  moons__process process;
  moons__link link;
  moons__mark *mark;
  moons__setup *setups[MOONS_SETUPS_KEPT]; /* what the process has in its slots */
  unsigned next_slot;
  moons__sent sent;     /* blocks that it has */
  moons__buffer place;  /* where it is (place.h); empty: where this was when it was started */
  uint64_t deadline_ns; /* until when it has to say who it is, or to end; 0: neither */
  int has_ended;        /* the process has, but there may be something to read */
  moons__failure_kind killed_for; /* MOONS__FAILURE_LOST: it was not killed */
  unsigned n_run_killed;          /* calls that had run then */
  uint64_t looked_ns;
  int has_printed;
  int is_short;         /* there was no memory for what results speak of */
  moons__buffer text;   /* being printed */
  char why[TEXT_BYTES]; /* what the process said, or died of */
  moons__row row;       /* of the trace: chunks, since what calls do is not seen here */
  int is_joined;        /* its thread has ended; for the thread that closes the backend */

  /* Guarded by the mutex. */
  moons__link control;
  moons__chunk *chunk;   /* that the process has; NULL: none */
  uint64_t work;         /* its number; the next one's is one more */
  uint64_t cancelled_ns; /* since when it is cancelled; 0: it is not */
  int is_stopped;        /* the process was told to begin no more calls of it */
  int is_busy;           /* with a chunk, up to its end */
  int is_asked;          /* the process was asked for a part, and has not answered */
  struct keeper *next;
} keeper;

struct moons__backend {
  moons__backend_config config;
  char *program;

  uv_mutex_t mutex; /* guards all that follows */
  moons__chunk_list queue;
  moons__park park; /* keepers that sleep until there is a chunk, or the end */
  keeper *keepers;
  char is_taken[MOONS_MAX_WORKERS]; /* by number: a keeper has it */
  unsigned n_workers;               /* that there may be */
  unsigned n_start_failures;        /* in a row */
  char *refusal;                    /* why no chunk is run any more; NULL: they are */
  int closing;
};

/* {== Waiting for a process =================================================================== */

/* Ends the process for the call that it runs. */
static void kill_for(keeper *k, moons__failure_kind kind) {
  if (k->killed_for != MOONS__FAILURE_LOST) return;
  k->killed_for = kind;
  k->n_run_killed = atomic_load_explicit(&k->mark->n_run, memory_order_acquire);
  moons__process_kill(&k->process);
}

static void order(keeper *k, moons__frame_kind kind, uint32_t n) {
  moons__frame_order what = {.work = k->work, .n = n};
  moons__link_write(&k->control, kind, &what, sizeof what, NULL, 0);
}

static void cancel_chunk(keeper *k, uint64_t since_ns) {
  if (k->cancelled_ns != 0) return;
  k->cancelled_ns = since_ns;
  order(k, MOONS__FRAME_CANCEL, 0);
}

/* Since when the chunk is cancelled, also as part of a call that must end; 0: it is not. */
static uint64_t cancelled_since(keeper *k, uint64_t now_ns) {
  moons__backend *b = k->backend;
  moons__scope *scope = k->chunk->plan->scope;
  moons__scope_look(scope, now_ns);
  uv_mutex_lock(&b->mutex);
  if (moons__scope_is_over(scope)) cancel_chunk(k, now_ns);
  uint64_t since_ns = k->cancelled_ns;
  uv_mutex_unlock(&b->mutex);
  return since_ns;
}

/* Whether the call that runs, or the set-up, was to end long enough ago. The process ends those by itself that can be. */
static int is_late(const keeper *k, uint64_t now_ns) {
  uint64_t timeout_ns = k->chunk->plan->options.timeout_ns;
  uint64_t started_ns = atomic_load(&k->mark->started_ns);
  return timeout_ns > 0 && started_ns > 0 && atomic_load(&k->mark->work) == k->work &&
         now_ns > started_ns + timeout_ns + MOONS_GRACE_NS;
}

static void look_after_chunk(keeper *k, uint64_t now_ns) {
  uint64_t since_ns = cancelled_since(k, now_ns);
  if (since_ns != 0 && now_ns > since_ns + MOONS_GRACE_NS)
    kill_for(k, MOONS__FAILURE_CANCELLED);
  else if (is_late(k, now_ns))
    kill_for(k, MOONS__FAILURE_TIMEOUT);
}

/* Whether to go on waiting for the process: `waits` of its link. One that has ended may have left something to read, and what
** it has started may hold the stream: so it is waited for once more. */
static int look(void *data) {
  keeper *k = data;
  uint64_t now_ns = uv_hrtime();
  k->looked_ns = now_ns;
  if (k->has_ended) return 0;
  if (k->chunk != NULL) look_after_chunk(k, now_ns);
  if (k->deadline_ns != 0 && now_ns > k->deadline_ns) moons__process_kill(&k->process);
  k->has_ended = moons__process_has_ended(&k->process);
  return 1;
}

/* {== The life of a process =================================================================== */

/* Waits for the end of the process, and takes what there is of it. Others no longer give it orders. */
static void bury(keeper *k) {
  moons__backend *b = k->backend;
  uv_mutex_lock(&b->mutex);
  k->control.stream = -1;
  uv_mutex_unlock(&b->mutex);
  moons__death_tell(k->why, sizeof k->why, moons__process_wait(&k->process));
  moons__process_unmap(k->mark, MOONS_MARK_BYTES);
  for (unsigned i = 0; i < MOONS_SETUPS_KEPT; i++) {
    moons__setup_release(k->setups[i]);
    k->setups[i] = NULL;
  }
  moons__sent_clear(&k->sent);
  k->place.n_bytes = 0;
  k->mark = NULL;
  k->is_up = 0;
}

/* Reads up to the magic; what comes before it becomes `why`. */
static int find_magic(keeper *k) {
  static const char MAGIC[] = MOONS__FRAME_MAGIC;
  size_t n = 0, n_matched = 0;
  char c;
  while (n_matched < sizeof MAGIC - 1) {
    if (moons__link_read(&k->link, &c, 1)) return -1;
    if (n + 1 < TEXT_BYTES) k->why[n++] = c;
    k->why[n] = '\0';
    n_matched = c == MAGIC[n_matched] ? n_matched + 1 : c == MAGIC[0];
  }
  return 0;
}

/* Reads who the process is, and says how its states are to be. */
static int greet(keeper *k) {
  const moons__backend_config *config = &k->backend->config;
  const char *own = moons__identity(config->worker.open != NULL);
  moons__frame frame;
  char other[256];
  if (find_magic(k) || moons__link_read(&k->link, &frame, sizeof frame)) return -1;
  if (frame.kind != MOONS__FRAME_HELLO || frame.n_head != 0 || frame.n_bytes >= sizeof other)
    return -1;
  if (moons__link_read(&k->link, other, (size_t)frame.n_bytes)) return -1;
  other[frame.n_bytes] = '\0';
  if (strcmp(own, other) != 0) {
    snprintf(k->why, TEXT_BYTES, "'%s' is another one: %s; this is %s", k->backend->program, other,
             own);
    return -1;
  }
  moons__frame_config head = {.states_bytes = config->worker.states->max_bytes,
                              .state_bytes = config->worker.state_bytes,
                              .n_workers = config->n_workers,
                              .number = k->sleeper.number + 1};
  return moons__link_write(&k->link, MOONS__FRAME_CONFIG, &head, sizeof head, NULL, 0);
}

static int spawn(keeper *k) {
  char name[] = "moons", serve[] = "--serve", depth[] = "0";
  char *arguments[] = {name, serve, depth, NULL};
  const char *program = k->backend->program;
  int error = moons__process_start(&k->process, program, arguments, MOONS_WINDOW_BYTES,
                                   MOONS_PROCESS_LOOK_NS);
  if (error == ENOENT && strcmp(program, NAME) == 0)
    snprintf(k->why, TEXT_BYTES,
             "there is no command 'moons' beside the library or on the PATH; install it there");
  else if (error)
    snprintf(k->why, TEXT_BYTES, "'%s': %s", program, uv_strerror(uv_translate_sys_error(error)));
  return error;
}

/* The process is there: meets it. What it has said in place of that is why it failed. */
static int meet(keeper *k) {
  char said[TEXT_BYTES];
  moons__link_open(&k->link, k->process.work, look, k);
  k->has_ended = 0;
  k->killed_for = MOONS__FAILURE_LOST;
  k->why[0] = '\0';
  k->deadline_ns = uv_hrtime() + MOONS_PROCESS_START_NS;
  k->is_up = 1;
  k->mark = moons__process_map(k->process.memory, MOONS_MARK_BYTES);
  int error = k->mark == NULL || greet(k);
  k->deadline_ns = 0;
  if (!error) return 0;
  memcpy(said, k->why, sizeof said);
  moons__process_kill(&k->process);
  bury(k);
  if (said[0] != '\0') memcpy(k->why, said, sizeof said);
  return -1;
}

/* After some failures in a row no other is tried: says so of all chunks, those to come included. */
static void count_start(moons__backend *b, const keeper *k, int error) {
  static const char TEXT[] = "worker processes cannot be started: %s";
  uv_mutex_lock(&b->mutex);
  b->n_start_failures = error ? b->n_start_failures + 1 : 0;
  if (b->n_start_failures >= MOONS_PROCESS_TRIES && b->refusal == NULL) {
    b->refusal = malloc(TEXT_BYTES + sizeof TEXT);
    if (b->refusal != NULL) snprintf(b->refusal, TEXT_BYTES + sizeof TEXT, TEXT, k->why);
  }
  uv_mutex_unlock(&b->mutex);
}

static int start(keeper *k) {
  moons__backend *b = k->backend;
  int error = spawn(k);
  if (!error) error = meet(k);
  count_start(b, k, error);
  if (error) return -1;
  uv_mutex_lock(&b->mutex);
  moons__link_open(&k->control, k->process.control, NULL, NULL);
  uv_mutex_unlock(&b->mutex);
  return 0;
}

/* {== A chunk ================================================================================= */

/* The slot that has the set-up, which is sent where none does. The process forgets what the slot had, as this does. */
static int send_setup(keeper *k, moons__setup *setup, uint32_t *slot) {
  for (*slot = 0; *slot < MOONS_SETUPS_KEPT; ++*slot)
    if (k->setups[*slot] == setup) return 0;
  *slot = k->next_slot++ % MOONS_SETUPS_KEPT;
  moons__setup_release(k->setups[*slot]);
  k->setups[*slot] = moons__setup_share(setup);
  return moons__cargo_send_setup(&k->link, k->process.files, setup, *slot);
}

/* Where the script is, where that is not where the process is. */
static int send_place(keeper *k, const moons__buffer *place) {
  moons__buffer *there = &k->place;
  if (there->n_bytes == place->n_bytes && memcmp(there->bytes, place->bytes, place->n_bytes) == 0)
    return 0;
  there->n_bytes = 0;
  if (moons__buffer_append(there, place->bytes, place->n_bytes)) return -1;
  return moons__link_write(&k->link, MOONS__FRAME_PLACE, NULL, 0, place->bytes, place->n_bytes);
}

static int send_chunk(keeper *k, const moons__chunk *chunk) {
  moons__frame_chunk head = {.work = k->work,
                             .options = chunk->plan->options,
                             .first = chunk->first,
                             .n_calls = chunk->n_calls,
                             .n_skipped = chunk->n_skipped,
                             .n_tries = chunk->n_tries,
                             .prove_after = chunk->plan->prove_after};
  head.options.setup = NULL;
  if (send_place(k, &chunk->plan->place) || send_setup(k, chunk->plan->setup, &head.slot) ||
      moons__cargo_send(&k->sent, &k->link, k->process.files, chunk))
    return -1;
  return moons__link_write(&k->link, MOONS__FRAME_CHUNK, &head, sizeof head, chunk->bytes,
                           chunk->n_bytes);
}

static int pass_on_print(keeper *k, const moons__frame *frame) {
  const moons__worker_config *config = &k->backend->config.worker;
  moons__frame_print head;
  size_t n_bytes = (size_t)frame->n_bytes;
  k->text.n_bytes = 0;
  if (moons__link_head(&k->link, frame, &head, sizeof head)) return -1;
  if (head.stream < 1 || head.stream > 2 || moons__buffer_reserve(&k->text, n_bytes)) return -1;
  if (moons__link_read(&k->link, k->text.bytes, n_bytes)) return -1;
  config->write(config->write_data, head.stream, k->text.bytes, n_bytes);
  k->has_printed = 1;
  return 0;
}

static void pass_on(keeper *k) {
  const moons__worker_config *config = &k->backend->config.worker;
  if (k->has_printed && config->flush != NULL) config->flush(config->write_data);
  k->has_printed = 0;
}

/* The calls that the process has given away, as a chunk; NULL: no memory, and then they are put back when theirs is done. */
static moons__chunk *cut(keeper *k, uint32_t n_taken) {
  moons__backend *b = k->backend;
  moons__chunk *rest = NULL;
  char *bytes = malloc(k->chunk->n_bytes + 1);
  if (bytes != NULL) memcpy(bytes, k->chunk->bytes, k->chunk->n_bytes);
  uv_mutex_lock(&b->mutex);
  if (bytes != NULL) rest = moons__chunk_cut(k->chunk, k->chunk->n_calls - n_taken, bytes);
  if (rest == NULL) k->chunk->is_given_up = 1;
  uv_mutex_unlock(&b->mutex);
  if (rest == NULL) free(bytes);
  return rest;
}

/* The process has answered to share; it may have been asked about a chunk that was done by then. */
static int take_part(keeper *k, const moons__frame *frame) {
  moons__backend *b = k->backend;
  moons__frame_order parted;
  if (moons__link_head(&k->link, frame, &parted, sizeof parted)) return -1;
  if (parted.work != k->work) return 0;
  if (parted.n >= k->chunk->n_calls) return -1;
  moons__chunk *rest = parted.n > 0 ? cut(k, parted.n) : NULL;
  uv_mutex_lock(&b->mutex);
  k->is_asked = 0;
  uv_mutex_unlock(&b->mutex);
  if (rest != NULL) k->chunk->parted(k->chunk, rest);
  return 0;
}

/* Copies results out of the window. Returns -1 where they cannot be read; where there is no memory, there are none. */
static int read_results(const keeper *k, moons__buffer *results, uint64_t n_bytes) {
  results->n_bytes = 0;
  if (k->is_short || n_bytes > SIZE_MAX / 2 || moons__buffer_reserve(results, (size_t)n_bytes))
    return 0;
  while (results->n_bytes < n_bytes) {
    off_t at = MOONS_MARK_BYTES + (off_t)results->n_bytes;
    ssize_t n = pread(k->process.memory, results->bytes + results->n_bytes,
                      (size_t)n_bytes - results->n_bytes, at);
    if (n <= 0) return -1;
    results->n_bytes += (size_t)n;
  }
  return 0;
}

static int take_results(keeper *k, const moons__frame *frame) {
  moons__chunk *chunk = k->chunk;
  moons__frame_done done;
  if (moons__link_head(&k->link, frame, &done, sizeof done)) return -1;
  if (done.work != k->work || done.n_run > chunk->n_calls) return -1;
  if (read_results(k, &chunk->results, done.n_bytes)) return -1;
  moons__cargo_fetch(chunk, done.n_run);
  chunk->n_run = done.n_run;
  chunk->n_failed = done.n_failed;
  chunk->n_retried = done.n_retried;
  chunk->n_restored = done.n_restored;
  chunk->n_proved = done.n_proved;
  chunk->found = done.found;
  chunk->failed = done.failed;
  chunk->first_failed = done.first_failed;
  chunk->busy_ns = done.busy_ns;
  return 1;
}

/* Reads what the process has to say up to its results, and looks after it though it may talk all the time. Returns 0, or -1: they
** do not come. */
static int await_results(keeper *k) {
  int outcome = 0;
  moons__frame frame;
  while (outcome == 0 && moons__link_read(&k->link, &frame, sizeof frame) == 0) {
    if (uv_hrtime() > k->looked_ns + MOONS_PROCESS_LOOK_NS) look(k);
    switch (frame.kind) {
    case MOONS__FRAME_PRINT: outcome = pass_on_print(k, &frame); break;
    case MOONS__FRAME_PARTED: outcome = take_part(k, &frame); break;
    case MOONS__FRAME_GIVEN:
      outcome = moons__cargo_take_given(&k->link, &frame, k->chunk, &k->is_short);
      break;
    case MOONS__FRAME_DONE: outcome = take_results(k, &frame); break;
    default: outcome = -1;
    }
  }
  return outcome == 1 ? 0 : -1;
}

/* {== A process that has died with a chunk ==================================================== */

/* How it died, where it was not killed for the call. */
static void tell_why(const keeper *k, moons__stage stage, int is_given_up,
                     char text[TEXT_BYTES + 64]) {
  static const char *const STAGES[] = {" before its first call", " while its calls were set up", "",
                                       ""};
  if (is_given_up)
    snprintf(text, TEXT_BYTES + 64, "its worker was lost: a call within it did not end");
  else if (k->killed_for != MOONS__FAILURE_LOST)
    snprintf(text, TEXT_BYTES + 64,
             "%s in a function that cannot be stopped; its worker was given up",
             moons__failure_text(k->killed_for));
  else
    snprintf(text, TEXT_BYTES + 64, "%s%s", k->why, STAGES[stage]);
}

/* What it has left. A call is to blame only if it is the one that the process was killed for. */
static moons__remains remains_of(const keeper *k, moons__stage stage) {
  moons__remains r = {.kind = k->killed_for, .worker = k->sleeper.number + 1};
  if (stage == MOONS__STAGE_CALLS || stage == MOONS__STAGE_AFTER)
    r.n_run = atomic_load_explicit(&k->mark->n_run, memory_order_acquire);
  r.n_tries = atomic_load(&k->mark->n_tries);
  r.n_bytes = (size_t)atomic_load(&k->mark->n_bytes);
  uint64_t begun_ns = atomic_load(&k->mark->begun_ns), now_ns = uv_hrtime();
  if (begun_ns > 0 && begun_ns < now_ns) r.wall_ns = now_ns - begun_ns;
  r.of_all = stage == MOONS__STAGE_NONE || stage == MOONS__STAGE_SETTING_UP;
  r.is_blamed = stage != MOONS__STAGE_AFTER &&
                (k->killed_for == MOONS__FAILURE_LOST || r.n_run == k->n_run_killed);
  return r;
}

static moons__stage stage_of(const keeper *k) {
  if (atomic_load_explicit(&k->mark->work, memory_order_acquire) != k->work)
    return MOONS__STAGE_NONE;
  unsigned stage = atomic_load_explicit(&k->mark->stage, memory_order_acquire);
  return stage <= MOONS__STAGE_AFTER ? (moons__stage)stage : MOONS__STAGE_NONE;
}

/* Takes the chunk from the dead process. Returns 0 where no call had begun, and another process shall try. */
static int salvage(keeper *k, moons__chunk *chunk, uint64_t begun_ns) {
  moons__stage stage = stage_of(k);
  moons__remains remains = remains_of(k, stage);
  moons__buffer bytes = {0};
  char text[TEXT_BYTES + 64];
  if (read_results(k, &bytes, remains.n_bytes)) remains.n_run = 0;
  moons__cargo_fetch(chunk, remains.n_run);
  int is_given_up = atomic_load(&k->mark->is_given_up) != 0;
  bury(k);
  chunk->busy_ns = uv_hrtime() - begun_ns;
  tell_why(k, stage, is_given_up, text);
  remains.text = text;
  remains.bytes = bytes.bytes;
  remains.n_bytes = bytes.n_bytes;
  int is_tried_again = remains.of_all && k->killed_for == MOONS__FAILURE_LOST &&
                       atomic_fetch_add(&chunk->plan->n_deaths, 1) + 1 < MOONS_PROCESS_TRIES;
  if (!is_tried_again) moons__chunk_salvage(chunk, &remains);
  moons__buffer_free(&bytes);
  return !is_tried_again;
}

/* {== Keepers ================================================================================= */

/* From now on the chunk can be cancelled, or from now on not. */
static void set_chunk(keeper *k, moons__chunk *chunk) {
  moons__backend *b = k->backend;
  uv_mutex_lock(&b->mutex);
  k->chunk = chunk;
  if (chunk != NULL) k->work++;
  k->cancelled_ns = 0;
  k->is_stopped = k->is_asked = 0;
  k->is_short = 0;
  uv_mutex_unlock(&b->mutex);
}

/* Ends the chunk without a process where that must be. Returns 0 where it is to be run. */
static int settle(moons__backend *b, moons__chunk *chunk) {
  static const char TEXT[] =
      "worker processes died before they could make a call of this map, several in a row";
  moons__batch_writer none;
  uv_mutex_lock(&b->mutex);
  const char *refusal = b->refusal;
  uv_mutex_unlock(&b->mutex);
  if (atomic_load(&chunk->plan->cancelled))
    moons__batch_begin(&none, &chunk->results);
  else if (atomic_load(&chunk->plan->n_deaths) >= MOONS_PROCESS_TRIES)
    moons__chunk_refuse(chunk, MOONS__FAILURE_LOST, TEXT);
  else if (refusal != NULL)
    moons__chunk_refuse(chunk, MOONS__FAILURE_SYSTEM, refusal);
  else
    return 0;
  return 1;
}

/* Hands the chunk over once. Returns whether it has run, or what of it can be. It may be cancelled while the process starts,
** when nobody could find it: so that is looked at again. */
static int try_chunk(keeper *k, moons__chunk *chunk) {
  if (settle(k->backend, chunk)) return 1;
  if (!k->is_up && start(k)) return 0;
  uint64_t begun_ns = uv_hrtime();
  k->killed_for = MOONS__FAILURE_LOST;
  set_chunk(k, chunk);
  int is_settled = settle(k->backend, chunk);
  int has_run = !is_settled && send_chunk(k, chunk) == 0 && await_results(k) == 0;
  set_chunk(k, NULL);
  if (has_run) atomic_store(&chunk->plan->n_deaths, 0);
  if (has_run || is_settled) return 1;
  moons__process_kill(&k->process); /* where it only talks nonsense */
  return salvage(k, chunk, begun_ns);
}

static void trace_chunk(keeper *k, const moons__chunk *chunk) {
  if (!moons__row_is_traced(&k->row)) return;
  moons__traced_chunk traced = {
      .first = chunk->first, .n_run = chunk->n_run, .n_failed = chunk->n_failed};
  moons__row_end(&k->row, &traced);
}

static void run_chunk(keeper *k, moons__chunk *chunk) {
  moons__backend *b = k->backend;
  if (moons__row_is_traced(&k->row)) moons__row_begin(&k->row);
  while (!try_chunk(k, chunk))
    ;
  trace_chunk(k, chunk);
  pass_on(k);
  uv_mutex_lock(&b->mutex);
  k->is_busy = 0;
  uv_mutex_unlock(&b->mutex);
  chunk->done(chunk);
}

/* Takes a chunk, waiting for it; NULL at the end. */
static moons__chunk *dequeue(moons__backend *b, keeper *k) {
  moons__chunk *chunk;
  uv_mutex_lock(&b->mutex);
  while ((chunk = moons__chunk_dequeue(&b->queue, k->sleeper.number)) == NULL && !b->closing)
    moons__park_sleep(&b->park, &k->sleeper, &b->mutex);
  k->is_busy = chunk != NULL;
  uv_mutex_unlock(&b->mutex);
  return chunk;
}

/* Lets the process close its states, passes on what it prints then, and waits for its end. */
static void end(keeper *k) {
  moons__frame frame;
  if (!k->is_up) return;
  moons__process_finish(&k->process);
  k->deadline_ns = uv_hrtime() + MOONS_GRACE_NS;
  while (moons__link_read(&k->link, &frame, sizeof frame) == 0 &&
         frame.kind == MOONS__FRAME_PRINT && pass_on_print(k, &frame) == 0)
    ;
  pass_on(k);
  moons__process_kill(&k->process);
  bury(k);
}

static void keeper_main(void *data) {
  keeper *k = data;
  const moons__worker_config *config = &k->backend->config.worker;
  char name[8];
  moons__chunk *chunk;
  snprintf(name, sizeof name, "%u", k->sleeper.number);
  moons__thread_name(name);
  moons__trace_name_thread(config->trace, config->pool, k->sleeper.number + 1);
  while ((chunk = dequeue(k->backend, k)) != NULL)
    run_chunk(k, chunk);
  end(k);
}

static void keeper_free(keeper *k) {
  moons__row_close(&k->row);
  moons__buffer_free(&k->text);
  moons__buffer_free(&k->place);
  moons__sleeper_close(&k->sleeper);
  free(k);
}

/* Starts one more keeper. The mutex is held. */
static int start_keeper(moons__backend *b, unsigned number) {
  keeper *k = calloc(1, sizeof *k);
  if (k == NULL || moons__sleeper_open(&k->sleeper, number)) {
    free(k);
    return MOONS_ENOMEM;
  }
  k->backend = b;
  moons__row_open(&k->row, b->config.worker.trace);
  k->control.stream = -1;
  int error = moons__thread_start(&k->id, KEEPER_STACK_BYTES, 0, keeper_main, k);
  if (error) {
    keeper_free(k);
    return error;
  }
  k->next = b->keepers;
  b->keepers = k;
  b->is_taken[number] = 1;
  return 0;
}

/* {== What a backend does ===================================================================== */

/* Whether keepers that are about to look for a chunk suffice for those that wait. The mutex is held. */
static int may_suffice(const moons__backend *b, unsigned n_workers) {
  unsigned n_coming = 0;
  for (const keeper *k = b->keepers; k != NULL; k = k->next)
    n_coming += !k->is_busy && k->sleeper.number < n_workers;
  return n_coming >= b->queue.n;
}

/* Starts a keeper for a chunk that the first `n_workers` may run, where none is coming and there may be one more. The mutex is
** held. */
static int call_new(moons__backend *b, unsigned n_workers) {
  unsigned number = 0;
  if (n_workers > b->n_workers) n_workers = b->n_workers;
  if (may_suffice(b, n_workers)) return 0;
  while (number < n_workers && b->is_taken[number])
    number++;
  if (number == n_workers) return 0;
  return start_keeper(b, number);
}

static unsigned n_started(const moons__backend *b) {
  unsigned n = 0;
  for (const keeper *k = b->keepers; k != NULL; k = k->next)
    n++;
  return n;
}

/* A chunk that must be taken waits for those keepers that there are; without any, its calls are refused. */
static int submit(moons__backend *b, moons__chunk *chunk, unsigned *n_had) {
  uv_mutex_lock(&b->mutex);
  moons__chunk_enqueue(&b->queue, chunk);
  moons__sleeper *called = moons__park_call(&b->park, chunk->n_workers);
  int error = called == NULL ? call_new(b, chunk->n_workers) : 0;
  unsigned n = n_started(b);
  if (error && n_had == NULL && n > 0) error = 0;
  if (error) {
    moons__chunk_remove(&b->queue, chunk);
    chunk->is_queued = 0;
  }
  uv_mutex_unlock(&b->mutex);
  if (called != NULL) moons__sleeper_wake(called);
  if (!error) return 0;
  if (n_had != NULL) {
    *n_had = n;
    return error;
  }
  moons__chunk_refuse(chunk, MOONS__FAILURE_SYSTEM, moons_error_text(error));
  chunk->done(chunk);
  return 0;
}

static moons__chunk *withdraw(moons__backend *b, moons__chunk *chain) {
  uv_mutex_lock(&b->mutex);
  moons__chunk *chunk = moons__chunk_withdraw(&b->queue, chain);
  uv_mutex_unlock(&b->mutex);
  return chunk;
}

static int runs_for(const keeper *k, const void *owner) {
  return k->chunk != NULL && k->chunk->owner == owner && k->control.stream >= 0;
}

static void cancel(moons__backend *b, const void *owner) {
  uint64_t now_ns = uv_hrtime();
  uv_mutex_lock(&b->mutex);
  for (keeper *k = b->keepers; k != NULL; k = k->next)
    if (runs_for(k, owner)) cancel_chunk(k, now_ns);
  uv_mutex_unlock(&b->mutex);
}

static void stop(moons__backend *b, const void *owner) {
  uv_mutex_lock(&b->mutex);
  for (keeper *k = b->keepers; k != NULL; k = k->next) {
    if (!runs_for(k, owner) || k->is_stopped) continue;
    order(k, MOONS__FRAME_STOP, 0);
    k->is_stopped = 1;
  }
  uv_mutex_unlock(&b->mutex);
}

/* Calls of its chunk that have not begun, as far as can be seen. */
static uint32_t n_waiting(const keeper *k) {
  uint32_t n_calls = k->chunk->n_calls, n_begun = 1;
  if (atomic_load(&k->mark->work) == k->work) n_begun += atomic_load(&k->mark->n_run);
  return n_begun < n_calls ? n_calls - n_begun : 0;
}

/* Each process is asked once at a time. What it gives comes later. */
static moons__chunk *share(moons__backend *b, const void *owner, unsigned n_sharers) {
  uv_mutex_lock(&b->mutex);
  for (keeper *k = b->keepers; k != NULL; k = k->next) {
    if (!runs_for(k, owner) || k->is_asked || n_waiting(k) == 0) continue;
    order(k, MOONS__FRAME_PART, n_sharers);
    k->is_asked = 1;
    break;
  }
  uv_mutex_unlock(&b->mutex);
  return NULL;
}

static int grow(moons__backend *b, unsigned n_workers, unsigned *n_had) {
  uv_mutex_lock(&b->mutex);
  if (n_workers > b->n_workers) b->n_workers = n_workers;
  uv_mutex_unlock(&b->mutex);
  *n_had = n_workers;
  return 0;
}

/* A copy of its path, or its name, where only the PATH may tell where it is. */
static char *find_program(const char *program) {
  char path[MOONS_PATH_BYTES];
  if (program != NULL) return strdup(program);
  return strdup(moons__machine_find_beside(NAME, path, sizeof path) == 0 ? path : NAME);
}

static int open_processes(moons__backend **backend, const moons__backend_config *config) {
  moons__backend *b = calloc(1, sizeof *b);
  char *program = find_program(config->program);
  if (b == NULL || program == NULL || uv_mutex_init(&b->mutex)) {
    free(program);
    free(b);
    return MOONS_ENOMEM;
  }
  b->config = *config;
  b->program = program;
  b->n_workers = config->n_workers;
  *config->n_had = config->n_workers;
  *backend = b;
  return 0;
}

/* One that runs, or NULL. */
static keeper *find_running(moons__backend *b) {
  uv_mutex_lock(&b->mutex);
  keeper *k = b->keepers;
  while (k != NULL && k->is_joined)
    k = k->next;
  uv_mutex_unlock(&b->mutex);
  return k;
}

/* All are waited for before the first is freed: until then those that run look at each other, and may start one more. */
static void end_keepers(moons__backend *b) {
  uv_mutex_lock(&b->mutex);
  b->closing = 1;
  for (moons__sleeper *p; (p = moons__park_call(&b->park, MOONS_MAX_WORKERS)) != NULL;)
    moons__sleeper_wake(p);
  uv_mutex_unlock(&b->mutex);
  for (keeper *k; (k = find_running(b)) != NULL; k->is_joined = 1)
    uv_thread_join(&k->id);
  for (keeper *k; (k = b->keepers) != NULL;) {
    b->keepers = k->next;
    keeper_free(k);
  }
}

static void close_processes(moons__backend *b) {
  end_keepers(b);
  moons__backend_config config = b->config;
  uv_mutex_destroy(&b->mutex);
  free(b->refusal);
  free(b->program);
  free(b);
  config.gone(config.gone_data);
}

/* Measured: there and back, with the two threads that take part here. */
#define HANDOVER_NS 30000

const moons__backend_functions moons__backend_processes = {
    .name = "processes",
    .runs_elsewhere = 1,
    .handover_ns = HANDOVER_NS,
    .open = open_processes,
    .close = close_processes,
    .grow = grow,
    .submit = submit,
    .withdraw = withdraw,
    .cancel = cancel,
    .stop = stop,
    .share = share,
};
