/*
** One mutex guards both lists. Whoever changes them notes whether something can be taken: that is what the descriptor shows, and
** `notify` is told when it begins. Where tasks run on the thread that waits, something can be taken as soon as it was begun, for
** taking it runs it.
**
** Memory goes with the last user: the owner, or something that was under way when the owner left.
*/
#include "schedule/completions.h"

#include <stdlib.h>
#include <uv.h>

#include "base/allocate.h"
#include "schedule/inside.h"
#include "schedule/pace.h"
#include "schedule/tasks.h"
#include "system/clock.h"
#include "system/flag.h"
#include "system/waiter.h"

typedef struct list {
  moons__pending *first, *last;
} list;

struct moons__completions {
  moons__client client; /* the first field */
  moons__completions_config config;
  moons_runtime *runtime;
  moons__waiter *waiter;
  moons__pace pace; /* of the thread that takes */

  uv_mutex_t mutex; /* guards all that follows */
  uv_cond_t idle;   /* a thread that was busy here has left */
  list under_way, finished;
  moons__flag flag;
  int can_take;  /* something can be taken */
  int n_busy;    /* threads that are here, or in `notify`, without the mutex */
  int is_closed; /* its owner has gone */
  unsigned n_users;
  unsigned n_beginning; /* that cannot be cancelled yet */
};

/* {== Lists =================================================================================== */

static void append(list *l, moons__pending *p) {
  p->next = NULL;
  p->before = l->last;
  *(l->last != NULL ? &l->last->next : &l->first) = p;
  l->last = p;
}

static void take_out(list *l, const moons__pending *p) {
  *(p->before != NULL ? &p->before->next : &l->first) = p->next;
  *(p->next != NULL ? &p->next->before : &l->last) = p->before;
}

/* {== Opening and closing ===================================================================== */

static int make_locks(moons__completions *c) {
  if (uv_mutex_init(&c->mutex)) return MOONS_ENOMEM;
  if (uv_cond_init(&c->idle) == 0) return 0;
  uv_mutex_destroy(&c->mutex);
  return MOONS_ENOMEM;
}

static int is_busy(moons__client *client);
static int end(moons__client *client);
static void tell_end(moons__client *client);

moons__completions *moons__completions_new(moons_runtime *runtime,
                                           const moons__completions_config *config) {
  moons__completions *c = moons__allocate_zeros(runtime, sizeof *c);
  if (c == NULL) return NULL;
  c->config = *config;
  c->runtime = runtime;
  c->n_users = 1;
  c->flag.descriptor = -1;
  c->waiter = moons__waiter_new(runtime);
  c->client = (moons__client){.is_busy = is_busy, .end = end, .tell = tell_end};
  if (c->waiter != NULL && make_locks(c) == 0) {
    moons__client_add(runtime, &c->client);
    return c;
  }
  if (c->waiter != NULL) moons__waiter_release(c->waiter);
  moons__free(c);
  return NULL;
}

static void destroy(moons__completions *c) {
  moons__client_remove(c->runtime, &c->client);
  moons__waiter_release(c->waiter);
  uv_cond_destroy(&c->idle);
  uv_mutex_destroy(&c->mutex);
  moons__free(c);
}

/* Cancels all that is under way. The mutex is held. */
static void cancel_all(moons__completions *c) {
  for (moons__pending *p = c->under_way.first, *next; p != NULL; p = next) {
    next = p->next;
    if (!c->config.cancel(p)) continue;
    take_out(&c->under_way, p);
    p->is_under_way = 0;
    append(&c->finished, p);
    c->n_users--;
  }
}

/* One user less; the mutex is held, and free afterwards. The last one frees all. */
static void let_go(moons__completions *c) {
  int is_last = --c->n_users == 0;
  uv_mutex_unlock(&c->mutex);
  if (is_last) destroy(c);
}

static void drop_all(moons__completions *c) {
  for (moons__pending *p = c->finished.first, *next; p != NULL; p = next) {
    next = p->next;
    c->config.drop(p);
  }
}

/* Once it is closed nothing comes to the list any more. */
void moons__completions_close(moons__completions *c) {
  if (c == NULL) return;
  uv_mutex_lock(&c->mutex);
  c->is_closed = 1;
  moons__flag_close(&c->flag); /* the host's loop knows it no more, though calls may run on */
  cancel_all(c);
  while (c->n_busy > 0)
    uv_cond_wait(&c->idle, &c->mutex);
  uv_mutex_unlock(&c->mutex);
  moons__lines_go_on(c->runtime);
  drop_all(c);
  uv_mutex_lock(&c->mutex);
  let_go(c);
}

/* {== Telling ================================================================================= */

/* Whom to tell, once the mutex is free. */
typedef struct listeners {
  moons__waiter *waiter;
  int wants_notify;
} listeners;

/* Notes whether something can be taken. The mutex is held. */
static listeners look(moons__completions *c) {
  int could = c->can_take;
  int comes_when_asked = moons__tasks_run_when_asked(c->runtime) && c->under_way.first != NULL;
  c->can_take = c->finished.first != NULL || comes_when_asked;
  moons__flag_set(&c->flag, c->can_take);
  listeners l = {.wants_notify = c->can_take && !could && c->config.notify != NULL};
  c->n_busy += l.wants_notify;
  return l;
}

static void leave(moons__completions *c) {
  uv_mutex_lock(&c->mutex);
  c->n_busy--;
  uv_cond_signal(&c->idle);
  uv_mutex_unlock(&c->mutex);
}

/* Only who is busy finds all still there: the owner may take what has finished, and leave, as soon as it is in the list. */
static void tell(moons__completions *c, listeners l) {
  moons__waiter_ring(l.waiter);
  if (!l.wants_notify) return;
  moons__telling here;
  moons__telling_begin(c->runtime, &here);
  c->config.notify(c->config.data);
  moons__telling_end(c->runtime, &here);
  leave(c);
}

/* {== What comes and goes ===================================================================== */

/* Whether it is closed is looked at under the mutex: a close sees what is begun before, and what comes later sees the close. */
int moons__completions_begin(moons__completions *c, moons__pending *p) {
  listeners l = {0};
  p->home = c;
  p->is_under_way = 1;
  uv_mutex_lock(&c->mutex);
  int error = moons__runtime_check_open(c->runtime);
  if (!error) append(&c->under_way, p);
  if (!error) c->n_users++;
  if (!error) c->n_beginning++;
  if (!error) l = look(c);
  uv_mutex_unlock(&c->mutex);
  tell(c, l);
  return error;
}

void moons__completions_begun(moons__completions *c) {
  uv_mutex_lock(&c->mutex);
  c->n_beginning--;
  uv_mutex_unlock(&c->mutex);
}

void moons__completions_unbegin(moons__pending *p) {
  moons__completions *c = p->home;
  uv_mutex_lock(&c->mutex);
  take_out(&c->under_way, p);
  c->n_users--;
  look(c);
  uv_mutex_unlock(&c->mutex);
}

/* It is at home. The mutex is held, and the owner is there. */
static listeners finish(moons__completions *c, moons__pending *p) {
  take_out(&c->under_way, p);
  p->is_under_way = 0;
  c->n_users--;
  append(&c->finished, p);
  listeners l = look(c);
  l.waiter = moons__waiter_share(c->waiter);
  return l;
}

/* The owner has left. */
static void drop_late(moons__completions *c, moons__pending *p) {
  c->config.drop(p);
  uv_mutex_lock(&c->mutex);
  let_go(c);
}

void moons__completions_arrive(moons__pending *p) {
  moons__completions *c = p->home;
  listeners l = {0};
  uv_mutex_lock(&c->mutex);
  int is_closed = c->is_closed;
  if (is_closed)
    take_out(&c->under_way, p);
  else
    l = finish(c, p);
  uv_mutex_unlock(&c->mutex);
  if (is_closed)
    drop_late(c, p);
  else
    tell(c, l);
}

void moons__completions_cancel(moons__pending *p) {
  moons__completions *c = p->home;
  listeners l = {0};
  uv_mutex_lock(&c->mutex);
  c->n_busy++;
  if (p->is_under_way && c->config.cancel(p)) l = finish(c, p);
  uv_mutex_unlock(&c->mutex);
  moons__lines_go_on(c->runtime);
  tell(c, l);
  leave(c);
}

/* {== Closing the runtime ===================================================================== */

static int is_busy(moons__client *client) {
  moons__completions *c = (moons__completions *)(void *)client;
  uv_mutex_lock(&c->mutex);
  int busy = c->under_way.first != NULL || c->n_busy > 0;
  uv_mutex_unlock(&c->mutex);
  return busy;
}

/* What the owner has left was cancelled by that. Who tells is a user too, unless the last one is just going. */
static int end(moons__client *client) {
  moons__completions *c = (moons__completions *)(void *)client;
  uv_mutex_lock(&c->mutex);
  int is_there = !c->is_closed && c->n_beginning == 0;
  if (c->n_beginning > 0) client->is_ended = 0; /* once more, in a moment */
  if (is_there) cancel_all(c);
  c->n_users += is_there ? 1 : 0;
  c->n_busy += is_there;
  uv_mutex_unlock(&c->mutex);
  return is_there;
}

static void tell_end(moons__client *client) {
  moons__completions *c = (moons__completions *)(void *)client;
  uv_mutex_lock(&c->mutex);
  listeners l = look(c);
  l.waiter = moons__waiter_share(c->waiter);
  uv_mutex_unlock(&c->mutex);
  tell(c, l);
  uv_mutex_lock(&c->mutex);
  c->n_busy--;
  uv_cond_signal(&c->idle);
  let_go(c);
}

/* {== Taking ================================================================================== */

/* Takes what has finished first, or returns NULL; how many are to come. Users are the owner, and those. */
static moons__pending *take_first(moons__completions *c, unsigned *n_more) {
  uv_mutex_lock(&c->mutex);
  moons__pending *p = c->finished.first;
  if (p != NULL) take_out(&c->finished, p);
  *n_more = c->under_way.first != NULL ? c->n_users - 1 : 0;
  look(c);
  uv_mutex_unlock(&c->mutex);
  return p;
}

/* Sleeps for a moment where more comes meanwhile than one, and returns 1. */
static int doze(moons__completions *c, uint64_t deadline_ns, unsigned n_more) {
  uint64_t now_ns = moons__clock_ns(), ns = moons__pace_doze_ns(&c->pace, now_ns, n_more);
  if (ns == 0 || deadline_ns < now_ns + ns || !moons__tasks_run_elsewhere(c->runtime)) return 0;
  moons__waiter_doze(ns);
  return 1;
}

static int wait_for_some(moons__completions *c, uint64_t deadline_ns, unsigned n_more) {
  if (deadline_ns > 0 && doze(c, deadline_ns, n_more)) return 0;
  return moons__tasks_wait(c->runtime, c->waiter, deadline_ns);
}

int moons__completions_take(moons__completions *c, int64_t timeout_ns, moons__pending **pending) {
  uint64_t deadline_ns = timeout_ns == 0 ? 0 : moons__clock_after(timeout_ns);
  int error = 0;
  unsigned n_more;
  while ((*pending = take_first(c, &n_more)) == NULL) {
    if (n_more == 0) return moons__runtime_check_open(c->runtime) ? MOONS_ECLOSED : MOONS_EEND;
    if (error) return error;
    error = wait_for_some(c, deadline_ns, n_more);
  }
  moons__pace_note(&c->pace);
  return 0;
}

int moons__completions_descriptor(moons__completions *c) {
  uv_mutex_lock(&c->mutex);
  if (c->flag.descriptor < 0 && moons__flag_open(&c->flag) == 0)
    moons__flag_set(&c->flag, c->can_take);
  int descriptor = c->flag.descriptor;
  uv_mutex_unlock(&c->mutex);
  return descriptor >= 0 ? descriptor : MOONS_EUNSUPPORTED;
}
