/*
** Chunks run on threads of our own, which take them from one queue. A thread starts when a chunk comes and none is idle, and
** stays. One whose call does not end though it must is given up: it leaves the pool with what it holds, another takes its place,
** and it ends by itself if its call ever does.
*/
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "backend/backend.h"
#include "backend/stack.h"
#include "base/allocate.h"
#include "base/errors.h"
#include "moons.h"
#include "sizes.h"
#include "system/alarm.h"
#include "system/clock.h"
#include "system/fork.h"
#include "system/machine.h"
#include "system/park.h"
#include "system/thread.h"
#include "system/trace.h"
#include "worker/outcome.h"

/* What a thread owns, only that thread touches, but for what the mutex of the backend guards. */
typedef struct thread {
  moons__backend *backend;
  uv_thread_t id;
  const char *stack; /* an address at the start of its stack */
  moons__stack workers;
  moons__sleeper sleeper; /* its number is the thread's */
  int is_coming;          /* it was started, and has not looked for a chunk; guarded by the mutex */
  int is_lost;            /* it was given up, and is in no list; guarded by the mutex */
  struct thread *next;
} thread;

struct moons__backend {
  moons__backend_config config;
  uv_key_t current; /* the thread that runs, where it is ours */
  moons__alarm *alarm;
  unsigned fork_number; /* of the process (fork.h) */

  /* What threads have of the one that opened the backend, whichever starts them. */
  sigset_t blocked;
  moons__cores *cores; /* NULL: not known */

  atomic_uint n_running; /* threads that run a chunk; grows under the mutex */

  moons__stack
      guest; /* of whatever thread runs calls while it waits; without workers before the first does */

  uv_mutex_t mutex; /* guards all that follows */
  uv_cond_t left;   /* a thread has ended, or was given up */
  moons__chunk_list queue;
  moons__park park;   /* threads that wait for a chunk, or the end */
  int has_guest;      /* a thread that waits runs a chunk */
  thread *threads;    /* those that run */
  thread *over;       /* those that have ended, to be joined */
  unsigned n_threads; /* that there should be */
  unsigned n_alive;
  char is_taken[MOONS_MAX_WORKERS]; /* by number: a thread has it */
  unsigned n_telling;               /* threads that tell the host of their end */
  unsigned n_users;                 /* the owner, and threads that were given up and go on */
  int closing;
};

/* The queue. */

/* Waits until there is a chunk for this thread, or the end. The mutex is held. */
static moons__chunk *wait_for_chunk(moons__backend *b, thread *t) {
  uint64_t start_ns = moons__clock_ns();
  moons__chunk *chunk;
  moons__park_spin(&b->park, &b->mutex, atomic_load_explicit(&b->n_running, memory_order_relaxed),
                   b->config.n_cores);
  while ((chunk = moons__chunk_dequeue(&b->queue, t->sleeper.number)) == NULL && !b->closing) {
    moons__stack_rest(&t->workers);
    moons__park_sleep(&b->park, &t->sleeper, &b->mutex);
  }
  moons__park_learn(&b->park, &t->sleeper, start_ns);
  return chunk;
}

/* A thread that was started counts as one that comes until it has. The mutex is held. */
static void arrive(moons__backend *b, thread *t) {
  if (t->is_coming) moons__park_come(&b->park);
  t->is_coming = 0;
}

/* Takes a chunk, waiting for it; NULL at the end. */
static moons__chunk *dequeue(moons__backend *b, thread *t) {
  uv_mutex_lock(&b->mutex);
  arrive(b, t);
  moons__chunk *chunk = moons__chunk_dequeue(&b->queue, t->sleeper.number);
  if (chunk == NULL && !b->closing) chunk = wait_for_chunk(b, t);
  if (chunk != NULL) atomic_fetch_add_explicit(&b->n_running, 1, memory_order_relaxed);
  uv_mutex_unlock(&b->mutex);
  return chunk;
}

/* Calls one that sleeps for the chunk that was just put into the queue, where it is needed. The mutex is held. */
static moons__sleeper *call_one(moons__backend *b, unsigned n_workers) {
  return moons__park_call_for(&b->park, b->queue.n, n_workers, b->n_threads);
}

static moons__chunk *withdraw(moons__backend *b, moons__chunk *chain) {
  uv_mutex_lock(&b->mutex);
  moons__chunk *chunk = moons__chunk_withdraw(&b->queue, chain);
  uv_mutex_unlock(&b->mutex);
  return chunk;
}

/* A thread that was woken and has not begun has the core of whoever waits busily. */
static int make_way(moons__backend *b) {
  if (atomic_load_explicit(&b->n_running, memory_order_relaxed) >= b->config.n_cores) return 0;
  moons__park_make_way(&b->park);
  return 1;
}

/* In a child that the call has forked this is the only thread, and with the call the child ends: nobody waits for what it
** gives, and threads that are not there may hold locks. */
static void end_child(const moons__backend *b) {
  if (moons__fork_number() != b->fork_number) pthread_exit(NULL);
}

/* Returns 0 where the thread was given up. */
static int run_on(thread *t, moons__chunk *chunk) {
  int is_given_up = moons__stack_run(&t->workers, chunk);
  end_child(t->backend);
  moons__stack_finish(&t->workers, chunk, is_given_up);
  return !is_given_up;
}

/* From the first thread that has any. A caller with several sharers asks again. */
static moons__chunk *share(moons__backend *b, const void *owner, unsigned n_sharers) {
  moons__chunk *rest = NULL;
  uv_mutex_lock(&b->mutex);
  for (const thread *t = b->threads; t != NULL && rest == NULL; t = t->next)
    rest = moons__stack_share(&t->workers, owner, n_sharers);
  uv_mutex_unlock(&b->mutex);
  return rest;
}

static const moons__station *here(moons__backend *b) {
  const thread *t = uv_key_get(&b->current);
  return t != NULL ? moons__stack_here(&t->workers) : NULL;
}

/* Threads. */

/* The lowest number that no thread has. */
static unsigned free_number(const moons__backend *b) {
  unsigned number = 0;
  while (b->is_taken[number])
    number++;
  return number;
}

/* A thread that has not been started and has no worker yet, or NULL. The mutex is held. */
static thread *thread_new(moons__backend *b) {
  thread *t = moons__allocate_zeros(b, sizeof *t);
  if (t == NULL || moons__sleeper_open(&t->sleeper, free_number(b))) {
    moons__free(t);
    return NULL;
  }
  t->backend = b;
  t->workers = (moons__stack){.config = &b->config.worker,
                              .mutex = &b->mutex,
                              .alarm = b->alarm,
                              .number = t->sleeper.number + 1,
                              .seat = moons__seats_take(b->config.worker.seats)};
  return t;
}

static void thread_free(thread *t) {
  moons__seats_give(t->backend->config.worker.seats, t->workers.seat);
  moons__sleeper_close(&t->sleeper);
  moons__free(t);
}

/* The end of a thread, and of the backend. */

static void destroy_locks(moons__backend *b) {
  uv_cond_destroy(&b->left);
  uv_mutex_destroy(&b->mutex);
  uv_key_delete(&b->current);
}

static void backend_free(moons__backend *b) {
  moons__alarm_close(b->alarm);
  destroy_locks(b);
  moons__free(b->cores);
  moons__free(b);
}

/* Called by each user that is done with the backend; the last one frees it. */
static void let_go(moons__backend *b) {
  uv_mutex_lock(&b->mutex);
  int is_last = --b->n_users == 0;
  uv_mutex_unlock(&b->mutex);
  if (!is_last) return;
  moons__backend_config config = b->config;
  backend_free(b);
  config.gone(config.gone_data);
}

static void unlink_thread(moons__backend *b, const thread *t) {
  thread **at = &b->threads;
  while (*at != t)
    at = &(*at)->next;
  *at = t->next;
  b->is_taken[t->sleeper.number] = 0;
  b->n_alive--;
  uv_cond_broadcast(&b->left);
}

static void leave(thread *t) {
  moons__backend *b = t->backend;
  uv_mutex_lock(&b->mutex);
  int is_lost = t->is_lost;
  if (!is_lost) {
    unlink_thread(b, t);
    t->next = b->over;
    b->over = t;
  }
  uv_mutex_unlock(&b->mutex);
  moons__stack_close(&t->workers);
  if (!is_lost) return;
  pthread_detach(pthread_self()); /* nobody waits for it */
  thread_free(t);
  atomic_fetch_sub(b->config.n_lost, 1);
  moons__alarm_nudge(b->alarm); /* there may be another in its place now */
  let_go(b);
}

static void name_thread(const thread *t) {
  char number[8];
  snprintf(number, sizeof number, "%u", t->sleeper.number);
  moons__thread_name(t->backend->config.thread_name, number);
  moons__trace_name_thread(t->backend->config.worker.trace, t->backend->config.worker.pool,
                           t->sleeper.number + 1);
}

/* Tells the host of the thread: of its end not where it was given up and the host has closed the backend since, for what the host
** would use may be gone. */
static void tell_begin(const thread *t) {
  const moons__backend_config *config = &t->backend->config;
  if (config->thread != NULL) config->thread(config->thread_data, t->workers.seat, 1);
}

static void tell_end(thread *t) {
  moons__backend *b = t->backend;
  if (b->config.thread == NULL) return;
  uv_mutex_lock(&b->mutex);
  int is_told = !t->is_lost || !b->closing;
  if (is_told) b->n_telling++;
  uv_mutex_unlock(&b->mutex);
  if (!is_told) return;
  b->config.thread(b->config.thread_data, t->workers.seat, 0);
  uv_mutex_lock(&b->mutex);
  b->n_telling--;
  uv_cond_broadcast(&b->left);
  uv_mutex_unlock(&b->mutex);
}

static void thread_main(void *data) {
  char here = 0;
  thread *t = data;
  t->stack = &here;
  name_thread(t);
  uv_key_set(&t->backend->current, t);
  moons__machine_use_cores(t->backend->cores);
  moons__machine_compute();
  tell_begin(t);
  moons__chunk *chunk;
  int goes_on = 1;
  while (goes_on && (chunk = dequeue(t->backend, t)) != NULL) {
    goes_on = run_on(t, chunk);
    atomic_fetch_sub_explicit(&t->backend->n_running, 1, memory_order_relaxed);
  }
  moons__stack_end(&t->workers);
  tell_end(t);
  leave(t);
}

/* Starting threads. */

/* Puts a thread that will be started among those that run; NULL: no memory. The mutex is held. */
static thread *add_thread(moons__backend *b) {
  thread *t = thread_new(b);
  if (t == NULL) return NULL;
  if (moons__stack_open(&t->workers)) {
    moons__stack_close(&t->workers);
    thread_free(t);
    return NULL;
  }
  t->next = b->threads;
  b->threads = t;
  b->is_taken[t->sleeper.number] = 1;
  b->n_alive++;
  t->is_coming = 1;
  moons__park_expect(&b->park);
  return t;
}

/* Takes one out again that could not be started. The mutex is held. */
static void drop_thread(moons__backend *b, thread *t) {
  arrive(b, t);
  unlink_thread(b, t);
  moons__stack_close(&t->workers);
  thread_free(t);
}

/* Starts one more thread, and before the first one whatever looks after calls. The mutex is held, but not while the system
** makes the thread: that takes long, and those that run want it. */
static int start_thread(moons__backend *b) {
  thread *t = add_thread(b);
  if (t == NULL) return MOONS_ENOMEM;
  uv_mutex_unlock(&b->mutex);
  int error = moons__alarm_start(b->alarm);
  if (!error)
    error = moons__thread_start(&t->id, b, b->config.stack_bytes, &b->blocked, thread_main, t);
  uv_mutex_lock(&b->mutex);
  if (error) drop_thread(b, t);
  return error;
}

/* How many threads must not be there for those that were given up and go on. The mutex is held. */
static unsigned n_replaced_by_none(const moons__backend *b) {
  unsigned n_own = b->n_users - 1; /* beside the owner, who is there */
  unsigned n_lost = atomic_load(b->config.n_lost), max_lost = b->config.max_lost;
  unsigned n_missing = n_lost > max_lost ? n_lost - max_lost : 0;
  return n_missing < n_own ? n_missing : n_own;
}

/* Whether a thread with a number below `n_workers` could be started. The mutex is held. */
static int may_start(const moons__backend *b, unsigned n_workers) {
  return !b->closing && b->n_alive + n_replaced_by_none(b) < b->n_threads &&
         free_number(b) < n_workers;
}

/* Whether a thread is idle, or about to be, for each of `n_chunks` in the queue, the last of which is for the first `n_workers`. The
** mutex is held. */
static int has_idle(moons__backend *b, unsigned n_workers, unsigned n_chunks) {
  return moons__park_suffices(&b->park, n_chunks, n_workers, b->n_threads) ||
         moons__park_has(&b->park, n_workers);
}

/* Whether a chunk for the first `n_workers` needs a thread that has not been started. There are `n_chunks` in the queue, that one
** included. The mutex is held. */
static int lacks_thread(moons__backend *b, unsigned n_workers, unsigned n_chunks) {
  return may_start(b, n_workers) && !has_idle(b, n_workers, n_chunks);
}

static int is_full(moons__backend *b, unsigned n_workers) {
  uv_mutex_lock(&b->mutex);
  int is = !may_start(b, n_workers) && !has_idle(b, n_workers, 1);
  uv_mutex_unlock(&b->mutex);
  return is;
}

/* Starts threads for the chunks that wait, where some were given up. The mutex is held. */
static int start_for_queue(moons__backend *b) {
  int error = 0;
  const moons__chunk *chunk = b->queue.first;
  while (!error && chunk != NULL) {
    if (!lacks_thread(b, chunk->n_workers, b->queue.n)) {
      chunk = chunk->next;
    } else {
      error = start_thread(b);
      chunk = b->queue.first; /* the mutex was free */
    }
  }
  return error;
}

/* Starts all that there may be. The mutex is held. */
static int start_all(moons__backend *b) {
  int error = 0;
  while (!error && b->n_alive < b->n_threads)
    error = start_thread(b);
  return error;
}

/* Whether there is room for so many. Address space that their stacks took would be missing for their states: then none is
** started. And states take what is left: so where there is a limit, all start before there are any. */
static int make_room(moons__backend *b, unsigned n_workers, unsigned *n_had) {
  unsigned n_more = n_workers > b->n_alive ? n_workers - b->n_alive : 0;
  unsigned n_room = moons__machine_room(n_more, b->config.stack_bytes);
  *n_had = b->n_alive + n_room;
  if (n_room < n_more) return MOONS_ETHREAD;
  int error = moons__machine_limited(SIZE_MAX) < SIZE_MAX ? start_all(b) : 0;
  if (error) *n_had = b->n_alive;
  return error;
}

static int grow(moons__backend *b, unsigned n_workers, unsigned *n_had) {
  uv_mutex_lock(&b->mutex);
  unsigned n_before = b->n_threads;
  if (n_workers > n_before) b->n_threads = n_workers;
  int error = make_room(b, b->n_threads, n_had);
  if (error) b->n_threads = b->n_alive > n_before ? b->n_alive : n_before;
  uv_mutex_unlock(&b->mutex);
  return error;
}

/* Chunks that come. */

/* Puts a chunk into the queue. Returns whom to wake for it, or NULL. The mutex is held. */
static moons__sleeper *enqueue(moons__backend *b, moons__chunk *chunk) {
  moons__chunk_enqueue(&b->queue, chunk);
  return call_one(b, chunk->n_workers);
}

/* A thread is woken after the mutex is free, since it wants that first. Where nobody is left to run the chunk, the watcher
** sees to it. */
static int submit(moons__backend *b, moons__chunk *chunk, unsigned *n_had) {
  moons__sleeper *called = NULL;
  uv_mutex_lock(&b->mutex);
  int error = lacks_thread(b, chunk->n_workers, b->queue.n + 1) ? start_thread(b) : 0;
  int is_refused = error && n_had != NULL;
  if (is_refused)
    *n_had = b->n_alive;
  else
    called = enqueue(b, chunk);
  int nobody = b->n_alive == 0;
  uv_mutex_unlock(&b->mutex);
  if (is_refused) return error;
  moons__park_tell(&b->park);
  if (called != NULL) moons__sleeper_wake(called);
  if (nobody) moons__alarm_nudge(b->alarm);
  return 0;
}

/* Looking after calls that run. */

/* Calls are told to end at once, and not by the watcher: that may have to wait for a core, which they have. */
static void cancel(moons__backend *b, const void *owner) {
  int found = 0;
  uint64_t now_ns = uv_hrtime();
  uv_mutex_lock(&b->mutex);
  for (thread *t = b->threads; t != NULL; t = t->next)
    if (moons__stack_cancel(&t->workers, owner, now_ns)) {
      moons__stack_watch(&t->workers, now_ns);
      found = 1;
    }
  uv_mutex_unlock(&b->mutex);
  if (found) moons__alarm_nudge(b->alarm);
}

/* Takes a thread whose call was given up out of the pool. */
static void lose(moons__backend *b, thread *t) {
  t->is_lost = 1;
  b->n_users++;
  atomic_fetch_add(b->config.n_lost, 1);
  unlink_thread(b, t);
}

/* Watches all threads; puts the chunks of those that are given up into the list. The mutex is held. */
static uint64_t watch_threads(moons__backend *b, uint64_t now_ns, moons__chunk_list *given_up) {
  uint64_t next_ns = UINT64_MAX;
  for (thread *t = b->threads, *next; t != NULL; t = next) {
    next = t->next;
    uint64_t at_ns = moons__stack_watch(&t->workers, now_ns);
    if (at_ns == 0) {
      at_ns = now_ns + MOONS_LOOK_NS;
      if (moons__stack_give_up(&t->workers, now_ns, given_up)) lose(b, t);
    }
    if (at_ns < next_ns) next_ns = at_ns;
  }
  return next_ns;
}

/* Chunks that nobody is left to run. */
static void refuse_all(moons__chunk_list *queue) {
  moons__chunk *chunk;
  while ((chunk = moons__chunk_take(queue)) != NULL) {
    moons__chunk_refuse(chunk, MOONS__FAILURE_LOST,
                        "no worker is left: the calls of all of them do not end");
    chunk->done(chunk);
  }
}

static uint64_t on_alarm(void *data, uint64_t now_ns) {
  moons__backend *b = data;
  moons__chunk_list given_up = {0}, refused = {0};
  uv_mutex_lock(&b->mutex);
  uint64_t next_ns = watch_threads(b, now_ns, &given_up);
  if (start_for_queue(b)) next_ns = now_ns + MOONS_GRACE_NS;
  if (!b->closing && b->n_alive == 0) refused = moons__chunk_empty(&b->queue);
  uv_mutex_unlock(&b->mutex);
  moons__chunk *chunk;
  while ((chunk = moons__chunk_take(&given_up)) != NULL)
    chunk->done(chunk);
  refuse_all(&refused);
  return next_ns;
}

/* Maps within calls. */

static int can_run(moons__backend *b) {
  char here = 0;
  thread *t = uv_key_get(&b->current);
  if (t == NULL) return 0;
  if (moons__worker_is_lost(t->workers.stations[0].worker)) return MOONS__ESTOPPED;
  size_t used = (size_t)(t->stack > &here ? t->stack - &here : &here - t->stack);
  if (used + MOONS_STACK_RESERVE_BYTES > b->config.stack_bytes) return MOONS_EDEPTH;
  int error = moons__stack_prepare(&t->workers);
  return error ? error : 1;
}

static void run(moons__backend *b, moons__chunk *chunk) { run_on(uv_key_get(&b->current), chunk); }

/* Whether a thread that waits may run a chunk: where workers have less to do than they could, for there may be only so many calls at
** once, and those that came first are not to wait for it. */
static int enter_guest(moons__backend *b) {
  uv_mutex_lock(&b->mutex);
  unsigned n_running = atomic_load_explicit(&b->n_running, memory_order_relaxed);
  int may_enter = !b->has_guest && b->queue.n + n_running < b->n_threads;
  if (may_enter) b->has_guest = 1;
  uv_mutex_unlock(&b->mutex);
  return may_enter;
}

static void leave_guest(moons__backend *b) {
  uv_mutex_lock(&b->mutex);
  b->has_guest = 0;
  uv_mutex_unlock(&b->mutex);
}

/* Only the guest itself looks at its worker: a signal handler on its thread ends its call. */
static int run_here(moons__backend *b, moons__chunk *chunk) {
  if (!enter_guest(b)) return 0;
  int is_ready = b->guest.n_stations > 0 || moons__stack_open(&b->guest) == 0;
  if (is_ready) {
    moons__stack_run(&b->guest, chunk);
    moons__stack_finish(&b->guest, chunk, 0);
  }
  leave_guest(b);
  return is_ready;
}

/* Opening and closing. */

/* Ends the threads; those that are given up meanwhile are not waited for. */
static void end_threads(moons__backend *b) {
  uv_mutex_lock(&b->mutex);
  b->closing = 1;
  for (moons__sleeper *p; (p = moons__park_call(&b->park, MOONS_MAX_WORKERS)) != NULL;)
    moons__sleeper_wake(p);
  while (b->n_alive > 0 || b->n_telling > 0)
    uv_cond_wait(&b->left, &b->mutex);
  thread *over = b->over;
  b->over = NULL;
  uv_mutex_unlock(&b->mutex);
  while (over != NULL) {
    thread *t = over;
    over = t->next;
    uv_thread_join(&t->id);
    thread_free(t);
  }
}

static void end(moons__backend *b) {
  end_threads(b);
  moons__alarm_stop(b->alarm);
}

static void close_threads(moons__backend *b) {
  end(b);
  moons__stack_close(&b->guest);
  let_go(b);
}

static int make_locks(moons__backend *b) {
  if (uv_key_create(&b->current)) return MOONS_ENOMEM;
  if (uv_mutex_init(&b->mutex)) {
    uv_key_delete(&b->current);
    return MOONS_ENOMEM;
  }
  if (uv_cond_init(&b->left)) {
    uv_mutex_destroy(&b->mutex);
    uv_key_delete(&b->current);
    return MOONS_ENOMEM;
  }
  return 0;
}

static int open_threads(moons__backend **backend, const moons__backend_config *config) {
  moons__backend *b = moons__allocate_zeros(config->worker.beside, sizeof *b);
  if (b == NULL) return MOONS_ENOMEM;
  b->config = *config;
  b->n_users = 1;
  b->fork_number = moons__fork_number();
  moons__thread_blocks(&b->blocked, config->stop_signal);
  int error = make_locks(b);
  if (!error && (error = moons__alarm_open(&b->alarm, b, config->thread_name, on_alarm, b)) != 0)
    destroy_locks(b);
  if (error) {
    moons__free(b);
    return error;
  }
  b->config.worker.alarm = b->alarm;
  b->cores = moons__machine_cores(b);
  b->guest = (moons__stack){.config = &b->config.worker, .mutex = &b->mutex, .alarm = b->alarm};
  error = grow(b, config->n_workers, config->n_had);
  if (error) {
    end_threads(b);
    backend_free(b);
    return error;
  }
  *backend = b;
  return 0;
}

const moons__backend_functions moons__backend_threads = {
    .backend = MOONS_THREADS,
    .name = "threads",
    .open = open_threads,
    .close = close_threads,
    .grow = grow,
    .submit = submit,
    .withdraw = withdraw,
    .share = share,
    .cancel = cancel,
    .is_full = is_full,
    .make_way = make_way,
    .run_here = run_here,
    .end = end,
    .here = here,
    .can_run = can_run,
    .run = run,
};
