/*
** A program may have Lua twice, in the library and beside it, and a state of one must not get into the hands of the other.
*/
#ifndef MOONS_STATE_TWIN_H
#define MOONS_STATE_TWIN_H

#include <lua.h>

enum { MOONS__TWIN_N = 6 };

/* Functions of the base library, as this Lua has them. */
typedef struct moons__twin {
  lua_CFunction functions[MOONS__TWIN_N];
} moons__twin;

/* Asks a new state for them. Returns 0, or MOONS_ENOMEM. */
int moons__twin_open(moons__twin *twin);

/* Whether a state has base functions of another Lua. One without these functions counts as none. May raise a memory error. */
int moons__twin_made(const moons__twin *twin, lua_State *L);

#endif
