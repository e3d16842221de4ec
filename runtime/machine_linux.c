/*
** The quota of a container: `cpu.max` of each cgroup from ours up to the root (cgroup v2, "Control
** Group v2" in the kernel's documentation), or cpu.cfs_quota_us and cpu.cfs_period_us (v1).
*/
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cpus.h"

enum { PATH_BYTES = 4096, MAX_CPUS = 1 << 16 };

static unsigned count_affinity(void) {
  for (size_t n_cpus = 1024; n_cpus <= MAX_CPUS; n_cpus *= 4) {
    cpu_set_t *set = CPU_ALLOC(n_cpus);
    if (set == NULL) break;
    size_t n_bytes = CPU_ALLOC_SIZE(n_cpus);
    int known = sched_getaffinity(0, n_bytes, set) == 0;
    int count = known ? CPU_COUNT_S(n_bytes, set) : 0;
    CPU_FREE(set);
    if (known && count > 0) return (unsigned)count;
  }
  long n_online = sysconf(_SC_NPROCESSORS_ONLN);
  return n_online > 0 ? (unsigned)n_online : 1;
}

/* Reads up to two numbers from a file; returns how many there were. */
static int read_numbers(const char *path, double *first, double *second) {
  FILE *file = fopen(path, "re");
  if (file == NULL) return 0;
  int n_numbers = fscanf(file, "%lf %lf", first, second);
  fclose(file);
  return n_numbers > 0 ? n_numbers : 0;
}

static void lower_to_quota(unsigned *n_cpus, double quota_us, double period_us) {
  if (quota_us <= 0 || period_us <= 0) return;
  double share = quota_us / period_us;
  unsigned rounded_up = share < 1 ? 1 : (unsigned)(share + 0.999);
  if (rounded_up < *n_cpus) *n_cpus = rounded_up;
}

/* Our path in the unified hierarchy: the line "0::/path" of /proc/self/cgroup. */
static int own_cgroup(char path[PATH_BYTES]) {
  FILE *file = fopen("/proc/self/cgroup", "re");
  if (file == NULL) return 0;
  int found = 0;
  while (!found && fgets(path, PATH_BYTES, file) != NULL)
    found = strncmp(path, "0::/", 4) == 0;
  fclose(file);
  if (!found) return 0;
  path[strcspn(path, "\n")] = '\0';
  memmove(path, path + 3, strlen(path + 3) + 1);
  return 1;
}

static void apply_cgroup_v2(unsigned *n_cpus) {
  char group[PATH_BYTES];
  if (!own_cgroup(group)) return;
  for (;;) {
    char path[PATH_BYTES + 32];
    double quota_us = 0, period_us = 0;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
    if (read_numbers(path, &quota_us, &period_us) == 2) lower_to_quota(n_cpus, quota_us, period_us);
    char *slash = strrchr(group, '/');
    if (slash == NULL) return;
    *slash = '\0';
  }
}

static void apply_cgroup_v1(unsigned *n_cpus) {
  double quota_us = 0, period_us = 0, unused = 0;
  if (read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &quota_us, &unused) >= 1 &&
      read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_period_us", &period_us, &unused) >= 1)
    lower_to_quota(n_cpus, quota_us, period_us);
}

unsigned moons__cpus(void) {
  unsigned n_cpus = count_affinity();
  apply_cgroup_v2(&n_cpus);
  apply_cgroup_v1(&n_cpus);
  return n_cpus;
}
