/*
** Values back from their canonical bytes (format.h).
*/
#ifndef MOONS_STORE_READ_H
#define MOONS_STORE_READ_H

#include <lua.h>

/* Pushes the value of canonical bytes; `make_array` is the stack index of core.array_of_parts. Raises an error where the bytes
** are none. They must stay until it returns: what holds them may be of SQLite, which is fine as long as no statement runs. */
void moons__store_push_value(lua_State *L, const char *bytes, size_t n_bytes, int make_array);

/* store.read(bytes, array_of_parts): the value that these bytes were made of, of which the writer has said that they can be read
** back; array_of_parts as core.array_of_parts. Bytes that are none of these are an error. */
int moons__store_read(lua_State *L);

#endif
