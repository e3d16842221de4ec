/*
** Three threads. One reads what the caller sends, and waits for nothing that is not the caller's, so that the end of the caller is
** seen whatever happens. One says every second that the agent is there, and passes on what programs print that calls start. The
** main one waits for the end. Results go home on the threads of the backend, one at a time.
**
** A chunk is the owner of itself here: orders come by its number, and so does what becomes of it.
*/
#include "backend/agent.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "backend/arrival.h"
#include "backend/cargo.h"
#include "backend/passed.h"
#include "base/allocate.h"
#include "moons.h"
#include "sizes.h"
#include "system/clock.h"
#include "system/process.h"
#include "system/thread.h"
#include "worker/identity.h"
#include "worker/terms.h"

/* A chunk that the backend has. */
typedef struct task {
  moons__chunk chunk;
  moons__agent *agent;
  uint64_t work; /* its number */
  struct task *next;
} task;

struct moons__agent {
  moons__standard standard;
  const moons__backend_functions *functions;
  moons__backend *backend;
  moons__trace *trace; /* that of the caller, in part; NULL: there is none */
  atomic_uint n_quiet; /* times that the caller was asked for, since it has sent something */
  uv_sem_t ending;     /* no chunk will come */

  /* Of the thread that reads. */
  moons__link in;
  moons__setup *setups[MOONS_SETUPS_KEPT];
  moons__held held;
  moons__passed passed; /* terms of chunks, which say who has printed what */
  moons__buffer place;
  struct {
    uint64_t number; /* by which the caller knows it */
    moons__plan *plan;
  } plans[MOONS_AGENT_PLANS];
  unsigned next_plan;

  uv_mutex_t sending; /* guards writing */
  moons__link out;

  uv_mutex_t mutex; /* guards what follows */
  task *tasks;
};

/* {== Going home ============================================================================== */

/* Where nobody takes it the caller waits in vain, since what it sends may still come. */
static void send_frame(moons__agent *a, moons__frame_kind kind, const void *head, size_t n_head,
                       const void *bytes, size_t n_bytes) {
  if (moons__link_write(&a->out, kind, head, n_head, bytes, n_bytes)) moons__process_end_group();
}

static void send_print(moons__agent *a, uint64_t plan, int stream, const char *bytes,
                       size_t n_bytes) {
  moons__frame_print head = {.plan = plan, .stream = stream};
  send_frame(a, MOONS__FRAME_PRINT, &head, sizeof head, bytes, n_bytes);
}

/* Passes on what programs have printed by now. `sending` is held. */
static void send_printed(moons__agent *a) {
  char text[MOONS__LINK_BYTES];
  for (ssize_t n; (n = read(a->standard.printed, text, sizeof text)) > 0;)
    send_print(a, 0, STDOUT_FILENO, text, (size_t)n);
}

/* `write` of the terms of all calls: `call_data` is the number of their plan. */
static void print(void *agent, void *call_data, int stream, const char *bytes, size_t n_bytes) {
  moons__agent *a = agent;
  uv_mutex_lock(&a->sending);
  send_print(a, (uint64_t)(uintptr_t)call_data, stream, bytes, n_bytes);
  uv_mutex_unlock(&a->sending);
}

void moons__agent_write(void *agent, int stream, const char *bytes, size_t n_bytes) {
  print(agent, NULL, stream, bytes, n_bytes);
}

/* `take` of the trace. */
static void send_events(void *agent, const char *events, size_t n_bytes) {
  moons__agent *a = agent;
  uv_mutex_lock(&a->sending);
  send_frame(a, MOONS__FRAME_TRACED, NULL, 0, events, n_bytes);
  uv_mutex_unlock(&a->sending);
}

/* Blocks that results speak of, and what calls have put into the array of their plan, come before what speaks of them. */
static void send_blocks(moons__agent *a, const moons__chunk *chunk, uint64_t work) {
  const moons__sink *sink = &chunk->plan->luggage.sink;
  for (unsigned i = 0; chunk->given != NULL && i < chunk->given->n; i++) {
    const moons__shared *block = chunk->given->blocks[i];
    moons__frame_block head = {.id = block->id, .n_bytes = block->n_bytes};
    send_frame(a, MOONS__FRAME_GIVEN, &head, sizeof head, block->bytes, block->n_bytes);
  }
  if (sink->block == NULL || chunk->n_run == 0) return;
  size_t n_bytes = sink->n_numbers * moons__element_bytes(sink->type);
  moons__frame_order head = {.work = work, .n = chunk->n_run};
  send_frame(a, MOONS__FRAME_STORED, &head, sizeof head,
             sink->block->bytes + (size_t)(chunk->first - 1) * n_bytes, chunk->n_run * n_bytes);
}

/* From then on no order finds it. */
static void remove_task(moons__agent *a, const task *t) {
  uv_mutex_lock(&a->mutex);
  task **at = &a->tasks;
  while (*at != t)
    at = &(*at)->next;
  *at = t->next;
  uv_mutex_unlock(&a->mutex);
}

static void task_free(task *t) {
  moons__chunk_drop_arguments(&t->chunk);
  moons__buffer_free(&t->chunk.results);
  moons__shared_list_release(t->chunk.given);
  moons__plan_release(t->chunk.plan);
  moons__free(t);
}

static void chunk_done(moons__chunk *chunk) {
  task *t = chunk->owner;
  moons__agent *a = t->agent;
  remove_task(a, t);
  moons__frame_done done = moons__arrival_tell(chunk, t->work);
  uv_mutex_lock(&a->sending);
  send_printed(a);
  send_blocks(a, chunk, t->work);
  send_frame(a, MOONS__FRAME_DONE, &done, sizeof done, chunk->results.bytes,
             chunk->results.n_bytes);
  uv_mutex_unlock(&a->sending);
  task_free(t);
}

/* The caller has the arguments, and cuts its own chunk. */
static void chunk_parted(moons__chunk *chunk, moons__chunk *rest) {
  const task *t = chunk->owner;
  moons__frame_order parted = {.work = t->work, .n = rest->n_calls};
  uv_mutex_lock(&t->agent->sending);
  send_frame(t->agent, MOONS__FRAME_PARTED, &parted, sizeof parted, NULL, 0);
  uv_mutex_unlock(&t->agent->sending);
  moons__chunk_drop_arguments(rest);
  moons__free(rest);
}

/* {== What comes ============================================================================== */

static moons__plan *find_plan(const moons__agent *a, uint64_t number) {
  for (unsigned i = 0; i < MOONS_AGENT_PLANS; i++)
    if (a->plans[i].plan != NULL && a->plans[i].number == number) return a->plans[i].plan;
  return NULL;
}

static moons__plan *make_plan(moons__agent *a, const moons__frame_chunk *head) {
  moons__luggage luggage = a->held.luggage;
  if (moons__passed_read(&a->passed, head, &luggage.terms)) return NULL;
  luggage.call_data = (void *)(uintptr_t)head->plan; /* NOLINT(performance-no-int-to-ptr) */
  moons__plan *plan = moons__plan_new(&head->options, a->setups[head->slot], &luggage, NULL, 0);
  if (plan == NULL) return NULL;
  plan->prove_after = head->prove_after;
  if (moons__buffer_append(&plan->place, a->place.bytes, a->place.n_bytes) == 0 &&
      moons__cargo_show_plan(plan) == 0)
    return plan;
  moons__plan_release(plan);
  return NULL;
}

/* The plan of a chunk, with a user more. */
static moons__plan *share_plan(moons__agent *a, const moons__frame_chunk *head) {
  moons__plan *plan = find_plan(a, head->plan);
  if (plan == NULL && (plan = make_plan(a, head)) != NULL) {
    unsigned i = a->next_plan++ % MOONS_AGENT_PLANS;
    moons__plan_release(a->plans[i].plan);
    a->plans[i].number = head->plan;
    a->plans[i].plan = plan;
  }
  if (plan != NULL) moons__plan_share(plan);
  return plan;
}

static int take_bytes(moons__agent *a, const moons__frame *frame, moons__buffer *bytes) {
  size_t n_bytes = (size_t)frame->n_bytes;
  bytes->n_bytes = 0;
  if (moons__buffer_reserve(bytes, n_bytes)) return -1;
  bytes->n_bytes = n_bytes;
  return moons__link_read(&a->in, bytes->bytes, n_bytes);
}

/* Fills in the task, whose parts are freed with it. */
static int read_task(moons__agent *a, const moons__frame *frame, task *t) {
  moons__frame_chunk head;
  moons__buffer bytes = {0};
  if (moons__link_head(&a->in, frame, &head, sizeof head)) return -1;
  if (head.slot >= MOONS_SETUPS_KEPT || a->setups[head.slot] == NULL) return -1;
  int error = take_bytes(a, frame, &bytes);
  t->agent = a;
  t->work = head.work;
  t->chunk = (moons__chunk){.plan = error ? NULL : share_plan(a, &head),
                            .first = head.first,
                            .n_calls = head.n_calls,
                            .n_skipped = head.n_skipped,
                            .n_tries = head.n_tries,
                            .bytes = bytes.bytes,
                            .n_bytes = bytes.n_bytes,
                            .shared = moons__shared_list_share(a->held.of_chunk),
                            .owner = t,
                            .done = chunk_done,
                            .parted = chunk_parted,
                            .n_workers = head.n_workers,
                            .depth = 1};
  moons__cargo_show(t->chunk.shared);
  moons__shared_list_begin_reading(t->chunk.shared);
  moons__held_begin(&a->held);
  moons__held_end(&a->held);
  return t->chunk.plan != NULL ? 0 : -1;
}

static int take_chunk(moons__agent *a, const moons__frame *frame) {
  task *t = moons__allocate_zeros(NULL, sizeof *t);
  if (t == NULL || read_task(a, frame, t)) {
    if (t != NULL) task_free(t);
    return -1;
  }
  uv_mutex_lock(&a->mutex);
  t->next = a->tasks;
  a->tasks = t;
  uv_mutex_unlock(&a->mutex);
  a->functions->submit(a->backend, &t->chunk, NULL);
  return 0;
}

/* A large one is moved to where all workers of the host map it. */
static int take_setup(moons__agent *a, const moons__frame *frame) {
  uint32_t slot;
  moons__setup *setup = moons__held_take_setup(&a->in, frame, &slot);
  if (setup == NULL || slot >= MOONS_SETUPS_KEPT) return -1;
  moons__setup_release(a->setups[slot]);
  a->setups[slot] = moons__cargo_setup(NULL, setup->bytes, setup->n_bytes, setup->hash);
  moons__setup_release(setup);
  return a->setups[slot] != NULL ? 0 : -1;
}

/* A chunk that has ended meanwhile needs no order. */
static int follow(moons__agent *a, const moons__frame *frame) {
  moons__frame_order order;
  if (moons__link_head(&a->in, frame, &order, sizeof order)) return -1;
  uv_mutex_lock(&a->mutex);
  task *t = a->tasks;
  while (t != NULL && t->work != order.work)
    t = t->next;
  if (t != NULL && frame->kind == MOONS__FRAME_PART) a->functions->share(a->backend, t, order.n);
  if (t != NULL && frame->kind != MOONS__FRAME_PART) atomic_store(&t->chunk.plan->cancelled, 1);
  if (t != NULL && frame->kind == MOONS__FRAME_STOP) a->functions->stop(a->backend, t);
  if (t != NULL && frame->kind == MOONS__FRAME_CANCEL) a->functions->cancel(a->backend, t);
  uv_mutex_unlock(&a->mutex);
  return 0;
}

/* A moons__take_running: adds the call to a buffer. */
static void add_running(void *buffer, const moons__running *r) {
  uint64_t now_ns = moons__clock_ns();
  moons__frame_running told = {.call = r->call,
                               .age_ns = now_ns > r->since_ns ? now_ns - r->since_ns : 0,
                               .worker = r->worker,
                               .is_setting_up = r->is_setting_up != 0,
                               .is_earlier = r->is_earlier != 0};
  if (r->position != NULL) snprintf(told.position, sizeof told.position, "%s", r->position);
  moons__buffer_append(buffer, &told, sizeof told);
}

/* Whoever sends at the moment waits for the caller to read, which it does whatever happens; so this may wait for them. */
static int answer(moons__agent *a, const moons__frame *frame) {
  moons__frame_order question;
  moons__buffer calls = {0};
  if (moons__link_head(&a->in, frame, &question, sizeof question)) return -1;
  a->functions->tell(a->backend, add_running, &calls);
  uv_mutex_lock(&a->sending);
  send_frame(a, MOONS__FRAME_RUNNING, &question, sizeof question, calls.bytes, calls.n_bytes);
  uv_mutex_unlock(&a->sending);
  moons__buffer_free(&calls);
  return 0;
}

static int take(moons__agent *a) {
  moons__frame frame;
  if (moons__link_read(&a->in, &frame, sizeof frame)) return -1;
  atomic_store(&a->n_quiet, 0);
  switch (frame.kind) {
  case MOONS__FRAME_HEART: return 0;
  case MOONS__FRAME_BYE: uv_sem_post(&a->ending); return 0;
  case MOONS__FRAME_SETUP: return take_setup(a, &frame);
  case MOONS__FRAME_PLACE: return take_bytes(a, &frame, &a->place);
  case MOONS__FRAME_BLOCK: return moons__held_take_block(&a->held, &a->in, &frame);
  case MOONS__FRAME_FORGET: return moons__held_forget(&a->held, &a->in, &frame);
  case MOONS__FRAME_CARGO: return moons__held_take_cargo(&a->held, &a->in, &frame);
  case MOONS__FRAME_CHUNK: return take_chunk(a, &frame);
  case MOONS__FRAME_STOP:
  case MOONS__FRAME_CANCEL:
  case MOONS__FRAME_PART: return follow(a, &frame);
  case MOONS__FRAME_ASK: return answer(a, &frame);
  default: return -1;
  }
}

/* Worker processes see the end of this one, and end with all that they have started. */
static void hear(void *data) {
  moons__agent *a = data;
  moons__thread_name(MOONS__THREAD_NAME, "caller");
  while (take(a) == 0)
    ;
  moons__process_end_group();
}

/* {== Being there ============================================================================= */

/* Who sends at the moment needs no such sign, and may wait for a connection that is gone: so nobody is waited for here. */
static void send_heart(moons__agent *a) {
  if (uv_mutex_trylock(&a->sending)) return;
  send_frame(a, MOONS__FRAME_HEART, NULL, 0, NULL, 0);
  uv_mutex_unlock(&a->sending);
}

/* Waits until a program prints something, at most until the next heart is due. Returns whether one has. */
static int await_printed(const moons__agent *a, uint64_t now_ns, uint64_t due_ns) {
  enum { NS_PER_MS = 1000000 };
  struct pollfd printed = {.fd = a->standard.printed, .events = POLLIN};
  uint64_t left_ns = now_ns < due_ns ? due_ns - now_ns : 0;
  return poll(&printed, 1, (int)(left_ns / NS_PER_MS) + 1) > 0 && (printed.revents & POLLIN) != 0;
}

/* What is to be printed while somebody sends is seen there, or in a moment. */
static void try_printed(moons__agent *a) {
  enum { MOMENT_MS = 10 };
  if (uv_mutex_trylock(&a->sending)) {
    poll(NULL, 0, MOMENT_MS);
    return;
  }
  send_printed(a);
  uv_mutex_unlock(&a->sending);
}

/* Counts, and does not look at the clock, so that an agent that was stopped for long does not take that for silence. */
static void live(void *data) {
  moons__agent *a = data;
  moons__thread_name(MOONS__THREAD_NAME, "heart");
  for (uint64_t due_ns = 0;;) {
    uint64_t now_ns = uv_hrtime();
    if (await_printed(a, now_ns, due_ns)) try_printed(a);
    if ((now_ns = uv_hrtime()) < due_ns) continue;
    due_ns = now_ns + MOONS_HEART_NS;
    send_heart(a);
    if (atomic_fetch_add(&a->n_quiet, 1) > MOONS_AGENT_SILENCE_S) moons__process_end_group();
  }
}

/* {== Opening and closing ===================================================================== */

static int greet(moons__agent *a, moons__frame_config *config) {
  static const char MAGIC[] = MOONS__FRAME_AGENT_MAGIC;
  size_t n_written = 0;
  const char *identity = moons__identity(0);
  moons__frame_cores cores = {.n = moons_cpus()};
  moons__frame frame;
  if (moons__process_write(a->standard.out, MAGIC, sizeof MAGIC - 1, &n_written)) return -1;
  send_frame(a, MOONS__FRAME_HELLO, &cores, sizeof cores, identity, strlen(identity));
  if (moons__link_read(&a->in, &frame, sizeof frame)) return -1;
  while (frame.kind == MOONS__FRAME_CLOCK) {
    moons__frame_clock clock = {.now_ns = moons__clock_ns()};
    send_frame(a, MOONS__FRAME_CLOCK, &clock, sizeof clock, NULL, 0);
    if (moons__link_read(&a->in, &frame, sizeof frame)) return -1;
  }
  if (frame.kind != MOONS__FRAME_CONFIG) return -1;
  return moons__link_head(&a->in, &frame, config, sizeof *config);
}

/* Without memory for it nothing is traced. */
static void open_trace(moons__agent *a, const moons__frame_config *config) {
  if (config->trace.process != 0) a->trace = moons__trace_open_part(&config->trace, send_events, a);
}

moons__trace *moons__agent_trace(const moons__agent *a) { return a->trace; }

static int open_agent(moons__agent *a, moons__frame_config *config) {
  if (moons__process_take_standard(&a->standard)) return -1;
  moons__link_open(&a->in, a->standard.in, NULL, NULL);
  moons__link_open(&a->out, a->standard.out, NULL, NULL);
  if (uv_mutex_init(&a->sending) || uv_mutex_init(&a->mutex) || uv_sem_init(&a->ending, 0))
    return -1;
  a->passed.write = print;
  a->passed.write_data = a;
  if (greet(a, config)) return -1;
  open_trace(a, config);
  return 0;
}

/* What it has goes with the process. */
moons__agent *moons__agent_open(moons__frame_config *config) {
  moons__agent *a = moons__allocate_zeros(NULL, sizeof *a);
  if (a == NULL || open_agent(a, config) == 0) return a;
  moons__free(a);
  return NULL;
}

int moons__agent_run(moons__agent *a, const moons__backend_functions *functions,
                     moons__backend *backend) {
  uv_thread_t id;
  a->functions = functions;
  a->backend = backend;
  int error = moons__thread_start(&id, NULL, 0, 0, hear, a);
  if (!error) error = moons__thread_start(&id, NULL, 0, 0, live, a);
  if (!error) uv_sem_wait(&a->ending);
  return error;
}

void moons__agent_close(moons__agent *a) {
  uv_mutex_lock(&a->sending);
  send_printed(a);
  uv_mutex_unlock(&a->sending);
}
