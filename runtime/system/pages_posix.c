/*
** There is no freezing here: images are copied whole.
*/
#include <sys/mman.h>
#include <unistd.h>

#include "moons.h"
#include "system/pages.h"

size_t moons__pages_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

void moons__pages_release(void *start, size_t n_bytes) { munmap(start, n_bytes); }

int moons__pages_commit(void *start, size_t n_bytes) {
  return mprotect(start, n_bytes, PROT_READ | PROT_WRITE) == 0 ? 0 : MOONS_ENOMEM;
}

void moons__pages_discard(void *start, size_t n_bytes) {
  void *again =
      mmap(start, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_FIXED, -1, 0);
  (void)again; /* on failure the old pages stay, which is only less thrifty */
}

int moons__pages_freeze(void *start, size_t n_bytes) {
  (void)start;
  (void)n_bytes;
  return MOONS_EUNSUPPORTED;
}

void moons__pages_thaw(void *start, size_t n_bytes) {
  (void)start;
  (void)n_bytes;
}
