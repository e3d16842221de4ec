/*
** A C host as a module of Lua: calls of a script's functions through a queue, made by the thread that takes them.
*/
#include <lauxlib.h>
#include <string.h>

#include "bench.h"
#include "moons.h"

static const char HOST_TYPE[] = "bench.host";

typedef struct host {
  moons_runtime *runtime;
  moons_program *program;
  moons_queue *queue;
} host;

/* embedded.new(source): a runtime with that script. */
static int new_host(lua_State *L) {
  size_t n_bytes;
  const char *source = luaL_checklstring(L, 1, &n_bytes);
  moons_options options;
  moons_options_init(&options);
  options.backend = MOONS_INLINE;
  host *h = lua_newuserdatauv(L, sizeof *h, 0);
  *h = (host){.runtime = NULL};
  luaL_setmetatable(L, HOST_TYPE);
  bench_require(moons_runtime_new(&h->runtime, &options) == 0, "no memory for a runtime");
  bench_require(moons_program_load(&h->program, h->runtime, source, n_bytes, "=b", NULL) == 0,
                "a program does not load");
  bench_require(moons_queue_new(&h->queue, h->runtime, NULL, NULL) == 0, "no memory for a queue");
  return 1;
}

static int free_host(lua_State *L) {
  host *h = luaL_checkudata(L, 1, HOST_TYPE);
  moons_queue_free(h->queue);
  moons_program_free(h->program);
  moons_runtime_free(h->runtime);
  return 0;
}

/* host:submit(name): submits a call with a number, and takes it. */
static int submit(lua_State *L) {
  host *h = luaL_checkudata(L, 1, HOST_TYPE);
  moons_value value = moons_integer(1);
  moons_call *call;
  int error = moons_submit(h->queue, h->program, luaL_checkstring(L, 2), &value, 1, NULL, NULL);
  bench_require(error == 0, "a call is refused");
  bench_require(moons_next(h->queue, -1, &call) == 0, "a call is missing");
  bench_require(moons_call_error(call) == NULL, "a call failed");
  moons_call_free(call);
  return 0;
}

LUAMOD_API int luaopen_embedded(lua_State *L) {
  static const luaL_Reg METHODS[] = {{"submit", submit}, {"__gc", free_host}, {NULL, NULL}};
  static const luaL_Reg FUNCTIONS[] = {{"new", new_host}, {NULL, NULL}};
  return bench_open_module(L, HOST_TYPE, METHODS, FUNCTIONS);
}
