/*
** Results come home a chunk at a time and are put into one table by number, numbers without a message each. What the
** script sees of them, it sees in order; what may run its code (a value that is rebuilt) finds the job closed to it.
*/
#include <lauxlib.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/allocate.h"
#include "module/errors.h"
#include "module/hooks.h"
#include "schedule/jobs.h"
#include "schedule/queue.h"
#include "sizes.h"
#include "system/clock.h"
#include "system/machine.h"

/* {== Collecting ============================================================================== */

/* The results of a job's chunk on their way into tables. */
typedef struct harvest {
  moons__job_data *job;
  moons__batch_reader reader;
  moons__item item;
  uint32_t n_read; /* results so far */
  uint32_t n_failed;
  int is_reporting; /* what is put into a table is a report, and no result */
} harvest;

enum { HARVEST_JOB = 1, HARVEST_RESULTS, HARVEST_DATA };

static lua_Integer number_of(const harvest *h) {
  return (lua_Integer)(h->job->taken.first + h->n_read);
}

/* Packs the `n` values on top. */
static void pack_values(lua_State *L, int n) {
  lua_createtable(L, n, 1);
  lua_insert(L, -n - 1);
  for (int i = n; i >= 1; i--)
    lua_rawseti(L, -i - 1, i);
  lua_pushinteger(L, n);
  lua_setfield(L, -2, "n");
}

/* Pushes the values of a message; returns how many. */
static int decode(lua_State *L, const char *bytes, size_t n_bytes) {
  lua_getiuservalue(L, HARVEST_JOB, MOONS__VALUE_CLASSES);
  const moons__job_data *j = lua_touserdata(L, HARVEST_JOB);
  moons__decoder decoder = {.L = L, .trusted = 1, .class_index = lua_gettop(L), .shared = j->given};
  if (j->given != NULL)
    decoder.arrival = moons__is_worker(L) ? MOONS__AS_HELD_VIEW : MOONS__AS_HANDLE;
  int n = moons__decode(&decoder, bytes, n_bytes);
  lua_remove(L, decoder.class_index);
  return n;
}

static void push_decoded(lua_State *L, const char *bytes, size_t n_bytes, int pack) {
  int top = lua_gettop(L), n = decode(L, bytes, n_bytes);
  if (pack)
    pack_values(L, n);
  else
    lua_settop(L, top + 1); /* the first value, or nil */
}

/* Sets what was thrown in an error value. Arguments: the job, the error value, a failure. */
static int set_value(lua_State *L) {
  const moons__failure *failure = lua_touserdata(L, 3);
  push_decoded(L, failure->value, failure->value_bytes, 0);
  lua_setfield(L, 2, "value");
  return 0;
}

/* The same for the error value on top, which tells why where the script's code cannot make it anew. */
static void put_value(lua_State *L, const harvest *h, moons__failure *failure) {
  int error = lua_gettop(L);
  lua_pushcfunction(L, set_value);
  lua_pushvalue(L, HARVEST_JOB);
  lua_pushvalue(L, error);
  lua_pushlightuserdata(L, failure);
  if (moons__call_passing_hooks(L, h->job->state, 3, 0) == LUA_OK) return;
  if (!lua_isstring(L, -1)) lua_pushliteral(L, "making it anew failed");
  lua_setfield(L, error, "unsent");
  lua_settop(L, error);
}

static void push_failure(lua_State *L, const harvest *h) {
  moons__failure failure;
  moons__check(L, moons__failure_read(&failure, h->item.bytes, h->item.n_bytes));
  moons__push_error(L, h->job, number_of(h), &failure);
  if (failure.value != NULL) put_value(L, h, &failure);
}

static void set_seconds(lua_State *L, const char *name, uint64_t ns) {
  if (ns == MOONS__UNKNOWN) return;
  lua_pushnumber(L, (lua_Number)ns / 1e9);
  lua_setfield(L, -2, name);
}

static void set_count(lua_State *L, const char *name, uint64_t n, uint64_t none) {
  if (n == none) return;
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, name);
}

/* Pushes what a call reports. */
static void push_usage(lua_State *L, const moons__usage *usage, const char *host) {
  lua_createtable(L, 0, 6);
  set_seconds(L, "seconds", usage->wall_ns);
  set_seconds(L, "cpu", usage->cpu_ns);
  set_count(L, "memory", usage->memory_bytes, MOONS__UNKNOWN);
  set_count(L, "worker", usage->worker, 0);
  set_count(L, "tries", usage->n_tries, 0);
  if (host != NULL)
    lua_pushstring(L, host);
  else
    lua_getiuservalue(L, HARVEST_JOB, MOONS__VALUE_HOST);
  lua_setfield(L, -2, "host");
}

/* Puts the usage that was read, of the call whose result comes next, into the report. */
static void harvest_usage(lua_State *L, harvest *h) {
  moons__usage usage = moons__item_usage(&h->item);
  h->is_reporting = 1;
  if (lua_getiuservalue(L, HARVEST_JOB, MOONS__VALUE_REPORT) == LUA_TTABLE) {
    push_usage(L, &usage, h->job->taken.host);
    lua_rawseti(L, -2, (lua_Integer)h->job->n_reported_before + number_of(h));
  }
  lua_pop(L, 1);
  h->is_reporting = 0;
}

/* Puts a result that is no plain value where it belongs. */
static void harvest_item(lua_State *L, harvest *h) {
  switch (h->item.kind) {
  case MOONS__ITEM_STRING: lua_pushlstring(L, h->item.bytes, h->item.n_bytes); break;
  case MOONS__ITEM_STORED: return;
  case MOONS__ITEM_MESSAGE: push_decoded(L, h->item.bytes, h->item.n_bytes, h->job->pack); break;
  case MOONS__ITEM_ERROR:
    push_failure(L, h);
    moons__put_error(L, h->job, number_of(h));
    h->n_failed++;
    return;
  default: luaL_error(L, "malformed bytes: no results");
  }
  lua_rawseti(L, HARVEST_RESULTS, number_of(h));
}

static void put_next(lua_State *L, harvest *h) {
  lua_rawseti(L, HARVEST_RESULTS, number_of(h));
  h->n_read++;
}

/* Puts `n` plain values of one kind where they belong. An error leaves the others to be read. */
static void harvest_plain(lua_State *L, harvest *h, moons__item_kind kind, uint32_t n) {
  if (kind == MOONS__ITEM_NIL || kind == MOONS__ITEM_STORED) {
    moons__batch_skip(&h->reader, n);
    h->n_read += n;
    return;
  }
  for (; kind == MOONS__ITEM_INTEGER && n > 0; n--) {
    lua_pushinteger(L, (lua_Integer)moons__batch_next_integer(&h->reader));
    put_next(L, h);
  }
  for (; kind == MOONS__ITEM_FLOAT && n > 0; n--) {
    lua_pushnumber(L, moons__batch_next_float(&h->reader));
    put_next(L, h);
  }
  for (; n > 0; n--) {
    lua_pushboolean(L, moons__batch_next_integer(&h->reader) != 0);
    put_next(L, h);
  }
}

static int harvest_items(lua_State *L) {
  harvest *h = lua_touserdata(L, HARVEST_DATA);
  int top = lua_gettop(L);
  for (;;) {
    moons__item_kind kind;
    uint32_t n = moons__batch_plain_next(&h->reader, &kind);
    if (n > 0) {
      harvest_plain(L, h, kind, n);
      continue;
    }
    moons__batch_next(&h->reader, &h->item);
    if (h->item.kind == MOONS__ITEM_END) break;
    if (h->item.kind == MOONS__ITEM_USAGE) {
      harvest_usage(L, h);
      continue;
    }
    harvest_item(L, h);
    h->n_read++;
    lua_settop(L, top);
  }
  return 0;
}

/* Puts the error on top, which it pops, where that of the next call belongs. */
static void put_own_error(lua_State *L, harvest *h, int status) {
  moons__push_own_error(L, h->job, number_of(h), status);
  moons__put_error(L, h->job, number_of(h));
  h->n_failed++;
  h->n_read++;
}

/* Puts the plain values at the beginning of a chunk into a table with room for them, where nothing can go wrong. */
static void harvest_first(lua_State *L, harvest *h) {
  const moons__job_data *j = h->job;
  moons__item_kind kind;
  uint32_t n;
  if ((lua_Integer)(j->taken.first + j->taken.n_calls - 1) > j->n_room) return;
  while (h->n_read < j->taken.n_calls && (n = moons__batch_plain_next(&h->reader, &kind)) > 0)
    harvest_plain(L, h, kind, n);
}

/* A result that cannot be received is that call's error; the others are taken all the same. A report that has no
** room is an error of the map. */
static void harvest_all(lua_State *L, harvest *h) {
  for (int status = LUA_ERRRUN; status != LUA_OK && h->n_read < h->job->taken.n_calls;) {
    lua_pushcfunction(L, harvest_items);
    for (int i = HARVEST_JOB; i <= HARVEST_RESULTS; i++)
      lua_pushvalue(L, i);
    lua_pushlightuserdata(L, h);
    status = moons__call_in_use(L, h->job, HARVEST_DATA, 0);
    if (h->is_reporting) lua_error(L); /* no memory for that */
    if (status != LUA_OK) put_own_error(L, h, status);
  }
}

/* Pushes the error of a call whose result is missing though nothing stopped it: there was no memory for
** it. */
static void push_lost(lua_State *L, const harvest *h) {
  moons__failure failure =
      moons__failure_of(MOONS__FAILURE_MEMORY, "not enough memory for the results");
  moons__push_error(L, h->job, number_of(h), &failure);
}

static void harvest_lost(lua_State *L, harvest *h) {
  for (; h->n_read < h->job->taken.n_calls; h->n_read++, h->n_failed++) {
    push_lost(L, h);
    moons__put_error(L, h->job, number_of(h));
  }
}

/* {== The table of results ==================================================================== */

enum { ELEMENT_BYTES = 16 }; /* of a table's array */

static lua_Integer first_room(lua_Integer n) {
  if (n < 0) return 0;
  while (n > MOONS_RESULTS_AT_ONCE)
    n = n / MOONS_RESULTS_GROWTH + 1;
  return n;
}

/* Elements that may be prepared: all of them in half of the memory that there is. */
static lua_Integer most_room(void) {
  size_t n = moons__machine_memory() / 2 / ELEMENT_BYTES;
  return n < INT_MAX ? (lua_Integer)n : INT_MAX;
}

/* Arguments: a table, how many elements of it count, for how many there is to be room. Returns a table with
** the same elements and that room. */
static int copy_table(lua_State *L) {
  lua_Integer n = lua_tointeger(L, 2);
  lua_createtable(L, (int)lua_tointeger(L, 3), 1); /* `n` comes last */
  for (lua_Integer i = 1; i <= n; i++) {
    if (lua_rawgeti(L, 1, i) == LUA_TNIL)
      lua_pop(L, 1);
    else
      lua_rawseti(L, -2, i);
  }
  return 1;
}

/* Makes room for more results. Where there is no memory for that, the table grows as it fills. */
static void grow_results(lua_State *L, moons__job_data *j) {
  lua_Integer room = j->n;
  if (room / MOONS_RESULTS_GROWTH > j->n_room) room = j->n_room * MOONS_RESULTS_GROWTH;
  lua_Integer n = j->n_room;
  j->n_room = 0;
  if (room > most_room()) return;
  lua_pushcfunction(L, copy_table);
  lua_pushvalue(L, HARVEST_RESULTS);
  lua_pushinteger(L, n);
  lua_pushinteger(L, room);
  if (moons__call_passing_hooks(L, j->state, 3, 1) == LUA_OK) {
    lua_pushvalue(L, -1);
    lua_replace(L, HARVEST_RESULTS);
    lua_setiuservalue(L, HARVEST_JOB, MOONS__VALUE_RESULTS);
    j->n_room = room;
  } else {
    lua_pop(L, 1);
  }
}

/* Whether the table of results, as it was made, is too small for the chunk that was taken. */
static int lacks_room(const moons__job_data *j) {
  lua_Integer last = (lua_Integer)(j->taken.first + j->taken.n_calls - 1);
  return j->n_room > 0 && last > j->n_room && j->n_room < j->n;
}

/* Arguments: the job. Returns the table of results, made where there is none yet, with room for those of the
** chunk that was taken. */
static int make_results(lua_State *L) {
  moons__job_data *j = lua_touserdata(L, HARVEST_JOB);
  if (lua_getiuservalue(L, HARVEST_JOB, MOONS__VALUE_RESULTS) == LUA_TNIL) {
    j->n_room = j->into != NULL ? 0 : first_room(j->n);
    lua_createtable(L, (int)j->n_room, 1);
    lua_replace(L, HARVEST_RESULTS);
    lua_pushvalue(L, HARVEST_RESULTS);
    lua_setiuservalue(L, HARVEST_JOB, MOONS__VALUE_RESULTS);
  }
  while (lacks_room(j))
    grow_results(L, j);
  return 1;
}

/* Only what makes a table, or a larger one, needs protection: chunks are many, and often short. */
static void push_results(lua_State *L, moons__job_data *j) {
  int is_made = lua_getiuservalue(L, HARVEST_JOB, MOONS__VALUE_RESULTS) != LUA_TNIL;
  if (is_made && !lacks_room(j)) return;
  lua_pop(L, 1);
  lua_pushcfunction(L, make_results);
  lua_pushvalue(L, HARVEST_JOB);
  moons__do_in_use(L, j, 1, 1);
}

/* Frees what was taken, if anything, or leaves its memory to the arguments of the next chunk. */
static void drop_taken(moons__job_data *j) {
  int has_rule = j->source == MOONS__FROM_INTEGERS || j->source == MOONS__FROM_FLOATS ||
                 j->source == MOONS__FROM_ARRAY;
  moons__shared_list_release(j->given);
  j->given = NULL;
  if (has_rule || j->bytes.bytes != NULL || j->taken.n_bytes > MOONS_SPARE_BYTES)
    moons__free(j->taken.bytes);
  else
    j->bytes = (moons__buffer){
        .bytes = j->taken.bytes, .capacity = j->taken.n_bytes, .beside = j->state->runtime};
  j->taken.bytes = NULL;
  j->taken.n_bytes = 0;
  j->taken.host = NULL;
}

/* The items of an iterator are kept for errors until their results are there. */
static void drop_items(lua_State *L, const moons__job_data *j) {
  if (lua_getiuservalue(L, HARVEST_JOB, MOONS__VALUE_ITEMS) == LUA_TTABLE)
    for (uint32_t i = 0; i < j->taken.n_calls; i++) {
      lua_pushnil(L);
      lua_rawseti(L, -2, (lua_Integer)(j->taken.first + i));
    }
  lua_pop(L, 1);
}

static void measure(moons__job_data *j, uint32_t n_calls) {
  if (j->first_here != 0 && j->taken.first == j->first_here)
    moons__chunker_measured_here(&j->chunker, n_calls, j->taken.busy_ns);
  else
    moons__chunker_measured(&j->chunker, n_calls, j->taken.busy_ns);
}

static void warn_of_unproved(lua_State *L, const moons__job_data *j) {
  const char *line = moons__job_take_unproved(j->job);
  if (line != NULL) lua_warning(L, line, 0);
}

/* Puts the results of the chunk that was taken where they belong. Leaves the stack as it was. */
static void harvest_chunk(lua_State *L, harvest *h) {
  moons__job_data *j = h->job;
  lua_settop(L, HARVEST_JOB);
  push_results(L, j);
  moons__batch_open(&h->reader, j->taken.bytes, j->taken.n_bytes);
  harvest_first(L, h);
  harvest_all(L, h);
  drop_taken(j);
  if (!j->taken.is_cut) harvest_lost(L, h);
  if (j->source == MOONS__FROM_ITERATOR) drop_items(L, j);
  measure(j, h->n_read);
  warn_of_unproved(L, j);
  lua_settop(L, HARVEST_JOB);
}

/* {== Waiting ================================================================================= */

/* Seconds at stack index `index` in ns; -1, for ever, where there are none. */
static int64_t check_timeout(lua_State *L, int index) {
  if (lua_isnoneornil(L, index)) return -1;
  lua_Number seconds = luaL_checknumber(L, index);
  return seconds <= 0 ? 0 : seconds < 1e9 ? (int64_t)(seconds * 1e9) : -1;
}

/* The time at which a timeout in ns, -1: none, is over. */
static uint64_t end_of(int64_t timeout_ns) {
  return timeout_ns < 0 ? UINT64_MAX : moons__clock_ns() + (uint64_t)timeout_ns;
}

/* How long to wait before the next look whether a hook is to run. */
static int64_t next_look(uint64_t end_ns) {
  uint64_t now_ns = moons__clock_ns(), left_ns = end_ns > now_ns ? end_ns - now_ns : 0;
  return left_ns < MOONS_LOOK_NS ? (int64_t)left_ns : MOONS_LOOK_NS;
}

/* Waits until the job has something to take. Returns 0 or an error. Lets hooks run now and then, and where there was
** nothing to wait for as well; they may close the job: then raises an error. */
static int wait_for_job(lua_State *L, const moons__job_data *j, int64_t timeout_ns) {
  uint64_t end_ns = end_of(timeout_ns);
  for (;;) {
    if (j->job == NULL) luaL_error(L, "the job is closed");
    int64_t wait_ns = next_look(end_ns);
    int error = moons_job_wait(j->job, wait_ns);
    int is_over = error != MOONS_ETIMEDOUT || wait_ns < MOONS_LOOK_NS;
    if (is_over && lua_gethook(L) == NULL) return error;
    moons__run_hook(L);
    if (is_over && j->job != NULL) return error;
  }
}

/* Waits for a finished chunk of the job and takes it. */
static int take_chunk(lua_State *L, moons__job_data *j, int64_t timeout_ns) {
  drop_taken(j); /* left by an error */
  int error = wait_for_job(L, j, timeout_ns);
  return error ? error : moons__job_take_ready(j->job, &j->taken, &j->given);
}

/* Waits for a chunk, and notes its results and errors. Returns 0 or an error. */
static int collect(lua_State *L, harvest *h, int64_t timeout_ns) {
  int error = take_chunk(L, h->job, timeout_ns);
  if (error == MOONS_EEND || error == MOONS_ETIMEDOUT) return error;
  moons__check(L, error);
  harvest_chunk(L, h);
  return 0;
}

/* job:collect([seconds]): waits for a chunk and notes its results and errors. Returns how many calls
** were made, the number of the first, and how many of them failed; nil when all chunks have been
** collected; false when none finished in time. */
int moons__core_collect(lua_State *L) {
  harvest h = {.job = moons__check_job(L)};
  int error = collect(L, &h, check_timeout(L, 2));
  if (error == MOONS_ETIMEDOUT) lua_pushboolean(L, 0);
  if (error != 0) return error == MOONS_ETIMEDOUT;
  lua_pushinteger(L, h.n_read);
  lua_pushinteger(L, (lua_Integer)h.job->taken.first);
  lua_pushinteger(L, h.n_failed);
  return 3;
}

void moons__finish(lua_State *L, moons__job_data *j) {
  j->is_awaited = 1;
  while (!moons__is_stopped(j) && !(j->has_ended && moons_job_pending(j->job) == 0)) {
    moons__feed(L, j, 0);
    if (!moons__is_stopped(j)) collect(L, &(harvest){.job = j}, -1);
  }
}

void moons__collect_ready(lua_State *L, moons__job_data *j) {
  while (moons_job_ready(j->job) > 0)
    collect(L, &(harvest){.job = j}, -1);
}

/* Pushes the values of a job's only call, or else its error value and notes that it failed. Arguments: the
** job, a harvest. */
static int read_values(lua_State *L) {
  harvest *h = lua_touserdata(L, 2);
  lua_settop(L, 1);
  moons__batch_next(&h->reader, &h->item);
  if (h->item.kind == MOONS__ITEM_USAGE) {
    harvest_usage(L, h);
    moons__batch_next(&h->reader, &h->item);
  }
  h->n_failed = h->item.kind == MOONS__ITEM_ERROR;
  if (h->n_failed > 0) {
    push_failure(L, h);
  } else if (h->item.kind == MOONS__ITEM_MESSAGE) {
    lua_settop(L, 1);
    return decode(L, h->item.bytes, h->item.n_bytes);
  } else {
    push_lost(L, h);
    h->n_failed = 1;
  }
  return 1;
}

int moons__take_values(lua_State *L, moons__job_data *j) {
  harvest h = {.job = j};
  lua_settop(L, 1);
  if (j->has_failed) { /* for its arguments cannot be sent */
    lua_getiuservalue(L, 1, MOONS__VALUE_ERRORS);
    lua_rawgeti(L, -1, 1);
    return moons__raise(L);
  }
  do /* a chunk without calls: the only one was given up, and is tried again */
    moons__check(L, take_chunk(L, j, -1));
  while (j->taken.n_calls == 0);
  measure(j, j->taken.n_calls);
  moons__batch_open(&h.reader, j->taken.bytes, j->taken.n_bytes);
  lua_pushcfunction(L, read_values);
  lua_pushvalue(L, 1);
  lua_pushlightuserdata(L, &h);
  int status = moons__call_in_use(L, j, 2, LUA_MULTRET);
  if (status != LUA_OK) moons__push_own_error(L, j, number_of(&h), status);
  drop_taken(j);
  return status == LUA_OK && h.n_failed == 0 ? lua_gettop(L) - 1 : moons__raise(L);
}

/* core.next([job [, seconds]]): takes a job with something new out of those that report. Where there is none, waits
** for `job`, which is one of them, and meanwhile for any other; without one, does not wait. Returns the value that
** job:report has given for it; nothing when the time is over. */
int moons__core_next(lua_State *L) {
  const moons__job_data *awaited = lua_isnoneornil(L, 1) ? NULL : moons__check_job_at(L, 1);
  uint64_t end_ns = end_of(awaited != NULL ? check_timeout(L, 2) : 0);
  moons__state_data *state = moons__push_state(L);
  if (moons__runtime_is_forked(state->runtime)) moons__check_made(L, MOONS_EFORKED, NULL);
  moons__queue *queue = moons__queue_of(L, state);
  for (;;) {
    moons_job *job;
    if (awaited != NULL && awaited->job == NULL) return 0; /* closed by a hook */
    int64_t wait_ns = awaited != NULL ? next_look(end_ns) : 0;
    int error = moons__queue_next(queue, awaited != NULL ? awaited->job : NULL, wait_ns, &job);
    if (error == MOONS_ETIMEDOUT && wait_ns < MOONS_LOOK_NS) return 0;
    if (error == MOONS_ETIMEDOUT) {
      moons__run_hook(L);
      continue;
    }
    moons__check(L, error);
    lua_pushlightuserdata(L, job);
    return 1;
  }
}
