/*
** The writer of canonical bytes (format.h), as a type of Lua.
*/
#ifndef MOONS_STORE_CANONICAL_H
#define MOONS_STORE_CANONICAL_H

#include <lua.h>

#include "store/scratch.h"

/* Makes the metatable. */
void moons__canonical_open(lua_State *L);

/* What a writer at a stack index writes to. Raises an error where there is none. */
moons__scratch *moons__canonical_scratch(lua_State *L, int self);

/* Writes the value at a stack index to scratch->out, in place of what was there. Returns whether it can be read back. `must_be_plain`:
** otherwise it may stop, and asks nobody to describe anything. */
int moons__canonical_write(lua_State *L, int self, int index, int must_be_plain);

/* Pushes what was written. */
void moons__canonical_push_bytes(lua_State *L, int self);

/* store.writer(names, describe, array_parts): a writer, which is for one state.
**
** names: a table. A value that it has a string for is written as that name; one that it has something else for is Lua's to describe,
** as is all that is no plain table.
** describe(writer, object, notes): writes a description by the methods below; `notes` is an empty table at the start of each
** writing. What it raises ends the writing.
** array_parts(userdata): as core.array_parts. */
int moons__canonical_new(lua_State *L);

#endif
