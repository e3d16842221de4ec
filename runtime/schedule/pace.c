/*
** The doze is short against the time in which those that are to come arrive, so that workers have enough to do meanwhile, and nobody
** gets what it waits for much later. Nothing taken since the last wait: that was a doze too many, or the first one.
*/
#include "schedule/pace.h"

#include "moons.h"
#include "sizes.h"

enum {
  AT_LEAST = 2,
  /* so many come in a doze */ DOZES_AHEAD = 2 /* and in so many dozes not all */
};

void moons__pace_note(moons__pace *p) { p->n_taken++; }

uint64_t moons__pace_doze_ns(moons__pace *p, uint64_t now_ns, unsigned n_more) {
  uint64_t passed_ns = now_ns - p->since_ns, n_taken = p->n_taken;
  *p = (moons__pace){.since_ns = now_ns};
  if (n_taken * MOONS_DOZE_NS < AT_LEAST * passed_ns) return 0;
  return passed_ns * n_more < DOZES_AHEAD * n_taken * MOONS_DOZE_NS ? 0 : MOONS_DOZE_NS;
}
