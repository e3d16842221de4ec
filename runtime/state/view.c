/*
** A view is an address and a number of elements, which an image can hold as it holds any other bytes. It goes to another state by
** the name that it has in both, and otherwise not at all; nor does it come home: only a copy of its numbers does.
**
** Unlike an array, which is a script's own, it gives nil behind its end, so that `ipairs` works.
*/
#include "state/view.h"

#include <lauxlib.h>
#include <string.h>

#include "moons.h"
#include "state/arena.h"
#include "state/array_math.h"

typedef struct view {
  const char *bytes;
  size_t n;
  moons__element type; /* MOONS__FLOAT64 or MOONS__UINT8 */
} view;

/* Keys: of the metatable in the registry, and of its field that no other has. */
static const char METATABLE, MARK;

void *moons__view_new(lua_State *L, size_t n_bytes, int n_values) {
  void *arena;
  int is_in_arena = lua_getallocf(L, &arena) == moons__arena_alloc;
  if (is_in_arena) moons__arena_begin_view(arena);
  void *userdata = lua_newuserdatauv(L, n_bytes, n_values);
  if (is_in_arena) moons__arena_end_view(arena);
  return userdata;
}

/* {== Arguments =============================================================================== */

int moons__view_is(lua_State *L, int index) {
  if (lua_touserdata(L, index) == NULL || !lua_getmetatable(L, index)) return 0;
  int is_view = lua_rawgetp(L, -1, &MARK) == LUA_TBOOLEAN;
  lua_pop(L, 2);
  return is_view;
}

static const view *check_view(lua_State *L) {
  if (!moons__view_is(L, 1)) luaL_typeerror(L, 1, "view");
  return lua_touserdata(L, 1);
}

static const char *unit_of(const view *v) {
  if (v->type == MOONS__UINT8) return v->n == 1 ? "byte" : "bytes";
  return v->n == 1 ? "float" : "floats";
}

static void check_place(lua_State *L, const view *v, lua_Integer i) {
  if (i < 1 || (lua_Unsigned)i > v->n)
    luaL_error(L, "index %I is out of range: the view has %I %s", (LUAI_UACINT)i, (LUAI_UACINT)v->n,
               unit_of(v));
}

/* The part from argument 2 to 3, by default all of it. */
static view check_part(lua_State *L) {
  const view *v = check_view(L);
  lua_Integer from = luaL_optinteger(L, 2, 1), to = luaL_optinteger(L, 3, (lua_Integer)v->n);
  if (from > to) return (view){.bytes = v->bytes, .type = v->type};
  check_place(L, v, from);
  check_place(L, v, to);
  size_t before = (size_t)from - 1;
  return (view){.bytes = v->bytes + before * moons__element_bytes(v->type),
                .n = (size_t)to - before,
                .type = v->type};
}

/* {== What a script may ask =================================================================== */

/* v[i], v.method */
static int view_index(lua_State *L) {
  const view *v = check_view(L);
  if (lua_type(L, 2) == LUA_TSTRING) {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    return 1;
  }
  int is_integer;
  lua_Integer i = lua_tointegerx(L, 2, &is_integer);
  if (!is_integer || i < 1 || (lua_Unsigned)i > v->n) return 0;
  moons__array_push_number(L, v->type, v->bytes + ((size_t)i - 1) * moons__element_bytes(v->type));
  return 1;
}

/* v[i] = x */
static int view_newindex(lua_State *L) {
  return luaL_error(L, "a view of the host's memory is read-only: change a copy, v:copy()");
}

static int view_len(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check_view(L)->n);
  return 1;
}

static int view_tostring(lua_State *L) {
  const view *v = check_view(L);
  lua_pushfstring(L, "view of %I %s", (LUAI_UACINT)v->n, unit_of(v));
  return 1;
}

/* v:sum([i [, j]]). The sum of bytes always fits. */
static int view_sum(lua_State *L) {
  view part = check_part(L);
  moons__number sum;
  moons__array numbers = {.n = part.n, .extent.type = part.type};
  memcpy(&numbers.data, &part.bytes, sizeof part.bytes); /* which is only read */
  (void)moons__array_sum(&numbers, &sum);
  if (sum.is_float)
    lua_pushnumber(L, sum.number);
  else
    lua_pushinteger(L, sum.integer);
  return 1;
}

/* v:copy([i [, j]]): of bytes a string. */
static int view_copy(lua_State *L) {
  view part = check_part(L);
  if (part.type == MOONS__UINT8)
    lua_pushlstring(L, part.bytes, part.n);
  else
    moons__array_push_row(L, part.type, part.bytes, part.n);
  return 1;
}

/* {== Making them ============================================================================= */

/* A string as __marshal says why the value cannot be sent. */
static void make_metatable(lua_State *L) {
  static const luaL_Reg METHODS[] = {{"sum", view_sum}, {"copy", view_copy}, {NULL, NULL}};
  static const luaL_Reg METAMETHODS[] = {{"__newindex", view_newindex},
                                         {"__len", view_len},
                                         {"__tostring", view_tostring},
                                         {NULL, NULL}};
  luaL_newlib(L, METAMETHODS);
  luaL_newlib(L, METHODS);
  lua_pushcclosure(L, view_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pushliteral(L, "view");
  lua_setfield(L, -2, "__name");
  lua_pushliteral(L, "cannot send a view of the host's memory; send a copy, v:copy()");
  lua_setfield(L, -2, "__marshal");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pushboolean(L, 1);
  lua_rawsetp(L, -2, &MARK);
}

static void push_metatable(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &METATABLE) == LUA_TTABLE) return;
  lua_pop(L, 1);
  make_metatable(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &METATABLE);
}

static void push_view(lua_State *L, moons__element type, const void *bytes, size_t n) {
  luaL_checkstack(L, LUA_MINSTACK, "no room for a view");
  if (bytes == NULL && n > 0) luaL_error(L, "a view of memory at NULL");
  if (n > PTRDIFF_MAX / moons__element_bytes(type))
    luaL_error(L, "a view is larger than any memory");
  push_metatable(L);
  view *v = moons__view_new(L, sizeof *v, 0);
  *v = (view){.bytes = n > 0 ? bytes : "", .n = n, .type = type};
  lua_insert(L, -2);
  lua_setmetatable(L, -2);
}

void moons_push_floats(lua_State *L, const double *numbers, size_t n) {
  push_view(L, MOONS__FLOAT64, numbers, n);
}

void moons_push_bytes(lua_State *L, const void *bytes, size_t n_bytes) {
  push_view(L, MOONS__UINT8, bytes, n_bytes);
}
