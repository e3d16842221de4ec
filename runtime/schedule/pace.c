/*
** The doze is short against the time in which those that are to come arrive, so that workers have enough to do meanwhile, and nobody
** gets what it waits for much later. Nothing taken since the last wait: that was a doze too many, or the first one.
*/
#include "schedule/pace.h"

#include "moons.h"
#include "sizes.h"

enum { AT_LEAST = 2 /* come in a doze */, DOZES_AHEAD = 16 /* until all are there */ };

void moons__pace_note(moons__pace *p) { p->n_taken++; }

uint64_t moons__pace_doze_ns(moons__pace *p, uint64_t now_ns, unsigned n_more) {
  uint64_t passed_ns = now_ns - p->since_ns, n_taken = p->n_taken;
  *p = (moons__pace){.since_ns = now_ns};
  if (n_taken == 0) return 0;
  uint64_t each_ns = passed_ns / n_taken, ns = each_ns * n_more / DOZES_AHEAD;
  if (ns > MOONS_DOZE_NS) ns = MOONS_DOZE_NS;
  return ns < AT_LEAST * each_ns || ns < MOONS_DOZE_LEAST_NS ? 0 : ns;
}
