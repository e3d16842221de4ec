/*
** The clock of everything here: it only goes forward. And a seed that nobody can foresee.
*/
#include <stddef.h>
#include <uv.h>

#include "moons.h"
#include "system/clock.h"

uint64_t moons__clock_ns(void) { return uv_hrtime(); }

uint64_t moons__clock_after(int64_t timeout_ns) {
  return timeout_ns < 0 ? UINT64_MAX : uv_hrtime() + (uint64_t)timeout_ns;
}

uint64_t moons__random_seed(void) {
  uint64_t seed = uv_hrtime();
  uv_random(NULL, NULL, &seed, sizeof seed, 0, NULL); /* where it fails, the time has to do */
  return seed;
}
