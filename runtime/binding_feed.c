#include <lauxlib.h>
#include <limits.h>
#include <string.h>

#include "binding_job.h"

/* {== Feeding ================================================================================= */

/* The items of one chunk on their way into bytes. */
typedef struct feed {
  lua_Integer from;   /* number of the first */
  lua_Integer n;      /* how many there are in all; -1: an iterator, nobody knows */
  uint32_t wanted;    /* in this chunk */
  uint32_t n_encoded; /* so far */
  int star;           /* items are rows of arguments */
  int ended;          /* the iterator has ended */
  enum { FETCHING, ENCODING } stage;
} feed;

enum { N_AT_ONCE = 32 }; /* numbers on the stack before they are popped */

/* The arguments of the protected part. */
enum { ARG_JOB = 1, ARG_SOURCE, ARG_FEED };

/* Pushes the next item; returns 0 at the end of an iterator. */
static int push_item(lua_State *L, feed *f) {
  lua_Integer i = f->from + f->n_encoded;
  if (f->n < 0) {
    lua_pushvalue(L, ARG_SOURCE);
    lua_call(L, 0, 1);
    if (!lua_isnil(L, -1)) return 1;
    f->ended = 1;
    return 0;
  }
  lua_geti(L, ARG_SOURCE, i);
  return 1;
}

/* How many arguments the row at stack index `row` has. */
static lua_Integer row_length(lua_State *L, int row) {
  int is_integer = 0;
  lua_pushliteral(L, "n");
  int is_number = lua_rawget(L, row) == LUA_TNUMBER;
  lua_Integer n = is_number ? lua_tointegerx(L, -1, &is_integer) : 0;
  lua_pop(L, 1);
  return is_integer ? n : luaL_len(L, row);
}

/* Pushes the values of the row on top; returns how many. */
static int push_row(lua_State *L) {
  int row = lua_gettop(L);
  if (!lua_istable(L, row))
    luaL_error(L, "a row must be a table of arguments, not a %s", luaL_typename(L, row));
  lua_Integer n = row_length(L, row);
  if (n < 0 || n > LUAI_MAXSTACK / 2) luaL_error(L, "a row has too many arguments");
  luaL_checkstack(L, (int)n + LUA_MINSTACK, "a row has too many arguments");
  for (lua_Integer i = 1; i <= n; i++)
    lua_geti(L, row, i);
  return (int)n;
}

static void encode_message(lua_State *L, moons__job_data *j, int first, int n_values) {
  moons__check(L, moons__batch_item_begin(&j->writer, MOONS__ITEM_MESSAGE));
  j->item_is_open = 1;
  moons__encode(&j->encoder, first, n_values, "argument");
  moons__batch_item_end(&j->writer);
  j->item_is_open = 0;
}

/* Returns whether the item on top was a number. */
static int encode_item(lua_State *L, moons__job_data *j, const feed *f) {
  int item = lua_gettop(L);
  if (f->star) {
    int n_values = push_row(L);
    encode_message(L, j, item + 1, n_values);
  } else if (lua_type(L, item) != LUA_TNUMBER) {
    encode_message(L, j, item, 1);
  } else if (lua_isinteger(L, item)) {
    moons__check(L, moons__batch_integer(&j->writer, lua_tointeger(L, item)));
    return 1;
  } else {
    moons__check(L, moons__batch_float(&j->writer, lua_tonumber(L, item)));
    return 1;
  }
  return 0;
}

/* Puts an item on the stack and returns its type: lua_geti, or lua_rawgeti, which is slower, where the
** table has a metatable: __index is asked for items one by one. */
typedef int get_item(lua_State *L, int table, lua_Integer i);

/* Copies the floats that lie in the table from element `i` on, up to `n_most`; returns how many. */
static uint32_t copy_floats(lua_State *L, get_item *get, lua_Integer i, char *to, uint32_t n_most) {
  int top = lua_gettop(L);
  for (uint32_t n = 0; n < n_most; n++) {
    if (n % N_AT_ONCE == 0) lua_settop(L, top);
    if (get(L, ARG_SOURCE, i + n) != LUA_TNUMBER || lua_isinteger(L, -1)) return n;
    lua_Number number = lua_tonumber(L, -1);
    memcpy(to + (size_t)n * sizeof number, &number, sizeof number);
  }
  return n_most;
}

/* The same for integers. */
static uint32_t copy_integers(lua_State *L, get_item *get, lua_Integer i, char *to,
                              uint32_t n_most) {
  int top = lua_gettop(L);
  for (uint32_t n = 0; n < n_most; n++) {
    if (n % N_AT_ONCE == 0) lua_settop(L, top);
    if (get(L, ARG_SOURCE, i + n) != LUA_TNUMBER || !lua_isinteger(L, -1)) return n;
    lua_Integer number = lua_tointeger(L, -1);
    memcpy(to + (size_t)n * sizeof number, &number, sizeof number);
  }
  return n_most;
}

/* Encodes the numbers of one kind that come next in a table; returns whether there were any. */
static int encode_run(lua_State *L, moons__job_data *j, feed *f, get_item *get) {
  lua_Integer i = f->from + f->n_encoded;
  if (get(L, ARG_SOURCE, i) != LUA_TNUMBER) return 0;
  int is_integer = lua_isinteger(L, -1);
  uint32_t n_most = f->wanted - f->n_encoded;
  char *room;
  moons__check(L, moons__batch_numbers_begin(&j->writer,
                                             is_integer ? MOONS__ITEM_INTEGER : MOONS__ITEM_FLOAT,
                                             n_most, &room));
  uint32_t n =
      is_integer ? copy_integers(L, get, i, room, n_most) : copy_floats(L, get, i, room, n_most);
  moons__batch_numbers_end(&j->writer, n);
  f->n_encoded += n;
  return 1;
}

/* Encodes the numbers that come next in a table, as far as there are any. */
static void encode_numbers(lua_State *L, moons__job_data *j, feed *f) {
  get_item *get = lua_geti;
  int top = lua_gettop(L);
  luaL_checkstack(L, N_AT_ONCE + LUA_MINSTACK, NULL);
  if (lua_getmetatable(L, ARG_SOURCE)) get = lua_rawgeti;
  do {
    lua_settop(L, top);
  } while (f->n_encoded < f->wanted && encode_run(L, j, f, get));
  lua_settop(L, top);
}

/* Numbers are looked for in runs after each number. */
static int encode_items(lua_State *L) {
  moons__job_data *j = lua_touserdata(L, ARG_JOB);
  feed *f = lua_touserdata(L, ARG_FEED);
  int may_run = f->n >= 0 && !f->star;
  if (may_run) encode_numbers(L, j, f);
  if (f->n_encoded == f->wanted) return 0;
  moons__begin_encoding(L, j, ARG_JOB);
  int top = lua_gettop(L);
  while (f->n_encoded < f->wanted) {
    f->stage = FETCHING;
    if (!push_item(L, f)) break;
    f->stage = ENCODING;
    int is_number = encode_item(L, j, f);
    f->n_encoded++;
    lua_settop(L, top);
    if (is_number && may_run) encode_numbers(L, j, f);
  }
  return 0;
}

/* Hands the chunk that was encoded to the job; returns whether the job wants more. */
static int put_chunk(lua_State *L, moons__job_data *j, const feed *f, moons__libraries needs) {
  moons__batch_needs(&j->writer, needs);
  char *bytes = j->bytes.bytes;
  size_t n_bytes = j->bytes.n_bytes;
  j->bytes = (moons__buffer){0};
  int error = moons_job_put(j->job, (uint64_t)f->from, f->n_encoded, bytes, n_bytes);
  if (error == MOONS_ESTOPPED) return 0;
  moons__check(L, error);
  return 1;
}

/* Puts items into a chunk as far as that goes. On an error the chunk holds those before, and the
** error value is on top. */
static int feed_protected(lua_State *L, moons__job_data *j, feed *f) {
  j->bytes.n_bytes = 0;
  j->encoder.needs = 0;
  moons__check(L, moons__batch_begin(&j->writer, &j->bytes));
  lua_pushcfunction(L, encode_items);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  lua_pushlightuserdata(L, f);
  int status = moons__call_in_use(L, j, 3, 0);
  if (j->item_is_open) moons__batch_item_drop(&j->writer);
  j->item_is_open = 0;
  return status;
}

/* job:feed(source, from, n, star): puts a chunk of the items from number `from` on; `n` is how many
** there are in the sequence `source`, or -1 where that is an iterator. Returns the number of the
** next item, whether no more are wanted or an iterator has none, and the error of an item that cannot
** be sent, which is then passed over. */
int moons__core_feed(lua_State *L) {
  moons__job_data *j = moons__check_job(L, 1);
  feed f = {.from = luaL_checkinteger(L, 3), .n = luaL_checkinteger(L, 4)};
  f.star = lua_toboolean(L, 5);
  uint64_t n_left = f.n < 0 ? UINT64_MAX : (uint64_t)(f.n - f.from + 1);
  f.wanted = moons__chunker_next(&j->chunker, n_left);
  int status = feed_protected(L, j, &f);
  if (status != LUA_OK && f.stage == FETCHING) return lua_error(L);
  moons__libraries needs = j->encoder.needs;
  moons__need_libraries(L, j, 1, needs);
  if (f.n_encoded > 0 && !put_chunk(L, j, &f, needs)) f.ended = 1;
  lua_Integer next = f.from + f.n_encoded;
  if (status != LUA_OK) moons__push_own_error(L, j, next++, status);
  lua_pushinteger(L, next);
  lua_pushboolean(L, f.ended);
  if (status == LUA_OK) return 2;
  lua_rotate(L, -3, -1);
  return 3;
}

/* job:feed_range(first, step, from, n): the same for evenly spaced numbers, of which `first` is number
** 1. Returns the number of the next one. */
int moons__core_feed_range(lua_State *L) {
  moons__job_data *j = moons__check_job(L, 1);
  lua_Integer from = luaL_checkinteger(L, 4), n = luaL_checkinteger(L, 5);
  uint32_t n_calls = moons__chunker_next(&j->chunker, (uint64_t)(n - from + 1));
  j->bytes.n_bytes = 0;
  moons__check(L, moons__batch_begin(&j->writer, &j->bytes));
  if (lua_isinteger(L, 2)) {
    uint64_t step = (uint64_t)luaL_checkinteger(L, 3);
    uint64_t first = (uint64_t)lua_tointeger(L, 2) + step * (uint64_t)(from - 1);
    moons__check(L, moons__batch_integer_range(&j->writer, (int64_t)first, (int64_t)step, n_calls));
  } else {
    lua_Number first = luaL_checknumber(L, 2), step = luaL_checknumber(L, 3);
    moons__check(L,
                 moons__batch_float_range(&j->writer, first, step, (uint64_t)(from - 1), n_calls));
  }
  feed f = {.from = from, .n_encoded = n_calls};
  int wants_more = put_chunk(L, j, &f, 0);
  lua_pushinteger(L, from + n_calls);
  lua_pushboolean(L, !wants_more);
  return 2;
}
