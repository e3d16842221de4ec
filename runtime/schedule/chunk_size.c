/*
** Aims at chunks of one duration (MOONS_CHUNK_TARGET_NS, or more where handing over takes long), long enough that handing one over costs little and short
** enough that the end of a map is even. Begins with one call and doubles; takes at most half of an even share of what
** is left; learns what calls of a function take, and trusts that once several maps have agreed. Never makes a chunk
** larger than what was measured allows. A map that is known to be short has one chunk for each worker, and the last for the
** thread that waits for it.
*/
#include "schedule/chunk_size.h"

#include "base/hash.h"

/* Chunks shorter than this cost more to hand over than they can win, in ns. */
static const double LEAST_NS = 20000.0;

/* A worker begins so much later than whoever wakes it, and a part of a short map is no shorter than this, in ns. */
static const double WAKING_NS = MOONS_CALLER_NS / 2, LEAST_PART_NS = MOONS_CALLER_NS * 2 / 5;

/* How many maps must agree before the duration that they tell is trusted; how many times longer than known
** is no agreement. */
enum { MAPS_TO_TRUST = 3, SURPRISE = 8 };

/* What calls took before. */

uint64_t moons__costs_number(const void *bytes, size_t n_bytes, uint64_t number) {
  uint64_t hash = moons__hash(MOONS__HASH_START, bytes, n_bytes);
  hash = moons__hash(hash, &number, sizeof number);
  return hash != 0 ? hash : 1;
}

moons__cost *moons__costs_find(moons__costs *costs, uint64_t function) {
  moons__cost *oldest = &costs->entries[0];
  for (unsigned i = 0; i < MOONS_COSTS; i++) {
    moons__cost *cost = &costs->entries[i];
    if (cost->function == function) {
      oldest = cost;
      break;
    }
    if (cost->last_used < oldest->last_used) oldest = cost;
  }
  if (oldest->function != function) *oldest = (moons__cost){.function = function};
  oldest->last_used = ++costs->clock;
  return oldest;
}

/* Sizes of chunks. */

void moons__chunker_aim(moons__chunker *c, double handover_ns) {
  c->target_ns = MOONS_HANDOVERS_PER_CHUNK * handover_ns;
  if (c->target_ns < MOONS_CHUNK_TARGET_NS) c->target_ns = MOONS_CHUNK_TARGET_NS;
}

void moons__chunker_init(moons__chunker *c, unsigned n_workers, uint32_t fixed,
                         const moons__cost *cost) {
  *c = (moons__chunker){.n_workers = n_workers > 0 ? n_workers : 1, .fixed = fixed};
  moons__chunker_aim(c, 0);
  if (cost == NULL) return;
  c->call_ns = cost->call_ns;
  c->is_trusted = cost->n_maps >= MAPS_TO_TRUST;
  c->is_ready_here = cost->is_ready_here;
}

static uint32_t calls_in(const moons__chunker *c, double ns) {
  double n = ns / c->call_ns;
  return n < 1 ? 1 : n > MOONS_CHUNK_MAX_CALLS ? MOONS_CHUNK_MAX_CALLS : (uint32_t)n;
}

/* The largest first chunk: of any size where the duration is trusted. Where it is known, but might have
** been another for other arguments, at most an even share of the calls: that is no worse than any
** division of calls of which nothing is known. */
static uint32_t most_at_first(const moons__chunker *c, uint64_t n_left) {
  if (c->is_trusted) return MOONS_CHUNK_MAX_CALLS;
  if (c->call_ns <= 0 || n_left == UINT64_MAX) return 1;
  uint64_t share = n_left / c->n_workers;
  return share < 1 ? 1 : share > MOONS_CHUNK_MAX_CALLS ? MOONS_CHUNK_MAX_CALLS : (uint32_t)share;
}

static int is_within(const moons__chunker *c, uint64_t n_calls, double ns) {
  return c->is_trusted && !c->was_surprised && c->fixed == 0 && c->call_ns > 0 &&
         (double)n_calls * c->call_ns <= ns;
}

int moons__chunker_is_short(const moons__chunker *c, uint64_t n_calls) {
  return is_within(c, n_calls, c->part > 0 ? MOONS_HELP_NS : MOONS_CALLER_NS);
}

void moons__chunker_divide(moons__chunker *c, uint64_t n_calls) {
  if (!is_within(c, n_calls, MOONS_HELP_NS) || is_within(c, n_calls, MOONS_CALLER_NS)) return;
  double ns = (double)n_calls * c->call_ns - WAKING_NS;
  unsigned n_parts = c->n_workers;
  while (n_parts > 1 && ns < n_parts * LEAST_PART_NS)
    n_parts--;
  if (n_parts == 1) return;
  c->n_given = n_parts - 1;
  c->part = calls_in(c, ns / n_parts);
}

static uint32_t by_measurement(moons__chunker *c, uint64_t n_left) {
  if (c->most == 0) c->most = most_at_first(c, n_left);
  if (c->call_ns <= 0) return 1;
  if (c->n_given > 0 && c->part < n_left) {
    c->n_given--;
    return c->part;
  }
  if (n_left <= c->most && moons__chunker_is_short(c, n_left)) return (uint32_t)n_left;
  uint32_t n = calls_in(c, c->target_ns);
  if (n > c->most) n = c->most;
  uint64_t share = n_left / (2 * (uint64_t)c->n_workers);
  uint32_t least = calls_in(c, LEAST_NS);
  if (share < least) share = least;
  return n < share ? n : (uint32_t)share;
}

uint32_t moons__chunker_next(moons__chunker *c, uint64_t n_left) {
  uint32_t n = c->fixed > 0 ? c->fixed : by_measurement(c, n_left);
  c->size = n < n_left ? n : (uint32_t)n_left;
  return c->size;
}

/* While chunks grow, and at the end, when they get smaller, those that wait are better few. */
unsigned moons__chunker_ahead(const moons__chunker *c) {
  unsigned n = MOONS_CHUNKS_PER_WORKER;
  if (c->call_ns > 0 && (c->fixed > 0 || c->size >= calls_in(c, c->target_ns) / 2)) {
    double n_for_time = 1 + MOONS_AHEAD_NS / (c->call_ns * (c->size > 0 ? c->size : 1));
    if (n_for_time > MOONS_MOST_CHUNKS_PER_WORKER) n_for_time = MOONS_MOST_CHUNKS_PER_WORKER;
    if (n_for_time > n) n = (unsigned)n_for_time;
  }
  return n * c->n_workers;
}

/* Slower than thought counts at once, faster only by half: too small a chunk costs little, too
** large a one makes others wait. */
void moons__chunker_measured(moons__chunker *c, uint32_t n_calls, uint64_t busy_ns) {
  if (n_calls == 0) return;
  double call_ns = (double)busy_ns / n_calls;
  if (call_ns < 1) call_ns = 1;
  if (c->call_ns > 0 && call_ns > SURPRISE * c->call_ns) c->was_surprised = 1;
  c->call_ns = call_ns > c->call_ns ? call_ns : (call_ns + c->call_ns) / 2;
  c->has_measured = 1;
  if (n_calls > c->most / 2)
    c->most = n_calls < MOONS_CHUNK_MAX_CALLS / 2 ? 2 * n_calls : MOONS_CHUNK_MAX_CALLS;
}

/* The first time its state has to be made there, which says nothing of the calls: workers have done that before. Of a few short
** calls after a pause, the caches that have to be filled again are most: as long as the chunk was short, that is no surprise. */
void moons__chunker_measured_here(moons__chunker *c, uint32_t n_calls, uint64_t busy_ns) {
  int is_ready = c->is_ready_here;
  c->is_ready_here = 1;
  if (n_calls == 0 || !is_ready) return;
  if ((double)busy_ns > MOONS_CALLER_NS) {
    moons__chunker_measured(c, n_calls, busy_ns);
    return;
  }
  c->call_ns = (3 * c->call_ns + (double)busy_ns / n_calls) / 4;
  c->has_measured = 1;
}

/* After a surprise the state may have to be made again. */
void moons__chunker_tell(const moons__chunker *c, moons__cost *cost) {
  cost->is_ready_here = c->is_ready_here && !c->was_surprised;
  if (!c->has_measured) return;
  cost->call_ns = c->call_ns;
  cost->n_maps = c->was_surprised ? 0 : cost->n_maps + 1;
}
