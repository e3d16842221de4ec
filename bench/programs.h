/*
** What C hosts that are measured share: programs, queues, calls of which none may fail, and how long a loop takes.
*/
#ifndef BENCH_PROGRAMS_H
#define BENCH_PROGRAMS_H

#include <string.h>

#include "bench.h"
#include "moons.h"

/* `f(n)` adds n numbers. */
#define BENCH_WORK "function f(n) local s = 0 for i = 1, n do s = s + i end return s end\n"

static inline moons_runtime *bench_runtime(moons_options *options) {
  moons_runtime *runtime;
  bench_require(moons_runtime_new(&runtime, options) == 0, "no memory for a runtime");
  return runtime;
}

static inline moons_program *bench_load(moons_runtime *runtime, const char *source,
                                        const moons_terms *terms) {
  moons_program *program;
  bench_require(moons_program_load(&program, runtime, source, strlen(source), "=b", terms) == 0,
                "a program does not load");
  return program;
}

static inline moons_queue *bench_queue(moons_runtime *runtime, void (*notify)(void *), void *data) {
  moons_queue *queue;
  bench_require(moons_queue_new(&queue, runtime, notify, data) == 0, "no memory for a queue");
  return queue;
}

/* Calls a function with two integers. */
static inline void bench_run(moons_program *program, const char *function, int64_t n,
                             int64_t n_calls) {
  moons_value values[] = {moons_integer(n), moons_integer(n_calls)};
  moons_call *call;
  bench_require(moons_run(&call, program, function, values, 2) == 0, "a call failed");
  moons_call_free(call);
}

static inline void bench_submit(moons_queue *queue, moons_program *program, int64_t n, void *data) {
  moons_value value = moons_integer(n);
  bench_require(moons_submit(queue, program, "f", &value, 1, data, NULL) == 0, "a call is refused");
}

/* How many numbers BENCH_WORK adds in so many microseconds: of processor time, which other programs do not lengthen. */
static inline int64_t bench_loops(moons_program *program, double us) {
  int64_t n = 2000000; /* so many that waiting for the call counts for nothing */
  double least_ns = 1e18;
  for (int i = 0; i < 10; i++) {
    double start_ns = bench_used_ns();
    bench_run(program, "f", n, 0);
    double ns = bench_used_ns() - start_ns;
    if (ns < least_ns) least_ns = ns;
  }
  return (int64_t)((double)n * us * 1000 / least_ns);
}

static inline int bench_compare(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

/* Of n values, which it sorts. */
static inline double bench_median(double *values, size_t n) {
  qsort(values, n, sizeof *values, bench_compare);
  return values[n / 2];
}

#endif
