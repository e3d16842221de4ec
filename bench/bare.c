/*
** What the system alone takes, with no Moons in it: two threads that wake each other, threads that
** each make a Lua state, and a sleep. A module of Lua.
*/
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <time.h>

#include "bench.h"

#ifdef __APPLE__
#include <dispatch/dispatch.h>
typedef dispatch_semaphore_t semaphore;
static void semaphore_open(semaphore *s) { *s = dispatch_semaphore_create(0); }
static void semaphore_close(semaphore *s) { dispatch_release(*s); }
static void semaphore_post(semaphore *s) { dispatch_semaphore_signal(*s); }
static void semaphore_wait(semaphore *s) { dispatch_semaphore_wait(*s, DISPATCH_TIME_FOREVER); }
#else
#include <errno.h>
#include <semaphore.h>
typedef sem_t semaphore;
static void semaphore_open(semaphore *s) { sem_init(s, 0, 0); }
static void semaphore_close(semaphore *s) { sem_destroy(s); }
static void semaphore_post(semaphore *s) { sem_post(s); }
static void semaphore_wait(semaphore *s) {
  while (sem_wait(s) && errno == EINTR)
    ;
}
#endif

/* Two threads that wake each other. */

static const char PAIR_TYPE[] = "bench.pair";

typedef struct pair {
  semaphore there, back;
  pthread_t thread;
  int is_open, closing; /* closing is written before `there` is posted */
} pair;

static void *answer(void *data) {
  pair *p = data;
  for (;;) {
    semaphore_wait(&p->there);
    if (p->closing) return NULL;
    semaphore_post(&p->back);
  }
}

/* bare.pair(): a thread that answers. */
static int open_pair(lua_State *L) {
  pair *p = lua_newuserdatauv(L, sizeof *p, 0);
  *p = (pair){0};
  luaL_setmetatable(L, PAIR_TYPE);
  semaphore_open(&p->there);
  semaphore_open(&p->back);
  if (pthread_create(&p->thread, NULL, answer, p)) return luaL_error(L, "no thread");
  p->is_open = 1;
  return 1;
}

/* pair:ping(n): wakes the other thread and is woken by it, n times. Returns how many ns one took. */
static int ping(lua_State *L) {
  pair *p = luaL_checkudata(L, 1, PAIR_TYPE);
  lua_Integer n = luaL_checkinteger(L, 2);
  double start_ns = bench_now_ns();
  for (lua_Integer i = 0; i < n; i++) {
    semaphore_post(&p->there);
    semaphore_wait(&p->back);
  }
  lua_pushnumber(L, (bench_now_ns() - start_ns) / (double)n);
  return 1;
}

static int close_pair(lua_State *L) {
  pair *p = luaL_checkudata(L, 1, PAIR_TYPE);
  if (!p->is_open) return 0;
  p->is_open = 0;
  p->closing = 1;
  semaphore_post(&p->there);
  pthread_join(p->thread, NULL);
  semaphore_close(&p->there);
  semaphore_close(&p->back);
  return 0;
}

/* Threads that each make a state. */

enum { MAX_THREADS = 64 };

typedef struct starter {
  pthread_t thread;
  semaphore *ready;
} starter;

static void *make_state(void *data) {
  starter *s = data;
  lua_State *L = luaL_newstate();
  if (L != NULL) luaL_openlibs(L);
  semaphore_post(s->ready);
  if (L != NULL) lua_close(L);
  return NULL;
}

/* bare.start(n): how many ns it takes until each of n new threads has made a state. */
static int start(lua_State *L) {
  starter starters[MAX_THREADS];
  lua_Integer n = luaL_checkinteger(L, 1), n_started = 0;
  luaL_argcheck(L, n >= 1 && n <= MAX_THREADS, 1, "out of range");
  semaphore ready;
  semaphore_open(&ready);
  double start_ns = bench_now_ns();
  for (; n_started < n; n_started++) {
    starter *s = &starters[n_started];
    s->ready = &ready;
    if (pthread_create(&s->thread, NULL, make_state, s)) break;
  }
  for (lua_Integer i = 0; i < n_started; i++)
    semaphore_wait(&ready);
  double took_ns = bench_now_ns() - start_ns;
  for (lua_Integer i = 0; i < n_started; i++)
    pthread_join(starters[i].thread, NULL);
  semaphore_close(&ready);
  if (n_started < n) return luaL_error(L, "no thread");
  lua_pushnumber(L, took_ns);
  return 1;
}

/* bare.new_states(n): how many ns it takes to make a state and to close it, n times over. */
static int new_states(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  double start_ns = bench_now_ns();
  for (lua_Integer i = 0; i < n; i++) {
    lua_State *other = luaL_newstate();
    if (other == NULL) return luaL_error(L, "no memory for a state");
    luaL_openlibs(other);
    lua_close(other);
  }
  lua_pushnumber(L, (bench_now_ns() - start_ns) / (double)n);
  return 1;
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

LUAMOD_API int luaopen_bare(lua_State *L) {
  static const luaL_Reg METHODS[] = {
      {"ping", ping}, {"__gc", close_pair}, {"__close", close_pair}, {NULL, NULL}};
  static const luaL_Reg FUNCTIONS[] = {{"pair", open_pair},
                                       {"start", start},
                                       {"new_states", new_states},
                                       {"sleep", sleep_s},
                                       {NULL, NULL}};
  luaL_newmetatable(L, PAIR_TYPE);
  luaL_setfuncs(L, METHODS, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
