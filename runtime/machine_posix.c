#include <unistd.h>

#include "cpus.h"

unsigned moons__cpus(void) {
  long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
  return n_cpus > 0 ? (unsigned)n_cpus : 1;
}
