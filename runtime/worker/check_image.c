/*
** Goes through all that can be reached from the registry, the stack and the metatables of basic types, raw, and sums up what it
** finds: objects by their addresses, strings and numbers by what they are, and of each object what it holds. A sum takes some
** 100 us, so of many calls only some are looked at.
*/
#include "worker/check_image.h"

#ifdef MOONS_CHECK_IMAGES

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/ptrmap.h"

enum { ALL_OF_FIRST = 300, ONE_OF = 61, MAX_DEPTH = 20000 };

/* `generator` is the userdata with the state of math.random, which each call seeds anew: its bytes do not count. */
typedef struct summing {
  lua_State *L;
  uint64_t sum;
  moons__ptrmap visited;
  const void *generator;
  int depth;
} summing;

static void visit(summing *s);

/* What identifies the value on top. */
static uint64_t identity(lua_State *L) {
  int type = lua_type(L, -1);
  size_t n_bytes;
  uint64_t hash = moons__hash(MOONS__HASH_START, &type, sizeof type);
  if (type == LUA_TBOOLEAN) return hash + (uint64_t)lua_toboolean(L, -1);
  if (type == LUA_TSTRING) {
    const char *bytes = lua_tolstring(L, -1, &n_bytes);
    return moons__hash(hash, bytes, n_bytes);
  }
  if (type == LUA_TNUMBER && lua_isinteger(L, -1)) {
    lua_Integer integer = lua_tointeger(L, -1);
    return moons__hash(hash, &integer, sizeof integer);
  }
  if (type == LUA_TNUMBER) {
    lua_Number number = lua_tonumber(L, -1);
    return moons__hash(hash + 1, &number, sizeof number);
  }
  const void *address = lua_topointer(L, -1);
  return moons__hash(hash, &address, sizeof address);
}

/* Adds the value on top, which it pops, as part `which` of a whole; and what it holds, where it has not come up before. */
static uint64_t part(summing *s, uint64_t which) {
  uint64_t it = identity(s->L), hash = moons__hash(which, &it, sizeof it);
  visit(s);
  lua_pop(s->L, 1);
  return hash;
}

/* That a table has none counts too: it may be given one. */
static uint64_t sum_metatable(summing *s) { return lua_getmetatable(s->L, -1) ? part(s, 1) : 1; }

/* Lua notes the metatable of its buffers (lauxlib.c) in the registry when a string first needs one. */
static int is_of_buffers(lua_State *L, int key) {
  return lua_type(L, key) == LUA_TSTRING && strcmp(lua_tostring(L, key), "_UBOX*") == 0;
}

static uint64_t sum_table(summing *s) {
  uint64_t sum = sum_metatable(s);
  for (lua_pushnil(s->L); lua_next(s->L, -2);) {
    if (is_of_buffers(s->L, -2)) {
      lua_pop(s->L, 1);
      continue;
    }
    lua_pushvalue(s->L, -2);
    uint64_t key = part(s, 2);
    sum += part(s, key);
  }
  return sum;
}

/* What a function captures; its code nobody can change. */
static uint64_t sum_function(summing *s) {
  uint64_t sum = 0;
  for (int i = 1; lua_getupvalue(s->L, -1, i) != NULL; i++)
    sum += part(s, (uint64_t)i);
  return sum;
}

/* Its bytes are compared as they are: what lies beyond them is not the state's. */
static uint64_t sum_userdata(summing *s) {
  uint64_t sum = sum_metatable(s);
  if (lua_touserdata(s->L, -1) != s->generator)
    sum = moons__hash(sum, lua_touserdata(s->L, -1), lua_rawlen(s->L, -1));
  for (int i = 1; lua_getiuservalue(s->L, -1, i) != LUA_TNONE; i++)
    sum += part(s, (uint64_t)i);
  lua_pop(s->L, 1);
  return sum;
}

/* Of a coroutine that was there before, whether it was resumed. */
static uint64_t sum_thread(lua_State *co) {
  return (uint64_t)lua_status(co) << 32 | (uint64_t)lua_gettop(co);
}

static uint64_t sum_content(summing *s) {
  switch (lua_type(s->L, -1)) {
  case LUA_TTABLE: return sum_table(s);
  case LUA_TFUNCTION: return sum_function(s);
  case LUA_TUSERDATA: return sum_userdata(s);
  case LUA_TTHREAD: return lua_tothread(s->L, -1) == s->L ? 0 : sum_thread(lua_tothread(s->L, -1));
  default: return 0;
  }
}

/* Adds what the value on top holds, unless that was done. */
static void visit(summing *s) {
  int type = lua_type(s->L, -1);
  if (type < LUA_TTABLE || s->depth >= MAX_DEPTH || !lua_checkstack(s->L, LUA_MINSTACK)) return;
  const void *address = lua_topointer(s->L, -1);
  uint64_t *is_known = moons__ptrmap_at(&s->visited, address);
  if (is_known == NULL || *is_known != MOONS__PTRMAP_NONE) return;
  *is_known = 1;
  s->depth++;
  uint64_t content = sum_content(s);
  s->sum += moons__hash(moons__hash(MOONS__HASH_START, &address, sizeof address), &content,
                        sizeof content);
  s->depth--;
}

/* The sum of a table does not depend on the order of its fields, for that is nobody's to rely on. */
static uint64_t sum_of(lua_State *L, int randomseed) {
  summing s = {.L = L, .sum = 1};
  int top = lua_gettop(L);
  if (!lua_checkstack(L, LUA_MINSTACK)) return 0;
  if (lua_isfunction(L, randomseed) && lua_getupvalue(L, randomseed, 1) != NULL)
    s.generator = lua_touserdata(L, -1);
  lua_settop(L, top);
  for (int i = 1; i < top; i++) { /* on top is the function that seeds */
    lua_pushvalue(L, i);
    s.sum += part(&s, (uint64_t)i);
  }
  lua_pushvalue(L, LUA_REGISTRYINDEX);
  s.sum += part(&s, 0);
  lua_pushliteral(L, "");
  s.sum += sum_metatable(&s);
  lua_settop(L, top);
  moons__ptrmap_free(&s.visited);
  return s.sum;
}

void moons__image_check_begin(moons__image_check *check, lua_State *L, int randomseed) {
  if (check->sum == 0) check->sum = sum_of(L, lua_absindex(L, randomseed));
}

void moons__image_check_end(moons__image_check *check, lua_State *L, int randomseed,
                            const char *position) {
  if (check->n_calls++ > ALL_OF_FIRST && check->n_calls % ONE_OF != 0) return;
  if (check->sum == 0 || sum_of(L, lua_absindex(L, randomseed)) == check->sum) return;
  dprintf(2, "moons: a proved call of %s has changed its state\n", position);
  __builtin_trap();
}

#endif
