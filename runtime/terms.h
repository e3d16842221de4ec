/*
** What the calls of a job have in common. Shared by the job and by whoever runs its calls, which may
** go on when the job has gone.
*/
#ifndef MOONS_TERMS_H
#define MOONS_TERMS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef struct moons__terms {
  const char *setup; /* setup.h; owned */
  size_t setup_bytes;
  uint64_t setup_hash;
  int fresh, pack, collect;
  uint64_t seed;
  uint64_t timeout_ns;  /* one call may run so long; 0: for ever */
  size_t memory_bytes;  /* one call's state may hold so much; 0: as the state may */
  unsigned n_retries;   /* a failed call is tried again so often */
  atomic_int cancelled; /* set by anyone: calls that have not begun are not begun */
  atomic_uint n_users;
} moons__terms;

/* Terms with a copy of the set-up and all else zero, which the caller uses. NULL: no memory. */
moons__terms *moons__terms_new(const void *setup, size_t setup_bytes);

/* One more uses them. */
void moons__terms_share(moons__terms *terms);

/* One less; the last frees them. Accepts NULL. Any thread. */
void moons__terms_release(moons__terms *terms);

/* A hash for setup_hash (FNV-1a, 64 bits, over words). */
uint64_t moons__hash(const void *bytes, size_t n_bytes);

#endif
