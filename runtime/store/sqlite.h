/*
** Databases and statements of SQLite as values of Lua. They belong to one state. Errors of SQLite are raised with its text alone: the
** module says in which line of the script it is.
*/
#ifndef MOONS_STORE_SQLITE_H
#define MOONS_STORE_SQLITE_H

#include <lua.h>
#include <sqlite3.h>

/* The metatable of errors of the file. */
#define MOONS__STORE_ERROR "parallel.store.error"

/* Makes the metatables. */
void moons__sqlite_make_types(lua_State *L);

/* store.open(path): the database in this file, which is made where there is none. */
int moons__sqlite_open(lua_State *L);

/* The statement at a stack index. Raises an error where there is none, or it was closed. */
sqlite3_stmt *moons__sqlite_check_statement(lua_State *L, int index);

/* Raises an error of the file: a table with the text as its first element and the metatable store.error_type, so that the module can
** tell it from others, and say which file it is. */
int moons__sqlite_blame(lua_State *L, const char *text);

/* Does that with SQLite's last error. */
int moons__sqlite_raise(lua_State *L, sqlite3 *handle);

#endif
