/*
** What POSIX tells: all cores that are online, all memory that there is.
*/
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

#include "system/machine.h"

unsigned moons__machine_cpus(void) {
  long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
  return n_cpus > 0 ? (unsigned)n_cpus : 1;
}

size_t moons__machine_memory(void) {
  size_t n_bytes = SIZE_MAX;
#ifdef _SC_PHYS_PAGES
  long n_pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
  if (n_pages > 0 && page_bytes > 0) n_bytes = (size_t)n_pages * (size_t)page_bytes;
#endif
  n_bytes = moons__machine_limited(n_bytes);
  return n_bytes < SIZE_MAX ? n_bytes : 0;
}

void moons__machine_compute(void) {}

moons__cores *moons__machine_cores(const void *beside) {
  (void)beside;
  return NULL;
}

uint64_t moons__machine_cores_key(unsigned *n_bound) {
  *n_bound = 0;
  return 0;
}

void moons__machine_use_cores(const moons__cores *cores) { (void)cores; }

#ifdef __APPLE__
void moons__machine_name_thread(const char *name) { pthread_setname_np(name); }
#else
void moons__machine_name_thread(const char *name) { (void)name; }
#endif

/* Numbers in JSON are floats: those of macOS are small, and other systems have addresses below 2^53. */
unsigned long long moons__machine_thread(void) {
#ifdef __APPLE__
  uint64_t thread = 0;
  pthread_threadid_np(NULL, &thread);
  return thread;
#else
  return (unsigned long long)(uintptr_t)pthread_self();
#endif
}

const char *moons__machine_self(void) { return NULL; }
