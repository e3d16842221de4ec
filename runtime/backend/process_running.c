/*
** What worker processes run, for a person who asks: their marks say it (mark.h), so no process is asked, and one that does not
** answer is told of as well. Of maps within a call a mark knows nothing.
*/
#include <string.h>

#include "backend/keeper.h"
#include "worker/worker.h"

void moons__keeper_position(const keeper *k, char position[MOONS_POSITION_BYTES]) {
  memcpy(position, k->front->mark.position, MOONS_POSITION_BYTES);
  position[MOONS_POSITION_BYTES - 1] = '\0';
}

/* When the call began, or else its chunk. */
static void look_at_clock(const keeper *k, moons__running *r) {
  const moons__mark *mark = &k->front->mark;
  uint64_t begun_ns = atomic_load_explicit(&mark->begun_ns, memory_order_relaxed);
  uint64_t since_ns = atomic_load_explicit(&mark->since_ns, memory_order_relaxed);
  r->is_earlier = begun_ns == 0 && !(since_ns & 1);
  r->since_ns = begun_ns != 0 ? begun_ns : since_ns;
}

/* Fills in what the process runs; returns 0: nothing. */
static int look_at(const keeper *k, moons__running *r, char position[MOONS_POSITION_BYTES]) {
  const moons__chunk *chunk = k->chunk;
  moons__stage stage = moons__keeper_stage(k);
  *r = (moons__running){.pool = k->backend->config.worker.pool,
                        .worker = k->sleeper.number + 1,
                        .since_ns = chunk->begun_ns,
                        .is_setting_up = stage != MOONS__STAGE_CALLS};
  if (stage != MOONS__STAGE_CALLS) return stage != MOONS__STAGE_AFTER;
  uint32_t n_run = atomic_load_explicit(&k->front->mark.n_run, memory_order_acquire);
  moons__keeper_position(k, position);
  r->position = position;
  r->call = chunk->first + n_run;
  look_at_clock(k, r);
  return n_run < chunk->n_calls;
}

/* While a keeper has a chunk, its process has a front. */
void moons__keepers_tell(moons__backend *b, moons__take_running *take, void *taker) {
  char position[MOONS_POSITION_BYTES];
  moons__running running;
  uv_mutex_lock(&b->mutex);
  for (const keeper *k = b->keepers; k != NULL; k = k->next)
    if (k->chunk != NULL && look_at(k, &running, position)) take(taker, &running);
  uv_mutex_unlock(&b->mutex);
}
