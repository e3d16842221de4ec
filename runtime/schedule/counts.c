/*
** Chunks are counted whole when they have run, under the runtime's mutex: a reader sees the sums of whole chunks, and a call of
** many in a chunk costs nothing.
*/
#include "schedule/counts.h"

#include "schedule/inside.h"
#include "schedule/runtime.h"

static void add(moons_stats *stats, const moons__chunk *chunk) {
  stats->n_done += chunk->n_run;
  stats->n_failed += chunk->n_failed;
  stats->n_retried += chunk->n_retried;
  stats->n_lost += chunk->n_lost;
  stats->n_restored += chunk->n_restored;
  stats->n_proved += chunk->n_proved;
  stats->n_images += chunk->n_images;
  stats->busy_ns += chunk->busy_ns;
  stats->sent_bytes += chunk->n_bytes;
  stats->received_bytes += chunk->results.n_bytes;
}

void moons__count_chunk(moons_runtime *r, const moons__chunk *chunk) { add(&r->stats, chunk); }

/* A call that was given up says nothing of its state. */
static void note_memory(moons_stats *stats, size_t n_bytes) {
  if (n_bytes == 0) return;
  stats->memory_bytes = n_bytes;
  if (n_bytes > stats->memory_peak_bytes) stats->memory_peak_bytes = n_bytes;
}

/* A task that no worker has begun has waited for none. */
static uint64_t waited_ns(const moons__chunk *chunk, uint64_t put_ns) {
  return chunk->begun_ns > put_ns ? chunk->begun_ns - put_ns : 0;
}

void moons__count_task(moons_runtime *r, moons_stats *line, const moons__chunk *chunk,
                       uint64_t put_ns) {
  add(&r->stats, chunk);
  add(line, chunk);
  r->stats.waited_ns += waited_ns(chunk, put_ns);
  line->waited_ns += waited_ns(chunk, put_ns);
  note_memory(line, chunk->memory_bytes);
}

/* Jobs give the backend more chunks than there are workers: the others wait there. */
static void tell_where(const moons_runtime *r, moons_stats *stats) {
  unsigned n_given = r->lines.n_started + r->lines.n_beside + atomic_load(&r->n_given);
  stats->n_workers = atomic_load(&r->n_started);
  stats->n_running = n_given < stats->n_workers ? n_given : stats->n_workers;
  stats->n_waiting = r->lines.n_waiting + n_given - stats->n_running;
}

void moons__runtime_stats(moons_runtime *r, moons_stats *stats) {
  *stats = (moons_stats){.n_workers = 0};
  if (moons__runtime_is_forked(r)) return;
  uv_mutex_lock(&r->mutex);
  *stats = r->stats;
  tell_where(r, stats);
  uv_mutex_unlock(&r->mutex);
  stats->memory_bytes = atomic_load(&r->commons->states.used_bytes);
  stats->memory_peak_bytes = atomic_load(&r->commons->states.peak_bytes);
}

int moons__runtime_host_stats(moons_runtime *r, unsigned i, moons__host_stats *stats) {
  if (r->functions->tell_host == NULL || moons__runtime_is_forked(r)) return 0;
  return r->functions->tell_host(r->backend, i, stats);
}
