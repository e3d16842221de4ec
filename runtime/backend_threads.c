/*
** Work runs on threads of our own, which take it from one queue.
*/
#include <stdlib.h>
#include <uv.h>

#include "backend.h"
#include "deadline.h"
#include "limits.h"
#include "moons.h"

/* A worker, and the work that it runs: the first of a thread runs what comes from the queue, the next
** what that work waits for, and so on. */
typedef struct station {
  moons__worker *worker;
  moons__work *work; /* NULL: none. Guarded by the mutex of the backend */
} station;

/* The threads form a list that only grows. What a thread owns, only that thread touches, but for its
** stations, which it changes under the mutex of the backend. */
typedef struct thread {
  moons__backend *backend;
  struct thread *next;
  uv_thread_t id;
  unsigned number;   /* from 0 */
  const char *stack; /* an address at the start of its stack */
  station *stations;
  unsigned n_stations, n_busy; /* how many there are, and run: work within work */
  unsigned depth;              /* of the work that runs; 0: none */
} thread;

struct moons__backend {
  moons__backend_config config;
  uv_key_t current; /* the thread that runs, where it is ours */
  moons__deadlines *deadlines;

  uv_mutex_t mutex; /* guards all that follows */
  uv_cond_t wake;   /* there is work, or the end */
  moons__work *first, *last;
  thread *threads;
  unsigned n_threads;
  int closing;
};

/* The queue. */

static void enqueue(moons__backend *b, moons__work *work) {
  work->next = NULL;
  if (b->last != NULL)
    b->last->next = work;
  else
    b->first = work;
  b->last = work;
}

static void unlink_work(moons__backend *b, moons__work *before, moons__work *work) {
  if (before != NULL)
    before->next = work->next;
  else
    b->first = work->next;
  if (b->last == work) b->last = before;
}

/* Takes the first work that this thread may run, or returns NULL. The mutex is held. */
static moons__work *find_work(moons__backend *b, const thread *t) {
  moons__work *before = NULL, *work = b->first;
  while (work != NULL && work->n_workers <= t->number) {
    before = work;
    work = work->next;
  }
  if (work != NULL) unlink_work(b, before, work);
  return work;
}

/* Waits for work; NULL at the end. */
static moons__work *dequeue(moons__backend *b, const thread *t) {
  uv_mutex_lock(&b->mutex);
  moons__work *work;
  while ((work = find_work(b, t)) == NULL && !b->closing)
    uv_cond_wait(&b->wake, &b->mutex);
  uv_mutex_unlock(&b->mutex);
  return work;
}

static void submit(moons__backend *b, moons__work *work) {
  uv_mutex_lock(&b->mutex);
  enqueue(b, work);
  if (work->n_workers >= b->n_threads)
    uv_cond_signal(&b->wake);
  else
    uv_cond_broadcast(&b->wake); /* one thread may be woken that may not run it */
  uv_mutex_unlock(&b->mutex);
}

static moons__work *withdraw(moons__backend *b, const void *owner) {
  uv_mutex_lock(&b->mutex);
  moons__work *before = NULL, *work = b->first;
  while (work != NULL && work->owner != owner) {
    before = work;
    work = work->next;
  }
  if (work != NULL) unlink_work(b, before, work);
  uv_mutex_unlock(&b->mutex);
  return work;
}

/* Threads. */

/* Adds a worker to the thread. */
static int add_station(thread *t) {
  moons__backend *b = t->backend;
  const moons__worker *outer = t->n_busy > 0 ? t->stations[t->n_busy - 1].worker : NULL;
  moons__worker *worker;
  int error = moons__worker_open(&worker, &b->config.worker, outer);
  if (error) return error;
  error = moons__deadlines_add(b->deadlines, worker);
  if (error) {
    moons__worker_close(worker);
    return error;
  }
  uv_mutex_lock(&b->mutex);
  station *stations = realloc(t->stations, (t->n_stations + 1) * sizeof *stations);
  if (stations != NULL) {
    t->stations = stations;
    t->stations[t->n_stations++] = (station){worker, NULL};
  }
  uv_mutex_unlock(&b->mutex);
  if (stations != NULL) return 0;
  moons__deadlines_remove(b->deadlines, worker);
  moons__worker_close(worker);
  return MOONS_ENOMEM;
}

/* Sees to it that the thread has a worker that is not busy. */
static int need_station(thread *t) { return t->n_busy < t->n_stations ? 0 : add_station(t); }

static void close_stations(moons__backend *b, station *stations, unsigned n_stations) {
  for (unsigned i = 0; i < n_stations; i++) /* all of them first: watching one looks at its outer */
    moons__deadlines_remove(b->deadlines, stations[i].worker);
  for (unsigned i = 0; i < n_stations; i++)
    moons__worker_close(stations[i].worker);
  free(stations);
}

/* Closes the workers of a thread that ends; others that look for work to cancel see none. */
static void leave_stations(thread *t) {
  moons__backend *b = t->backend;
  uv_mutex_lock(&b->mutex);
  station *stations = t->stations;
  unsigned n_stations = t->n_stations;
  t->stations = NULL;
  t->n_stations = 0;
  uv_mutex_unlock(&b->mutex);
  close_stations(b, stations, n_stations);
}

/* Says which work a station runs, NULL at its end: from then on it cannot be cancelled. */
static void set_work(thread *t, unsigned at, moons__work *work) {
  uv_mutex_lock(&t->backend->mutex);
  t->stations[at].work = work;
  if (work == NULL) moons__worker_cancel(t->stations[at].worker, 0);
  uv_mutex_unlock(&t->backend->mutex);
}

static void run_on(thread *t, moons__work *work) {
  uint64_t start_ns = uv_hrtime();
  unsigned at = t->n_busy++, outer_depth = t->depth;
  set_work(t, at, work);
  t->depth = work->depth;
  if (work->task.terms->timeout_ns > 0) {
    moons__worker_expect(t->stations[at].worker, work->task.terms->timeout_ns);
    moons__deadlines_nudge(t->backend->deadlines);
  }
  moons__worker_run(t->stations[at].worker, &work->task);
  t->depth = outer_depth;
  set_work(t, at, NULL);
  t->n_busy--;
  work->busy_ns = uv_hrtime() - start_ns;
  work->done(work);
}

static void cancel(moons__backend *b, const void *owner) {
  int found = 0;
  uv_mutex_lock(&b->mutex);
  for (thread *t = b->threads; t != NULL; t = t->next)
    for (unsigned i = 0; i < t->n_stations; i++) {
      const station *s = &t->stations[i];
      if (s->work == NULL || s->work->owner != owner) continue;
      moons__worker_cancel(s->worker, 1);
      found = 1;
    }
  uv_mutex_unlock(&b->mutex);
  if (found) moons__deadlines_nudge(b->deadlines);
}

static int is_ending(moons__backend *b) {
  const thread *t = uv_key_get(&b->current);
  return t != NULL && t->n_busy > 0 && moons__worker_is_ending(t->stations[t->n_busy - 1].worker);
}

static void thread_main(void *data) {
  char here = 0;
  thread *t = data;
  t->stack = &here;
  uv_key_set(&t->backend->current, t);
  moons__work *work;
  while ((work = dequeue(t->backend, t)) != NULL)
    run_on(t, work);
  leave_stations(t);
}

/* Starts one more thread. The mutex is held. */
static int start_thread(moons__backend *b) {
  thread *t = calloc(1, sizeof *t);
  if (t == NULL) return MOONS_ENOMEM;
  t->backend = b;
  t->number = b->n_threads;
  uv_mutex_unlock(&b->mutex);
  int error = need_station(t);
  uv_mutex_lock(&b->mutex);
  uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE};
  options.stack_size = b->config.stack_bytes;
  if (!error && uv_thread_create_ex(&t->id, &options, thread_main, t)) error = MOONS_ETHREAD;
  if (error) {
    close_stations(b, t->stations, t->n_stations);
    free(t);
    return error;
  }
  t->next = b->threads;
  b->threads = t;
  b->n_threads++;
  return 0;
}

static int grow(moons__backend *b, unsigned n_workers) {
  int error = 0;
  uv_mutex_lock(&b->mutex);
  while (!error && b->n_threads < n_workers)
    error = start_thread(b);
  uv_mutex_unlock(&b->mutex);
  return error;
}

static unsigned depth(moons__backend *b) {
  const thread *t = uv_key_get(&b->current);
  return t != NULL ? t->depth : 0;
}

static int can_run(moons__backend *b) {
  char here = 0;
  const thread *t = uv_key_get(&b->current);
  if (t == NULL) return 0;
  size_t used = (size_t)(t->stack > &here ? t->stack - &here : &here - t->stack);
  if (used + MOONS_STACK_RESERVE_BYTES > b->config.stack_bytes) return MOONS_EDEPTH;
  int error = need_station(uv_key_get(&b->current));
  return error ? error : 1;
}

static void run(moons__backend *b, moons__work *work) { run_on(uv_key_get(&b->current), work); }

/* Opening and closing. */

static void join_all(moons__backend *b) {
  uv_mutex_lock(&b->mutex);
  b->closing = 1;
  uv_cond_broadcast(&b->wake);
  uv_mutex_unlock(&b->mutex);
  for (thread *t = b->threads; t != NULL; t = t->next)
    uv_thread_join(&t->id); /* those that still run look at the list */
  while (b->threads != NULL) {
    thread *t = b->threads;
    b->threads = t->next;
    free(t);
  }
}

static void close_threads(moons__backend *b) {
  join_all(b);
  moons__deadlines_close(b->deadlines);
  uv_cond_destroy(&b->wake);
  uv_mutex_destroy(&b->mutex);
  uv_key_delete(&b->current);
  free(b);
}

static int make_locks(moons__backend *b) {
  if (uv_key_create(&b->current)) return MOONS_ENOMEM;
  if (uv_mutex_init(&b->mutex)) {
    uv_key_delete(&b->current);
    return MOONS_ENOMEM;
  }
  if (uv_cond_init(&b->wake)) {
    uv_mutex_destroy(&b->mutex);
    uv_key_delete(&b->current);
    return MOONS_ENOMEM;
  }
  return 0;
}

static int open_threads(moons__backend **backend, const moons__backend_config *config) {
  moons__backend *b = calloc(1, sizeof *b);
  if (b == NULL) return MOONS_ENOMEM;
  b->config = *config;
  if (b->config.stack_bytes == 0) b->config.stack_bytes = MOONS_STACK_BYTES;
  b->config.worker.clock_ns = uv_hrtime;
  int error = moons__deadlines_open(&b->deadlines);
  if (!error) error = make_locks(b);
  if (error) {
    moons__deadlines_close(b->deadlines);
    free(b);
    return error;
  }
  error = grow(b, config->n_workers);
  if (error) {
    close_threads(b);
    return error;
  }
  *backend = b;
  return 0;
}

const moons__backend_functions moons__backend_threads = {
    .name = "threads",
    .open = open_threads,
    .close = close_threads,
    .grow = grow,
    .submit = submit,
    .withdraw = withdraw,
    .cancel = cancel,
    .is_ending = is_ending,
    .depth = depth,
    .can_run = can_run,
    .run = run,
};
