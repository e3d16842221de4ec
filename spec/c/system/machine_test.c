#include "system/machine.h"

#include "check.h"
#include "system/pages.h"

static void counts(void) {
  CHECK(moons__machine_cpus() >= 1);
  CHECK(moons__machine_memory() == 0 || moons__machine_memory() > moons__pages_size());
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"has cores and memory", counts},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
