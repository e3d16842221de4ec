/*
** Work runs on threads of our own, which take it from one queue. A thread whose call does not end
** though it was told to is given up: it leaves the pool with what it holds, another takes its place,
** and it ends by itself if its call ever does.
*/
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "backend/backend.h"
#include "moons.h"
#include "sizes.h"
#include "system/alarm.h"
#include "system/fork.h"
#include "system/machine.h"
#include "system/park.h"
#include "system/spin.h"
#include "system/thread.h"

/* A worker, and the work that it runs: the first of a thread runs what comes from the queue, the next
** what that work waits for, and so on. */
typedef struct station {
  moons__worker *worker;
  moons__work *work; /* NULL: none */
  uint64_t start_ns; /* when it began */
} station;

/* What a thread owns, only that thread touches, but for what the mutex of the backend guards. */
typedef struct thread {
  moons__backend *backend;
  uv_thread_t id;
  const char *stack; /* an address at the start of its stack */
  unsigned n_busy;   /* stations that run: work within work */
  unsigned depth;    /* of the work that runs; 0: none */

  /* Changed by the thread under the mutex of the backend, read by others under it. */
  station *stations;
  unsigned n_stations;

  moons__place place; /* where it sleeps; its number is the thread's */
  int is_lost;        /* it was given up, and is in no list; guarded by the mutex */
  struct thread *next;
} thread;

struct moons__backend {
  moons__backend_config config;
  uv_key_t current; /* the thread that runs, where it is ours */
  moons__alarm *alarm;
  unsigned fork_number; /* of the process (fork.h) */

  moons__patience patience; /* of threads that wait for work */
  atomic_uint n_submitted;  /* changed when the mutex is free again, for those who wait busily */
  atomic_uint n_running;    /* threads that run work */

  uv_mutex_t mutex; /* guards all that follows */
  uv_cond_t left;   /* a thread has ended, or was given up */
  moons__work_list queue;
  moons__park park;    /* threads that sleep until there is work, or the end */
  unsigned n_spinning; /* threads that wait busily for work */
  thread *threads;     /* those that run */
  thread *over;        /* those that have ended, to be joined */
  unsigned n_threads;  /* that there should be */
  unsigned n_alive;
  char is_taken[MOONS_MAX_WORKERS]; /* by number: a thread has it */
  unsigned n_users;                 /* the owner, and threads that were given up and go on */
  int closing;
};

/* The queue. */

/* At most one thread for two cores is awake for work to come, and only on a core that is left. */
static int may_spin(const moons__backend *b) {
  unsigned n_cores = b->config.n_cores;
  unsigned n_awake = b->n_spinning + atomic_load_explicit(&b->n_running, memory_order_relaxed);
  return n_cores > 1 && b->n_spinning < (n_cores + 1) / 2 && n_awake < n_cores &&
         moons__spin_pays(&b->patience);
}

/* Waits busily for work for a moment. The mutex is held before and after. */
static void spin(moons__backend *b) {
  unsigned n_submitted = atomic_load_explicit(&b->n_submitted, memory_order_relaxed);
  b->n_spinning++;
  uv_mutex_unlock(&b->mutex);
  moons__spin(&b->n_submitted, n_submitted);
  uv_mutex_lock(&b->mutex);
  b->n_spinning--;
}

/* What the thread has is not needed for a while. */
static void rest_workers(thread *t) {
  for (unsigned i = 0; i < t->n_stations; i++)
    moons__worker_rest(t->stations[i].worker);
}

/* Waits until there is work for this thread, or the end. The mutex is held. */
static moons__work *wait_for_work(moons__backend *b, thread *t) {
  uint64_t start_ns = uv_hrtime();
  moons__work *work;
  if (may_spin(b)) spin(b);
  while ((work = moons__work_dequeue(&b->queue, t->place.number)) == NULL && !b->closing) {
    rest_workers(t);
    moons__park_sleep(&b->park, &t->place, &b->mutex);
  }
  moons__spin_learn(&b->patience, uv_hrtime() - start_ns);
  return work;
}

/* Takes work, waiting for it; NULL at the end. */
static moons__work *dequeue(moons__backend *b, thread *t) {
  uv_mutex_lock(&b->mutex);
  moons__work *work = moons__work_dequeue(&b->queue, t->place.number);
  if (work == NULL && !b->closing) work = wait_for_work(b, t);
  uv_mutex_unlock(&b->mutex);
  return work;
}

/* Calls a thread that sleeps for the work that was just put into the queue, which is for the first so many;
** NULL where none does that may run it, or those who look for work suffice. The mutex is held. */
static moons__place *call_one(moons__backend *b, unsigned n_workers) {
  int is_for_some = n_workers < b->n_threads; /* those who look for work may be others */
  if (!is_for_some && b->queue.n <= b->n_spinning + moons__park_n_called(&b->park)) return NULL;
  return moons__park_call(&b->park, n_workers);
}

/* Nobody is woken up while the mutex is held, which he will want. */
static void submit(moons__backend *b, moons__work *work) {
  uv_mutex_lock(&b->mutex);
  moons__work_enqueue(&b->queue, work);
  moons__place *called = call_one(b, work->n_workers);
  int nobody = b->n_alive == 0;
  uv_mutex_unlock(&b->mutex);
  atomic_fetch_add_explicit(&b->n_submitted, 1, memory_order_release);
  if (called != NULL) moons__place_wake(called);
  if (nobody) moons__alarm_nudge(b->alarm);
}

static moons__work *withdraw(moons__backend *b, moons__work *chain) {
  uv_mutex_lock(&b->mutex);
  moons__work *work = moons__work_withdraw(&b->queue, chain);
  uv_mutex_unlock(&b->mutex);
  return work;
}

static void make_way(moons__backend *b) { moons__park_make_way(&b->park); }

static int has_idle_core(moons__backend *b) {
  return atomic_load_explicit(&b->n_running, memory_order_relaxed) < b->config.n_cores;
}

/* Stations. */

/* Adds a worker to the thread. */
static int add_station(thread *t) {
  moons__backend *b = t->backend;
  const moons__worker *outer = t->n_busy > 0 ? t->stations[t->n_busy - 1].worker : NULL;
  moons__worker *worker;
  int error = moons__worker_open(&worker, &b->config.worker, outer);
  if (error) return error;
  moons__worker_number(worker, t->place.number + 1);
  uv_mutex_lock(&b->mutex);
  station *stations = realloc(t->stations, (t->n_stations + 1) * sizeof *stations);
  if (stations != NULL) {
    t->stations = stations;
    t->stations[t->n_stations++] = (station){.worker = worker};
  }
  uv_mutex_unlock(&b->mutex);
  if (stations != NULL) return 0;
  moons__worker_close(worker);
  return MOONS_ENOMEM;
}

/* Sees to it that the thread has a worker that is not busy. */
static int need_station(thread *t) { return t->n_busy < t->n_stations ? 0 : add_station(t); }

static void close_stations(thread *t) {
  for (unsigned i = 0; i < t->n_stations; i++)
    moons__worker_close(t->stations[i].worker);
  free(t->stations);
}

/* Says which work a station runs, NULL at its end: from then on it cannot be cancelled. */
static void set_work(thread *t, unsigned at, moons__work *work) {
  uv_mutex_lock(&t->backend->mutex);
  t->stations[at].work = work;
  t->stations[at].start_ns = uv_hrtime();
  if (work == NULL) moons__worker_cancel(t->stations[at].worker, 0);
  uv_mutex_unlock(&t->backend->mutex);
}

/* Waits until whoever gives this thread up has taken all from it. */
static void wait_for_loss(moons__backend *b) {
  uv_mutex_lock(&b->mutex);
  uv_mutex_unlock(&b->mutex);
}

/* In a child that the call has forked this is the only thread, and with the call the child ends: nobody waits for what it
** gives, and locks may be somebody's who is not there. */
static void end_child(const moons__backend *b) {
  if (moons__fork_number() != b->fork_number) pthread_exit(NULL);
}

/* Returns 0 where the thread was given up: then the work is somebody else's. */
static int run_on(thread *t, moons__work *work) {
  unsigned at = t->n_busy++, outer_depth = t->depth;
  set_work(t, at, work);
  t->depth = work->depth;
  if (moons__worker_expect(t->stations[at].worker, work->task.terms))
    moons__alarm_nudge(t->backend->alarm);
  int is_given_up = moons__worker_run(t->stations[at].worker, &work->task);
  end_child(t->backend);
  t->depth = outer_depth;
  t->n_busy--;
  if (is_given_up) {
    wait_for_loss(t->backend);
    return 0;
  }
  work->busy_ns = uv_hrtime() - t->stations[at].start_ns;
  set_work(t, at, NULL);
  work->done(work);
  return 1;
}

/* From the first that has any: who shares with several asks again. The mutex is held. */
static int share_any(const moons__backend *b, const void *owner, unsigned n_sharers,
                     moons__work *rest) {
  for (const thread *t = b->threads; t != NULL; t = t->next)
    for (unsigned i = 0; i < t->n_stations; i++) {
      const station *s = &t->stations[i];
      if (s->work == NULL || s->work->owner != owner) continue;
      if (!moons__worker_share(s->worker, n_sharers, &rest->task)) continue;
      rest->owner = s->work->owner;
      rest->done = s->work->done;
      rest->n_workers = s->work->n_workers;
      rest->depth = s->work->depth;
      return 1;
    }
  return 0;
}

static moons__work *share(moons__backend *b, const void *owner, unsigned n_sharers) {
  moons__work *rest = calloc(1, sizeof *rest);
  if (rest == NULL) return NULL;
  uv_mutex_lock(&b->mutex);
  int is_shared = share_any(b, owner, n_sharers, rest);
  uv_mutex_unlock(&b->mutex);
  if (is_shared) return rest;
  free(rest);
  return NULL;
}

static moons__scope *scope(moons__backend *b) {
  const thread *t = uv_key_get(&b->current);
  return moons__worker_scope(t->stations[t->n_busy - 1].worker);
}

static int is_ending(moons__backend *b) {
  const thread *t = uv_key_get(&b->current);
  if (t == NULL || t->n_busy == 0) return 0;
  moons__worker_notice(t->stations[t->n_busy - 1].worker);
  return moons__worker_is_ending(t->stations[t->n_busy - 1].worker);
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
  thread *t = calloc(1, sizeof *t);
  station *stations = calloc(1, sizeof *stations);
  if (t == NULL || stations == NULL || moons__place_open(&t->place, free_number(b))) {
    free(stations);
    free(t);
    return NULL;
  }
  t->backend = b;
  t->stations = stations;
  return t;
}

static void thread_free(thread *t) {
  moons__place_close(&t->place);
  free(t);
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
  free(b);
}

/* Told by who is done with the backend; the last frees it. */
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
  b->is_taken[t->place.number] = 0;
  b->n_alive--;
  uv_cond_broadcast(&b->left);
}

/* States that were kept close on their thread, and if their finalizers do not end, that is given up. */
static void end_stations(thread *t) {
  moons__backend *b = t->backend;
  int keeps_state = 0;
  uv_mutex_lock(&b->mutex);
  for (unsigned i = 0; i < t->n_stations; i++) {
    if (!moons__worker_keeps_state(t->stations[i].worker)) continue;
    moons__worker_cancel(t->stations[i].worker, uv_hrtime());
    keeps_state = 1;
  }
  uv_mutex_unlock(&b->mutex);
  if (keeps_state) moons__alarm_nudge(b->alarm);
  for (unsigned i = 0; i < t->n_stations; i++) {
    moons__worker_end(t->stations[i].worker);
    if (moons__worker_is_lost(t->stations[i].worker)) wait_for_loss(b);
  }
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
  close_stations(t);
  if (!is_lost) return;
  pthread_detach(pthread_self()); /* nobody waits for it */
  thread_free(t);
  let_go(b);
}

static void name_thread(const thread *t) {
  char number[8];
  snprintf(number, sizeof number, "%u", t->place.number);
  moons__thread_name(number);
}

static void thread_main(void *data) {
  char here = 0;
  thread *t = data;
  t->stack = &here;
  name_thread(t);
  uv_key_set(&t->backend->current, t);
  moons__machine_compute();
  moons__work *work;
  int goes_on = 1;
  while (goes_on && (work = dequeue(t->backend, t)) != NULL) {
    atomic_fetch_add_explicit(&t->backend->n_running, 1, memory_order_relaxed);
    goes_on = run_on(t, work);
    atomic_fetch_sub_explicit(&t->backend->n_running, 1, memory_order_relaxed);
  }
  end_stations(t);
  leave(t);
}

/* Starting threads. */

/* Starts one more thread. The mutex is held. */
static int start_thread(moons__backend *b) {
  thread *t = thread_new(b);
  if (t == NULL) return MOONS_ENOMEM;
  int error = moons__worker_open(&t->stations[0].worker, &b->config.worker, NULL);
  if (!error) t->n_stations = 1;
  if (!error) moons__worker_number(t->stations[0].worker, t->place.number + 1);
  if (!error)
    error =
        moons__thread_start(&t->id, b->config.stack_bytes, b->config.stop_signal, thread_main, t);
  if (error) {
    close_stations(t);
    thread_free(t);
    return error;
  }
  t->next = b->threads;
  b->threads = t;
  b->is_taken[t->place.number] = 1;
  b->n_alive++;
  return 0;
}

/* Starts those that are missing. The mutex is held. */
static int start_threads(moons__backend *b) {
  int error = 0;
  while (!error && b->n_alive < b->n_threads)
    error = start_thread(b);
  return error;
}

/* Address space that their stacks took would be missing for their states: then none is started. */
static int start_more(moons__backend *b, unsigned n_workers, unsigned *n_had) {
  unsigned n_more = n_workers > b->n_alive ? n_workers - b->n_alive : 0;
  unsigned n_room = moons__machine_room(n_more, b->config.stack_bytes);
  *n_had = b->n_alive + n_room;
  if (n_room < n_more) return MOONS_ETHREAD;
  int error = start_threads(b);
  *n_had = b->n_alive;
  return error;
}

static int grow(moons__backend *b, unsigned n_workers, unsigned *n_had) {
  uv_mutex_lock(&b->mutex);
  unsigned n_before = b->n_threads;
  if (n_workers > n_before) b->n_threads = n_workers;
  int error = start_more(b, b->n_threads, n_had);
  if (error) b->n_threads = b->n_alive > n_before ? b->n_alive : n_before;
  uv_mutex_unlock(&b->mutex);
  return error;
}

/* Looking after calls that run. */

/* Looks at the workers of a thread. Returns when to look again; 0: its innermost call does not end. */
static uint64_t watch_thread(const thread *t, uint64_t now_ns) {
  uint64_t next_ns = UINT64_MAX;
  for (unsigned i = 0; i < t->n_stations; i++) {
    uint64_t at_ns = moons__worker_watch(t->stations[i].worker, now_ns);
    int is_innermost = i + 1 == t->n_stations || t->stations[i + 1].work == NULL;
    if (at_ns == 0 && !is_innermost) at_ns = now_ns + MOONS_LOOK_NS; /* for what runs in it */
    if (at_ns < next_ns) next_ns = at_ns;
  }
  return next_ns;
}

/* Cancels what the thread runs for this owner. Returns 0 where it runs nothing for it. The mutex is held. */
static int cancel_on(const thread *t, const void *owner, uint64_t now_ns) {
  int found = 0;
  for (unsigned i = 0; i < t->n_stations; i++) {
    const station *s = &t->stations[i];
    if (s->work == NULL || s->work->owner != owner) continue;
    moons__worker_cancel(s->worker, now_ns);
    found = 1;
  }
  return found;
}

/* Calls are told to end at once: who else looks after them may have to wait for a core, which they have. */
static void cancel(moons__backend *b, const void *owner) {
  int found = 0;
  uint64_t now_ns = uv_hrtime();
  uv_mutex_lock(&b->mutex);
  for (thread *t = b->threads; t != NULL; t = t->next)
    if (cancel_on(t, owner, now_ns)) {
      watch_thread(t, now_ns);
      found = 1;
    }
  uv_mutex_unlock(&b->mutex);
  if (found) moons__alarm_nudge(b->alarm);
}

/* The innermost station of the thread that runs work; where none does, the thread ends, and any may be
** closing a state. */
static int is_stuck_at(const thread *t, unsigned i) {
  for (unsigned k = i + 1; k < t->n_stations; k++)
    if (t->stations[k].work != NULL) return 0;
  return t->stations[i].work != NULL || t->stations[0].work == NULL;
}

/* Gives up the call of a thread that does not end. Returns 0 where it has just ended. */
static int give_up_innermost(const thread *t) {
  for (unsigned i = t->n_stations; i-- > 0;)
    if (is_stuck_at(t, i) && moons__worker_give_up(t->stations[i].worker, 0)) return 1;
  return 0;
}

/* Takes a thread whose call was given up out of the pool, and its work into the list. */
static void give_up(moons__backend *b, thread *t, uint64_t now_ns, moons__work_list *given_up) {
  for (unsigned i = t->n_stations; i-- > 0;) {
    station *s = &t->stations[i];
    moons__worker_give_up(s->worker, 1);
    if (s->work == NULL) continue;
    s->work->busy_ns = now_ns - s->start_ns;
    moons__work_append(given_up, s->work);
    s->work = NULL;
  }
  t->is_lost = 1;
  b->n_users++;
  unlink_thread(b, t);
}

/* Watches all threads; puts the work of those that are given up into the list. The mutex is held. */
static uint64_t watch_threads(moons__backend *b, uint64_t now_ns, moons__work_list *given_up) {
  uint64_t next_ns = UINT64_MAX;
  for (thread *t = b->threads, *next; t != NULL; t = next) {
    next = t->next;
    uint64_t at_ns = watch_thread(t, now_ns);
    if (at_ns == 0) {
      at_ns = now_ns + MOONS_LOOK_NS;
      if (give_up_innermost(t)) give_up(b, t, now_ns, given_up);
    }
    if (at_ns < next_ns) next_ns = at_ns;
  }
  return next_ns;
}

/* Work that nobody is left to run. */
static void refuse_all(moons__work_list *queue) {
  moons__work *work;
  while ((work = moons__work_take(queue)) != NULL) {
    moons__task_refuse(&work->task);
    work->done(work);
  }
}

static uint64_t look(void *data, uint64_t now_ns) {
  moons__backend *b = data;
  moons__work_list given_up = {0}, refused = {0};
  uv_mutex_lock(&b->mutex);
  uint64_t next_ns = watch_threads(b, now_ns, &given_up);
  if (!b->closing && start_threads(b)) next_ns = now_ns + MOONS_GRACE_NS;
  if (!b->closing && b->n_alive == 0) refused = moons__work_empty(&b->queue);
  uv_mutex_unlock(&b->mutex);
  moons__work *work;
  while ((work = moons__work_take(&given_up)) != NULL)
    work->done(work);
  refuse_all(&refused);
  return next_ns;
}

/* Work within work. */

static int is_worker(moons__backend *b) { return uv_key_get(&b->current) != NULL; }

static unsigned depth(moons__backend *b) {
  const thread *t = uv_key_get(&b->current);
  return t != NULL ? t->depth : 0;
}

static int can_run(moons__backend *b) {
  char here = 0;
  thread *t = uv_key_get(&b->current);
  if (t == NULL) return 0;
  if (moons__worker_is_lost(t->stations[0].worker)) return MOONS_ESTOPPED;
  size_t used = (size_t)(t->stack > &here ? t->stack - &here : &here - t->stack);
  if (used + MOONS_STACK_RESERVE_BYTES > b->config.stack_bytes) return MOONS_EDEPTH;
  int error = need_station(t);
  return error ? error : 1;
}

static void run(moons__backend *b, moons__work *work) { run_on(uv_key_get(&b->current), work); }

/* Opening and closing. */

/* Ends the threads; those that are given up meanwhile are not waited for. */
static void end_threads(moons__backend *b) {
  uv_mutex_lock(&b->mutex);
  b->closing = 1;
  for (moons__place *p; (p = moons__park_call(&b->park, MOONS_MAX_WORKERS)) != NULL;)
    moons__place_wake(p);
  while (b->n_alive > 0)
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

static void close_threads(moons__backend *b) {
  end_threads(b);
  moons__alarm_stop(b->alarm);
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
  moons__backend *b = calloc(1, sizeof *b);
  if (b == NULL) return MOONS_ENOMEM;
  b->config = *config;
  b->n_users = 1;
  b->fork_number = moons__fork_number();
  int error = make_locks(b);
  if (!error && (error = moons__alarm_open(&b->alarm, look, b)) != 0) destroy_locks(b);
  if (error) {
    free(b);
    return error;
  }
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
    .name = "threads",
    .open = open_threads,
    .close = close_threads,
    .grow = grow,
    .submit = submit,
    .withdraw = withdraw,
    .share = share,
    .cancel = cancel,
    .is_ending = is_ending,
    .scope = scope,
    .has_idle_core = has_idle_core,
    .make_way = make_way,
    .depth = depth,
    .is_worker = is_worker,
    .can_run = can_run,
    .run = run,
};
