/*
** Where in a script something happened: stack tracebacks and places without the lines of the module's own inside,
** which tell the script's author nothing.
*/
#ifndef MOONS_WIRE_TRACEBACK_H
#define MOONS_WIRE_TRACEBACK_H

#include <lua.h>

/* Pushes what luaL_traceback does, but for those lines. May raise a memory error. */
void moons__push_traceback(lua_State *L, lua_State *of, const char *message, int level);

/* Pushes the place in the script from which the module was called: "script.lua:12". Returns 0, and pushes nothing, where
** no function in Lua has called it. */
int moons__push_caller(lua_State *L);

/* The level, for luaL_where, of the function that has called the module; to be asked in C, called by the module. */
int moons__caller_level(lua_State *L);

/* Raises an error of that function's line, with a text as by lua_pushfstring. */
void moons__blame(lua_State *L, const char *format, ...);

#endif
