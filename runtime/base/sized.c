/*
** The size is the first field of each, a size_t.
*/
#include "base/sized.h"

#include <string.h>

#include "moons.h"

/* No struct will ever be larger: a size beyond that was not filled in. */
enum { MOST_BYTES = 4096 };

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

void moons__sized_fill(void *given, size_t given_bytes, const void *own, size_t own_bytes) {
  if (given == NULL || given_bytes < sizeof given_bytes) return;
  memset(given, 0, given_bytes);
  memcpy(given, own, least(given_bytes, own_bytes));
  memcpy(given, &given_bytes, sizeof given_bytes);
}

int moons__sized_can_be(size_t n_bytes) {
  return n_bytes >= sizeof n_bytes && n_bytes <= MOST_BYTES;
}

static int is_zero(const char *bytes, size_t n_bytes) {
  for (size_t i = 0; i < n_bytes; i++)
    if (bytes[i] != 0) return 0;
  return 1;
}

int moons__sized_copy(void *own, size_t own_bytes, const void *given) {
  size_t n_bytes;
  if (given == NULL) return 0;
  memcpy(&n_bytes, given, sizeof n_bytes);
  if (!moons__sized_can_be(n_bytes)) return MOONS_EINVAL;
  memcpy(own, given, least(n_bytes, own_bytes));
  memcpy(own, &own_bytes, sizeof own_bytes);
  if (n_bytes <= own_bytes) return 0;
  return is_zero((const char *)given + own_bytes, n_bytes - own_bytes) ? 0 : MOONS_EUNSUPPORTED;
}
