/*
** What is in a database, and when it is written, is decided in Lua (lua/parallel/experiment/database.lua).
*/
#include "store/sqlite.h"

#include <lauxlib.h>

static const char DATABASE[] = "parallel.store.database", STATEMENT[] = "parallel.store.statement";

/* How long SQLite waits for another process: no longer than Ctrl-C may. Who wants to wait longer tries again. */
enum { PATIENCE_MS = 50 };

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

sqlite3_stmt *moons__sqlite_check_statement(lua_State *L, int index) {
  statement *s = luaL_checkudata(L, index, STATEMENT);
  if (s->handle == NULL) luaL_error(L, "the store is closed");
  return s->handle;
}

int moons__sqlite_blame(lua_State *L, const char *text) {
  lua_createtable(L, 1, 0);
  lua_pushstring(L, text);
  lua_rawseti(L, -2, 1);
  luaL_setmetatable(L, MOONS__STORE_ERROR);
  return lua_error(L);
}

int moons__sqlite_raise(lua_State *L, sqlite3 *handle) {
  return moons__sqlite_blame(L, sqlite3_errmsg(handle));
}

static int error_text(lua_State *L) {
  lua_rawgeti(L, 1, 1);
  return 1;
}

/* {== Databases =============================================================================== */

int moons__sqlite_open(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  /* ":memory:" and "file:a" are names of files too. */
  if (*path != '/') path = lua_pushfstring(L, "./%s", path);
  database *d = lua_newuserdatauv(L, sizeof *d, 0);
  d->handle = NULL;
  luaL_setmetatable(L, DATABASE);
  int code = sqlite3_open_v2(
      path, &d->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
  if (d->handle == NULL) return luaL_error(L, "not enough memory");
  if (code != SQLITE_OK) return moons__sqlite_raise(L, d->handle);
  sqlite3_busy_timeout(d->handle, PATIENCE_MS);
  return 1;
}

/* database:is_readonly(): whether the file cannot be written to. */
static int database_is_readonly(lua_State *L) {
  lua_pushboolean(L, sqlite3_db_readonly(check_database(L), "main") == 1);
  return 1;
}

/* database:execute(sql): runs statements that give nothing. */
static int database_execute(lua_State *L) {
  sqlite3 *handle = check_database(L);
  if (sqlite3_exec(handle, luaL_checkstring(L, 2), NULL, NULL, NULL) != SQLITE_OK)
    return moons__sqlite_raise(L, handle);
  return 0;
}

/* database:try(sql): the same; returns false, and has done nothing, where another process keeps the database busy. */
static int database_try(lua_State *L) {
  sqlite3 *handle = check_database(L);
  int code = sqlite3_exec(handle, luaL_checkstring(L, 2), NULL, NULL, NULL);
  if (code != SQLITE_OK && code != SQLITE_BUSY) return moons__sqlite_raise(L, handle);
  lua_pushboolean(L, code == SQLITE_OK);
  return 1;
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
  return code == SQLITE_OK ? 1 : moons__sqlite_raise(L, handle);
}

/* database:close(): its statements end when they are collected. */
static int database_close(lua_State *L) {
  database *d = luaL_checkudata(L, 1, DATABASE);
  sqlite3_close_v2(d->handle);
  d->handle = NULL;
  return 0;
}

/* {== Statements ============================================================================== */

/* Binds the value at `index`: a string as text, which the statement may cast. SQLite reads it where it is: on the stack, as long
** as the statement runs. */
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
    return sqlite3_bind_text64(handle, parameter, bytes, n_bytes, SQLITE_STATIC, SQLITE_UTF8);
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
    if (bind(L, handle, index - 1, index) != SQLITE_OK)
      moons__sqlite_raise(L, sqlite3_db_handle(handle));
}

/* A statement that has ended, or failed, holds no lock. */
static int step(lua_State *L, sqlite3_stmt *handle) {
  int code = sqlite3_step(handle);
  if (code == SQLITE_ROW) return push_row(L, handle);
  sqlite3_reset(handle);
  return code == SQLITE_DONE ? 0 : moons__sqlite_raise(L, sqlite3_db_handle(handle));
}

/* statement:run(...): binds values, and runs it to its end. Returns the first row, if there is one. */
static int statement_run(lua_State *L) {
  sqlite3_stmt *handle = moons__sqlite_check_statement(L, 1);
  begin(L, handle);
  int n_columns = step(L, handle);
  sqlite3_reset(handle);
  return n_columns;
}

/* statement:begin(), of a statement without parameters; statement:step() then gives row after row, and nothing at the end. */
static int statement_begin(lua_State *L) {
  lua_settop(L, 1);
  begin(L, moons__sqlite_check_statement(L, 1));
  return 0;
}

static int statement_step(lua_State *L) { return step(L, moons__sqlite_check_statement(L, 1)); }

static int statement_close(lua_State *L) {
  statement *s = luaL_checkudata(L, 1, STATEMENT);
  sqlite3_finalize(s->handle);
  s->handle = NULL;
  return 0;
}

/* {== The types =============================================================================== */

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

void moons__sqlite_make_types(lua_State *L) {
  static const luaL_Reg DATABASE_METHODS[] = {{"execute", database_execute},
                                              {"try", database_try},
                                              {"is_readonly", database_is_readonly},
                                              {"prepare", database_prepare},
                                              {"close", database_close},
                                              {NULL, NULL}};
  static const luaL_Reg STATEMENT_METHODS[] = {{"run", statement_run},
                                               {"begin", statement_begin},
                                               {"step", statement_step},
                                               {"close", statement_close},
                                               {NULL, NULL}};
  luaL_newmetatable(L, MOONS__STORE_ERROR);
  lua_pushcfunction(L, error_text);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
  make_type(L, DATABASE, DATABASE_METHODS, database_close);
  make_type(L, STATEMENT, STATEMENT_METHODS, statement_close);
}
