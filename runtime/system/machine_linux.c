/*
** The limits of a container: `cpu.max` and `memory.max` of each cgroup from ours up to the root (cgroup
** v2, "Control Group v2" in the kernel's documentation), or cpu.cfs_quota_us, cpu.cfs_period_us and
** memory.limit_in_bytes (v1).
*/
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/allocate.h"
#include "base/hash.h"
#include "system/machine.h"

enum { PATH_BYTES = 4096, MAX_CPUS = 1 << 16 };

struct moons__cores {
  size_t n_bytes;
  unsigned long bits[]; /* a cpu_set_t of so many bytes */
};

/* Reads up to two numbers from a file; returns how many there were. */
static int read_numbers(const char *path, double *first, double *second) {
  FILE *file = fopen(path, "re");
  if (file == NULL) return 0;
  int n_numbers = fscanf(file, "%lf %lf", first, second);
  fclose(file);
  return n_numbers > 0 ? n_numbers : 0;
}

/* Our path in a hierarchy, by its line of /proc/self/cgroup: "0::/path" is that of v2, "4:memory:/path" one of v1. */
static int own_cgroup(const char *controller, char path[PATH_BYTES]) {
  FILE *file = fopen("/proc/self/cgroup", "re");
  if (file == NULL) return 0;
  const char *start = NULL;
  size_t n = strlen(controller);
  while (start == NULL && fgets(path, PATH_BYTES, file) != NULL) {
    const char *name = strchr(path, ':');
    if (name != NULL && strncmp(name + 1, controller, n) == 0 && name[n + 1] == ':')
      start = name + n + 2;
  }
  fclose(file);
  if (start == NULL) return 0;
  path[strcspn(path, "\n")] = '\0';
  memmove(path, start, strlen(start) + 1);
  return 1;
}

/* Tells the numbers in this file of our cgroup, and of those around it, where it begins with one: "max" is
** no limit. */
static void tell_limits(const char *controller, const char *name,
                        void tell(void *limit, double first, double second), void *limit) {
  char group[PATH_BYTES];
  if (!own_cgroup(controller, group)) return;
  for (;;) {
    char path[PATH_BYTES + 32];
    double first = 0, second = 0;
    snprintf(path, sizeof path, "/sys/fs/cgroup/%s%s/%s", controller, group, name);
    if (read_numbers(path, &first, &second) > 0) tell(limit, first, second);
    char *slash = strrchr(group, '/');
    if (slash == NULL) return;
    *slash = '\0';
  }
}

/* Cores. */

/* The system refuses sets that are too small for all its cores. */
moons__cores *moons__machine_cores(const void *beside) {
  for (size_t n_cpus = 1024; n_cpus <= MAX_CPUS; n_cpus *= 4) {
    size_t n_bytes = CPU_ALLOC_SIZE(n_cpus);
    moons__cores *cores = moons__allocate_zeros(beside, sizeof *cores + n_bytes);
    if (cores == NULL) return NULL;
    cores->n_bytes = n_bytes;
    if (sched_getaffinity(0, n_bytes, (cpu_set_t *)cores->bits) == 0) return cores;
    moons__free(cores);
  }
  return NULL;
}

/* A thread that was given its cores does not get those that the system adds later: so it is not told what it knows. */
void moons__machine_use_cores(const moons__cores *cores) {
  moons__cores *now = cores != NULL ? moons__machine_cores(cores) : NULL;
  if (now == NULL) return;
  int is_same = now->n_bytes == cores->n_bytes && memcmp(now->bits, cores->bits, now->n_bytes) == 0;
  if (!is_same) sched_setaffinity(0, cores->n_bytes, (const cpu_set_t *)cores->bits);
  moons__free(now);
}

static unsigned count_affinity(void) {
  unsigned long bits[MAX_CPUS / 8 / sizeof(unsigned long)] = {0};
  cpu_set_t *cores = (cpu_set_t *)bits;
  int count = sched_getaffinity(0, sizeof bits, cores) == 0 ? CPU_COUNT_S(sizeof bits, cores) : 0;
  if (count > 0) return (unsigned)count;
  long n_online = sysconf(_SC_NPROCESSORS_ONLN);
  return n_online > 0 ? (unsigned)n_online : 1;
}

static void lower_to_quota(void *limit, double quota_us, double period_us) {
  unsigned *n_cpus = limit;
  if (quota_us <= 0 || period_us <= 0) return;
  double share = quota_us / period_us;
  unsigned rounded_up = share < 1 ? 1 : (unsigned)(share + 0.999);
  if (rounded_up < *n_cpus) *n_cpus = rounded_up;
}

uint64_t moons__machine_cores_key(unsigned *n_bound) {
  moons__cores *cores = moons__machine_cores(NULL);
  uint64_t key = cores != NULL ? moons__hash(MOONS__HASH_START, cores->bits, cores->n_bytes) : 0;
  long n = count_affinity(), n_online = sysconf(_SC_NPROCESSORS_ONLN);
  *n_bound = n < n_online ? (unsigned)n : 0;
  moons__free(cores);
  return key;
}

unsigned moons__machine_cpus(void) {
  unsigned n_cpus = count_affinity();
  double quota_us = 0, period_us = 0, unused = 0;
  tell_limits("", "cpu.max", lower_to_quota, &n_cpus);
  if (read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &quota_us, &unused) > 0 &&
      read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_period_us", &period_us, &unused) > 0)
    lower_to_quota(&n_cpus, quota_us, period_us);
  return n_cpus;
}

/* Memory. */

static void lower_to_most(void *limit, double most_bytes, double unused) {
  (void)unused;
  size_t *n_bytes = limit;
  if (most_bytes > 0 && most_bytes < (double)*n_bytes) *n_bytes = (size_t)most_bytes;
}

size_t moons__machine_memory(void) {
  long n_pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
  size_t n_bytes = n_pages > 0 && page_bytes > 0 ? (size_t)n_pages * (size_t)page_bytes : SIZE_MAX;
  double most_bytes = 0, unused = 0;
  tell_limits("", "memory.max", lower_to_most, &n_bytes);
  tell_limits("memory", "memory.limit_in_bytes", lower_to_most, &n_bytes);
  if (read_numbers("/sys/fs/cgroup/memory/memory.limit_in_bytes", &most_bytes, &unused) > 0)
    lower_to_most(&n_bytes, most_bytes, 0); /* where our path is not what the container sees */
  n_bytes = moons__machine_limited(n_bytes);
  return n_bytes < SIZE_MAX ? n_bytes : 0;
}

/* Threads. */

void moons__machine_compute(void) {
  struct sched_param parameters = {0};
  pthread_setschedparam(pthread_self(), SCHED_BATCH, &parameters);
}

void moons__machine_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

/* glibc has a function for it since 2.30 only. */
unsigned long long moons__machine_thread(void) { return (unsigned long long)syscall(SYS_gettid); }

const char *moons__machine_self(void) {
  static const char SELF[] = "/proc/self/exe";
  return access(SELF, X_OK) == 0 ? SELF : NULL;
}
