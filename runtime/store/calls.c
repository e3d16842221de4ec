/*
** Bytes go from the writer's memory to SQLite, and are no strings of Lua in between.
*/
#include "store/calls.h"

#include <lauxlib.h>

#include "store/canonical.h"
#include "store/digest.h"
#include "store/json.h"
#include "store/read.h"
#include "store/sqlite.h"

enum { KEY_BYTES = 16 };

/* {== Looking up ============================================================================== */

/* The arguments of look_up. */
enum { FIND = 1, WRITER, PREFIX, SEED, ITEM, MAKE_ARRAY };

static void add_string(lua_State *L, int index, moons__digest_state *state) {
  size_t n_bytes;
  const char *bytes = lua_tolstring(L, index, &n_bytes);
  if (bytes != NULL) moons__digest_add(state, bytes, n_bytes);
}

/* The digest of two arguments, the first of which may be 0 for none, and of what was written of the item. */
static void make_digest(lua_State *L, int first, int second,
                        unsigned char digest[MOONS__DIGEST_BYTES]) {
  const moons__buffer *bytes = &moons__canonical_scratch(L, WRITER)->out;
  moons__digest_state state;
  moons__digest_begin(&state);
  if (first > 0) add_string(L, first, &state);
  add_string(L, second, &state);
  moons__digest_add(&state, bytes->bytes, bytes->n_bytes);
  moons__digest_end(&state, digest);
}

static lua_Integer integer_at(const unsigned char *at) {
  uint64_t word = 0;
  for (int i = 0; i < 8; i++)
    word = word << 8 | at[i];
  return (lua_Integer)word;
}

/* Pushes two integers that random numbers begin with, or false twice. */
static void push_seeds(lua_State *L) {
  unsigned char digest[MOONS__DIGEST_BYTES];
  if (lua_isnil(L, SEED)) {
    lua_pushboolean(L, 0);
    lua_pushboolean(L, 0);
    return;
  }
  make_digest(L, 0, SEED, digest);
  lua_pushinteger(L, integer_at(digest));
  lua_pushinteger(L, integer_at(digest + 8));
}

/* Pushes the item as JSON. */
static void push_json(lua_State *L) {
  moons__scratch *scratch = moons__canonical_scratch(L, WRITER);
  scratch->out.n_bytes = 0;
  moons__json_append(L, ITEM, scratch);
  moons__canonical_push_bytes(L, WRITER);
}

/* Pushes whether there is a value for the key, and the value or, where there is none, the item as JSON. */
static void push_found(lua_State *L, sqlite3_stmt *find, const unsigned char *key) {
  sqlite3_reset(find); /* an error may have left it running */
  sqlite3_bind_blob(find, 1, key, KEY_BYTES, SQLITE_STATIC);
  int code = sqlite3_step(find);
  if (code == SQLITE_ROW) {
    const char *bytes = sqlite3_column_blob(find, 0);
    moons__store_push_value(L, bytes, (size_t)sqlite3_column_bytes(find, 0), MAKE_ARRAY);
  }
  sqlite3_reset(find);
  if (code != SQLITE_ROW && code != SQLITE_DONE) moons__sqlite_raise(L, sqlite3_db_handle(find));
  if (code != SQLITE_ROW) push_json(L);
  lua_pushboolean(L, code == SQLITE_ROW);
  lua_insert(L, -2);
}

int moons__store_look_up(lua_State *L) {
  unsigned char digest[MOONS__DIGEST_BYTES];
  sqlite3_stmt *find = moons__sqlite_check_statement(L, FIND);
  lua_settop(L, MAKE_ARRAY);
  int is_plain = moons__canonical_write(L, WRITER, ITEM, 0);
  make_digest(L, PREFIX, SEED, digest);
  lua_pushlstring(L, (const char *)digest, KEY_BYTES);
  push_seeds(L);
  if (is_plain)
    moons__canonical_push_bytes(L, WRITER);
  else
    lua_pushboolean(L, 0);
  push_found(L, find, digest);
  return 6;
}

/* {== Keeping ================================================================================= */

/* The arguments of keep but the first two. */
enum { KEY = 3, JSON_ITEM, BYTES, VALUE, MESSAGE, SECONDS, HOST, STARTED, TRIES, LAST = TRIES };

/* The parameters of the statement. */
enum {
  TO_KEY = 1,
  TO_ITEM,
  TO_VALUE,
  TO_ERROR,
  TO_SECONDS,
  TO_HOST,
  TO_STARTED,
  TO_TRIES,
  TO_EXACT_ITEM,
  TO_EXACT_VALUE
};

static void bind_text(lua_State *L, sqlite3_stmt *put, int parameter, int index) {
  size_t n_bytes;
  const char *bytes = lua_tolstring(L, index, &n_bytes);
  if (bytes != NULL)
    sqlite3_bind_text64(put, parameter, bytes, n_bytes, SQLITE_STATIC, SQLITE_UTF8);
}

static void bind_blob(lua_State *L, sqlite3_stmt *put, int parameter, int index) {
  size_t n_bytes;
  const char *bytes = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &n_bytes) : NULL;
  if (bytes != NULL) sqlite3_bind_blob64(put, parameter, bytes, n_bytes, SQLITE_STATIC);
}

/* Binds what does not depend on whether the call has failed. */
static void bind_call(lua_State *L, sqlite3_stmt *put) {
  bind_blob(L, put, TO_KEY, KEY);
  bind_text(L, put, TO_ITEM, JSON_ITEM);
  bind_blob(L, put, TO_EXACT_ITEM, BYTES);
  bind_text(L, put, TO_ERROR, MESSAGE);
  bind_text(L, put, TO_HOST, HOST);
  bind_text(L, put, TO_STARTED, STARTED);
  if (lua_isnumber(L, SECONDS)) sqlite3_bind_double(put, TO_SECONDS, lua_tonumber(L, SECONDS));
  if (lua_isinteger(L, TRIES)) sqlite3_bind_int64(put, TO_TRIES, lua_tointeger(L, TRIES));
}

/* Binds the value and what can be read of it, which lie in the writer's memory, one after the other. */
static void bind_value(sqlite3_stmt *put, const moons__buffer *out, size_t exact_bytes) {
  size_t json_bytes = out->n_bytes - exact_bytes;
  if (exact_bytes == 0) return; /* the call has failed */
  sqlite3_bind_blob64(put, TO_EXACT_VALUE, out->bytes, exact_bytes, SQLITE_STATIC);
  sqlite3_bind_text64(put, TO_VALUE, out->bytes + exact_bytes, json_bytes, SQLITE_STATIC,
                      SQLITE_UTF8);
}

/* Writes the value, and what can be read of it. Returns whether it can be kept. */
static int write_value(lua_State *L, moons__scratch *scratch, size_t *exact_bytes) {
  if (!moons__canonical_write(L, WRITER, VALUE, 1)) return 0;
  *exact_bytes = scratch->out.n_bytes;
  moons__json_append(L, VALUE, scratch);
  return 1;
}

int moons__store_keep(lua_State *L) {
  sqlite3_stmt *put = moons__sqlite_check_statement(L, 1);
  moons__scratch *scratch = moons__canonical_scratch(L, WRITER);
  size_t exact_bytes = 0;
  lua_settop(L, LAST);
  int can_keep = !lua_isnil(L, MESSAGE) || write_value(L, scratch, &exact_bytes);
  if (can_keep) {
    bind_call(L, put);
    bind_value(put, &scratch->out, exact_bytes);
    int code = sqlite3_step(put);
    sqlite3_reset(put);
    sqlite3_clear_bindings(put);
    if (code != SQLITE_DONE) moons__sqlite_raise(L, sqlite3_db_handle(put));
  }
  lua_pushboolean(L, can_keep);
  return 1;
}

/* {== Copying ================================================================================= */

int moons__store_copy(lua_State *L) {
  enum { SELF = 1, ORIGINAL, MAKE };
  lua_settop(L, MAKE);
  int can_copy = moons__canonical_write(L, SELF, ORIGINAL, 1);
  moons__canonical_push_bytes(L, SELF);
  size_t n_bytes;
  const char *bytes = lua_tolstring(L, -1, &n_bytes);
  if (can_copy)
    moons__store_push_value(L, bytes, n_bytes, MAKE);
  else
    lua_pushvalue(L, ORIGINAL);
  return 1;
}
