/*
** The Lua module "parallel.store", which the command preloads.
*/
#ifndef MOONS_STORE_SQLITE_H
#define MOONS_STORE_SQLITE_H

#include "moons.h"

/* The lua_CFunction behind `require "parallel.store"`. */
MOONS_API int luaopen_parallel_store(struct lua_State *L);

#endif
