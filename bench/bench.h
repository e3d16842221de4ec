/*
** What programs and modules that measure share: a clock, how programs report, how modules open. A program prints a
** line "key value" for each sample; keys are explained in rows.lua.
*/
#ifndef BENCH_H
#define BENCH_H

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Wall-clock time that only goes forward, in ns. */
static inline double bench_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Processor time of all threads of the process so far, in ns. */
static inline double bench_used_ns(void) {
  struct timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
}

static inline void bench_sample(const char *key, double value) { printf("%s %.3f\n", key, value); }

/* Stands before a block that does something n times: samples the time that each takes. */
#define BENCH_TIMED(key, n)                                                                        \
  for (double start_ns = bench_now_ns(); start_ns > 0;                                             \
       bench_sample(key, (bench_now_ns() - start_ns) / (n)), start_ns = 0)

/* Ends the program where something failed: a time for work that was not done is worth nothing. */
static inline void bench_require(int is_right, const char *what) {
  if (is_right) return;
  fprintf(stderr, "bench: %s\n", what);
  exit(EXIT_FAILURE);
}

/* Makes a module of these functions, and a type with these methods. */
static inline int bench_open_module(lua_State *L, const char *type, const luaL_Reg *methods,
                                    const luaL_Reg *functions) {
  luaL_newmetatable(L, type);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  return 1;
}

#endif
