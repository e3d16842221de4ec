/*
** Functions of the standard library that others stand for: an error that one of these raises when it is called names
** the function that stands for it, and the line that has called that, as if nothing stood between.
*/
#ifndef MOONS_WORKER_ORIGINAL_H
#define MOONS_WORKER_ORIGINAL_H

#include <lauxlib.h>
#include <lua.h>

/* Raises the error value on top, of the given status, which a function has raised that the running C function has
** called in its own place. An argument is counted and named as that of the running function; a text that names no place
** gets that of its caller. */
int moons__original_raise(lua_State *L, int status);

/* Calls the function in upvalue 1 with the arguments from `first` on, which it replaces with the results; returns how
** many. That function must neither yield nor call functions of the script. */
int moons__original_call(lua_State *L, int first);

/* Replaces the field of the table on top, where it is a function, by `function`, whose upvalue that becomes. */
void moons__original_replace(lua_State *L, const char *name, lua_CFunction function);

/* Replaces functions of the base library, where that is open, by others that know no original. */
void moons__original_put(lua_State *L, const luaL_Reg *functions);

#endif
