/*
** What a call sees in place of the functions that reach out of its state: printing, ending the process, loading bytecode and
** libraries, starting programs, what is one for the whole process.
*/
#ifndef MOONS_WORKER_INSTALL_H
#define MOONS_WORKER_INSTALL_H

#include <lua.h>

#include "worker/sandbox.h"

/* Puts the functions in their places, for the libraries that are open. May raise a memory error. The
** state's allocator is an arena, whose owner becomes the sandbox, which must outlive the state. */
void moons__install(lua_State *L, moons__sandbox *sandbox);

/* Pushes Lua's own math.randomseed, whatever the script did to its globals; nil where there is no math. */
void moons__push_randomseed(lua_State *L);

#endif
