/*
** Where what comes with a set-up lies in a state beside arguments: globals, loaded modules, standard libraries,
** the metatables of basic types, `package`. One side takes from these places what the script has changed there, the
** other puts it there.
*/
#ifndef MOONS_WIRE_PLACES_H
#define MOONS_WIRE_PLACES_H

#include <lua.h>

#include "wire/format.h"

/* Puts the value on top into a place of L, whose name is below it; pops both. Returns 0, and does nothing, where these
** do not fit the place. In a state that is set up again later, the table at stack index `list` takes note of it; 0: none
** does. May raise any error. */
int moons__place_set(lua_State *L, enum wire_place where, int list);

/* Puts what the list on top has noted, which it pops, into its places again, for the set-up that it comes from is used again.
** Globals that a call has set stay. May raise a memory error. */
void moons__place_again(lua_State *L);

/* Pushes the list of package.searchers with a number for each that a new state has in that place; nil where it is as
** in a new state. */
void moons__place_push_searchers(lua_State *L);

#endif
