/*
** core.captures: what the code of a function says of it. For the store, which tells by that whether a call was made before.
*/
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "module/state.h"
#include "state/array.h"
#include "state/libraries.h"
#include "wire/capture.h"

static int append(lua_State *L, const void *bytes, size_t n_bytes, void *buffer) {
  (void)L;
  return moons__buffer_append(buffer, bytes, n_bytes);
}

/* A bit for each upvalue of the function at 1 that is an environment. */
static uint64_t environments_of(lua_State *L) {
  uint64_t environments = 0;
  const char *name;
  lua_pushglobaltable(L);
  int globals = lua_gettop(L);
  for (int i = 1; i <= 64 && (name = lua_getupvalue(L, 1, i)) != NULL; i++) {
    if (lua_rawequal(L, -1, globals) || strcmp(name, "_ENV") == 0)
      environments |= UINT64_C(1) << (i - 1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return environments;
}

/* Whether a global of this name is a way to others: package.loaded has all. */
static int is_way_to_globals(const moons__capture_name *name) {
  static const char PACKAGE[] = LUA_LOADLIBNAME;
  int is_package =
      name->n_bytes == sizeof PACKAGE - 1 && memcmp(name->bytes, PACKAGE, name->n_bytes) == 0;
  return is_package || moons__libraries_reaches_globals(name->bytes, name->n_bytes);
}

/* Whether any of the globals that are named is a way to others. */
static int has_way_to_globals(const moons__buffer *names) {
  const moons__capture_name *name = (const void *)names->bytes;
  for (size_t i = 0; i < names->n_bytes / sizeof *name; i++)
    if (!name[i].is_module && is_way_to_globals(&name[i])) return 1;
  return 0;
}

/* Pushes two sets: of the globals, and of the modules that are named. */
static void push_names(lua_State *L, const moons__buffer *names) {
  const moons__capture_name *name = (const void *)names->bytes;
  size_t n = names->n_bytes / sizeof *name;
  lua_newtable(L);
  lua_newtable(L);
  for (size_t i = 0; i < n; i++) {
    lua_pushlstring(L, name[i].bytes, name[i].n_bytes);
    lua_pushboolean(L, 1);
    lua_rawset(L, name[i].is_module ? -3 : -4);
  }
}

/* Arguments: the function, and two buffers, of its dump and of names. */
static int push_captures(lua_State *L) {
  moons__buffer *dump = lua_touserdata(L, 2), *names = lua_touserdata(L, 3);
  moons__capture_uses uses = {0};
  lua_pushvalue(L, 1);
  if (lua_dump(L, append, dump, 1) != 0) return luaL_error(L, "not enough memory");
  lua_pop(L, 1);
  moons__capture_result result =
      moons__capture(dump->bytes, dump->n_bytes, environments_of(L), names, &uses);
  if (result == MOONS__CAPTURE_FOREIGN) return luaL_error(L, "a function cannot be read");
  lua_pushlstring(L, dump->bytes, dump->n_bytes);
  push_names(L, names);
  lua_pushboolean(L, result == MOONS__CAPTURE_DYNAMIC || has_way_to_globals(names));
  lua_pushboolean(L, uses.has_random);
  lua_pushboolean(L, uses.requires);
  return 6;
}

/* core.captures(f): the dump of a Lua function, without what is for debugging; sets of the globals that it names and of the
** modules that it requires; whether it may name other globals, draw random numbers, and require other modules. */
int moons__core_captures(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, MOONS__KEY_BESIDE);
  const void *beside = lua_touserdata(L, -1);
  moons__buffer dump = {.beside = beside}, names = {.beside = beside};
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_pushcfunction(L, push_captures);
  lua_insert(L, 1);
  lua_pushlightuserdata(L, &dump);
  lua_pushlightuserdata(L, &names);
  int status = lua_pcall(L, 3, LUA_MULTRET, 0);
  moons__buffer_free(&dump);
  moons__buffer_free(&names);
  return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}
