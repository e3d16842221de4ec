/*
** What the measuring programs share: a clock, and how they report. A program prints a line "key
** value" for each sample; keys are explained in rows.lua.
*/
#ifndef BENCH_H
#define BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Wall-clock time that only goes forward, in ns. */
static inline double bench_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline void bench_sample(const char *key, double value) { printf("%s %.3f\n", key, value); }

/* Ends the program where something failed: a time for work that was not done is worth nothing. */
static inline void bench_require(int is_right, const char *what) {
  if (is_right) return;
  fprintf(stderr, "bench: %s\n", what);
  exit(EXIT_FAILURE);
}

#endif
