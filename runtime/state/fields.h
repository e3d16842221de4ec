/*
** The fields of tables, as they are: nothing here asks a metatable. Copying some of them, and telling whether any has
** changed.
*/
#ifndef MOONS_STATE_FIELDS_H
#define MOONS_STATE_FIELDS_H

#include <lua.h>

/* Whether the field whose key and value are on top is wanted. */
typedef int moons__field_test(lua_State *L, void *data);

/* Sets in the table on top the fields of the table at stack index `from`: those for which the test, which gets `data`, is
** true; all where it is NULL. Returns how many. May raise a memory error. */
int moons__fields_set(lua_State *L, int from, moons__field_test *is_wanted, void *data);

/* Replaces the table on top by a copy that has the same fields and no metatable. May raise a memory error. */
void moons__fields_copy(lua_State *L);

/* A sum over the fields of the table on top, whatever their order: the same again where each key and value is the same
** object, or the same number of the same kind; of other fields it is the same once in 2^64. Objects are known by their
** addresses: those that have made a sum must live while it is compared. */
lua_Integer moons__fields_sum(lua_State *L);

#endif
