/*
** Spins for as long as a wake-up costs, and only where the last waits were that short. Two threads that wait for each other in turn
** would both learn to sleep after some long waits, and then, since a thread on a core that sleeps comes late, never see that waits
** are short again: so now and then one is tried, and one short wait outweighs all before.
*/
#include "system/spin.h"

#include <sched.h>

#include "moons.h"
#include "sizes.h"
#include "system/clock.h"

enum { PAUSES_A_LOOK = 16 }; /* between looks at the clock */

/* Long waits count as twice as long as what is worth waiting for: three in a row outweigh a short one. */
enum { LONGEST_NS = 2 * MOONS_SPIN_NS };

enum { WAITS_A_TRIAL = 16 };

static void pause_a_little(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  __asm__ volatile("yield");
#endif
}

int moons__spin_pays(moons__patience *p) {
  if (atomic_load_explicit(&p->recent_ns, memory_order_relaxed) < MOONS_SPIN_NS) return 1;
  unsigned n = atomic_load_explicit(&p->n_long, memory_order_relaxed) + 1;
  atomic_store_explicit(&p->n_long, n, memory_order_relaxed);
  return n % WAITS_A_TRIAL == 0;
}

void moons__spin_learn(moons__patience *p, uint64_t waited_ns) {
  uint64_t recent_ns = atomic_load_explicit(&p->recent_ns, memory_order_relaxed);
  if (waited_ns > LONGEST_NS) waited_ns = LONGEST_NS;
  if (waited_ns >= MOONS_SPIN_NS) waited_ns = (3 * recent_ns + waited_ns) / 4;
  atomic_store_explicit(&p->recent_ns, waited_ns, memory_order_relaxed);
}

int moons__spin(const atomic_uint *value, unsigned old) {
  uint64_t start_ns = moons__clock_ns(), now_ns = start_ns;
  do {
    if (now_ns - start_ns >= MOONS_SPIN_ALONE_NS) sched_yield();
    for (int i = 0; i < PAUSES_A_LOOK; i++) {
      if (atomic_load_explicit(value, memory_order_acquire) != old) return 1;
      pause_a_little();
    }
    now_ns = moons__clock_ns();
  } while (now_ns - start_ns < MOONS_SPIN_NS);
  return 0;
}
