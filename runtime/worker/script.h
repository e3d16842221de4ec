/*
** A script as a set-up (setup.h): loaded from text and run once, and then its functions are called by name. They are those in the
** table that it returns and, after these, global ones: "total", "rules.total".
*/
#ifndef MOONS_WORKER_SCRIPT_H
#define MOONS_WORKER_SCRIPT_H

#include <lua.h>

#include "wire/setup.h"

/* Compiles the script, and pushes the function of its calls, and `init`, which runs it. The former takes the name of a function
** and its arguments; with the empty name it returns the names of all functions that there are. May raise any error. */
void moons__script_apply(lua_State *L, const moons__source *source);

/* A C function that is given the function of its calls, and a name as light userdata: returns the function of that name, or nothing.
** May raise a memory error. */
int moons__script_find(lua_State *L);

#endif
