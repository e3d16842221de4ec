/*
** A script writes to its arrays only while no map reads them, so that a map's result depends on nothing that happens beside it.
** Maps that are open count at the handle, which tells the script to wait for them; what still runs of maps that are closed
** counts at the block, and is waited for: it ends at its next instruction, or is given up and counts no more.
*/
#include "state/array.h"

#include <lauxlib.h>
#include <time.h>

#include "moons.h"

const char moons__array_mark = 0;

/* What an array has for its block once it was collected: finalizers may still meet it. */
static moons__shared no_block;

int moons__extent_measure(const moons__extent *extent, size_t *n, size_t *n_bytes) {
  if (__builtin_mul_overflow(extent->rows, extent->columns, n)) return 0;
  if (__builtin_mul_overflow(*n, moons__element_bytes(extent->type), n_bytes)) return 0;
  return *n_bytes <= PTRDIFF_MAX;
}

moons__array *moons__array_at(lua_State *L, int index, int *how) {
  void *userdata = lua_touserdata(L, index);
  *how = MOONS__NO_ARRAY;
  if (userdata == NULL || !lua_getmetatable(L, index)) return NULL;
  if (lua_rawgetp(L, -1, &moons__array_mark) == LUA_TNUMBER) *how = (int)lua_tointeger(L, -1);
  lua_pop(L, 2);
  if (*how == MOONS__IS_ROWS) return *(moons__array **)userdata;
  return *how == MOONS__IS_ARRAY ? userdata : NULL;
}

/* A finalizer may still reach it: then it is an array of nothing. */
void moons__array_drop(moons__array *a) {
  if (a->holds) moons__shared_release(a->block);
  a->block = &no_block;
  a->data = NULL;
  a->n = 0;
  a->extent.rows = a->extent.columns = 0;
  a->holds = a->may_write = 0;
}

/* Numbers. */

void moons__array_push_number(lua_State *L, moons__element type, const char *at) {
  if (moons__element_is_float(type))
    lua_pushnumber(L, moons__element_float(type, at));
  else
    lua_pushinteger(L, moons__element_integer(type, at));
}

/* A loop of its own for what is most often asked for. */
static void set_doubles(lua_State *L, const char *at, size_t n) {
  for (size_t i = 1; i <= n; i++, at += sizeof(double)) {
    lua_pushnumber(L, moons__element_float(MOONS__FLOAT64, at));
    lua_rawseti(L, -2, (lua_Integer)i);
  }
}

/* The table has room for all, so setting them allocates nothing more. */
void moons__array_push_row(lua_State *L, moons__element type, const char *at, size_t n) {
  size_t size = moons__element_bytes(type);
  lua_createtable(L, n < INT32_MAX ? (int)n : INT32_MAX, 0);
  if (type == MOONS__FLOAT64) {
    set_doubles(L, at, n);
    return;
  }
  for (size_t i = 1; i <= n; i++, at += size) {
    moons__array_push_number(L, type, at);
    lua_rawseti(L, -2, (lua_Integer)i);
  }
}

void moons__array_push_numbers(lua_State *L, moons__element type, const char *at, size_t n) {
  size_t size = moons__element_bytes(type);
  for (const char *end = at + n * size; at < end; at += size)
    moons__array_push_number(L, type, at);
}

const char *moons__array_put(lua_State *L, int index, moons__element type, char *at) {
  if (lua_type(L, index) != LUA_TNUMBER) return "is no number";
  if (lua_isinteger(L, index)) return moons__element_put_integer(type, at, lua_tointeger(L, index));
  return moons__element_put_float(type, at, lua_tonumber(L, index));
}

const char *moons__array_describe(lua_State *L, int index) {
  int type = lua_type(L, index);
  if (type == LUA_TNUMBER) return luaL_tolstring(L, index, NULL);
  if (type == LUA_TNIL || type == LUA_TNONE) return lua_pushliteral(L, "nil");
  return lua_pushfstring(L, "a %s", luaL_typename(L, index));
}

/* Reading and writing. */

static int is_used(const moons__array *a) {
  return atomic_load_explicit(&a->block->n_readers, memory_order_acquire) > 0 ||
         atomic_load_explicit(&a->block->n_writers, memory_order_acquire) > 0;
}

static void rest(void) {
  struct timespec time = {.tv_nsec = 100000};
  nanosleep(&time, NULL);
}

/* A map that was dropped may not have been collected yet. */
static int is_open(lua_State *L, const unsigned *n_open) {
  if (*n_open > 0) lua_gc(L, LUA_GCCOLLECT);
  return *n_open > 0;
}

static const char WRITTEN[] =
    "the array cannot be read now: a map that runs writes to it; take its results first";

static const char *why_not_view(const moons__array *a) {
  if (atomic_load_explicit(&a->block->n_writers, memory_order_acquire) > 0) return WRITTEN;
  if (atomic_load_explicit(&a->block->n_readers, memory_order_relaxed) > 0) return NULL;
  return "the array came with a map that is over: have the function capture it, or pass it as an "
         "argument";
}

const char *moons__array_why_not_read(lua_State *L, moons__array *a) {
  if (!a->may_write) return why_not_view(a);
  if (is_open(L, &a->n_writing)) return WRITTEN;
  while (atomic_load_explicit(&a->block->n_writers, memory_order_acquire) > 0)
    rest();
  return NULL;
}

const char *moons__array_why_not_write(lua_State *L, moons__array *a) {
  if (!a->may_write)
    return "an array that came from the caller is read-only in a call: return the values, or have "
           "the map put them into an array with the option 'into'";
  if (is_open(L, &a->n_writing))
    return "the array cannot be written to now: a map that runs writes to it; take its results "
           "first";
  if (is_open(L, &a->n_reading))
    return "the array cannot be written to now: a map that runs reads it; take its results first, "
           "or write to a copy";
  while (is_used(a))
    rest();
  return NULL;
}

void moons__array_refuse_reading(lua_State *L, moons__array *a) {
  const char *why = moons__array_why_not_read(L, a);
  if (why != NULL) luaL_error(L, "%s", why);
}

void moons__array_refuse_writing(lua_State *L, moons__array *a) {
  const char *why = moons__array_why_not_write(L, a);
  if (why != NULL) luaL_error(L, "%s", why);
}
