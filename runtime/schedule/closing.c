/*
** A close looks now and then whether calls are under way: that costs those that run nothing. The workers stay, idle, until the
** last holder goes, for who holds the runtime may still ask them.
*/

#include "schedule/inside.h"
#include "schedule/runtime.h"
#include "schedule/tasks.h"
#include "system/clock.h"

enum { LOOK_MS = 1 }; /* how often */

/* {== The list ================================================================================ */

void moons__client_add(moons_runtime *r, moons__client *client) {
  moons__closing *c = &r->commons->closing;
  uv_mutex_lock(&c->mutex);
  client->before = NULL;
  client->next = c->first;
  if (c->first != NULL) c->first->before = client;
  c->first = client;
  uv_mutex_unlock(&c->mutex);
}

void moons__client_remove(moons_runtime *r, moons__client *client) {
  moons__closing *c = &r->commons->closing;
  uv_mutex_lock(&c->mutex);
  *(client->before != NULL ? &client->before->next : &c->first) = client->next;
  if (client->next != NULL) client->next->before = client->before;
  uv_mutex_unlock(&c->mutex);
}

static int is_busy(moons__closing *c) {
  int busy = 0;
  uv_mutex_lock(&c->mutex);
  for (moons__client *client = c->first; client != NULL && !busy; client = client->next)
    busy = client->is_busy(client);
  uv_mutex_unlock(&c->mutex);
  return busy;
}

/* {== Phases ================================================================================== */

moons__phase moons__runtime_phase(const moons_runtime *r) {
  return (moons__phase)atomic_load(&r->commons->closing.phase);
}

int moons__runtime_check_open(const moons_runtime *r) {
  return moons__runtime_phase(r) == MOONS__OPEN ? 0 : MOONS_ECLOSED;
}

/* Of several closes each goes on from where the others are. */
static void enter(moons__closing *c, moons__phase phase) {
  uv_mutex_lock(&c->mutex);
  if (atomic_load(&c->phase) < (int)phase) atomic_store(&c->phase, (int)phase);
  uv_mutex_unlock(&c->mutex);
}

/* {== Waiting and ending ====================================================================== */

/* Lets calls go on. Returns 0 where none would. */
static int go_on(moons_runtime *r, uint64_t deadline_ns) {
  if (r->functions->runs_when_asked) return moons__tasks_wait(r, NULL, deadline_ns) == 0;
  if (r->functions->lend == NULL || r->functions->lend(r->backend, 1) == 0) uv_sleep(LOOK_MS);
  return 1;
}

static void wait_for_calls(moons_runtime *r, uint64_t deadline_ns) {
  while (is_busy(&r->commons->closing) && moons__clock_ns() < deadline_ns)
    if (!go_on(r, deadline_ns)) return;
}

static moons__client *find_next(const moons__closing *c) {
  moons__client *client = c->first;
  while (client != NULL && client->is_ended)
    client = client->next;
  return client;
}

/* Ends the calls of one that has not been ended; returns 0 where there is none. */
static int end_next(moons__closing *c) {
  uv_mutex_lock(&c->mutex);
  moons__client *client = find_next(c);
  if (client != NULL) client->is_ended = 1;
  int is_due = client != NULL && client->end(client);
  uv_mutex_unlock(&c->mutex);
  if (is_due) client->tell(client);
  return client != NULL;
}

static void end_calls(moons_runtime *r) {
  while (end_next(&r->commons->closing))
    continue;
  moons__tasks_go_on(r);
}

int moons_runtime_close(moons_runtime *r, int64_t timeout_ns) {
  if (r == NULL) return MOONS_EINVAL;
  if (moons__runtime_is_forked(r)) return MOONS_EFORKED;
  if (moons__runtime_is_worker(r)) return MOONS_EINVAL;
  enter(&r->commons->closing, MOONS__CLOSING);
  wait_for_calls(r, moons__clock_after(timeout_ns));
  enter(&r->commons->closing, MOONS__ENDING);
  end_calls(r);
  wait_for_calls(r, UINT64_MAX);
  enter(&r->commons->closing, MOONS__CLOSED);
  return r->functions->lost != NULL ? (int)r->functions->lost(r->backend) : 0;
}
