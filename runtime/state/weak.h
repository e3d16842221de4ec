/*
** Weak tables in the registry of a state: notes about things that the script may drop.
*/
#ifndef MOONS_STATE_WEAK_H
#define MOONS_STATE_WEAK_H

#include <lua.h>

/* Pushes the table with this key in the registry, made when it is needed first. `mode` says what is weak in it: "k", keys, or
** "v", values. May raise a memory error. */
void moons__push_weak(lua_State *L, const char *key, const char *mode);

#endif
