/*
** Numbers out of Lua in as few calls as there can be: a batch has many of them.
*/
#ifndef MOONS_WIRE_NUMBERS_H
#define MOONS_WIRE_NUMBERS_H

#include <lua.h>
#include <stddef.h>

/* Pushes an element of a table and returns its type: lua_geti, or lua_rawgeti, which is slower, where the
** table has a metatable. */
typedef int moons__get_element(lua_State *L, int table, lua_Integer i);

/* Each pushes elements from `i` on, at most `n_most`, as long as they are numbers of the kind, and the one
** that is not; returns how many it has written, 8 bytes each. There is room on the stack. Each is looked at
** by its place: where the top is has just changed, and the processor would wait for it. */
size_t moons__fetch_floats(lua_State *L, moons__get_element *get, int table, lua_Integer i,
                           char *to, size_t n_most);
size_t moons__fetch_integers(lua_State *L, moons__get_element *get, int table, lua_Integer i,
                             char *to, size_t n_most);

#endif
