/*
** The most that threads could do: bare ones, each with a Lua state of its own and its share of the
** calls from the start. No queue, no copies of arguments and results, no state put back.
*/
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdlib.h>

#include "bench.h"

typedef struct share {
  pthread_t thread;
  lua_State *L; /* the function is on its stack */
  lua_Integer n_calls, argument;
  double *results; /* owned */
  int failed;
} share;

/* Writes to the share once, at the end: the shares of two threads may lie in one cache line. */
static void *run_share(void *data) {
  share *s = data;
  share own = *s;
  for (lua_Integer i = 0; i < own.n_calls && !own.failed; i++) {
    lua_pushvalue(own.L, 1);
    lua_pushinteger(own.L, own.argument);
    own.failed = lua_pcall(own.L, 1, 1, 0) != LUA_OK;
    own.results[i] = lua_tonumber(own.L, -1);
    lua_pop(own.L, 1);
  }
  s->failed = own.failed;
  return NULL;
}

static void open_share(lua_State *L, share *s, const char *source) {
  s->L = luaL_newstate();
  s->results = malloc((size_t)s->n_calls * sizeof *s->results);
  if (s->L == NULL || s->results == NULL) luaL_error(L, "not enough memory");
  luaL_openlibs(s->L);
  if (luaL_dostring(s->L, source) != LUA_OK) luaL_error(L, "%s", lua_tostring(s->L, -1));
}

static void close_share(share *s) {
  lua_close(s->L);
  free(s->results);
}

/* Runs all shares, each on a thread. Returns 0 where one failed. */
static int run_all(share *shares, int n_threads) {
  int n_started = 0, is_right = 1;
  for (; n_started < n_threads && is_right; n_started++)
    is_right = pthread_create(&shares[n_started].thread, NULL, run_share, &shares[n_started]) == 0;
  if (!is_right) n_started--;
  for (int i = 0; i < n_started; i++) {
    pthread_join(shares[i].thread, NULL);
    is_right = is_right && !shares[i].failed;
  }
  return is_right;
}

/* ceiling.run(source, n_threads, n_calls, argument): `n_calls` calls in all, with that argument, of
** the function that the source returns. Returns how long they took in ns, without the making of the
** states. */
static int run(lua_State *L) {
  const char *source = luaL_checkstring(L, 1);
  int n_threads = (int)luaL_checkinteger(L, 2);
  lua_Integer n_calls = luaL_checkinteger(L, 3);
  share *shares = lua_newuserdatauv(L, (size_t)n_threads * sizeof *shares, 0);
  for (int i = 0; i < n_threads; i++) {
    shares[i] = (share){.n_calls = n_calls / n_threads, .argument = luaL_checkinteger(L, 4)};
    open_share(L, &shares[i], source);
  }
  double start_ns = bench_now_ns();
  int is_right = run_all(shares, n_threads);
  lua_pushnumber(L, bench_now_ns() - start_ns);
  for (int i = 0; i < n_threads; i++)
    close_share(&shares[i]);
  return is_right ? 1 : luaL_error(L, "a bare thread failed");
}

LUAMOD_API int luaopen_ceiling(lua_State *L) {
  static const luaL_Reg FUNCTIONS[] = {{"run", run}, {NULL, NULL}};
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
