/*
** Userdata that own nothing: neither the bytes of a state that is put back nor its end have to do with what they point to. The views of
** a host's memory (moons_push_floats, moons_push_bytes in moons.h) are such, and those of arrays.
*/
#ifndef MOONS_STATE_VIEW_H
#define MOONS_STATE_VIEW_H

#include <lua.h>

/* Pushes one, which must never get a __gc. In a state of an arena it leaves no mark there. Raises memory errors. */
void *moons__view_new(lua_State *L, size_t n_bytes, int n_values);

/* Whether the value at a stack index is a view of a host's memory. */
int moons__view_is(lua_State *L, int index);

#endif
