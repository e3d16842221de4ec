/*
** Items are read only as far ahead as keeps the workers busy, and encoded on the caller's thread, a chunk at a time. An
** item that cannot be sent is that call's error; an error of what items are read from ends the map.
*/
#include <lauxlib.h>
#include <limits.h>
#include <string.h>

#include "base/errors.h"
#include "module/errors.h"
#include "module/hooks.h"
#include "module/sending.h"
#include "sizes.h"
#include "wire/numbers.h"
#include "wire/traceback.h"

/* The items of one chunk on their way into bytes. */
typedef struct feed {
  uint32_t wanted;    /* in this chunk */
  uint32_t n_encoded; /* so far */
  int ended;          /* the iterator has ended */
  enum { FETCHING, ENCODING } stage;
} feed;

enum { N_AT_ONCE = 32 }; /* numbers on the stack before they are popped */

/* The arguments of the protected part. */
enum { ARG_JOB = 1, ARG_SOURCE, ARG_FEED };

/* The number of the next item to encode. */
static lua_Integer number_of(const moons__job_data *j, const feed *f) {
  return j->next + f->n_encoded;
}

/* Keeps the item on top, which an iterator gave, for errors of its call. */
static void keep_item(lua_State *L, lua_Integer number) {
  moons__push_table(L, MOONS__VALUE_ITEMS);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, number);
  lua_pop(L, 1);
}

/* An iterator may have more items than there is room for results. */
static void check_room(lua_State *L, const moons__job_data *j, lua_Integer number) {
  if (number > moons__places_in_sink(j))
    moons__blame(L, "option 'into': the array has room for %I results, and there is an item %I",
                 (LUAI_UACINT)moons__places_in_sink(j), (LUAI_UACINT)number);
}

/* Its address is no item's. */
static const char PAUSE;

void moons__push_pause(lua_State *L) { lua_pushlightuserdata(L, (void *)&PAUSE); }

/* Pushes the next item; returns 0 at the end of an iterator, and where it pauses. */
static int push_item(lua_State *L, moons__job_data *j, feed *f) {
  if (j->source == MOONS__FROM_TABLE) {
    lua_geti(L, ARG_SOURCE, number_of(j, f));
    return 1;
  }
  lua_pushvalue(L, ARG_SOURCE);
  lua_call(L, 0, 1);
  f->ended = lua_isnil(L, -1);
  j->is_paused = lua_touserdata(L, -1) == &PAUSE;
  if (f->ended || j->is_paused) return 0;
  check_room(L, j, number_of(j, f));
  keep_item(L, number_of(j, f));
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

/* Whether the row at stack index `row`, which has no elements, has fields other than `n`. */
static int is_named(lua_State *L, int row) {
  int is_named = 0;
  lua_pushnil(L);
  while (!is_named && lua_next(L, row)) {
    lua_pop(L, 1);
    is_named = lua_type(L, -1) != LUA_TSTRING || strcmp(lua_tostring(L, -1), "n") != 0;
  }
  lua_settop(L, row);
  return is_named;
}

/* Pushes the values of the row on top; returns how many. */
static int push_row(lua_State *L) {
  int row = lua_gettop(L);
  if (!lua_istable(L, row))
    luaL_error(L, "a row must be a table of arguments, not %s%s", lua_isnil(L, row) ? "" : "a ",
               luaL_typename(L, row));
  lua_Integer n = row_length(L, row);
  if (n == 0 && is_named(L, row))
    luaL_error(L, "a row must be a list of arguments; this one has named fields and no list: write "
                  "{a, b}, or map over "
                  "the tables");
  if (n > LUAI_MAXSTACK / 2) luaL_error(L, "a row has too many arguments");
  luaL_checkstack(L, (n > 0 ? (int)n : 0) + LUA_MINSTACK, "a row has too many arguments");
  for (lua_Integer i = 1; i <= n; i++)
    lua_geti(L, row, i);
  return n > 0 ? (int)n : 0;
}

static void encode_message(lua_State *L, moons__job_data *j, int first, int n_values) {
  moons__check(L, moons__batch_item_begin(&j->writer, MOONS__ITEM_MESSAGE));
  j->item_is_open = 1;
  moons__encode(&j->encoder, first, n_values, "argument");
  moons__batch_item_end(&j->writer);
  j->item_is_open = 0;
}

static void encode_number(lua_State *L, moons__job_data *j, int item) {
  if (lua_isinteger(L, item))
    moons__check(L, moons__batch_integer(&j->writer, lua_tointeger(L, item)));
  else
    moons__check(L, moons__batch_float(&j->writer, lua_tonumber(L, item)));
}

/* Its methods must be there for the call. */
static void encode_string(lua_State *L, moons__job_data *j, int item) {
  size_t n_bytes;
  const char *bytes = lua_tolstring(L, item, &n_bytes);
  j->encoder.needs |= MOONS__LIBRARIES_LEAST;
  moons__check(L, moons__batch_bytes(&j->writer, MOONS__ITEM_STRING, bytes, n_bytes));
}

static void encode_row(lua_State *L, moons__job_data *j, int row) {
  int n_values = push_row(L);
  encode_message(L, j, row + 1, n_values);
}

/* Returns whether the item on top was a number. */
static int encode_item(lua_State *L, moons__job_data *j) {
  int item = lua_gettop(L), type = j->is_rows ? LUA_TNONE : lua_type(L, item);
  switch (type) {
  case LUA_TNONE: encode_row(L, j, item); break;
  case LUA_TNUMBER: encode_number(L, j, item); break;
  case LUA_TSTRING: encode_string(L, j, item); break;
  default: encode_message(L, j, item, 1);
  }
  return type == LUA_TNUMBER;
}

typedef size_t fetch(lua_State *L, moons__get_element *get, int table, lua_Integer i, char *to,
                     size_t n_most);

/* Copies the numbers of one kind that lie in the table from element `i` on; returns how many. */
static uint32_t copy_numbers(lua_State *L, fetch *fetch_some, moons__get_element *get,
                             lua_Integer i, char *to, uint32_t n_most) {
  int top = lua_gettop(L);
  uint32_t n = 0;
  while (n < n_most) {
    uint32_t n_wanted = n_most - n < N_AT_ONCE ? n_most - n : N_AT_ONCE;
    uint32_t n_got = (uint32_t)fetch_some(L, get, ARG_SOURCE, i + n, to + (size_t)n * 8, n_wanted);
    lua_settop(L, top);
    n += n_got;
    if (n_got < n_wanted) break;
  }
  return n;
}

/* Encodes the numbers of one kind that come next in a table; returns whether there were any. */
static int encode_run(lua_State *L, moons__job_data *j, feed *f, moons__get_element *get) {
  lua_Integer i = number_of(j, f);
  if (get(L, ARG_SOURCE, i) != LUA_TNUMBER) return 0;
  int is_integer = lua_isinteger(L, -1);
  uint32_t n_most = f->wanted - f->n_encoded;
  char *room;
  moons__check(L, moons__batch_plain_begin(&j->writer,
                                           is_integer ? MOONS__ITEM_INTEGER : MOONS__ITEM_FLOAT,
                                           n_most, &room));
  uint32_t n = is_integer ? copy_numbers(L, moons__fetch_integers, get, i, room, n_most)
                          : copy_numbers(L, moons__fetch_floats, get, i, room, n_most);
  moons__batch_plain_end(&j->writer, n);
  f->n_encoded += n;
  return 1;
}

/* Encodes the numbers that come next in a table, as far as there are any. */
static void encode_numbers(lua_State *L, moons__job_data *j, feed *f) {
  moons__get_element *get = lua_geti; /* __index is asked for items one by one */
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
  int may_run = j->source == MOONS__FROM_TABLE && !j->is_rows;
  if (may_run) encode_numbers(L, j, f);
  if (f->n_encoded == f->wanted) return 0;
  moons__begin_encoding(L, j);
  int top = lua_gettop(L);
  while (f->n_encoded < f->wanted) {
    f->stage = FETCHING;
    if (!push_item(L, j, f)) break;
    f->stage = ENCODING;
    int is_number = encode_item(L, j);
    f->n_encoded++;
    if (j->bytes.n_bytes >= MOONS_CHUNK_BYTES) f->wanted = f->n_encoded;
    lua_settop(L, top);
    if (is_number && may_run) encode_numbers(L, j, f);
  }
  return 0;
}

static void begin_chunk(lua_State *L, moons__job_data *j) {
  j->bytes.n_bytes = 0;
  j->encoder.needs = 0;
  moons__check(L, moons__batch_begin(&j->writer, &j->bytes));
}

/* Calls a function that puts items into the chunk. On an error the chunk holds those before, and the
** error value is on top. */
static int call_encoding(lua_State *L, moons__job_data *j, int n_arguments) {
  int status = moons__call_in_use(L, j, n_arguments, 0);
  if (j->item_is_open) moons__batch_item_drop(&j->writer);
  j->item_is_open = 0;
  return status;
}

/* The same for the numbers at the beginning of a list that no code of the script's watches over: that needs no protection. */
static void encode_first_numbers(lua_State *L, moons__job_data *j, feed *f) {
  lua_settop(L, ARG_JOB);
  if (lua_getiuservalue(L, ARG_JOB, MOONS__VALUE_SOURCE) == LUA_TTABLE &&
      !lua_getmetatable(L, ARG_SOURCE))
    encode_numbers(L, j, f);
  lua_settop(L, ARG_JOB);
}

static int encode_from_source(lua_State *L, moons__job_data *j, feed *f) {
  if (j->source == MOONS__FROM_TABLE && !j->is_rows) encode_first_numbers(L, j, f);
  if (f->n_encoded == f->wanted) return LUA_OK;
  lua_pushcfunction(L, encode_items);
  lua_pushvalue(L, 1);
  lua_getiuservalue(L, 1, MOONS__VALUE_SOURCE);
  lua_pushlightuserdata(L, f);
  return call_encoding(L, j, ARG_FEED);
}

/* Puts a rule for the items of a range or an array. */
static int encode_rule(moons__job_data *j, uint32_t n_items) {
  if (j->source == MOONS__FROM_ARRAY) {
    moons__batch_part part = moons__part_of_items(j);
    return moons__batch_array(&j->writer, &part, n_items);
  }
  uint64_t n_before = (uint64_t)j->next - 1;
  if (j->source == MOONS__FROM_FLOATS)
    return moons__batch_float_range(&j->writer, j->number_first, j->number_step, n_before, n_items);
  uint64_t first = (uint64_t)j->first + (uint64_t)j->step * n_before;
  return moons__batch_integer_range(&j->writer, (int64_t)first, j->step, n_items);
}

static uint64_t n_left(const moons__job_data *j) {
  return j->n < 0 ? UINT64_MAX : (uint64_t)(j->n - j->next + 1);
}

/* Whether this thread may make calls of the map itself. None can be given up here. So they must reach nothing outside of Lua where
** they might wait, and no hook of the script's is to watch over them. */
static int may_help(lua_State *L, const moons__job_data *j, moons__libraries needs) {
  return j->is_awaited && j->suits_caller &&
         ((j->libraries | needs) & MOONS__LIBRARIES_OUTSIDE) == 0 && !moons__has_hook(L);
}

/* Whether it runs the chunk: the last calls of the map, which are known to be short, when there is nothing else to do and
** waking a worker takes as long. */
static int is_for_caller(lua_State *L, const moons__job_data *j, uint32_t n_items,
                         moons__libraries needs) {
  return n_items == n_left(j) && moons__chunker_is_short(&j->chunker, n_items) &&
         may_help(L, j, needs);
}

/* Runs what no worker has begun meanwhile, after the last chunk. */
static void help(lua_State *L, const moons__job_data *j) {
  do
    moons__run_hook(L); /* that a signal has set meanwhile */
  while (moons__job_help(j->job));
}

/* Hands the chunk that was encoded to the job. Where that cannot be, nothing more is read. */
static void put_chunk(lua_State *L, moons__job_data *j, uint32_t n_items) {
  moons__libraries needs = j->encoder.needs;
  moons__complete_setup(L, j);
  moons__shared_list *shared = moons__take_shared(j);
  if (n_items == 0) {
    moons__shared_list_release(shared);
    return;
  }
  moons__batch_needs(&j->writer, needs);
  if (moons__job_lend(j->job, is_for_caller(L, j, n_items, needs)))
    j->first_here = (uint64_t)j->next;
  char *bytes = j->bytes.bytes;
  size_t n_bytes = j->bytes.n_bytes;
  j->bytes = (moons__buffer){.beside = j->state->runtime};
  moons__shortage shortage;
  int error =
      moons__job_put_with(j->job, (uint64_t)j->next, n_items, bytes, n_bytes, shared, &shortage);
  if (error == MOONS_ETHREAD) j->lacks_worker = 1;
  if (error) j->has_ended = 1; /* what it had is lost: its numbers are nobody's */
  if (error != MOONS__ESTOPPED) moons__check_made(L, error, &shortage);
  j->next += n_items;
  if (j->first_here != 0) help(L, j);
}

/* Puts the chunk of `n_items`. Where `status` is no success, the error on top, which it pops, is that
** of the item after them: it is passed over, and its error noted. */
static void end_chunk(lua_State *L, moons__job_data *j, uint32_t n_items, int status) {
  put_chunk(L, j, n_items);
  if (status == LUA_OK) return;
  lua_Integer number = j->next++;
  moons__push_own_error(L, j, number, status);
  moons__put_error(L, j, number);
}

/* Puts the chunk of the items before one that could not be read, and raises the error on top. What they are read
** from is not asked again. */
static int fail_to_read(lua_State *L, moons__job_data *j, uint32_t n_items) {
  end_chunk(L, j, n_items, LUA_OK);
  j->has_ended = 1;
  return lua_error(L);
}

/* Puts a chunk of the next items. Returns whether there was one that cannot be sent. */
static int feed_chunk(lua_State *L, moons__job_data *j) {
  if (j->next == 1 && j->n > 0 && moons__job_lends(j->job) && may_help(L, j, 0))
    moons__chunker_divide(&j->chunker, n_left(j));
  feed f = {.wanted = moons__chunker_next(&j->chunker, n_left(j))};
  int status = LUA_OK;
  begin_chunk(L, j);
  if (j->source == MOONS__FROM_TABLE || j->source == MOONS__FROM_ITERATOR) {
    status = encode_from_source(L, j, &f);
    if (status != LUA_OK && f.stage == FETCHING) return fail_to_read(L, j, f.n_encoded);
  } else {
    moons__check(L, encode_rule(j, f.wanted));
    f.n_encoded = f.wanted;
  }
  end_chunk(L, j, f.n_encoded, status);
  if (f.ended || n_left(j) == 0) j->has_ended = 1;
  return status != LUA_OK;
}

/* Arguments: the job, those of the call. */
static int encode_call(lua_State *L) {
  moons__job_data *j = lua_touserdata(L, ARG_JOB);
  int n_values = lua_gettop(L) - ARG_JOB;
  moons__begin_encoding(L, j);
  encode_message(L, j, ARG_JOB + 1, n_values);
  return 0;
}

void moons__feed_call(lua_State *L, moons__job_data *j, int first) {
  begin_chunk(L, j);
  luaL_checkstack(L, 2, NULL);
  lua_pushcfunction(L, encode_call);
  lua_insert(L, first);
  lua_pushvalue(L, 1);
  lua_insert(L, first + 1);
  int status = call_encoding(L, j, lua_gettop(L) - first);
  j->has_ended = 1;
  end_chunk(L, j, status == LUA_OK, status);
}

lua_Integer moons__feed(lua_State *L, moons__job_data *j, lua_Integer most) {
  lua_Integer n_failed = 0;
  j->is_paused = 0;
  while (!j->has_ended && !j->is_paused && !moons__is_stopped(j)) {
    lua_Integer wanted = most > 0 ? most : (lua_Integer)moons__chunker_ahead(&j->chunker);
    if (moons_job_pending(j->job) >= wanted) break;
    n_failed += feed_chunk(L, j);
  }
  return n_failed;
}

/* job:feed([most]): puts chunks until so many are under way, by default as many as keep all workers busy.
** Returns how many items could not be sent: their errors are noted. Passes on errors of reading
** items. */
int moons__core_feed(lua_State *L) {
  moons__job_data *j = moons__check_job(L);
  lua_Integer most = luaL_optinteger(L, 2, 0);
  lua_settop(L, 1);
  lua_pushinteger(L, moons__feed(L, j, most));
  return 1;
}
