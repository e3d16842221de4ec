/*
** The Lua module "parallel.store": SQLite's C library as far as the store needs it, and what is done for each call. It is a room of
** its own: the library does not link SQLite. The command carries it, and stock Lua loads it as parallel/store.so.
*/
#ifndef MOONS_STORE_STORE_H
#define MOONS_STORE_STORE_H

#include "moons.h"

/* The lua_CFunction behind `require "parallel.store"`. */
MOONS_API int luaopen_parallel_store(struct lua_State *L);

#endif
