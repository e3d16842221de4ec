/*
** What the test programs have in common: a list of named cases, checks, and random numbers that are
** the same at each run. `program` runs all cases, `program NAME` just one; prints TAP.
*/
#ifndef MOONS_SPEC_CHECK_H
#define MOONS_SPEC_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A program that runs for longer than this many seconds hangs, and is ended by the system. */
enum { TEST_SECONDS = 300 };

typedef struct test {
  const char *name;
  void (*run)(void);
} test;

/* Ends the program where the condition does not hold. */
#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) check_failed(__FILE__, __LINE__, #condition);                                \
  } while (0)

/* Ends the program: what `promise` says does not hold. */
#define FAIL(promise) check_failed(__FILE__, __LINE__, promise)

static inline _Noreturn void check_failed(const char *file, int line, const char *condition) {
  fflush(stdout);
  fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, condition);
  exit(EXIT_FAILURE);
}

/* The next of a sequence of random numbers (splitmix64). */
static inline uint64_t random_next(uint64_t *state) {
  uint64_t n = *state += UINT64_C(0x9E3779B97F4A7C15);
  n = (n ^ n >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  n = (n ^ n >> 27) * UINT64_C(0x94D049BB133111EB);
  return n ^ n >> 31;
}

/* A random number from 0 to n - 1. */
static inline size_t random_below(uint64_t *state, size_t n) {
  return n > 0 ? (size_t)(random_next(state) % n) : 0;
}

/* A copy in a block of its own size, so that a sanitizer sees the first byte read beyond it. */
static inline void *copy_exactly(const void *bytes, size_t n_bytes) {
  void *copy = malloc(n_bytes > 0 ? n_bytes : 1);
  CHECK(copy != NULL);
  if (n_bytes > 0) memcpy(copy, bytes, n_bytes);
  return copy;
}

/* Runs the case with the name in argv[1], or all; the list ends with a NULL name. */
static inline int run_tests(const test tests[], int argc, char **argv) {
  int n_run = 0;
  alarm(TEST_SECONDS);
  for (const test *t = tests; t->name != NULL; t++) {
    if (argc > 1 && strcmp(argv[1], t->name) != 0) continue;
    t->run();
    printf("ok %d - %s\n", ++n_run, t->name);
  }
  printf("1..%d\n", n_run);
  return n_run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
