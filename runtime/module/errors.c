/*
** An error value is a table that the Lua half gives its looks (lua/parallel/errors.lua). It is made on the caller's side, out
** of what came home as a failure and of what only this side knows: which item it was, and where in the script.
*/
#include "module/errors.h"

#include <lauxlib.h>
#include <string.h>

#include "module/hooks.h"
#include "wire/traceback.h"

static void set_text(lua_State *L, const char *field, const char *text, size_t n_bytes) {
  lua_pushlstring(L, text, n_bytes);
  lua_setfield(L, -2, field);
}

/* Pushes the row on top, which it pops, without its first value: calls that were noted hold their function there. */
static void push_arguments_of(lua_State *L) {
  int row = lua_gettop(L);
  lua_getfield(L, row, "n");
  lua_Integer n = lua_tointeger(L, -1);
  lua_createtable(L, (int)(n > 0 ? n - 1 : 0), 0);
  for (lua_Integer i = 2; i <= n; i++) {
    lua_rawgeti(L, row, i);
    lua_rawseti(L, -2, i - 1);
  }
  lua_replace(L, row);
  lua_settop(L, row);
}

/* A key in the metatables of sequences that the module itself computes. */
static const char COMPUTED = 0;

/* core.note_computed(metatable): items of what has it are asked for by __index where an error shows them. */
int moons__core_note_computed(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_pushboolean(L, 1);
  lua_rawsetp(L, 1, &COMPUTED);
  return 0;
}

static int is_computed(lua_State *L, int list) {
  if (!lua_getmetatable(L, list)) return 0;
  int is_computed = lua_rawgetp(L, -1, &COMPUTED) != LUA_TNIL;
  lua_pop(L, 2);
  return is_computed;
}

static int get_computed(lua_State *L) {
  lua_geti(L, 1, lua_tointeger(L, 2));
  return 1;
}

/* Pushes an item of the list on top, which it pops. One that cannot be computed any more is nil. */
static void take_item(lua_State *L, moons__job_data *j, lua_Integer index) {
  if (!is_computed(L, lua_gettop(L))) {
    lua_rawgeti(L, -1, index);
    lua_remove(L, -2);
    return;
  }
  lua_pushcfunction(L, get_computed);
  lua_insert(L, -2);
  lua_pushinteger(L, index);
  if (moons__call_in_use(L, j, 2, 1) == LUA_OK) return;
  lua_pop(L, 1);
  lua_pushnil(L);
}

/* Pushes the item with this number, as far as it can be had without running the script's code, or nil. */
static void push_item(lua_State *L, moons__job_data *j, lua_Integer index) {
  int list = j->source == MOONS__FROM_ITERATOR ? MOONS__VALUE_ITEMS : MOONS__VALUE_SOURCE;
  switch (j->source) {
  case MOONS__FROM_INTEGERS:
    lua_pushinteger(L,
                    (lua_Integer)((uint64_t)j->first + (uint64_t)j->step * (uint64_t)(index - 1)));
    return;
  case MOONS__FROM_FLOATS:
    lua_pushnumber(L, j->number_first + (lua_Number)(index - 1) * j->number_step);
    return;
  case MOONS__FROM_ARRAY: moons__push_array_item(L, j, index); return;
  case MOONS__FROM_CALL: lua_getiuservalue(L, 1, MOONS__VALUE_SOURCE); return;
  case MOONS__FROM_TABLE:
  case MOONS__FROM_ITERATOR:
    if (lua_getiuservalue(L, 1, list) == LUA_TTABLE) take_item(L, j, index);
  }
}

/* Gives the error value on top what the caller's side knows of the call. */
static void add_call(lua_State *L, moons__job_data *j, lua_Integer index) {
  int error = lua_gettop(L);
  lua_pushinteger(L, index);
  lua_setfield(L, error, "index");
  push_item(L, j, index);
  if (j->is_rows && j->function == 0 && lua_istable(L, -1)) push_arguments_of(L);
  lua_setfield(L, error, "item");
  if (j->taken.host != NULL) {
    lua_pushstring(L, j->taken.host);
    lua_setfield(L, error, "host");
  }
  if (lua_getiuservalue(L, 1, MOONS__VALUE_CALLER) != LUA_TNIL || moons__push_caller(L))
    lua_setfield(L, error, "caller");
  lua_settop(L, error);
}

/* Not within a call, whose result may hold the error value, and must not depend on the worker. */
static void add_worker(lua_State *L, const moons__failure *failure) {
  if (failure->worker == 0 || moons__is_worker(L)) return;
  lua_pushinteger(L, (lua_Integer)failure->worker);
  lua_setfield(L, -2, "worker");
}

void moons__push_error(lua_State *L, moons__job_data *j, lua_Integer index,
                       const moons__failure *failure) {
  lua_createtable(L, 0, 8);
  if (index > 0) add_call(L, j, index);
  add_worker(L, failure);
  lua_pushstring(L, moons__failure_name(failure->kind));
  lua_setfield(L, -2, "kind");
  set_text(L, "message", failure->message, failure->message_bytes);
  set_text(L, "traceback", failure->traceback, failure->traceback_bytes);
  if (failure->unsent_bytes > 0) set_text(L, "unsent", failure->unsent, failure->unsent_bytes);
  luaL_setmetatable(L, MOONS__ERROR_TYPE);
}

static int describe(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

/* Pushes the text of the error on top, which may run the script's code. */
static void push_text(lua_State *L, moons__job_data *j) {
  lua_pushcfunction(L, describe);
  lua_pushvalue(L, -2);
  if (moons__call_in_use(L, j, 1, 1) == LUA_OK) return;
  lua_pop(L, 1);
  lua_pushliteral(L, MOONS__FAILURE_UNTOLD);
}

void moons__push_own_error(lua_State *L, moons__job_data *j, lua_Integer index, int status) {
  moons__failure failure = {.traceback = ""};
  failure.kind = status == LUA_ERRMEM ? MOONS__FAILURE_MEMORY : MOONS__FAILURE_MARSHAL;
  push_text(L, j);
  failure.message = lua_tolstring(L, -1, &failure.message_bytes);
  moons__push_error(L, j, index, &failure);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "value");
  lua_replace(L, -3);
  lua_pop(L, 1);
}

/* Whether the value at a stack index is an error value. */
static int is_error_value(lua_State *L, int index) {
  int top = lua_gettop(L);
  if (!lua_istable(L, index)) return 0;
  luaL_getmetatable(L, MOONS__ERROR_TYPE);
  int is_error = lua_getmetatable(L, index) && lua_rawequal(L, -1, -2);
  lua_settop(L, top);
  return is_error;
}

/* One that has been passed on by Lua is known by its text alone. */
static int is_memory_error(lua_State *L, int index, int status) {
  return status == LUA_ERRMEM || (lua_type(L, index) == LUA_TSTRING &&
                                  strcmp(lua_tostring(L, index), "not enough memory") == 0);
}

void moons__raise_of_making(lua_State *L, moons__job_data *j, int status) {
  if (!is_error_value(L, lua_gettop(L))) {
    moons__push_own_error(L, j, 0, is_memory_error(L, -1, status) ? LUA_ERRMEM : LUA_ERRRUN);
    if (moons__push_caller(L)) lua_setfield(L, -2, "caller");
  }
  moons__raise(L);
}

int moons__raise(lua_State *L) {
  int error = lua_gettop(L);
  if (is_error_value(L, error)) {
    lua_pushliteral(L, "caller_traceback");
    if (lua_rawget(L, error) == LUA_TNIL) {
      moons__push_traceback(L, L, NULL, 0);
      lua_setfield(L, error, "caller_traceback");
    }
  }
  lua_settop(L, error);
  return lua_error(L);
}

void moons__put_error(lua_State *L, moons__job_data *j, lua_Integer index) {
  moons__push_table(L, MOONS__VALUE_ERRORS);
  lua_insert(L, -2);
  lua_rawseti(L, -2, index);
  lua_pop(L, 1);
  j->has_failed = 1;
}
