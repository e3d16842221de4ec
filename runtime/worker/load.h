/*
** Loading in a call: chunks, modules and C libraries.
*/
#ifndef MOONS_WORKER_LOAD_H
#define MOONS_WORKER_LOAD_H

#include <lua.h>

/* Puts its functions in their places, for the libraries that are open. May raise a memory error. */
void moons__load_install(lua_State *L);

#endif
