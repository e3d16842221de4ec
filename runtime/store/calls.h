/*
** What is done for each call of a map with a store, in one go: a map may have many.
*/
#ifndef MOONS_STORE_CALLS_H
#define MOONS_STORE_CALLS_H

#include <lua.h>

/* store.look_up(find, writer, prefix, seed, item, array_of_parts): the key of an item, and what the store has for it. The key is made of
** the prefix, which stands for all that calls have in common, of the seed, a string, where random numbers are drawn, and of the item's
** canonical bytes. `find` is a statement that gives the exact value of a key.
** Returns the key; two integers for random numbers, made of the seed and the item alone, or false twice; the bytes of the item, or
** false where they cannot be read back; whether the call is in the store, and its value or, where it is not, the item as JSON. */
int moons__store_look_up(lua_State *L);

/* store.keep(put, writer, key, json, bytes, value, message, seconds, host, started, tries): writes the row of a call. `put` is a
** statement with the columns of the table as its parameters: key, item, value, error, seconds, host, started, tries, exact item,
** exact value. With a message the call has failed.
** Returns false, and has written nothing, where the value cannot be read back from its bytes. */
int moons__store_keep(lua_State *L);

/* store.copy(writer, value, array_of_parts): another value with the same content; the value itself where it cannot be read back from
** its bytes. */
int moons__store_copy(lua_State *L);

#endif
