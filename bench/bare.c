/*
** The most that threads could do, with no Moons in it: bare ones, which each make a Lua state and wait for rounds, with
** their share of the calls from the start. No queue, no copies of arguments and results, no state put back. A module of
** Lua.
*/
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "bench.h"

static const char THREADS_TYPE[] = "bench.threads";

enum { MAX_THREADS = 64 };

struct threads;

typedef struct share {
  struct threads *threads;
  uv_thread_t thread;
  uv_sem_t begin;
  double *results; /* owned */
  int failed;      /* read after `end` is posted */
} share;

/* What all threads read is written before `begin` is posted. */
typedef struct threads {
  const char *source;            /* while they start */
  lua_Integer n_calls, argument; /* of a share in this round */
  int n_threads, closing;
  uv_sem_t end; /* posted by each thread when it has started, and after each round */
  share shares[MAX_THREADS];
} threads;

/* The threads. */

/* A state with the function that the source returns on its stack; NULL where that failed. */
static lua_State *open_state(const char *source) {
  lua_State *L = luaL_newstate();
  if (L == NULL) return NULL;
  luaL_openlibs(L);
  if (luaL_dostring(L, source) == LUA_OK) return L;
  lua_close(L);
  return NULL;
}

static void run_share(lua_State *L, share *s, lua_Integer n_calls, lua_Integer argument) {
  for (lua_Integer i = 0; i < n_calls && !s->failed; i++) {
    lua_pushvalue(L, 1);
    lua_pushinteger(L, argument);
    s->failed = lua_pcall(L, 1, 1, 0) != LUA_OK;
    s->results[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
}

static void thread_main(void *data) {
  share *s = data;
  threads *t = s->threads;
  lua_State *L = open_state(t->source);
  s->failed = L == NULL;
  uv_sem_post(&t->end);
  for (uv_sem_wait(&s->begin); !t->closing; uv_sem_wait(&s->begin)) {
    run_share(L, s, t->n_calls, t->argument);
    uv_sem_post(&t->end);
  }
  if (L != NULL) lua_close(L);
}

/* The Lua side. */

static void begin_all(threads *t) {
  for (int i = 0; i < t->n_threads; i++)
    uv_sem_post(&t->shares[i].begin);
}

/* Returns 0 where one has failed. */
static int wait_for_all(threads *t) {
  int is_right = 1;
  for (int i = 0; i < t->n_threads; i++)
    uv_sem_wait(&t->end);
  for (int i = 0; i < t->n_threads; i++)
    is_right = is_right && !t->shares[i].failed;
  return is_right;
}

/* bare.open(source, n_threads): threads that call the function which the source returns. All have made their
** states. */
static int open_threads(lua_State *L) {
  const char *source = luaL_checkstring(L, 1);
  lua_Integer n_threads = luaL_checkinteger(L, 2);
  luaL_argcheck(L, n_threads >= 1 && n_threads <= MAX_THREADS, 2, "out of range");
  threads *t = lua_newuserdatauv(L, sizeof *t, 0);
  *t = (threads){.source = source};
  uv_sem_init(&t->end, 0);
  luaL_setmetatable(L, THREADS_TYPE);
  for (; t->n_threads < n_threads; t->n_threads++) {
    share *s = &t->shares[t->n_threads];
    s->threads = t;
    uv_sem_init(&s->begin, 0);
    if (uv_thread_create(&s->thread, thread_main, s)) return luaL_error(L, "no thread");
  }
  return wait_for_all(t) ? 1 : luaL_error(L, "no state");
}

static int close_threads(lua_State *L) {
  threads *t = luaL_checkudata(L, 1, THREADS_TYPE);
  if (t->closing) return 0;
  t->closing = 1;
  begin_all(t);
  for (; t->n_threads > 0; t->n_threads--) {
    share *s = &t->shares[t->n_threads - 1];
    uv_thread_join(&s->thread);
    uv_sem_destroy(&s->begin);
    free(s->results);
  }
  uv_sem_destroy(&t->end);
  return 0;
}

/* threads:run(n_calls, argument): the threads make n_calls calls in all, each with that argument. */
static int run(lua_State *L) {
  threads *t = luaL_checkudata(L, 1, THREADS_TYPE);
  t->n_calls = luaL_checkinteger(L, 2) / t->n_threads;
  t->argument = luaL_checkinteger(L, 3);
  for (int i = 0; i < t->n_threads; i++) {
    free(t->shares[i].results);
    t->shares[i].results = malloc((size_t)t->n_calls * sizeof(double));
    if (t->shares[i].results == NULL) return luaL_error(L, "not enough memory");
  }
  begin_all(t);
  return wait_for_all(t) ? 0 : luaL_error(L, "a call failed");
}

/* threads:ping(n): wakes the threads and is woken by them, n times. Returns how many ns one took. */
static int ping(lua_State *L) {
  threads *t = luaL_checkudata(L, 1, THREADS_TYPE);
  lua_Integer n = luaL_checkinteger(L, 2);
  t->n_calls = 0;
  double start_ns = bench_now_ns();
  for (lua_Integer i = 0; i < n; i++) {
    begin_all(t);
    wait_for_all(t);
  }
  lua_pushnumber(L, (bench_now_ns() - start_ns) / (double)n);
  return 1;
}

/* bare.new_states(n): makes a state and closes it, n times over. */
static int new_states(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  for (lua_Integer i = 0; i < n; i++) {
    lua_State *other = open_state("");
    if (other == NULL) return luaL_error(L, "no memory for a state");
    lua_close(other);
  }
  return 0;
}

/* bare.sleep(seconds). */
static int sleep_s(lua_State *L) {
  lua_Number seconds = luaL_checknumber(L, 1);
  struct timespec rest;
  rest.tv_sec = (time_t)seconds;
  rest.tv_nsec = (long)((seconds - (lua_Number)rest.tv_sec) * 1e9);
  while (nanosleep(&rest, &rest))
    ;
  return 0;
}

/* bare.thread_s(): seconds for which the thread that calls it has computed. */
static int thread_s(lua_State *L) {
  struct timespec used;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  lua_pushnumber(L, (lua_Number)used.tv_sec + (lua_Number)used.tv_nsec / 1e9);
  return 1;
}

LUAMOD_API int luaopen_bare(lua_State *L) {
  static const luaL_Reg METHODS[] = {{"run", run},
                                     {"ping", ping},
                                     {"close", close_threads},
                                     {"__gc", close_threads},
                                     {"__close", close_threads},
                                     {NULL, NULL}};
  static const luaL_Reg FUNCTIONS[] = {{"open", open_threads},
                                       {"new_states", new_states},
                                       {"sleep", sleep_s},
                                       {"thread_s", thread_s},
                                       {NULL, NULL}};
  return bench_open_module(L, THREADS_TYPE, METHODS, FUNCTIONS);
}
