/*
** Address space is cheap and is reserved once for each state, as much as the state may ever hold; where the process has
** a limit of it (RLIMIT_AS), only a share. Memory is committed as it fills.
*/
#include "system/pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "moons.h"
#include "sizes.h"

#ifdef MAP_NORESERVE
#define RESERVED (MAP_PRIVATE | MAP_ANON | MAP_NORESERVE)
#else
#define RESERVED (MAP_PRIVATE | MAP_ANON)
#endif

/* Far above the program and far below where systems put what asks for no address. */
#define FAR_BYTES ((size_t)1 << 40)
#define FAR_END_BYTES ((size_t)1 << 46)

static void *reserve_at(void *start, size_t n_bytes) {
  void *reserved = mmap(start, n_bytes, PROT_NONE, RESERVED, -1, 0);
  return reserved != MAP_FAILED ? reserved : NULL;
}

void *moons__pages_reserve(size_t n_bytes) { return reserve_at(NULL, n_bytes); }

/* A number that differs from call to call: there is no order among those who ask. */
static size_t any_number(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  uint64_t n = (uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 32 ^ (uintptr_t)&now;
  return (size_t)(n * UINT64_C(0x9E3779B97F4A7C15) >> 20);
}

/* The space is divided into places of that room, of which any is tried that nobody has. */
void *moons__pages_reserve_far(size_t n_bytes, size_t room_bytes) {
  size_t place_bytes = FAR_BYTES / 256;
  while (place_bytes < room_bytes && place_bytes < FAR_BYTES)
    place_bytes *= 2;
  for (int n_tries = 0; n_tries < MOONS_RESERVE_TRIES; n_tries++) {
    size_t at =
        FAR_BYTES + any_number() % ((FAR_END_BYTES - FAR_BYTES) / place_bytes) * place_bytes;
    void *start = reserve_at((void *)at, n_bytes); /* elsewhere, where somebody has the place */
    if (start == NULL || (size_t)start == at) return start;
    moons__pages_release(start, n_bytes);
  }
  return moons__pages_reserve(n_bytes);
}

int moons__pages_extend(void *end, size_t n_bytes) {
  void *reserved = reserve_at(end, n_bytes);
  if (reserved == end) return 0;
  if (reserved != NULL) moons__pages_release(reserved, n_bytes);
  return MOONS_ENOMEM;
}

size_t moons__pages_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
  return (size_t)limit.rlim_cur;
}
