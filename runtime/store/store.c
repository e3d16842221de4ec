/*
** The Lua module "parallel.store".
*/
#include "store/store.h"

#include <lauxlib.h>

#include "store/calls.h"
#include "store/canonical.h"
#include "store/digest.h"
#include "store/read.h"
#include "store/sqlite.h"

/* store.digest(...): 32 bytes that stand for these strings, one after the other. */
static int store_digest(lua_State *L) {
  moons__digest_state state;
  unsigned char digest[MOONS__DIGEST_BYTES];
  moons__digest_begin(&state);
  for (int i = 1; i <= lua_gettop(L); i++) {
    size_t n_bytes;
    const char *bytes = luaL_checklstring(L, i, &n_bytes);
    moons__digest_add(&state, bytes, n_bytes);
  }
  moons__digest_end(&state, digest);
  lua_pushlstring(L, (const char *)digest, sizeof digest);
  return 1;
}

int luaopen_parallel_store(lua_State *L) {
  static const luaL_Reg FUNCTIONS[] = {
      {"open", moons__sqlite_open},      {"digest", store_digest},
      {"writer", moons__canonical_new},  {"read", moons__store_read},
      {"look_up", moons__store_look_up}, {"keep", moons__store_keep},
      {"copy", moons__store_copy},       {NULL, NULL}};
  luaL_checkversion(L);
  moons__sqlite_make_types(L);
  moons__canonical_open(L);
  luaL_newlib(L, FUNCTIONS);
  luaL_getmetatable(L, MOONS__STORE_ERROR);
  lua_setfield(L, -2, "error_type");
  return 1;
}
