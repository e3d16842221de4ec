/*
** Values as JSON (RFC 8259), to be read by people and programs. What JSON has no form for is shown as text: the exact value stands
** beside it in the store.
*/
#ifndef MOONS_STORE_JSON_H
#define MOONS_STORE_JSON_H

#include <lua.h>

#include "store/scratch.h"

/* Appends the value at a stack index to scratch->out. Raises memory errors alone. */
void moons__json_append(lua_State *L, int index, moons__scratch *scratch);

#endif
