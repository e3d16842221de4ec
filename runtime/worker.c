#include "worker.h"

#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "limits.h"
#include "moons.h"
#include "session.h"
#include "setup.h"

struct moons__worker {
  moons__workshop workshop;
  moons__session fresh[MOONS_IMAGES_PER_WORKER];
  moons__session kept;
  moons__call call;
  uint64_t clock; /* tasks so far: tells which session was used last */
  const moons__worker *outer;

  /* For the thread that watches. */
  atomic_int is_cancelled;
  _Atomic uint64_t timeout_ns; /* of the calls of the task; 0: none */
  _Atomic uint64_t started_ns; /* when the call began; 0: no call with a timeout runs */
};

enum { WATCH_AGAIN_NS = 1000000 }; /* a call that is to end is told again after this */

int moons__worker_open(moons__worker **worker, const moons__worker_config *config,
                       const moons__worker *outer) {
  *worker = calloc(1, sizeof **worker);
  if (*worker == NULL) return MOONS_ENOMEM;
  (*worker)->outer = outer;
  (*worker)->workshop.config = *config;
  (*worker)->workshop.make_call = moons__call_main;
  (*worker)->workshop.sandbox.write = config->write;
  (*worker)->workshop.sandbox.write_data = config->write_data;
  return 0;
}

void moons__worker_close(moons__worker *w) {
  if (w == NULL) return;
  for (unsigned i = 0; i < MOONS_IMAGES_PER_WORKER; i++)
    moons__session_close(&w->fresh[i]);
  moons__session_close(&w->kept);
  moons__sandbox_flush(&w->workshop.sandbox);
  moons__sandbox_free(&w->workshop.sandbox);
  moons__buffer_free(&w->workshop.reporter.traceback);
  moons__buffer_free(&w->workshop.failure);
  moons__classes_free(&w->call.classes);
  moons__encoder_end(&w->call.encoder);
  free(w);
}

/* Sessions. */

static int is_open(const moons__session *s) { return s->image.L != NULL; }

/* Closes the images used longest ago while those other than `in_use` hold too much together. */
static void make_room(moons__worker *w, const moons__session *in_use) {
  for (;;) {
    moons__session *oldest = NULL;
    size_t n_bytes = 0;
    for (unsigned i = 0; i < MOONS_IMAGES_PER_WORKER; i++) {
      moons__session *s = &w->fresh[i];
      if (s == in_use || !is_open(s)) continue;
      n_bytes += s->image.n_bytes;
      if (oldest == NULL || s->last_used < oldest->last_used) oldest = s;
    }
    if (oldest == NULL || n_bytes <= MOONS_IMAGES_BYTES) return;
    moons__session_close(oldest);
  }
}

static moons__session *least_used(moons__worker *w) {
  moons__session *best = &w->fresh[0];
  for (unsigned i = 0; i < MOONS_IMAGES_PER_WORKER; i++) {
    if (!is_open(&w->fresh[i])) return &w->fresh[i];
    if (w->fresh[i].last_used < best->last_used) best = &w->fresh[i];
  }
  return best;
}

static moons__session *find_fresh(moons__worker *w, const moons__terms *terms) {
  for (unsigned i = 0; i < MOONS_IMAGES_PER_WORKER; i++)
    if (moons__session_has(&w->fresh[i], terms)) return &w->fresh[i];
  return NULL;
}

/* The session for these terms, with all the libraries that are needed. */
static moons__session *fresh_session(moons__worker *w, const moons__terms *terms,
                                     moons__libraries needs) {
  moons__session *s = find_fresh(w, terms);
  if (s != NULL && (needs & ~s->libraries) == 0) return s;
  if (s != NULL)
    needs |= s->libraries;
  else
    s = least_used(w);
  moons__session_close(s);
  make_room(w, s);
  return moons__session_open(s, &w->workshop, needs, terms) == 0 ? s : NULL;
}

static moons__session *kept_session(moons__worker *w, const moons__terms *terms,
                                    moons__libraries needs) {
  needs |= MOONS__LIBRARIES_ALL;
  if (is_open(&w->kept)) return &w->kept;
  return moons__session_open(&w->kept, &w->workshop, needs, terms) == 0 ? &w->kept : NULL;
}

static int enter(moons__worker *w, const moons__terms *terms, moons__libraries needs) {
  needs |= moons__setup_libraries(terms->setup, terms->setup_bytes);
  moons__session *s = terms->fresh ? fresh_session(w, terms, needs) : kept_session(w, terms, needs);
  if (s == NULL) return -1;
  moons__program *p = moons__session_enter(s, terms);
  if (p == NULL) return -1;
  s->last_used = p->last_used = ++w->clock;
  w->call.session = s;
  w->call.program = p;
  w->call.classes.outer = &p->classes;
  w->call.classes.n_known = UINT32_MAX; /* the caller knows every class that it sent */
  return 0;
}

/* Tasks. */

/* Appends the failure of a set-up as that of a call. */
static int put_set_up_failure(moons__worker *w) {
  const moons__buffer *failure = &w->workshop.failure;
  moons__batch_writer *results = &w->call.results;
  if (moons__batch_item_begin(results, MOONS__ITEM_ERROR)) return MOONS_ENOMEM;
  if (moons__buffer_append(results->out, failure->bytes, failure->n_bytes)) {
    moons__batch_item_drop(results);
    return MOONS_ENOMEM;
  }
  moons__batch_item_end(results);
  return 1;
}

static int is_ending(const moons__worker *w) {
  return atomic_load_explicit(&w->is_cancelled, memory_order_relaxed) ||
         (w->outer != NULL && moons__worker_is_ending(w->outer));
}

static int run_call(moons__worker *w, moons__task *task) {
  moons__call *c = &w->call;
  if (moons__session_begin_call(c->session, task->terms)) return put_set_up_failure(w);
  if (task->terms->timeout_ns > 0)
    atomic_store_explicit(&w->started_ns, w->workshop.config.clock_ns(), memory_order_relaxed);
  c->index = task->first + task->n_run;
  int outcome = moons__call_run(c);
  atomic_store_explicit(&w->started_ns, 0, memory_order_relaxed);
  moons__session_end_call(c->session);
  if (task->terms->fresh) task->n_restored++;
  return outcome;
}

/* Makes a call, and again where it fails and may be tried again. */
static int run_tries(moons__worker *w, moons__task *task) {
  moons__batch_writer writer = w->call.results;
  size_t n_bytes = task->results.n_bytes;
  int outcome = run_call(w, task);
  for (unsigned n = 0; outcome > 0 && n < task->terms->n_retries && !is_ending(w); n++) {
    moons__batch_rewind(&w->call.results, &writer, n_bytes);
    task->n_retried++;
    outcome = run_call(w, task);
  }
  return outcome;
}

static void note_failed(moons__task *task) {
  if (!task->failed) task->first_failed = task->first + task->n_run;
  task->failed = 1;
  task->n_failed++;
}

static int is_over(const moons__worker *w, const moons__task *task) {
  if (task->n_run == task->n_calls) return 1;
  if ((task->failed && !task->terms->collect) || is_ending(w)) return 1;
  return atomic_load_explicit(&task->terms->cancelled, memory_order_relaxed);
}

void moons__worker_expect(moons__worker *w, uint64_t timeout_ns) {
  atomic_store(&w->timeout_ns, timeout_ns);
}

void moons__worker_run(moons__worker *w, moons__task *task) {
  moons__batch_reader arguments;
  moons__batch_open(&arguments, task->bytes, task->n_bytes);
  w->call.terms = task->terms;
  if (moons__batch_begin(&w->call.results, &task->results)) {
    atomic_store(&w->timeout_ns, 0);
    return;
  }
  int is_set_up = !is_over(w, task) && enter(w, task->terms, arguments.needs) == 0;
  while (!is_over(w, task)) {
    moons__batch_next(&arguments, &w->call.item);
    int outcome = is_set_up ? run_tries(w, task) : put_set_up_failure(w);
    if (outcome < 0) break;
    if (outcome > 0) note_failed(task);
    task->n_run++;
  }
  atomic_store(&w->timeout_ns, 0);
  if (is_set_up) moons__session_leave(w->call.session);
}

/* From any thread. */

void moons__worker_cancel(moons__worker *w, int on) { atomic_store(&w->is_cancelled, on); }

int moons__worker_is_ending(const moons__worker *w) {
  return atomic_load(&w->workshop.sandbox.stop.reason) != 0 || is_ending(w);
}

uint64_t moons__worker_watch(moons__worker *w, uint64_t now_ns) {
  moons__stop *stop = &w->workshop.sandbox.stop;
  if (is_ending(w)) {
    moons__stop_request(stop, MOONS__FAILURE_CANCELLED + 1);
    return now_ns + WATCH_AGAIN_NS;
  }
  uint64_t timeout_ns = atomic_load(&w->timeout_ns), started_ns = atomic_load(&w->started_ns);
  if (timeout_ns == 0) return UINT64_MAX;
  if (started_ns == 0) return now_ns + timeout_ns;
  if (now_ns < started_ns + timeout_ns) return started_ns + timeout_ns;
  moons__stop_request(stop, MOONS__FAILURE_TIMEOUT + 1);
  return now_ns + WATCH_AGAIN_NS;
}

uint64_t moons__hash(const void *bytes, size_t n_bytes) {
  const char *at = bytes;
  uint64_t hash = UINT64_C(0xCBF29CE484222325), word;
  for (; n_bytes >= sizeof word; n_bytes -= sizeof word, at += sizeof word) {
    memcpy(&word, at, sizeof word);
    hash = (hash ^ word) * UINT64_C(0x100000001B3);
    hash ^= hash >> 29;
  }
  for (; n_bytes > 0; n_bytes--, at++)
    hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001B3);
  return hash;
}
