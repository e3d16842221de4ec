#include <lauxlib.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "binding.h"
#include "chunk.h"
#include "failure.h"
#include "limits.h"
#include "pristine.h"
#include "setup.h"
#include "wire.h"

static const char JOB_TYPE[] = "parallel.job";

/* The user values of a job. */
enum {
  VALUE_CLASSES = 1, /* number -> class */
  VALUE_SENT,        /* name -> true: globals that went with the set-up */
  VALUE_PRISTINE,    /* name -> value: globals that need no sending */
  VALUE_STATE,       /* the moons__state_data */
  VALUE_POOL,        /* the workers, where they are not the state's */
  VALUE_FUNCTION,
  VALUE_INIT,
  N_VALUES = VALUE_INIT
};

typedef struct job_data {
  moons_job *job;
  moons_runtime *runtime;
  moons__state_data *state;
  moons__encoder encoder;
  moons__classes classes;
  moons__buffer setup;        /* being made */
  moons__libraries libraries; /* that the set-up brings */
  int is_extended;            /* it was made anew, with more than the function needs */
  moons__buffer bytes;        /* of the chunk being made */
  moons__batch_writer writer;
  moons__chunker chunker;
  int item_is_open; /* in the writer */
  int is_in_use;    /* by feed or collect, which may run the script's code */
  int pack;
} job_data;

/* {== Errors of calls ========================================================================= */

static void set_text(lua_State *L, const char *field, const char *text, size_t n_bytes) {
  lua_pushlstring(L, text, n_bytes);
  lua_setfield(L, -2, field);
}

/* Pushes an error value without `value`. */
static void push_error(lua_State *L, lua_Integer index, const moons__failure *failure) {
  lua_createtable(L, 0, 6);
  lua_pushinteger(L, index);
  lua_setfield(L, -2, "index");
  lua_pushstring(L, moons__failure_name(failure->kind));
  lua_setfield(L, -2, "kind");
  set_text(L, "message", failure->message, failure->message_bytes);
  set_text(L, "traceback", failure->traceback, failure->traceback_bytes);
  luaL_setmetatable(L, MOONS__ERROR_TYPE);
}

/* Pushes an error value of this side for the error on top, which becomes its `value`. */
static void push_own_error(lua_State *L, lua_Integer index, int status) {
  moons__failure failure = {.kind = MOONS__FAILURE_MARSHAL, .traceback = ""};
  if (status == LUA_ERRMEM) failure.kind = MOONS__FAILURE_MEMORY;
  failure.message = luaL_tolstring(L, -1, &failure.message_bytes);
  push_error(L, index, &failure);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "value");
  lua_replace(L, -3);
  lua_pop(L, 1);
}

/* {== Making jobs ============================================================================= */

static job_data *check_job(lua_State *L) {
  job_data *j = luaL_checkudata(L, 1, JOB_TYPE);
  if (j->job == NULL) luaL_error(L, "the job is closed");
  return j;
}

static int job_close(lua_State *L) {
  job_data *j = luaL_checkudata(L, 1, JOB_TYPE);
  if (j->is_in_use) return luaL_error(L, "a map cannot be ended by what it reads or sends");
  moons_job_free(j->job);
  j->job = NULL;
  moons__encoder_end(&j->encoder);
  moons__classes_free(&j->classes);
  moons__buffer_free(&j->setup);
  moons__buffer_free(&j->bytes);
  return 0;
}

/* Pushes a job without its set-up, for the workers at stack index `pool` or, where there are none, the
** state's. */
static job_data *push_job(lua_State *L, int pool) {
  moons__push_state(L); /* is finalized after the jobs, for it is made before */
  lua_pop(L, 1);
  job_data *j = lua_newuserdatauv(L, sizeof *j, N_VALUES);
  *j = (job_data){0};
  luaL_setmetatable(L, JOB_TYPE);
  int job = lua_gettop(L);
  j->state = moons__push_state(L);
  lua_setiuservalue(L, job, VALUE_STATE);
  j->runtime = lua_isnil(L, pool) ? j->state->runtime : moons__check_workers(L, pool);
  lua_pushvalue(L, pool);
  lua_setiuservalue(L, job, VALUE_POOL);
  lua_newtable(L);
  lua_setiuservalue(L, job, VALUE_CLASSES);
  lua_newtable(L);
  lua_setiuservalue(L, job, VALUE_SENT);
  moons__pristine_push_globals(L);
  lua_setiuservalue(L, job, VALUE_PRISTINE);
  return j;
}

/* Begins encoding for the job at stack index `job`; leaves what that needs on the stack. */
static moons__encoder *begin_encoding(lua_State *L, job_data *j, int job) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  moons__encoder *e = &j->encoder;
  e->L = L;
  e->out = &j->bytes;
  e->names = &j->state->names;
  e->names_refreshed = 0;
  e->classes = &j->classes;
  e->needs = 0;
  lua_getiuservalue(L, job, VALUE_CLASSES);
  e->class_index = lua_gettop(L);
  lua_getiuservalue(L, job, VALUE_SENT);
  e->sent_index = lua_gettop(L);
  lua_getiuservalue(L, job, VALUE_PRISTINE);
  e->pristine_index = lua_gettop(L);
  moons__encoder_begin(e);
  return e;
}

/* Encodes a set-up that brings at least these libraries, with all that goes with them. */
static void encode_setup(lua_State *L, job_data *j, int job, moons__libraries libraries) {
  int top = lua_gettop(L);
  lua_newtable(L);
  lua_setiuservalue(L, job, VALUE_SENT);
  moons__encoder *e = begin_encoding(L, j, job);
  e->out = &j->setup;
  e->needs = libraries;
  e->marks_sent = 1;
  j->setup.n_bytes = 0;
  j->classes.n_known = 0;
  lua_getiuservalue(L, job, VALUE_FUNCTION);
  lua_getiuservalue(L, job, VALUE_INIT);
  moons__setup_encode(e, lua_gettop(L) - 1, lua_gettop(L));
  e->marks_sent = 0;
  j->libraries = e->needs;
  lua_settop(L, top);
}

/* Makes the set-up anew where a chunk's arguments need more than it brings: changed libraries, and
** where modules are found. */
static void need_libraries(lua_State *L, job_data *j, int job, moons__libraries needs) {
  if ((needs & ~j->libraries) == 0 || j->is_extended) return;
  uint32_t n_known = j->classes.n_known;
  encode_setup(L, j, job, needs | MOONS__LIBRARIES_ALL);
  j->classes.n_known = n_known;
  j->is_extended = 1;
  moons__check(L, moons_job_extend(j->job, j->setup.bytes, j->setup.n_bytes));
  moons__buffer_free(&j->setup);
}

static lua_Integer option_integer(lua_State *L, const char *name) {
  lua_getfield(L, 3, name);
  lua_Integer n = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return n;
}

static int option_boolean(lua_State *L, const char *name) {
  lua_getfield(L, 3, name);
  int is_true = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return is_true;
}

/* core.job(f, init | nil, options, workers | nil): the options have been checked and are complete:
** `workers`, `chunk` (0: measured), `fresh`, `pack`, `collect`, `seed`, `timeout_ns` (0: none), `memory`
** in bytes (0: no limit of its own), `retries`. Returns a job. */
int moons__core_job(lua_State *L) {
  lua_settop(L, 4);
  job_data *j = push_job(L, 4);
  int job = lua_gettop(L);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, job, VALUE_FUNCTION);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, job, VALUE_INIT);
  encode_setup(L, j, job, 0);
  j->classes.n_known = j->classes.n_numbers;
  moons_job_options options;
  moons_job_options_init(&options);
  options.setup = j->setup.bytes;
  options.setup_bytes = j->setup.n_bytes;
  options.n_workers = (unsigned)option_integer(L, "workers");
  options.fresh = option_boolean(L, "fresh");
  options.pack = j->pack = option_boolean(L, "pack");
  options.collect = option_boolean(L, "collect");
  options.seed = (uint64_t)option_integer(L, "seed");
  options.timeout_ns = (uint64_t)option_integer(L, "timeout_ns");
  options.memory_bytes = (size_t)option_integer(L, "memory");
  options.n_retries = (unsigned)option_integer(L, "retries");
  moons__check(L, moons_job_new(&j->job, j->runtime, &options));
  moons__buffer_free(&j->setup);
  moons__chunker_init(&j->chunker, options.n_workers, (uint32_t)option_integer(L, "chunk"), 0);
  return 1;
}

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

/* Pushes the values of the row on top; returns how many. */
static int push_row(lua_State *L) {
  int row = lua_gettop(L);
  if (!lua_istable(L, row))
    luaL_error(L, "a row must be a table of arguments, not a %s", luaL_typename(L, row));
  lua_Integer n;
  lua_pushliteral(L, "n");
  if (lua_rawget(L, row) == LUA_TNUMBER && lua_isinteger(L, -1))
    n = lua_tointeger(L, -1);
  else
    n = luaL_len(L, row);
  lua_pop(L, 1);
  if (n < 0 || n > LUAI_MAXSTACK / 2) luaL_error(L, "a row has too many arguments");
  luaL_checkstack(L, (int)n + LUA_MINSTACK, "a row has too many arguments");
  for (lua_Integer i = 1; i <= n; i++)
    lua_geti(L, row, i);
  return (int)n;
}

static void encode_message(lua_State *L, job_data *j, int first, int n_values) {
  moons__check(L, moons__batch_item_begin(&j->writer, MOONS__ITEM_MESSAGE));
  j->item_is_open = 1;
  moons__encode(&j->encoder, first, n_values, "argument");
  moons__batch_item_end(&j->writer);
  j->item_is_open = 0;
}

static void encode_item(lua_State *L, job_data *j, const feed *f) {
  int item = lua_gettop(L);
  if (f->star) {
    int n_values = push_row(L);
    encode_message(L, j, item + 1, n_values);
  } else if (lua_type(L, item) != LUA_TNUMBER) {
    encode_message(L, j, item, 1);
  } else if (lua_isinteger(L, item)) {
    moons__check(L, moons__batch_integer(&j->writer, lua_tointeger(L, item)));
  } else {
    moons__check(L, moons__batch_float(&j->writer, lua_tonumber(L, item)));
  }
}

static int encode_items(lua_State *L) {
  job_data *j = lua_touserdata(L, ARG_JOB);
  feed *f = lua_touserdata(L, ARG_FEED);
  begin_encoding(L, j, ARG_JOB);
  int top = lua_gettop(L);
  while (f->n_encoded < f->wanted) {
    f->stage = FETCHING;
    if (!push_item(L, f)) break;
    f->stage = ENCODING;
    encode_item(L, j, f);
    f->n_encoded++;
    lua_settop(L, top);
  }
  return 0;
}

/* Hands the chunk that was encoded to the job; returns whether the job wants more. */
static int put_chunk(lua_State *L, job_data *j, const feed *f, moons__libraries needs) {
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
static int feed_protected(lua_State *L, job_data *j, feed *f) {
  j->bytes.n_bytes = 0;
  moons__check(L, moons__batch_begin(&j->writer, &j->bytes));
  lua_pushcfunction(L, encode_items);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  lua_pushlightuserdata(L, f);
  int status = lua_pcall(L, 3, 0, 0);
  if (j->item_is_open) moons__batch_item_drop(&j->writer);
  j->item_is_open = 0;
  return status;
}

/* job:feed(source, from, n, star): puts a chunk of the items from number `from` on; `n` is how many
** there are in the sequence `source`, or -1 where that is an iterator. Returns the number of the
** next item, whether no more are wanted or an iterator has none, and the error of an item that cannot be sent, which is
** then passed over. */
static int job_feed(lua_State *L) {
  job_data *j = check_job(L);
  feed f = {.from = luaL_checkinteger(L, 3), .n = luaL_checkinteger(L, 4)};
  f.star = lua_toboolean(L, 5);
  uint64_t n_left = f.n < 0 ? UINT64_MAX : (uint64_t)(f.n - f.from + 1);
  f.wanted = moons__chunker_next(&j->chunker, n_left);
  j->is_in_use = 1;
  int status = feed_protected(L, j, &f);
  j->is_in_use = 0;
  if (status != LUA_OK && f.stage == FETCHING) return lua_error(L);
  moons__libraries needs = j->encoder.needs;
  need_libraries(L, j, 1, needs);
  if (f.n_encoded > 0 && !put_chunk(L, j, &f, needs)) f.ended = 1;
  lua_Integer next = f.from + f.n_encoded;
  if (status != LUA_OK) push_own_error(L, next++, status);
  lua_pushinteger(L, next);
  lua_pushboolean(L, f.ended);
  if (status == LUA_OK) return 2;
  lua_rotate(L, -3, -1);
  return 3;
}

/* job:feed_range(first, step, from, n): the same for evenly spaced numbers, of which `first` is number
** 1. Returns the number of the next one. */
static int job_feed_range(lua_State *L) {
  job_data *j = check_job(L);
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

/* {== Collecting ============================================================================== */

/* The results of one chunk on their way into tables. */
typedef struct harvest {
  moons_chunk chunk;
  moons__batch_reader reader;
  moons__item item;
  uint32_t n_read; /* results so far */
  uint32_t n_failed;
} harvest;

enum { HARVEST_JOB = 1, HARVEST_RESULTS, HARVEST_ERRORS, HARVEST_DATA };

static lua_Integer number_of(const harvest *h) { return (lua_Integer)(h->chunk.first + h->n_read); }

/* Packs the `n` values on top. */
static void pack_values(lua_State *L, int n) {
  lua_createtable(L, n, 1);
  lua_insert(L, -n - 1);
  for (int i = n; i >= 1; i--)
    lua_rawseti(L, -i - 1, i);
  lua_pushinteger(L, n);
  lua_setfield(L, -2, "n");
}

static void push_decoded(lua_State *L, const char *bytes, size_t n_bytes, int pack) {
  lua_getiuservalue(L, HARVEST_JOB, VALUE_CLASSES);
  moons__decoder decoder = {.L = L, .trusted = 1, .class_index = lua_gettop(L)};
  int n = moons__decode(&decoder, bytes, n_bytes);
  lua_remove(L, decoder.class_index);
  if (pack)
    pack_values(L, n);
  else
    lua_settop(L, decoder.class_index); /* the first value, or nil */
}

static void push_failure(lua_State *L, const harvest *h) {
  moons__failure failure;
  moons__check(L, moons__failure_read(&failure, h->item.bytes, h->item.n_bytes));
  push_error(L, number_of(h), &failure);
  if (failure.value == NULL) return;
  int error = lua_gettop(L);
  push_decoded(L, failure.value, failure.value_bytes, 0);
  lua_setfield(L, error, "value");
}

/* Puts a result where it belongs. */
static void harvest_item(lua_State *L, const job_data *j, harvest *h) {
  switch (h->item.kind) {
  case MOONS__ITEM_INTEGER: lua_pushinteger(L, (lua_Integer)h->item.integer); break;
  case MOONS__ITEM_FLOAT: lua_pushnumber(L, h->item.number); break;
  case MOONS__ITEM_MESSAGE: push_decoded(L, h->item.bytes, h->item.n_bytes, j->pack); break;
  case MOONS__ITEM_ERROR:
    push_failure(L, h);
    lua_rawseti(L, HARVEST_ERRORS, number_of(h));
    h->n_failed++;
    return;
  default: luaL_error(L, "malformed bytes: no results");
  }
  lua_rawseti(L, HARVEST_RESULTS, number_of(h));
}

static int harvest_items(lua_State *L) {
  const job_data *j = lua_touserdata(L, HARVEST_JOB);
  harvest *h = lua_touserdata(L, HARVEST_DATA);
  int top = lua_gettop(L);
  for (;;) {
    moons__batch_next(&h->reader, &h->item);
    if (h->item.kind == MOONS__ITEM_END) break;
    harvest_item(L, j, h);
    h->n_read++;
    lua_settop(L, top);
  }
  return 0;
}

/* A result that cannot be received is that call's error; the others are taken all the same. */
static void harvest_all(lua_State *L, harvest *h) {
  for (int status = LUA_ERRRUN; status != LUA_OK && h->n_read < h->chunk.n_calls;) {
    lua_pushcfunction(L, harvest_items);
    for (int i = 1; i <= 3; i++)
      lua_pushvalue(L, i);
    lua_pushlightuserdata(L, h);
    status = lua_pcall(L, 4, 0, 0);
    if (status == LUA_OK) break;
    push_own_error(L, number_of(h), status);
    lua_rawseti(L, 3, number_of(h));
    h->n_failed++;
    h->n_read++;
  }
}

/* Calls whose results are missing though nothing stopped them: there was no memory for these. */
static void harvest_lost(lua_State *L, harvest *h) {
  moons__failure failure = {.kind = MOONS__FAILURE_MEMORY, .traceback = ""};
  failure.message = "not enough memory for the results";
  failure.message_bytes = strlen(failure.message);
  for (; h->n_read < h->chunk.n_calls; h->n_read++, h->n_failed++) {
    push_error(L, number_of(h), &failure);
    lua_rawseti(L, 3, number_of(h));
  }
}

/* Seconds at stack index `index` in ns; -1, for ever, where there are none. */
static int64_t check_timeout(lua_State *L, int index) {
  if (lua_isnoneornil(L, index)) return -1;
  lua_Number seconds = luaL_checknumber(L, index);
  return seconds <= 0 ? 0 : seconds < 1e9 ? (int64_t)(seconds * 1e9) : -1;
}

/* Lets a hook run that was set while this thread was waiting in C, as a signal handler or a deadline does
** to end the script: it raises an error. It may wait for an instruction, so one is run. */
static void run_hook(lua_State *L) {
  if (lua_gethook(L) == NULL) return;
  if (luaL_loadstring(L, "return") != LUA_OK) lua_error(L);
  lua_call(L, 0, 0);
}

/* Waits until one of the jobs has something to take; returns its place or an error. Wakes up now and
** then to let hooks run. */
static int wait_for_jobs(lua_State *L, moons_job **jobs, unsigned n_jobs, int64_t timeout_ns) {
  uint64_t end_ns = timeout_ns < 0 ? UINT64_MAX : moons_clock_ns() + (uint64_t)timeout_ns;
  for (;;) {
    uint64_t now_ns = moons_clock_ns(), left_ns = end_ns > now_ns ? end_ns - now_ns : 0;
    int is_last = left_ns <= MOONS_LOOK_NS;
    int ready = moons_jobs_wait(jobs, n_jobs, is_last ? (int64_t)left_ns : MOONS_LOOK_NS);
    if (ready != MOONS_ETIMEDOUT || is_last) return ready;
    run_hook(L);
  }
}

static int wait_for_job(lua_State *L, moons_job *job, int64_t timeout_ns) {
  int ready = wait_for_jobs(L, &job, 1, timeout_ns);
  return ready < 0 ? ready : 0;
}

/* job:collect(results, errors [, seconds]): waits for a chunk and puts its results and errors into
** the tables, by number. Returns how many calls were made, how many of them failed, and the number of
** the first; nil when all chunks have been collected; false when none finished in time. */
static int job_collect(lua_State *L) {
  job_data *j = check_job(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TTABLE);
  int64_t timeout_ns = check_timeout(L, 4);
  lua_settop(L, 3);
  harvest h = {0};
  int error = wait_for_job(L, j->job, timeout_ns);
  if (!error) error = moons_job_take(j->job, 0, &h.chunk);
  if (error == MOONS_EEND) return 0;
  if (error == MOONS_ETIMEDOUT) {
    lua_pushboolean(L, 0);
    return 1;
  }
  moons__check(L, error);
  moons__batch_open(&h.reader, h.chunk.bytes, h.chunk.n_bytes);
  j->is_in_use = 1;
  harvest_all(L, &h);
  j->is_in_use = 0;
  free(h.chunk.bytes);
  if (!h.chunk.is_cut && h.n_read < h.chunk.n_calls) harvest_lost(L, &h);
  moons__chunker_measured(&j->chunker, h.n_read, h.chunk.busy_ns);
  lua_pushinteger(L, h.n_read);
  lua_pushinteger(L, h.n_failed);
  lua_pushinteger(L, (lua_Integer)h.chunk.first);
  return 3;
}

/* job:cancel(): drops what has not begun, and ends the calls that run. */
static int job_cancel(lua_State *L) {
  moons_job_cancel(check_job(L)->job);
  return 0;
}

/* core.wait(jobs [, seconds]): waits until one of the jobs in the list has something to collect, or
** nothing more to come. Returns its place; nil when the time is over. */
int moons__core_wait(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  int64_t timeout_ns = check_timeout(L, 2);
  unsigned n_jobs = (unsigned)lua_rawlen(L, 1);
  luaL_argcheck(L, n_jobs > 0, 1, "no jobs");
  moons_job **jobs = lua_newuserdatauv(L, n_jobs * sizeof *jobs, 0);
  for (unsigned i = 0; i < n_jobs; i++) {
    lua_rawgeti(L, 1, (lua_Integer)i + 1);
    job_data *j = luaL_checkudata(L, -1, JOB_TYPE);
    luaL_argcheck(L, j->job != NULL, 1, "a job is closed");
    jobs[i] = j->job;
    lua_pop(L, 1);
  }
  int ready = wait_for_jobs(L, jobs, n_jobs, timeout_ns);
  if (ready == MOONS_ETIMEDOUT) return 0;
  if (ready < 0) moons__check(L, ready);
  lua_pushinteger(L, ready + 1);
  return 1;
}

/* job:pending(): chunks that were put and not collected. job:ready(): those that can be collected
** without waiting. */
static int job_pending(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)moons_job_pending(check_job(L)->job));
  return 1;
}

static int job_ready(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)moons_job_ready(check_job(L)->job));
  return 1;
}

void moons__make_job_types(lua_State *L) {
  static const luaL_Reg METHODS[] = {
      {"feed", job_feed},       {"feed_range", job_feed_range},
      {"collect", job_collect}, {"pending", job_pending},
      {"ready", job_ready},     {"close", job_close},
      {"cancel", job_cancel},   {NULL, NULL},
  };
  luaL_newmetatable(L, JOB_TYPE);
  lua_pushcfunction(L, job_close);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, job_close);
  lua_setfield(L, -2, "__close");
  luaL_newlib(L, METHODS);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
