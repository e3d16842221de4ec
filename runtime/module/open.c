/*
** A state of the host's gets the module, bound to a runtime and to terms, and holds both until it is closed. Its finalizers run
** in the opposite order to that in which things were made, so these go after all that uses them.
*/
#include <lauxlib.h>
#include <string.h>

#include "module/state.h"
#include "schedule/line.h"
#include "schedule/runtime.h"
#include "state/pristine.h"
#include "state/twin.h"

static const char HELD[] = "moons.held"; /* the type; its address is a key in the registry */

typedef struct held {
  moons_runtime *runtime;
  moons__terms *terms;
} held;

static int held_gc(lua_State *L) {
  held *h = lua_touserdata(L, 1);
  moons__terms_release(h->terms);
  moons_runtime_free(h->runtime);
  *h = (held){0};
  return 0;
}

static void hold(lua_State *L, moons_runtime *runtime, moons__terms *terms) {
  held *h = lua_newuserdatauv(L, sizeof *h, 0);
  *h = (held){0};
  luaL_newmetatable(L, HELD);
  lua_pushcfunction(L, held_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  h->runtime = moons__runtime_share(runtime);
  h->terms = moons__terms_share(terms);
  lua_rawsetp(L, LUA_REGISTRYINDEX, HELD);
}

moons__terms *moons__terms_of_state(lua_State *L) {
  const held *h =
      lua_rawgetp(L, LUA_REGISTRYINDEX, HELD) == LUA_TUSERDATA ? lua_touserdata(L, -1) : NULL;
  lua_pop(L, 1);
  return h != NULL ? h->terms : NULL;
}

/* What the globals are by now is the host's. */
static void give_module(lua_State *L, moons_runtime *runtime) {
  moons__preload(L, runtime);
  moons__pristine_note(L, 1);
  moons__names_note_host(L);
  moons__libraries_note_loaded(L);
}

/* Whether the state has workers already, those of another runtime or its own. */
static int is_open(lua_State *L) {
  int is_given = lua_getfield(L, LUA_REGISTRYINDEX, MOONS__KEY_RUNTIME) != LUA_TNIL;
  int is_used = lua_getfield(L, LUA_REGISTRYINDEX, MOONS__KEY_STATE) != LUA_TNIL;
  lua_pop(L, 2);
  return is_given || is_used;
}

/* What states of this Lua have is asked once for all of a runtime. */
static int find_twin(const moons_runtime *runtime, moons__twin *twin) {
  static const char TWIN[] = "twin"; /* its address is the key */
  moons__kept *kept = moons__runtime_kept(runtime);
  size_t n_bytes;
  const void *bytes = moons__kept_find(kept, TWIN, &n_bytes);
  if (bytes != NULL) {
    memcpy(twin, bytes, sizeof *twin);
    return 0;
  }
  int error = moons__twin_open(twin);
  if (!error) moons__kept_add(kept, TWIN, twin, sizeof *twin);
  return error;
}

typedef struct opening {
  moons__twin twin;
  moons_runtime *runtime;
  moons__terms *terms;
  int error;
} opening;

static int open_state(lua_State *L) {
  opening *o = lua_touserdata(L, 1);
  o->error = moons__twin_made(&o->twin, L) ? MOONS_EFOREIGN : is_open(L) ? MOONS_EINVAL : 0;
  if (o->error) return 0;
  hold(L, o->runtime, o->terms);
  give_module(L, o->runtime);
  return 0;
}

/* What else than want of memory may be raised comes of what the host has made of the globals. */
static int open_protected(lua_State *L, opening *o) {
  if (!lua_checkstack(L, LUA_MINSTACK)) return MOONS_ENOMEM;
  lua_pushcfunction(L, open_state);
  lua_pushlightuserdata(L, o);
  int status = lua_pcall(L, 1, 0, 0);
  if (status == LUA_OK) return o->error;
  lua_pop(L, 1);
  return status == LUA_ERRMEM ? MOONS_ENOMEM : MOONS_EINVAL;
}

int moons_open(lua_State *L, moons_runtime *runtime, const moons_terms *terms) {
  opening o = {.runtime = runtime};
  int error = moons__terms_new(&o.terms, runtime, terms);
  if (!error && (L == NULL || runtime == NULL)) error = MOONS_EINVAL;
  if (!error && moons__runtime_is_forked(runtime)) error = MOONS_EFORKED;
  if (!error) error = moons__runtime_check_open(runtime);
  if (!error) error = moons__runtime_check_terms(runtime, o.terms);
  if (!error && moons__terms_of(o.terms)->max_running > 0)
    error = moons__line_open(o.terms, runtime, 0);
  if (!error) error = find_twin(runtime, &o.twin);
  if (!error) error = open_protected(L, &o);
  moons__terms_release(o.terms);
  return error;
}
