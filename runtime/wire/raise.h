/*
** The codes of moons.h as Lua errors.
*/
#ifndef MOONS_WIRE_RAISE_H
#define MOONS_WIRE_RAISE_H

#include <lauxlib.h>

#include "moons.h"

/* Raises the error of a code that is not 0. */
static inline void moons__check(lua_State *L, int error) {
  if (error) luaL_error(L, "%s", moons_error_text(error));
}

#endif
