/*
** What calls may do by their terms (MOONS_MAY_... of moons.h): what they may not is not there.
*/
#ifndef MOONS_WORKER_RIGHTS_H
#define MOONS_WORKER_RIGHTS_H

#include <lua.h>
#include <stdint.h>

/* Takes out of the libraries that are open what these rights do not allow, once functions of calls are in place (install.h). May
** raise a memory error. */
void moons__rights_apply(lua_State *L, uint32_t rights);

/* With this the names of the module's own chunks begin, and of no other that a call loads. */
#define MOONS__MODULE_CHUNKS "=parallel."

/* The rights of what runs in a state: all, where that is none of a worker's. */
uint32_t moons__rights_of(lua_State *L);

#endif
