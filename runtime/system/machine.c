/*
** What all systems tell in the same way. The least of all limits counts: a machine may have more than the process may use.
** Where the system does not answer, there is no limit.
*/
#include "system/machine.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "moons.h"

static size_t less(size_t n_bytes, const struct rlimit *limit) {
  if (limit->rlim_cur == RLIM_INFINITY || limit->rlim_cur >= n_bytes) return n_bytes;
  return (size_t)limit->rlim_cur;
}

size_t moons__machine_limited(size_t n_bytes) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) == 0) n_bytes = less(n_bytes, &limit);
  if (getrlimit(RLIMIT_DATA, &limit) == 0) n_bytes = less(n_bytes, &limit);
  return n_bytes;
}

static int has_room(size_t n_bytes) {
  void *start = mmap(NULL, n_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANON, -1, 0);
  if (start == MAP_FAILED) return 0;
  munmap(start, n_bytes);
  return 1;
}

/* Only a limit makes address space scarce. Where not all fit, how many do is found by bisection, with pages that are never
** touched. */
unsigned moons__machine_room(unsigned n, size_t piece_bytes) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY) return n;
  if (n == 0 || has_room(2 * piece_bytes * n)) return n;
  unsigned n_fit = 0;
  for (unsigned n_refused = n; n_fit + 1 < n_refused;) {
    unsigned middle = n_fit + (n_refused - n_fit) / 2;
    if (has_room(2 * piece_bytes * middle))
      n_fit = middle;
    else
      n_refused = middle;
  }
  return n_fit;
}

uint64_t moons__machine_cpu_ns(void) {
  struct timespec time;
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) != 0) return 0;
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

void moons__machine_host(char *name, size_t n_bytes) {
  if (gethostname(name, n_bytes) != 0) name[0] = '\0';
  name[n_bytes - 1] = '\0'; /* a long name is cut without one */
}

unsigned moons_cpus(void) { return moons__machine_cpus(); }

/* Where the build has it, and an installed libmoons.so, and an installed module of Lua: lib/lua/5.4/parallel.so. */
int moons__machine_find_beside(const char *name, char *path, size_t n_bytes) {
  static const char *const FOLDERS[] = {"", "../bin/", "../../../bin/"};
  static const char here = 0;
  Dl_info info;
  if (dladdr(&here, &info) == 0 || info.dli_fname == NULL) return -1;
  const char *end = strrchr(info.dli_fname, '/');
  int length = end != NULL ? (int)(end + 1 - info.dli_fname) : 0;
  for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0]; i++) {
    int n = snprintf(path, n_bytes, "%s%.*s%s%s", length > 0 ? "" : "./", length, info.dli_fname,
                     FOLDERS[i], name);
    if (n > 0 && (size_t)n < n_bytes && access(path, X_OK) == 0) return 0;
  }
  return -1;
}

int moons__machine_real_path(const char *program, char *path, size_t n_bytes) {
  char *real = strchr(program, '/') != NULL ? realpath(program, NULL) : NULL;
  if (real == NULL) return -1;
  int n = snprintf(path, n_bytes, "%s", real);
  free(real);
  return n > 0 && (size_t)n < n_bytes ? 0 : -1;
}

void moons__machine_find_command(const char *program, char *path, size_t n_bytes) {
  if (program != NULL && moons__machine_real_path(program, path, n_bytes) == 0) return;
  if (moons__machine_find_beside("moons", path, n_bytes) == 0) return;
  snprintf(path, n_bytes, "moons");
}
