/*
** The Lua module "parallel.store": SQLite's C library as far as the store needs it. It is a room of its own: the library
** does not link SQLite. The command carries it, and stock Lua loads it as parallel/store.so. What is in the database, and when
** it is written, is decided in Lua (lua/parallel/experiment/database.lua).
**
** A database and its statements belong to one Lua state. Errors of SQLite are raised with its text.
*/
#include <lauxlib.h>
#include <lua.h>
#include <sqlite3.h>

#include "store/digest.h"
#include "store/sqlite.h"

static const char DATABASE[] = "parallel.store.database", STATEMENT[] = "parallel.store.statement";

typedef struct database {
  sqlite3 *handle; /* NULL: closed */
} database;

typedef struct statement {
  sqlite3_stmt *handle; /* NULL: finalized */
} statement;

static sqlite3 *check_database(lua_State *L) {
  database *d = luaL_checkudata(L, 1, DATABASE);
  if (d->handle == NULL) luaL_error(L, "the store is closed");
  return d->handle;
}

static sqlite3_stmt *check_statement(lua_State *L) {
  statement *s = luaL_checkudata(L, 1, STATEMENT);
  if (s->handle == NULL) luaL_error(L, "the store is closed");
  return s->handle;
}

/* The text alone: the module says in which line of the script it is. */
static int raise(lua_State *L, sqlite3 *handle) {
  lua_pushstring(L, sqlite3_errmsg(handle));
  return lua_error(L);
}

/* {== Databases =============================================================================== */

/* store.open(path, patience_ms): the database in this file, which is made where there is none. Waits that long for others
** that write to it. */
static int store_open(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  int patience_ms = (int)luaL_checkinteger(L, 2);
  database *d = lua_newuserdatauv(L, sizeof *d, 0);
  d->handle = NULL;
  luaL_setmetatable(L, DATABASE);
  int code = sqlite3_open_v2(
      path, &d->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
  if (d->handle == NULL) return luaL_error(L, "not enough memory");
  if (code != SQLITE_OK) return raise(L, d->handle);
  sqlite3_busy_timeout(d->handle, patience_ms);
  return 1;
}

/* database:execute(sql): runs statements that give nothing. */
static int database_execute(lua_State *L) {
  sqlite3 *handle = check_database(L);
  if (sqlite3_exec(handle, luaL_checkstring(L, 2), NULL, NULL, NULL) != SQLITE_OK)
    return raise(L, handle);
  return 0;
}

/* database:prepare(sql): a statement, which keeps its database. */
static int database_prepare(lua_State *L) {
  sqlite3 *handle = check_database(L);
  size_t n_bytes;
  const char *sql = luaL_checklstring(L, 2, &n_bytes);
  statement *s = lua_newuserdatauv(L, sizeof *s, 1);
  s->handle = NULL;
  luaL_setmetatable(L, STATEMENT);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  int code =
      sqlite3_prepare_v3(handle, sql, (int)n_bytes, SQLITE_PREPARE_PERSISTENT, &s->handle, NULL);
  return code == SQLITE_OK ? 1 : raise(L, handle);
}

/* database:close(): its statements end when they are collected. */
static int database_close(lua_State *L) {
  database *d = luaL_checkudata(L, 1, DATABASE);
  sqlite3_close_v2(d->handle);
  d->handle = NULL;
  return 0;
}

/* {== Statements ============================================================================== */

/* Binds the value at `index`: a string as text, which the statement may cast. */
static int bind(lua_State *L, sqlite3_stmt *handle, int parameter, int index) {
  size_t n_bytes;
  const char *bytes;
  switch (lua_type(L, index)) {
  case LUA_TNIL: return sqlite3_bind_null(handle, parameter);
  case LUA_TNUMBER:
    if (lua_isinteger(L, index))
      return sqlite3_bind_int64(handle, parameter, lua_tointeger(L, index));
    return sqlite3_bind_double(handle, parameter, lua_tonumber(L, index));
  default:
    bytes = luaL_checklstring(L, index, &n_bytes);
    return sqlite3_bind_text64(handle, parameter, bytes, n_bytes, SQLITE_TRANSIENT, SQLITE_UTF8);
  }
}

static void push_column(lua_State *L, sqlite3_stmt *handle, int column) {
  const char *bytes;
  switch (sqlite3_column_type(handle, column)) {
  case SQLITE_INTEGER: lua_pushinteger(L, sqlite3_column_int64(handle, column)); return;
  case SQLITE_FLOAT: lua_pushnumber(L, sqlite3_column_double(handle, column)); return;
  case SQLITE_NULL: lua_pushnil(L); return;
  default:
    bytes = sqlite3_column_blob(handle, column); /* NULL where it is empty */
    lua_pushlstring(L, bytes != NULL ? bytes : "", (size_t)sqlite3_column_bytes(handle, column));
  }
}

static int push_row(lua_State *L, sqlite3_stmt *handle) {
  int n_columns = sqlite3_column_count(handle);
  luaL_checkstack(L, n_columns, NULL);
  for (int column = 0; column < n_columns; column++)
    push_column(L, handle, column);
  return n_columns;
}

/* Leaves nothing behind of an earlier use, and binds the arguments from 2 on. */
static void begin(lua_State *L, sqlite3_stmt *handle) {
  sqlite3_reset(handle);
  sqlite3_clear_bindings(handle);
  for (int index = 2; index <= lua_gettop(L); index++)
    if (bind(L, handle, index - 1, index) != SQLITE_OK) raise(L, sqlite3_db_handle(handle));
}

/* A statement that has ended, or failed, holds no lock. */
static int step(lua_State *L, sqlite3_stmt *handle) {
  int code = sqlite3_step(handle);
  if (code == SQLITE_ROW) return push_row(L, handle);
  sqlite3_reset(handle);
  return code == SQLITE_DONE ? 0 : raise(L, sqlite3_db_handle(handle));
}

/* statement:run(...): binds values, and runs it to its end. Returns the first row, if there is one. */
static int statement_run(lua_State *L) {
  sqlite3_stmt *handle = check_statement(L);
  begin(L, handle);
  int n_columns = step(L, handle);
  sqlite3_reset(handle);
  return n_columns;
}

/* statement:begin(...): binds values; statement:step() then gives row after row, and nothing at the end. */
static int statement_begin(lua_State *L) {
  begin(L, check_statement(L));
  return 0;
}

static int statement_step(lua_State *L) { return step(L, check_statement(L)); }

static int statement_close(lua_State *L) {
  statement *s = luaL_checkudata(L, 1, STATEMENT);
  sqlite3_finalize(s->handle);
  s->handle = NULL;
  return 0;
}

/* {== The module ============================================================================== */

/* store.digest(bytes): 32 bytes that stand for them. */
static int store_digest(lua_State *L) {
  size_t n_bytes;
  const char *bytes = luaL_checklstring(L, 1, &n_bytes);
  unsigned char digest[MOONS__DIGEST_BYTES];
  moons__digest(bytes, n_bytes, digest);
  lua_pushlstring(L, (const char *)digest, sizeof digest);
  return 1;
}

static void make_type(lua_State *L, const char *name, const luaL_Reg *methods,
                      lua_CFunction close) {
  luaL_newmetatable(L, name);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, close);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}

int luaopen_parallel_store(lua_State *L) {
  static const luaL_Reg DATABASE_METHODS[] = {{"execute", database_execute},
                                              {"prepare", database_prepare},
                                              {"close", database_close},
                                              {NULL, NULL}};
  static const luaL_Reg STATEMENT_METHODS[] = {{"run", statement_run},
                                               {"begin", statement_begin},
                                               {"step", statement_step},
                                               {"close", statement_close},
                                               {NULL, NULL}};
  static const luaL_Reg FUNCTIONS[] = {
      {"open", store_open}, {"digest", store_digest}, {NULL, NULL}};
  luaL_checkversion(L);
  make_type(L, DATABASE, DATABASE_METHODS, database_close);
  make_type(L, STATEMENT, STATEMENT_METHODS, statement_close);
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
