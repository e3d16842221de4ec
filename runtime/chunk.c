#include "chunk.h"

#include "limits.h"

/* Chunks shorter than this cost more to hand over than they can win, in ns. */
static const double LEAST_NS = 20000.0;

void moons__chunker_init(moons__chunker *c, unsigned n_workers, uint32_t fixed, double call_ns) {
  *c = (moons__chunker){.n_workers = n_workers > 0 ? n_workers : 1, .fixed = fixed};
  c->call_ns = call_ns;
  if (call_ns > 0)
    c->size = MOONS_CHUNK_MAX_CALLS; /* what was measured before is trusted at once */
}

static uint32_t calls_in(const moons__chunker *c, double ns) {
  double n = ns / c->call_ns;
  return n < 1 ? 1 : n > MOONS_CHUNK_MAX_CALLS ? MOONS_CHUNK_MAX_CALLS : (uint32_t)n;
}

static uint32_t by_measurement(const moons__chunker *c, uint64_t n_left) {
  if (c->call_ns <= 0) return 1;
  uint32_t n = calls_in(c, MOONS_CHUNK_TARGET_NS);
  if (c->size < MOONS_CHUNK_MAX_CALLS && n > 2 * c->size) n = c->size > 0 ? 2 * c->size : 1;
  uint64_t share = n_left / (2 * (uint64_t)c->n_workers);
  uint32_t least = calls_in(c, LEAST_NS);
  if (share < least) share = least;
  return n < share ? n : (uint32_t)share;
}

uint32_t moons__chunker_next(moons__chunker *c, uint64_t n_left) {
  uint32_t n = c->fixed > 0 ? c->fixed : by_measurement(c, n_left);
  c->size = n;
  return n < n_left ? n : (uint32_t)n_left;
}

/* Slower than thought counts at once, faster only by half: too small a chunk costs little, too
** large a one makes others wait. */
void moons__chunker_measured(moons__chunker *c, uint32_t n_calls, uint64_t busy_ns) {
  if (n_calls == 0) return;
  double call_ns = (double)busy_ns / n_calls;
  if (call_ns < 1) call_ns = 1;
  c->call_ns = call_ns > c->call_ns ? call_ns : (call_ns + c->call_ns) / 2;
}
