/*
** A close looks now and then whether calls are under way: that costs those that run nothing. Then the workers end, those of pools
** too; what else a runtime has stays until its last holder goes.
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

/* {== Telling the host ======================================================================== */

void moons__telling_begin(moons_runtime *r, moons__telling *here) {
  moons__closing *c = &r->commons->closing;
  here->thread = uv_thread_self();
  uv_mutex_lock(&c->mutex);
  here->next = c->telling;
  c->telling = here;
  uv_mutex_unlock(&c->mutex);
}

void moons__telling_end(moons_runtime *r, const moons__telling *here) {
  moons__closing *c = &r->commons->closing;
  uv_mutex_lock(&c->mutex);
  moons__telling **at = &c->telling;
  while (*at != here)
    at = &(*at)->next;
  *at = here->next;
  uv_mutex_unlock(&c->mutex);
}

int moons__telling_is_here(const moons_runtime *r) {
  moons__closing *c = &r->commons->closing;
  const uv_thread_t self = uv_thread_self();
  int is = 0;
  uv_mutex_lock(&c->mutex);
  for (const moons__telling *t = c->telling; t != NULL && !is; t = t->next)
    is = uv_thread_equal(&t->thread, &self) != 0;
  uv_mutex_unlock(&c->mutex);
  return is;
}

/* {== Pools =================================================================================== */

void moons__pool_add(moons_runtime *pool) {
  moons__closing *c = &pool->commons->closing;
  uv_mutex_lock(&c->mutex);
  pool->next_pool = c->pools;
  if (c->pools != NULL) c->pools->pool_before = pool;
  c->pools = pool;
  uv_mutex_unlock(&c->mutex);
}

void moons__pool_remove(moons_runtime *pool) {
  moons__closing *c = &pool->commons->closing;
  uv_mutex_lock(&c->mutex);
  *(pool->pool_before != NULL ? &pool->pool_before->next_pool : &c->pools) = pool->next_pool;
  if (pool->next_pool != NULL) pool->next_pool->pool_before = pool->pool_before;
  uv_mutex_unlock(&c->mutex);
}

/* Whether the calling thread is one of the runtime, or of a pool that was made on it, or in a call of either. */
static int is_within(const moons_runtime *r) {
  moons__closing *c = &r->commons->closing;
  int is = moons__runtime_is_worker(r) || moons__runtime_is_thread(r) || moons__telling_is_here(r);
  uv_mutex_lock(&c->mutex);
  for (const moons_runtime *pool = c->pools; pool != NULL && !is; pool = pool->next_pool)
    is = moons__runtime_own_depth(pool) > 0 || moons__runtime_is_thread(pool);
  uv_mutex_unlock(&c->mutex);
  return is;
}

/* Becomes a holder, where one is left: a pool without any is about to be closed by its last one. */
static int hold(moons_runtime *pool) {
  unsigned n = atomic_load(&pool->n_holders);
  while (n > 0 && !atomic_compare_exchange_weak(&pool->n_holders, &n, n + 1))
    ;
  return n > 0;
}

/* The next pool whose workers are to be ended, held, or NULL. */
static moons_runtime *take_pool(moons__closing *c) {
  uv_mutex_lock(&c->mutex);
  moons_runtime *pool = c->pools;
  while (pool != NULL && (pool->has_ended || !hold(pool)))
    pool = pool->next_pool;
  if (pool != NULL) pool->has_ended = 1;
  uv_mutex_unlock(&c->mutex);
  return pool;
}

/* Ends the workers, which have nothing to do. Of several closes the first does it. */
static void end_workers(moons_runtime *r) {
  moons__closing *c = &r->commons->closing;
  for (moons_runtime *pool; (pool = take_pool(c)) != NULL; moons_runtime_free(pool))
    pool->functions->end(pool->backend);
  uv_mutex_lock(&c->mutex);
  int is_first = !r->has_ended;
  r->has_ended = 1;
  uv_mutex_unlock(&c->mutex);
  if (is_first) r->functions->end(r->backend);
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
  moons__lines_go_on(r);
}

int moons_runtime_close(moons_runtime *r, int64_t timeout_ns) {
  if (r == NULL) return MOONS_EINVAL;
  if (moons__runtime_is_forked(r)) return MOONS_EFORKED;
  if (is_within(r)) return MOONS_EINVAL;
  enter(&r->commons->closing, MOONS__CLOSING);
  wait_for_calls(r, moons__clock_after(timeout_ns));
  enter(&r->commons->closing, MOONS__ENDING);
  end_calls(r);
  wait_for_calls(r, UINT64_MAX);
  enter(&r->commons->closing, MOONS__CLOSED);
  end_workers(r);
  return (int)atomic_load(&r->commons->n_lost);
}
