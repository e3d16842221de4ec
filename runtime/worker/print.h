/*
** Printing in a call, warnings, and the default input and output.
*/
#ifndef MOONS_WORKER_PRINT_H
#define MOONS_WORKER_PRINT_H

#include <lua.h>

/* Puts its functions in their places, for the libraries that are open. May raise a memory error. */
void moons__print_install(lua_State *L);

/* Has io.write write to stdout alone, and files do nothing but print, unless there are programs that they lead to: no original of Lua
** is to be found in these functions then. May raise a memory error. */
void moons__print_without_files(lua_State *L, int has_programs);

/* Puts the default input and output back to what they were when the call began, where set_default (sandbox.h) says that the
** call has set them, and writes out those that it has set. In a state that is kept. May raise a memory error. */
void moons__print_reset_defaults(lua_State *L);

#endif
