/*
** One table says which libraries there are, and a library's row is its bit in a set. What code can reach is decided by the
** names in it, before it runs, so a name that can lead further (load, _G, debug, ...) counts as all libraries: a state may
** have one too many, but never lacks one.
*/
#include "state/libraries.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stddef.h>
#include <string.h>

/* The row is the bit: MOONS__LIBRARIES_MATH and the others of libraries.h count on the order. */
static const luaL_Reg LIBRARIES[] = {
    {LUA_GNAME, luaopen_base},
    {LUA_STRLIBNAME, luaopen_string},
    {LUA_TABLIBNAME, luaopen_table},
    {LUA_UTF8LIBNAME, luaopen_utf8},
    {LUA_MATHLIBNAME, luaopen_math},
    {LUA_COLIBNAME, luaopen_coroutine},
    {LUA_OSLIBNAME, luaopen_os},
    {LUA_IOLIBNAME, luaopen_io},
    {LUA_DBLIBNAME, luaopen_debug},
    {LUA_LOADLIBNAME, luaopen_package},
    {NULL, NULL},
};

/* What of the base library reaches no other but string, whose functions every string leads to. */
static const char *const BASE_NAMES[] = {
    "assert", "collectgarbage", "error",    "getmetatable", "ipairs",   "next",
    "pairs",  "pcall",          "print",    "rawequal",     "rawget",   "rawlen",
    "rawset", "select",         "tonumber", "setmetatable", "tostring", "type",
    "warn",   "xpcall",         "_VERSION", NULL,
};

/* Through these code can reach libraries that it does not name. */
static const char *const REACHING_NAMES[] = {
    LUA_GNAME, "load", "loadfile", "dofile", "require", LUA_DBLIBNAME, LUA_LOADLIBNAME, NULL,
};

/* Through these it can reach any global of the script too. */
static const char *const GLOBAL_REACHING_NAMES[] = {LUA_GNAME, "load", "loadfile", "dofile", NULL};

static int is_among(const char *name, size_t n_bytes, const char *const *names) {
  while (*names != NULL && (strlen(*names) != n_bytes || memcmp(name, *names, n_bytes) != 0))
    names++;
  return *names != NULL;
}

moons__libraries moons__libraries_of_global(const char *name, size_t n_bytes) {
  if (is_among(name, n_bytes, BASE_NAMES)) return MOONS__LIBRARIES_LEAST;
  if (is_among(name, n_bytes, REACHING_NAMES)) return MOONS__LIBRARIES_ALL;
  for (unsigned i = 0; LIBRARIES[i].name != NULL; i++)
    if (strlen(LIBRARIES[i].name) == n_bytes && memcmp(name, LIBRARIES[i].name, n_bytes) == 0)
      return 1u << i;
  return 0;
}

int moons__libraries_reaches_globals(const char *name, size_t n_bytes) {
  return is_among(name, n_bytes, GLOBAL_REACHING_NAMES);
}

/* Not from 0: what base has are globals, which travel in their own way. */
const char *moons__libraries_name(moons__libraries bit) {
  for (unsigned i = 1; LIBRARIES[i].name != NULL; i++)
    if (bit == 1u << i) return LIBRARIES[i].name;
  return NULL;
}

const char *moons__libraries_find(const char *name) {
  for (unsigned i = 0; LIBRARIES[i].name != NULL; i++)
    if (strcmp(LIBRARIES[i].name, name) == 0) return LIBRARIES[i].name;
  return NULL;
}

/* A key in the registry. */
static const char ALLOWED[] = "moons.libraries";

moons__libraries moons__libraries_allowed(lua_State *L) {
  moons__libraries allowed = MOONS__LIBRARIES_ALL;
  if (lua_getfield(L, LUA_REGISTRYINDEX, ALLOWED) != LUA_TNIL)
    allowed = (moons__libraries)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return allowed;
}

void moons__libraries_allow(lua_State *L, moons__libraries libraries) {
  lua_pushinteger(L, (lua_Integer)(libraries & MOONS__LIBRARIES_ALL));
  lua_setfield(L, LUA_REGISTRYINDEX, ALLOWED);
}

int moons__libraries_push_loaded(lua_State *L, const char *name) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE) == LUA_TTABLE) {
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    lua_remove(L, -2);
  }
  return lua_type(L, -1);
}

/* A host may have opened only some: calls get no more than the script has. */
void moons__libraries_note_loaded(lua_State *L) {
  moons__libraries loaded = 0;
  for (unsigned i = 0; LIBRARIES[i].name != NULL; i++) {
    if (moons__libraries_push_loaded(L, LIBRARIES[i].name) == LUA_TTABLE) loaded |= 1u << i;
    lua_pop(L, 1);
  }
  moons__libraries_allow(L, loaded);
}

void moons__libraries_open(lua_State *L, moons__libraries libraries) {
  for (unsigned i = 0; LIBRARIES[i].name != NULL; i++) {
    if (!(libraries & 1u << i)) continue;
    luaL_requiref(L, LIBRARIES[i].name, LIBRARIES[i].func, 1);
    lua_pop(L, 1);
  }
}
