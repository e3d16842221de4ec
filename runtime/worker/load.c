/*
** Only text is loaded: bytecode can crash Lua. C libraries stay loaded when a state is closed. The session is told
** of modules and libraries, which the image may not undo.
*/
#include "worker/load.h"

#include <dlfcn.h>
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "worker/original.h"
#include "worker/rights.h"
#include "worker/sandbox.h"

enum { LUA_SEARCHER = 2 }; /* its place in package.searchers */

/* Bytecode can crash Lua, so only text is loaded. Of a mode without text nothing is. */
static const char *text_mode(const char *mode) { return strchr(mode, 't') != NULL ? "t" : ""; }

/* Returns what load and loadfile return, for what has been loaded in text_mode(mode). `env`: the index of its
** environment, or 0. */
static int finish_load(lua_State *L, int status, const char *mode, int env) {
  static const char NO_TEXT[] = "attempt to load a text chunk (mode is '')";
  if (status == LUA_OK) {
    if (env == 0) return 1;
    lua_pushvalue(L, env);
    if (lua_setupvalue(L, -2, 1) == NULL) lua_pop(L, 1);
    return 1;
  }
  const char *message = lua_tostring(L, -1);
  if (message != NULL && strcmp(message, NO_TEXT) == 0)
    lua_pushfstring(L, "attempt to load a text chunk (mode is '%s')", mode);
  luaL_pushfail(L);
  lua_insert(L, -2);
  return 2;
}

enum {
  PIECE = 5
}; /* where the reader of a chunk keeps what load is to read: after all arguments */

/* Reads what the function at 1 gives. */
static const char *read_piece(lua_State *L, void *data, size_t *n_bytes) {
  (void)data;
  luaL_checkstack(L, 2, "too many nested functions");
  lua_pushvalue(L, 1);
  lua_call(L, 0, 1);
  *n_bytes = 0;
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return NULL;
  }
  if (!lua_isstring(L, -1)) luaL_error(L, "reader function must return a string");
  lua_replace(L, PIECE);
  return lua_tolstring(L, PIECE, n_bytes);
}

/* The name of a chunk at 2; one that would pass for the module's is not taken. */
static const char *name_of_chunk(lua_State *L, const char *otherwise) {
  static const char MODULE[] = MOONS__MODULE_CHUNKS;
  const char *name = luaL_optstring(L, 2, otherwise);
  return strncmp(name, MODULE, sizeof MODULE - 1) == 0 ? "=(load)" : name;
}

/* load(chunk, name, mode, env), as Lua's own: calling that would have its errors name no place. */
static int call_load(lua_State *L) {
  size_t n_bytes;
  const char *chunk = lua_tolstring(L, 1, &n_bytes), *mode = luaL_optstring(L, 3, "bt");
  int env = lua_isnone(L, 4) ? 0 : 4, status;
  if (chunk != NULL) {
    const char *name = name_of_chunk(L, chunk);
    status = luaL_loadbufferx(L, chunk, n_bytes, name, text_mode(mode));
  } else {
    const char *name = name_of_chunk(L, "=(load)");
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, PIECE);
    status = lua_load(L, read_piece, NULL, name, text_mode(mode));
  }
  return finish_load(L, status, mode, env);
}

/* loadfile(filename, mode, env) */
static int call_loadfile(lua_State *L) {
  const char *filename = luaL_optstring(L, 1, NULL), *mode = luaL_optstring(L, 2, "bt");
  int env = lua_isnone(L, 3) ? 0 : 3;
  return finish_load(L, luaL_loadfilex(L, filename, text_mode(mode)), mode, env);
}

static int finish_dofile(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return lua_gettop(L) - 1;
}

static int call_dofile(lua_State *L) {
  const char *filename = luaL_optstring(L, 1, NULL);
  lua_settop(L, 1);
  if (luaL_loadfilex(L, filename, "t") != LUA_OK) return lua_error(L);
  lua_callk(L, 0, LUA_MULTRET, 0, finish_dofile);
  return finish_dofile(L, LUA_OK, 0);
}

/* Closing a state unloads its C libraries, while other states use them: they are made to stay. */
static void pin_library(const char *path) {
  void *handle = dlopen(path, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  if (handle != NULL) dlclose(handle);
}

/* Another searcher of package.searchers: returns a loader and, for files, their name. */
static int call_searcher(lua_State *L) {
  int n = moons__original_call(L, 1);
  if (!lua_isfunction(L, 1)) return n;
  moons__sandbox *s = moons__sandbox_of(L);
  s->loaded_module = 1;
  if (lua_iscfunction(L, 1) && lua_type(L, 2) == LUA_TSTRING && *lua_tostring(L, 2) != ':') {
    s->loaded_library = 1;
    pin_library(lua_tostring(L, 2));
  }
  return n;
}

/* The searcher for modules in Lua, which takes text only. Upvalues: package, package.searchpath. */
static int call_lua_searcher(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushvalue(L, 1);
  lua_getfield(L, lua_upvalueindex(1), "path");
  if (lua_tostring(L, -1) == NULL) return luaL_error(L, "'package.path' must be a string");
  lua_call(L, 2, 2);
  if (lua_isnil(L, -2)) return 1; /* why it was not found */
  lua_pop(L, 1);
  const char *filename = lua_tostring(L, -1);
  if (luaL_loadfilex(L, filename, "t") != LUA_OK)
    return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", name, filename,
                      lua_tostring(L, -1));
  moons__sandbox_of(L)->loaded_module = 1;
  lua_insert(L, -2);
  return 2;
}

/* package.loadlib(path, function) */
static int call_loadlib(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  lua_pushvalue(L, 1); /* keeps the path alive */
  lua_insert(L, 1);
  int n = moons__original_call(L, 2);
  moons__sandbox_of(L)->loaded_library = 1;
  pin_library(path);
  return n;
}

/* Installing. */

static void install_package(lua_State *L) {
  int package = lua_gettop(L);
  moons__original_replace(L, "loadlib", call_loadlib);
  lua_getfield(L, -1, "searchers");
  for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TFUNCTION; i++) {
    lua_pushcclosure(L, call_searcher, 1);
    lua_rawseti(L, -2, i);
  }
  lua_pop(L, 1);
  lua_pushvalue(L, package);
  lua_getfield(L, package, "searchpath");
  lua_pushcclosure(L, call_lua_searcher, 2);
  lua_rawseti(L, -2, LUA_SEARCHER);
  lua_pop(L, 1);
}

void moons__load_install(lua_State *L) {
  static const luaL_Reg FUNCTIONS[] = {
      {"dofile", call_dofile}, {"load", call_load}, {"loadfile", call_loadfile}, {NULL, NULL}};
  moons__original_put(L, FUNCTIONS);
  if (lua_getglobal(L, LUA_LOADLIBNAME) == LUA_TTABLE) install_package(L);
  lua_pop(L, 1);
}
