/*
** A helper stays a moment when no chunk waits, for a call may map again and again. When an outermost call ends it waits for the
** helpers, so that whatever they do to the process is that call's doing. One that is in a C function which does not return, or not
** soon, is not waited for, if nobody wants its results: then the process makes no more calls, and whoever has started it starts
** another.
*/
#include "backend/helpers.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>

#include "backend/desk.h"
#include "base/allocate.h"
#include "moons.h"
#include "sizes.h"
#include "system/fork.h"
#include "system/machine.h"
#include "system/thread.h"
#include "worker/scope.h"

typedef struct helper {
  moons__helpers *all;
  desk *desk;
  uv_thread_t id;
  uv_sem_t wake;
  int is_there; /* it has a thread; of whoever lends */
} helper;

struct moons__helpers {
  desks *desks;
  desk *own; /* of the thread that reads chunks */
  moons__helped helped;
  sigset_t blocked;
  helper *helpers; /* by number */

  uv_mutex_t mutex; /* guards what follows */
  uv_cond_t rest;   /* a helper has left */
  unsigned n_lent;
  int is_closing;
};

/* {== A helper ================================================================================ */

/* The next chunk, which is waited for a moment; NULL: the helper leaves. */
static moons__chunk *await_chunk(desks *b, const desk *d) {
  moons__chunk *chunk = NULL;
  uint64_t now_ns, end_ns = uv_hrtime() + MOONS_HELPER_NS;
  uv_mutex_lock(&b->mutex);
  b->n_waiting++;
  while (!d->is_recalled && (chunk = moons__chunk_dequeue(&b->queue, d->number)) == NULL &&
         (now_ns = uv_hrtime()) < end_ns)
    uv_cond_timedwait(&b->came, &b->mutex, end_ns - now_ns);
  b->n_waiting--;
  b->n_helping += chunk != NULL;
  uv_mutex_unlock(&b->mutex);
  return chunk;
}

static void run(desks *b, desk *d, moons__chunk *chunk) {
  moons__desk_run(b, d, chunk);
  uv_mutex_lock(&b->mutex);
  b->n_stuck -= (unsigned)d->is_stuck;
  d->is_stuck = 0;
  if (--b->n_helping == b->n_stuck) uv_cond_broadcast(&b->left);
  uv_mutex_unlock(&b->mutex);
}

static void help(desks *b, desk *d) {
  char here = 0;
  moons__chunk *chunk;
  uv_mutex_lock(&b->mutex);
  int error = moons__desk_take(b, d);
  uv_mutex_unlock(&b->mutex);
  if (error) return;
  moons__desk_sit_down(b, d, &here);
  while ((chunk = await_chunk(b, d)) != NULL)
    run(b, d, chunk);
  moons__desk_leave(b, d);
}

/* Its place counts as lent until it has said that it is free: so that is said before the chunk is done. */
static void helper_main(void *data) {
  helper *p = data;
  moons__helpers *all = p->all;
  char name[16];
  snprintf(name, sizeof name, "%u", p->desk->number);
  moons__thread_name(all->desks->config.thread_name, name);
  moons__machine_compute();
  for (;;) {
    uv_sem_wait(&p->wake);
    if (all->is_closing) return;
    help(all->desks, p->desk);
    all->helped.returned(all->helped.data, p->desk->number);
    moons__desk_want(all->desks); /* who counted on it finds it gone */
    uv_mutex_lock(&all->mutex);
    if (--all->n_lent == 0) uv_cond_signal(&all->rest);
    uv_mutex_unlock(&all->mutex);
  }
}

static int start(helper *p) {
  moons__helpers *all = p->all;
  if (p->is_there) return 0;
  if (uv_sem_init(&p->wake, 0)) return MOONS_ENOMEM;
  int error = moons__thread_start(&p->id, all, all->desks->config.stack_bytes, &all->blocked,
                                  helper_main, p);
  if (error) uv_sem_destroy(&p->wake);
  p->is_there = !error;
  return error;
}

/* {== Places ================================================================================== */

static void expect(desks *b, desk *d, uint64_t row) {
  uv_mutex_lock(&b->mutex);
  d->workers.row = row;
  d->is_recalled = 0;
  if (b->n_wanted > 0) b->n_wanted--;
  uv_mutex_unlock(&b->mutex);
}

int moons__helpers_lend(moons__helpers *h, unsigned number, uint64_t row) {
  helper *p = &h->helpers[number];
  expect(h->desks, p->desk, row);
  int error = start(p);
  if (error) return error;
  uv_mutex_lock(&h->mutex);
  h->n_lent++;
  uv_mutex_unlock(&h->mutex);
  uv_sem_post(&p->wake);
  return 0;
}

static void recall(desks *b, unsigned first, unsigned end) {
  uv_mutex_lock(&b->mutex);
  for (unsigned i = first; i < end; i++)
    b->all[i].is_recalled = 1;
  uv_cond_broadcast(&b->came);
  uv_mutex_unlock(&b->mutex);
}

void moons__helpers_recall(moons__helpers *h, unsigned number) {
  recall(h->desks, number, number + 1);
}

/* What was wanted before is wanted no more. */
void moons__helpers_dismiss(moons__helpers *h) {
  desks *b = h->desks;
  uv_mutex_lock(&b->mutex);
  b->n_wanted = 0;
  int is_stuck = b->n_stuck > 0;
  uv_mutex_unlock(&b->mutex);
  if (is_stuck) return;
  uv_mutex_lock(&h->mutex);
  unsigned n_lent = h->n_lent;
  uv_mutex_unlock(&h->mutex);
  if (n_lent == 0) return;
  recall(b, 0, b->n_desks);
  uv_mutex_lock(&h->mutex);
  while (h->n_lent > 0)
    uv_cond_wait(&h->rest, &h->mutex);
  uv_mutex_unlock(&h->mutex);
}

/* {== For the backend ========================================================================= */

/* Any worker may run it: how many do at once, its job decides. But where that is one, helpers are of no use; and what the set-up of
** a kept state has started need not end with any call, so no helper begins it. Both are left to who waits for them. */
void moons__helpers_admit(moons__chunk *chunk) {
  int is_left = chunk->n_workers <= 1 || moons__scope_is_kept(chunk->plan->scope);
  chunk->n_workers = is_left ? 0 : UINT_MAX;
}

/* What an outermost call has started must have ended before the call counts: those who run it are told to, and waited for. */
int moons__helpers_await(void *all) {
  desks *b = all;
  if (moons__fork_number() != b->fork_number) return 0; /* there are none in the child of a fork */
  uv_mutex_lock(&b->mutex);
  int is_helped = b->n_helping > 0;
  uv_mutex_unlock(&b->mutex);
  if (!is_helped) return 0;
  moons__alarm_nudge(b->alarm);
  uv_mutex_lock(&b->mutex);
  while (b->n_helping > b->n_stuck)
    uv_cond_wait(&b->left, &b->mutex);
  int is_stuck = b->n_stuck > 0;
  uv_mutex_unlock(&b->mutex);
  return is_stuck ? -1 : 0;
}

/* Whether nobody waits for what a helper runs. The mutex is held. */
static int is_unwanted(const desk *d) {
  const moons__chunk *chunk = d->workers.stations[0].chunk;
  return chunk != NULL &&
         (atomic_load(&chunk->plan->cancelled) || moons__scope_is_over(chunk->plan->scope));
}

static void leave_stuck(desks *b, desk *d) {
  b->n_stuck += !d->is_stuck;
  d->is_stuck = 1;
  uv_cond_broadcast(&b->left);
}

/* Who has started the process looks after the outermost call, and kills the process; of others it knows nothing. */
void moons__helpers_look(desks *b, desk *d) {
  const moons__helpers *h = b->helpers;
  const moons__stack *own = &h->own->workers;
  int is_within = d != h->own || (own->n_stations > 1 && own->stations[1].chunk != NULL);
  if (d != h->own && is_unwanted(d))
    leave_stuck(b, d);
  else if (is_within && !moons__worker_is_ending(own->stations[0].worker))
    h->helped.stuck(h->helped.data);
}

/* {== Opening and closing ===================================================================== */

static int open_locks(moons__helpers *h) {
  if (uv_mutex_init(&h->mutex)) return MOONS_ENOMEM;
  if (uv_cond_init(&h->rest) == 0) return 0;
  uv_mutex_destroy(&h->mutex);
  return MOONS_ENOMEM;
}

static int make_helpers(moons__helpers *h) {
  desks *b = h->desks;
  h->helpers = moons__allocate_zeros(b, b->n_desks * sizeof *h->helpers);
  if (h->helpers == NULL || open_locks(h)) {
    moons__free(h->helpers);
    return MOONS_ENOMEM;
  }
  for (unsigned i = 0; i < b->n_desks; i++)
    h->helpers[i] = (helper){.all = h, .desk = &b->all[i]};
  return 0;
}

/* The thread sits down for as long as there are chunks. */
static int take_own(moons__helpers *h) {
  desks *b = h->desks;
  char here = 0;
  uv_mutex_lock(&b->mutex);
  int error = moons__desk_take(b, h->own);
  if (!error) b->helpers = h;
  uv_mutex_unlock(&b->mutex);
  if (!error) moons__desk_sit_down(b, h->own, &here);
  return error;
}

static void helpers_free(moons__helpers *h) {
  uv_cond_destroy(&h->rest);
  uv_mutex_destroy(&h->mutex);
  moons__free(h->helpers);
  moons__free(h);
}

int moons__helpers_open(moons__helpers **helpers, moons__backend *backend, unsigned number,
                        const moons__helped *helped) {
  desks *b = moons__desks_of(backend);
  moons__helpers *h = moons__allocate_zeros(b, sizeof *h);
  if (h == NULL) return MOONS_ENOMEM;
  *h = (moons__helpers){.desks = b, .own = &b->all[number], .helped = *helped};
  moons__thread_blocks(&h->blocked, b->config.stop_signal);
  if (make_helpers(h)) {
    moons__free(h);
    return MOONS_ENOMEM;
  }
  int error = moons__alarm_start(b->alarm);
  if (!error) error = take_own(h);
  if (error)
    helpers_free(h);
  else
    *helpers = h;
  return error;
}

static void end_threads(moons__helpers *h) {
  uv_mutex_lock(&h->mutex);
  h->is_closing = 1;
  uv_mutex_unlock(&h->mutex);
  for (unsigned i = 0; i < h->desks->n_desks; i++) {
    helper *p = &h->helpers[i];
    if (!p->is_there) continue;
    uv_sem_post(&p->wake);
    uv_thread_join(&p->id);
    uv_sem_destroy(&p->wake);
  }
}

void moons__helpers_close(moons__helpers *h) {
  moons__helpers_dismiss(h);
  end_threads(h);
  moons__desk_leave(h->desks, h->own);
  helpers_free(h);
}
