/*
** The most that threads could do: bare ones that wait for a round to begin, each with a Lua state of
** its own and its share of the calls from the start. No queue, no copies of arguments and results,
** no state put back.
*/
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdlib.h>

static const char CEILING_TYPE[] = "bench.ceiling";

enum { MAX_THREADS = 64 };

struct ceiling;

typedef struct share {
  struct ceiling *ceiling;
  pthread_t thread;
  lua_State *L;    /* the function is on its stack */
  double *results; /* owned */
} share;

typedef struct ceiling {
  lua_Integer n_calls, argument; /* of a share in this round */
  int n_threads;
  share shares[MAX_THREADS];

  pthread_mutex_t mutex; /* guards all that follows */
  pthread_cond_t begin, end;
  unsigned n_rounds; /* begun */
  int n_busy;        /* threads in this round */
  int failed, closing;
} ceiling;

/* Threads. */

static int run_share(const share *s, lua_Integer n_calls, lua_Integer argument) {
  for (lua_Integer i = 0; i < n_calls; i++) {
    lua_pushvalue(s->L, 1);
    lua_pushinteger(s->L, argument);
    if (lua_pcall(s->L, 1, 1, 0) != LUA_OK) return 0;
    s->results[i] = lua_tonumber(s->L, -1);
    lua_pop(s->L, 1);
  }
  return 1;
}

/* Waits for the round after `n_rounds`; returns 0 where there will be none. */
static int wait_for_round(ceiling *c, unsigned n_rounds) {
  pthread_mutex_lock(&c->mutex);
  while (c->n_rounds == n_rounds && !c->closing)
    pthread_cond_wait(&c->begin, &c->mutex);
  int is_open = !c->closing;
  pthread_mutex_unlock(&c->mutex);
  return is_open;
}

static void end_round(ceiling *c, int is_right) {
  pthread_mutex_lock(&c->mutex);
  if (!is_right) c->failed = 1;
  if (--c->n_busy == 0) pthread_cond_signal(&c->end);
  pthread_mutex_unlock(&c->mutex);
}

static void *thread_main(void *data) {
  const share *s = data;
  for (unsigned n_rounds = 0; wait_for_round(s->ceiling, n_rounds); n_rounds++)
    end_round(s->ceiling, run_share(s, s->ceiling->n_calls, s->ceiling->argument));
  return NULL;
}

/* The Lua side. */

static void prepare_share(lua_State *L, share *s, const char *source) {
  s->L = luaL_newstate();
  if (s->L == NULL) luaL_error(L, "not enough memory");
  luaL_openlibs(s->L);
  if (luaL_dostring(s->L, source) != LUA_OK) luaL_error(L, "%s", lua_tostring(s->L, -1));
}

/* ceiling.open(source, n_threads): threads that call the function which the source returns. */
static int open_ceiling(lua_State *L) {
  const char *source = luaL_checkstring(L, 1);
  lua_Integer n_threads = luaL_checkinteger(L, 2);
  luaL_argcheck(L, n_threads >= 1 && n_threads <= MAX_THREADS, 2, "out of range");
  ceiling *c = lua_newuserdatauv(L, sizeof *c, 0);
  *c = (ceiling){0};
  pthread_mutex_init(&c->mutex, NULL);
  pthread_cond_init(&c->begin, NULL);
  pthread_cond_init(&c->end, NULL);
  luaL_setmetatable(L, CEILING_TYPE);
  for (; c->n_threads < n_threads; c->n_threads++) {
    share *s = &c->shares[c->n_threads];
    s->ceiling = c;
    prepare_share(L, s, source);
    if (pthread_create(&s->thread, NULL, thread_main, s)) return luaL_error(L, "no thread");
  }
  return 1;
}

static int close_ceiling(lua_State *L) {
  ceiling *c = luaL_checkudata(L, 1, CEILING_TYPE);
  pthread_mutex_lock(&c->mutex);
  c->closing = 1;
  pthread_cond_broadcast(&c->begin);
  pthread_mutex_unlock(&c->mutex);
  for (; c->n_threads > 0; c->n_threads--) {
    share *s = &c->shares[c->n_threads - 1];
    pthread_join(s->thread, NULL);
    lua_close(s->L);
    free(s->results);
  }
  return 0;
}

/* Runs a round. Returns 0 where a call failed. */
static int run_round(ceiling *c) {
  pthread_mutex_lock(&c->mutex);
  c->n_rounds++;
  c->n_busy = c->n_threads;
  pthread_cond_broadcast(&c->begin);
  while (c->n_busy > 0)
    pthread_cond_wait(&c->end, &c->mutex);
  int is_right = !c->failed;
  pthread_mutex_unlock(&c->mutex);
  return is_right;
}

/* ceiling:run(n_calls, argument): so many calls in all, with that argument. */
static int run(lua_State *L) {
  ceiling *c = luaL_checkudata(L, 1, CEILING_TYPE);
  c->n_calls = luaL_checkinteger(L, 2) / c->n_threads;
  c->argument = luaL_checkinteger(L, 3);
  for (int i = 0; i < c->n_threads; i++) {
    free(c->shares[i].results);
    c->shares[i].results = malloc((size_t)c->n_calls * sizeof(double));
    if (c->shares[i].results == NULL) return luaL_error(L, "not enough memory");
  }
  return run_round(c) ? 0 : luaL_error(L, "a call failed");
}

LUAMOD_API int luaopen_ceiling(lua_State *L) {
  static const luaL_Reg METHODS[] = {{"run", run}, {"__gc", close_ceiling}, {NULL, NULL}};
  static const luaL_Reg FUNCTIONS[] = {{"open", open_ceiling}, {NULL, NULL}};
  luaL_newmetatable(L, CEILING_TYPE);
  luaL_setfuncs(L, METHODS, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
