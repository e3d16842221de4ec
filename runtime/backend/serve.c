/*
** Two threads. The one that reads chunks makes the calls; the other hears of a chunk that it shall end, and of the end of the
** other process, whatever the first one does. It waits for no call, only for a frame that is being sent, so that no process is left
** behind. Others may help with maps within calls (helpers.h).
**
** Results are written where the other process can read them, into a window as large as any results may be, of which only what
** is written to takes memory; and after each call the mark says how many are there (mark.h). So they are safe when a call ends
** the process.
*/
#include "backend/serve.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "backend/arrival.h"
#include "backend/cargo.h"
#include "backend/front.h"
#include "backend/helpers.h"
#include "backend/passed.h"
#include "base/allocate.h"
#include "moons.h"
#include "sizes.h"
#include "system/clock.h"
#include "system/fork.h"
#include "system/machine.h"
#include "system/place.h"
#include "system/process.h"
#include "system/thread.h"
#include "worker/identity.h"

static const moons__backend_functions *const FUNCTIONS = &moons__backend_lent;

struct moons__server {
  moons__backend *backend; /* NULL: there is none yet */
  moons__link work, control;
  unsigned fork_number;
  moons__helpers *helpers;
  moons__trace *trace; /* that of the other process, in part; NULL: there is none */
  uint64_t row;        /* in it */
  unsigned number;     /* of the worker, from 0 */
  moons__front *front; /* of the memory that both have */
  char *window;        /* the rest */
  size_t window_bytes;
  size_t used_bytes; /* of it, by the last results */
  moons__setup *setups[MOONS_SETUPS_KEPT];
  moons__passed passed; /* terms of chunks */
  moons__held held;     /* blocks that chunks speak of */

  uv_mutex_t sending; /* guards writing to `work` */

  uv_mutex_t mutex;  /* guards all that follows */
  uint64_t running;  /* number of the chunk that runs; 0: none */
  moons__plan *plan; /* its */
  uint64_t stopped;  /* number of the last chunk that shall begin no more calls */
};

/* Blocks that it makes have ids of no other process: some bits count, the others are random. */
enum { ID_BITS = 24 };

enum { LEAST_WINDOW_BYTES = 1 << 20, KEPT_WINDOW_BYTES = 1 << 20 };

/* {== Opening ================================================================================= */

/* As much of the window as there is address space for. */
static int map_memory(moons__server *s) {
  size_t n_bytes = MOONS_WINDOW_BYTES;
  char *bytes = NULL;
  while (n_bytes >= LEAST_WINDOW_BYTES &&
         (bytes = moons__process_map(MOONS__PROCESS_MEMORY, n_bytes)) == NULL)
    n_bytes /= 2;
  if (bytes == NULL) return -1;
  moons__process_keep_from_forks(bytes, n_bytes);
  s->front = (moons__front *)bytes;
  s->window = bytes + sizeof *s->front;
  s->window_bytes = n_bytes - sizeof *s->front;
  return 0;
}

/* What there is no room for is sent, in its order. */
static void keep_events(moons__server *s, const char *events, size_t n_bytes) {
  moons__events *kept = &s->front->events;
  if (moons__events_add(kept, events, n_bytes) == 0) return;
  moons__link_write(&s->work, MOONS__FRAME_TRACED, NULL, 0, kept->bytes,
                    (size_t)atomic_load(&kept->n_bytes));
  moons__events_clear(kept);
  if (moons__events_add(kept, events, n_bytes))
    moons__link_write(&s->work, MOONS__FRAME_TRACED, NULL, 0, events, n_bytes);
}

/* `take` of the trace. */
static void take_events(void *server, const char *events, size_t n_bytes) {
  moons__server *s = server;
  uv_mutex_lock(&s->sending);
  keep_events(s, events, n_bytes);
  uv_mutex_unlock(&s->sending);
}

/* Without memory for it nothing is traced. */
static void open_trace(moons__server *s, const moons__frame_config *config) {
  if (config->trace.process != 0) s->trace = moons__trace_open_part(&config->trace, take_events, s);
  s->row = config->trace.thread;
}

moons__trace *moons__server_trace(const moons__server *s) { return s->trace; }

static void send_order(moons__server *s, moons__frame_kind kind, const moons__frame_order *order) {
  uv_mutex_lock(&s->sending);
  moons__link_write(&s->work, kind, order, sizeof *order, NULL, 0);
  uv_mutex_unlock(&s->sending);
}

/* Says how many calls the chunk has given away, none if it does not run. The mutex is held, so that it is not told to be done
** before. */
static void part(moons__server *s, const moons__frame_order *order) {
  moons__frame_order parted = {.work = order->work};
  moons__chunk *rest = NULL;
  if (s->running == order->work) rest = FUNCTIONS->share(s->backend, s, order->n);
  if (rest != NULL) {
    parted.n = rest->n_calls;
    moons__free(rest->bytes);
    moons__free(rest);
  }
  send_order(s, MOONS__FRAME_PARTED, &parted);
}

/* The mutex is held. */
static void stop(moons__server *s, const moons__frame_order *order) {
  s->stopped = order->work;
  if (s->running == order->work) atomic_store(&s->plan->cancelled, 1);
}

/* The place goes back with the chunk, if that has ended. The mutex is held. */
static void lend(moons__server *s, const moons__frame_order *order) {
  moons__frame_order back = {.work = order->work, .n = order->n};
  if (s->running == order->work && moons__helpers_lend(s->helpers, order->n, order->row - s->row))
    send_order(s, MOONS__FRAME_RETURNED, &back);
}

/* It is about the chunk that runs, or one that is about to come, or has just ended. */
static void follow(moons__server *s, moons__frame_kind kind, const moons__frame_order *order) {
  uv_mutex_lock(&s->mutex);
  int is_running = s->running == order->work;
  if (kind == MOONS__FRAME_STOP || kind == MOONS__FRAME_CANCEL) stop(s, order);
  if (is_running && kind == MOONS__FRAME_CANCEL) FUNCTIONS->cancel(s->backend, s);
  if (kind == MOONS__FRAME_PART) part(s, order);
  if (kind == MOONS__FRAME_LEND) lend(s, order);
  if (is_running && kind == MOONS__FRAME_RECALL) moons__helpers_recall(s->helpers, order->n);
  uv_mutex_unlock(&s->mutex);
}

static void hear(void *data) {
  moons__server *s = data;
  moons__frame frame;
  moons__frame_order order;
  moons__thread_name(MOONS__THREAD_NAME, "control");
  while (moons__link_read(&s->control, &frame, sizeof frame) == 0 &&
         moons__link_head(&s->control, &frame, &order, sizeof order) == 0)
    follow(s, frame.kind, &order);
  moons__process_end_group();
}

/* The magic is written at once with nothing else, for what is before it counts as text. */
static int greet(moons__server *s, moons__frame_config *config, int has_host) {
  static const char MAGIC[] = MOONS__FRAME_MAGIC;
  size_t n_written = 0;
  const char *identity = moons__identity(has_host);
  moons__frame frame;
  if (moons__process_write(MOONS__PROCESS_WORK, MAGIC, sizeof MAGIC - 1, &n_written)) return -1;
  if (moons__link_write(&s->work, MOONS__FRAME_HELLO, NULL, 0, identity, strlen(identity)))
    return -1;
  if (moons__link_read(&s->work, &frame, sizeof frame)) return -1;
  return moons__link_head(&s->work, &frame, config, sizeof *config);
}

static int open_server(moons__server *s, moons__frame_config *config, int has_host) {
  uv_thread_t id;
  moons__link_open(&s->work, MOONS__PROCESS_WORK, NULL, NULL);
  moons__link_open(&s->control, MOONS__PROCESS_CONTROL, NULL, NULL);
  s->fork_number = moons__fork_number();
  moons__shared_number_from(moons__random_seed() << ID_BITS);
  if (uv_mutex_init(&s->sending) || uv_mutex_init(&s->mutex) || map_memory(s)) return -1;
  moons__process_settle();
  if (greet(s, config, has_host)) return -1;
  s->number = config->number - 1;
  open_trace(s, config);
  return moons__thread_start(&id, NULL, 0, 0, hear, s);
}

/* What it has goes with the process. */
moons__server *moons__server_open(moons__frame_config *config, moons__terms *terms) {
  moons__server *s = moons__allocate_zeros(NULL, sizeof *s);
  if (s == NULL) return NULL;
  s->passed.host = moons__terms_share(terms);
  if (open_server(s, config, moons__terms_host(terms) != 0) == 0) return s;
  moons__terms_release(terms);
  moons__free(s);
  return NULL;
}

/* {== Chunks ================================================================================== */

/* The stream is not for the child of a fork in a call, which has stdout and stderr all the same. */
void moons__server_write(void *server, int stream, const char *bytes, size_t n_bytes) {
  moons__server *s = server;
  moons__frame_print print = {.stream = stream};
  if (moons__fork_number() != s->fork_number) {
    moons__process_print(stream, bytes, n_bytes);
    return;
  }
  uv_mutex_lock(&s->sending);
  moons__link_write(&s->work, MOONS__FRAME_PRINT, &print, sizeof print, bytes, n_bytes);
  uv_mutex_unlock(&s->sending);
}

/* Once it is taken out, no order can find the chunk; places that were lent for it go back with it. */
static void chunk_done(moons__chunk *chunk) {
  moons__server *s = chunk->owner;
  uv_mutex_lock(&s->mutex);
  moons__frame_done done = moons__arrival_tell(chunk, s->running);
  s->running = 0;
  s->plan = NULL;
  uv_mutex_unlock(&s->mutex);
  moons__helpers_dismiss(s->helpers);
  s->used_bytes = chunk->results.n_bytes;
  uv_mutex_lock(&s->sending);
  moons__link_write(&s->work, MOONS__FRAME_DONE, &done, sizeof done, NULL, 0);
  uv_mutex_unlock(&s->sending);
}

/* Gives back what large results before have taken, which have been read by now. */
static void clear_window(moons__server *s) {
  if (s->used_bytes <= KEPT_WINDOW_BYTES) return;
  moons__process_forget(s->front, sizeof *s->front + KEPT_WINDOW_BYTES,
                        sizeof *s->front + s->window_bytes);
}

static void begin(moons__server *s, uint64_t work, moons__plan *plan) {
  moons__mark_begin(&s->front->mark, work);
  uv_mutex_lock(&s->mutex);
  s->running = work;
  s->plan = plan;
  if (s->stopped == work) atomic_store(&plan->cancelled, 1);
  uv_mutex_unlock(&s->mutex);
}

/* Sends a block before the outcome that speaks of it counts: it is there when that is taken over. */
static void give(moons__chunk *chunk, moons__shared *block) {
  moons__server *s = chunk->owner;
  moons__frame_block head = {.id = block->id, .n_bytes = block->n_bytes};
  uv_mutex_lock(&s->sending);
  moons__link_write(&s->work, MOONS__FRAME_GIVEN, &head, sizeof head, block->bytes, block->n_bytes);
  uv_mutex_unlock(&s->sending);
}

/* The arguments are the chunk's from here on. */
static void run(moons__server *s, const moons__frame_chunk *head, moons__plan *plan,
                const moons__buffer *arguments) {
  moons__chunk chunk = {.plan = plan,
                        .first = head->first,
                        .n_calls = head->n_calls,
                        .n_skipped = head->n_skipped,
                        .n_tries = head->n_tries,
                        .bytes = arguments->bytes,
                        .n_bytes = arguments->n_bytes,
                        .shared = s->held.of_chunk,
                        .gave = give,
                        .mark = &s->front->mark,
                        .owner = s,
                        .done = chunk_done,
                        .n_workers = 1,
                        .depth = 1};
  chunk.results = (moons__buffer){.bytes = s->window, .capacity = s->window_bytes, .is_fixed = 1};
  clear_window(s);
  begin(s, head->work, plan);
  moons__held_begin(&s->held);
  FUNCTIONS->run(s->backend, &chunk);
  moons__held_end(&s->held);
  moons__shared_list_release(chunk.given);
  moons__free(chunk.bytes);
}

static int take_bytes(moons__server *s, const moons__frame *frame, moons__buffer *bytes) {
  size_t n_bytes = (size_t)frame->n_bytes;
  if (moons__buffer_reserve(bytes, n_bytes)) return -1;
  bytes->n_bytes = n_bytes;
  return moons__link_read(&s->work, bytes->bytes, n_bytes);
}

static int take_chunk(moons__server *s, const moons__frame *frame) {
  moons__frame_chunk head;
  if (moons__link_head(&s->work, frame, &head, sizeof head)) return -1;
  if (head.slot >= MOONS_SETUPS_KEPT || s->setups[head.slot] == NULL) return -1;
  moons__buffer arguments = {0};
  moons__luggage luggage = s->held.luggage;
  int error = moons__passed_read(&s->passed, &head, &luggage.terms);
  moons__plan *plan =
      error ? NULL : moons__plan_new(&head.options, s->setups[head.slot], &luggage, NULL, 0);
  if (plan == NULL || take_bytes(s, frame, &arguments)) error = -1;
  if (error)
    moons__buffer_free(&arguments);
  else {
    plan->prove_after = head.prove_after;
    run(s, &head, plan, &arguments);
  }
  moons__plan_release(plan);
  return error ? -1 : 0;
}

static int take_setup(moons__server *s, const moons__frame *frame) {
  uint32_t slot;
  moons__setup *setup = moons__held_take_setup(&s->work, frame, &slot);
  if (setup == NULL || slot >= MOONS_SETUPS_KEPT) return -1;
  moons__setup_release(s->setups[slot]);
  s->setups[slot] = setup;
  return 0;
}

static int take_place(moons__server *s, const moons__frame *frame) {
  moons__buffer place = {0};
  int error = take_bytes(s, frame, &place);
  if (!error) moons__place_take(place.bytes, place.n_bytes);
  moons__buffer_free(&place);
  return error;
}

/* Returns 0, 1: no chunk will come, or -1. Where the other process is gone nobody else ends what calls have started and left, so
** that is not left to the other thread: this one might end the process before. */
static int take(moons__server *s) {
  moons__frame frame;
  if (moons__link_read(&s->work, &frame, sizeof frame)) moons__process_end_group();
  switch (frame.kind) {
  case MOONS__FRAME_BYE: return 1;
  case MOONS__FRAME_SETUP: return take_setup(s, &frame);
  case MOONS__FRAME_PLACE: return take_place(s, &frame);
  case MOONS__FRAME_BLOCK: return moons__held_take_block(&s->held, &s->work, &frame);
  case MOONS__FRAME_SINK: return moons__held_take_sink(&s->held, &s->work, &frame);
  case MOONS__FRAME_FORGET: return moons__held_forget(&s->held, &s->work, &frame);
  case MOONS__FRAME_CARGO: return moons__held_take_cargo(&s->held, &s->work, &frame);
  case MOONS__FRAME_CHUNK: return take_chunk(s, &frame);
  default: return -1;
  }
}

static void give_up(void *data) {
  moons__server *s = data;
  atomic_store(&s->front->mark.is_given_up, 1);
  moons__process_end_group();
}

/* Says something about the chunk that runs; where none does, it goes without saying. */
static void say(moons__server *s, moons__frame_kind kind, unsigned n) {
  uv_mutex_lock(&s->mutex);
  moons__frame_order order = {.work = s->running, .n = n};
  if (s->running != 0) send_order(s, kind, &order);
  uv_mutex_unlock(&s->mutex);
}

static void give_back(void *server, unsigned number) { say(server, MOONS__FRAME_RETURNED, number); }

void moons__server_want(void *server) { say(server, MOONS__FRAME_WANT, 1); }

int moons__server_run(moons__server *s, moons__backend *lent_backend) {
  moons__helped helped = {.returned = give_back, .stuck = give_up, .data = s};
  s->backend = lent_backend;
  int error = moons__helpers_open(&s->helpers, lent_backend, s->number, &helped);
  if (error) return error;
  moons__machine_compute();
  while (take(s) == 0)
    ;
  moons__helpers_close(s->helpers);
  return 0;
}
