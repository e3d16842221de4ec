/*
** Coroutines and protected calls in a call that can be ended (stop.h).
*/
#ifndef MOONS_WORKER_COROUTINES_H
#define MOONS_WORKER_COROUTINES_H

#include <lua.h>

/* Puts functions in the places of coroutine.resume, coroutine.wrap and coroutine.close, and of xpcall. For
** libraries that are open. May raise a memory error. */
void moons__coroutines_install(lua_State *L);

#endif
