/*
** Jobs as objects of a Lua state: what holds them, what the script may ask them, and their end. Results and errors stay when
** a job is closed, and its memory is left to the next: most jobs are like the last.
*/
#include "module/job.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "base/allocate.h"
#include "schedule/jobs.h"
#include "schedule/queue.h"
#include "wire/traceback.h"

static const char JOB_TYPE[] = "parallel.job";

/* Larger set-ups leave their memory to none. */
enum { MOST_SPARE_BYTES = 64 << 10 };

moons__job_data *moons__check_job_at(lua_State *L, int index) {
  moons__job_data *j = luaL_checkudata(L, index, JOB_TYPE);
  if (j->job == NULL) luaL_error(L, "the job is closed");
  return j;
}

moons__job_data *moons__check_job(lua_State *L) {
  moons__job_data *j = moons__check_job_at(L, 1);
  if (j->is_in_use) moons__blame(L, "a map cannot be waited for by what it reads or sends");
  return j;
}

void moons__push_table(lua_State *L, int which) {
  if (lua_getiuservalue(L, 1, which) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, which);
}

void moons__leave_setup(moons__job_data *j) {
  moons__state_data *state = j->state;
  int is_wanted = j->setup.capacity <= MOST_SPARE_BYTES || j->setup.n_bytes == state->setup_bytes;
  state->setup_bytes = j->setup.n_bytes;
  if (!is_wanted || state->spare_setup.bytes != NULL)
    moons__buffer_free(&j->setup);
  else
    state->spare_setup = j->setup;
  j->setup = (moons__buffer){0};
}

static void take_setup(moons__job_data *j) {
  j->setup = j->state->spare_setup;
  j->state->spare_setup = (moons__buffer){.beside = j->state->runtime};
}

void moons__leave_encoder(moons__job_data *j) {
  moons__state_data *state = j->state;
  if (state->has_spare_encoder)
    moons__encoder_end(&j->encoder);
  else
    state->spare_encoder = j->encoder;
  state->has_spare_encoder = 1;
  j->encoder = (moons__encoder){0};
}

static void take_encoder(moons__job_data *j) {
  if (!j->state->has_spare_encoder) return;
  j->state->has_spare_encoder = 0;
  j->encoder = j->state->spare_encoder;
  j->state->spare_encoder = (moons__encoder){0};
}

/* Makes the job on top one that has just begun; the state it is of is below it, and goes. */
static moons__job_data *begin(lua_State *L, moons__state_data *state) {
  moons__job_data *j = lua_touserdata(L, -1);
  *j = (moons__job_data){.state = state, .next = 1};
  j->arrays.beside = j->bytes.beside = j->classes.numbers.beside = state->runtime;
  take_encoder(j);
  take_setup(j);
  lua_replace(L, -2);
  return j;
}

/* Pushes a job that is closed. */
static void push_new(lua_State *L) {
  moons__job_data *j = lua_newuserdatauv(L, sizeof *j, MOONS__N_VALUES);
  j->state = NULL;
  luaL_setmetatable(L, JOB_TYPE);
}

moons__job_data *moons__push_job(lua_State *L) {
  moons__state_data *state = moons__push_state(L); /* is finalized after jobs: it is made before */
  push_new(L);
  return begin(L, state);
}

moons__job_data *moons__push_own_job(lua_State *L) {
  moons__state_data *state = moons__push_state(L);
  if (lua_getiuservalue(L, -1, MOONS__VALUE_SPARE_JOB) == LUA_TUSERDATA) {
    lua_pushnil(L);
    lua_setiuservalue(L, -3, MOONS__VALUE_SPARE_JOB);
  } else {
    lua_pop(L, 1);
    push_new(L);
  }
  moons__job_data *j = begin(L, state);
  j->is_own = 1;
  return j;
}

/* Whether a user value is an empty table. */
static int is_empty(lua_State *L, int which) {
  int top = lua_gettop(L), is_table = lua_getiuservalue(L, 1, which) == LUA_TTABLE;
  lua_pushnil(L);
  int is_empty = is_table && !lua_next(L, top + 1);
  lua_settop(L, top);
  return is_empty;
}

void moons__drop_table(lua_State *L, int which) {
  if (is_empty(L, which)) return;
  lua_pushnil(L);
  lua_setiuservalue(L, 1, which);
}

void moons__leave_job(lua_State *L) {
  moons__close_job(L, lua_touserdata(L, 1));
  for (int which = 1; which <= MOONS__N_VALUES; which++) {
    if (which == MOONS__VALUE_CLASSES || which == MOONS__VALUE_SENT) continue;
    lua_pushnil(L);
    lua_setiuservalue(L, 1, which);
  }
  moons__drop_table(L, MOONS__VALUE_CLASSES);
  moons__drop_table(L, MOONS__VALUE_SENT);
  moons__push_state(L);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, MOONS__VALUE_SPARE_JOB);
  lua_pop(L, 1);
}

void moons__link_job(moons__job_data *j, moons__workers_data *workers) {
  j->workers = workers;
  j->next_of_workers = workers->jobs;
  if (workers->jobs != NULL) workers->jobs->before_of_workers = j;
  workers->jobs = j;
}

static void unlink_job(moons__job_data *j) {
  moons__job_data *next = j->next_of_workers, *before = j->before_of_workers;
  if (j->workers == NULL) return;
  *(before != NULL ? &before->next_of_workers : &j->workers->jobs) = next;
  if (next != NULL) next->before_of_workers = before;
  j->workers = NULL;
}

/* Notes how long calls took. */
static void tell_cost(const moons__job_data *j) {
  if (j->function != 0)
    moons__chunker_tell(&j->chunker, moons__costs_find(&j->state->costs, j->function));
}

void moons__close_job(lua_State *L, moons__job_data *j) {
  if (j->is_in_use) moons__blame(L, "a map cannot be ended by what it reads or sends");
  if (j->state == NULL) return;
  moons__workers_data *workers = j->workers;
  tell_cost(j);
  unlink_job(j);
  moons__leave_arrays(j);
  moons_job_free(j->job);
  j->job = NULL;
  if (workers != NULL) moons__workers_let_go(workers);
  moons__leave_encoder(j);
  moons__buffer_free(&j->setup);
  moons__classes_free(&j->classes);
  moons__buffer_free(&j->bytes);
  moons__free(j->taken.bytes);
  j->taken.bytes = NULL;
  j->state = NULL;
}

/* Results and errors stay. */
static int job_close(lua_State *L) {
  static const int DROPPED[] = {MOONS__VALUE_FUNCTION, MOONS__VALUE_INIT, MOONS__VALUE_SOURCE,
                                MOONS__VALUE_CLASSES,  MOONS__VALUE_SENT, MOONS__VALUE_ITEMS};
  moons__job_data *j = luaL_checkudata(L, 1, JOB_TYPE);
  if (j->state == NULL) return 0;
  moons__close_job(L, j);
  for (size_t i = 0; i < sizeof DROPPED / sizeof DROPPED[0]; i++) {
    lua_pushnil(L);
    lua_setiuservalue(L, 1, DROPPED[i]);
  }
  return 0;
}

/* job:note_caller(): errors name the place in the script where it is now. */
static int job_note_caller(lua_State *L) {
  luaL_checkudata(L, 1, JOB_TYPE);
  if (moons__push_caller(L)) lua_setiuservalue(L, 1, MOONS__VALUE_CALLER);
  return 0;
}

/* job:results(), job:errors(): the tables by number. The former has no room for all where it is asked for
** before the first are there. */
static int job_results(lua_State *L) {
  luaL_checkudata(L, 1, JOB_TYPE);
  moons__push_table(L, MOONS__VALUE_RESULTS);
  return 1;
}

static int job_errors(lua_State *L) {
  luaL_checkudata(L, 1, JOB_TYPE);
  moons__push_table(L, MOONS__VALUE_ERRORS);
  return 1;
}

/* Gives back numbers that the job has taken from its pool's, or its state's, and not used: all but `n`. The script sees that it is
** over: until then it may have begun other calls. */
static void settle_seeds(lua_State *L, moons__job_data *j, lua_Integer n) {
  if (!j->is_uncounted) return;
  j->is_uncounted = 0;
  moons__state_data *state = moons__push_state(L);
  lua_getiuservalue(L, 1, MOONS__VALUE_POOL);
  moons__seeds *seeds = moons__seeds_of(state, lua_touserdata(L, -1));
  moons__seeds_settle(seeds, j->n_seeds_before, n);
  lua_pop(L, 2);
}

/* job:settle([n]): the same, of one that is iterated over; `n`: as if it had had so many calls. */
static int job_settle(lua_State *L) {
  moons__job_data *j = luaL_checkudata(L, 1, JOB_TYPE);
  settle_seeds(L, j, luaL_optinteger(L, 2, j->next - 1));
  return 0;
}

/* Gives the table of errors on top its field `n`, how many there are: by its metatable, so that pairs gives the errors
** alone. */
static void set_n_errors(lua_State *L) {
  int errors = lua_gettop(L);
  lua_Integer n = 0;
  for (lua_pushnil(L); lua_next(L, errors); lua_pop(L, 1))
    n++;
  lua_createtable(L, 0, 1);
  lua_createtable(L, 0, 1);
  lua_pushinteger(L, n);
  lua_setfield(L, -2, "n");
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, errors);
}

int moons__push_outcome(lua_State *L, moons__job_data *j) {
  settle_seeds(L, j, j->next - 1);
  if (j->stores) {
    lua_getiuservalue(L, 1, MOONS__VALUE_INTO);
  } else {
    moons__push_table(L, MOONS__VALUE_RESULTS);
    lua_pushinteger(L, j->next - 1);
    lua_setfield(L, -2, "n");
  }
  if (!j->collects) return 1;
  moons__push_table(L, MOONS__VALUE_ERRORS);
  set_n_errors(L);
  return 2;
}

/* job:outcome() */
static int job_outcome(lua_State *L) {
  return moons__push_outcome(L, luaL_checkudata(L, 1, JOB_TYPE));
}

/* job:is_stopped(): whether a failure has ended the map before its time. job:has_ended(): whether there are
** no more items to feed. Also of a job that is closed. */
static int job_is_stopped(lua_State *L) {
  const moons__job_data *j = luaL_checkudata(L, 1, JOB_TYPE);
  lua_pushboolean(L, moons__is_stopped(j));
  return 1;
}

static int job_has_ended(lua_State *L) {
  const moons__job_data *j = luaL_checkudata(L, 1, JOB_TYPE);
  lua_pushboolean(L, j->has_ended);
  return 1;
}

/* job:is_closed() */
static int job_is_closed(lua_State *L) {
  const moons__job_data *j = luaL_checkudata(L, 1, JOB_TYPE);
  lua_pushboolean(L, j->job == NULL);
  return 1;
}

/* job:lacks_worker(): whether a worker that it needs could not be started: the error of feeding it was that. Also of a job that is
** closed. */
static int job_lacks_worker(lua_State *L) {
  const moons__job_data *j = luaL_checkudata(L, 1, JOB_TYPE);
  lua_pushboolean(L, j->lacks_worker);
  return 1;
}

/* job:report(): has it appear in what core.next gives, each time that it has something to collect or nothing more
** is to come. Returns the value that stands for it there. */
static int job_report(lua_State *L) {
  moons__job_data *j = moons__check_job_at(L, 1);
  moons__job_report_to(j->job, moons__queue_of(L, j->state));
  lua_pushlightuserdata(L, j->job);
  return 1;
}

/* job:ready(): chunks that can be collected without waiting. */
static int job_ready(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)moons_job_ready(moons__check_job_at(L, 1)->job));
  return 1;
}

/* job:pending(): chunks that were put and have not been collected. */
static int job_pending(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)moons_job_pending(moons__check_job_at(L, 1)->job));
  return 1;
}

/* job:is_in_use(): whether what it reads or sends runs now: then it can be neither fed nor collected. */
static int job_is_in_use(lua_State *L) {
  lua_pushboolean(L, moons__check_job_at(L, 1)->is_in_use);
  return 1;
}

void moons__make_job_types(lua_State *L) {
  static const luaL_Reg METHODS[] = {
      {"feed", moons__core_feed},
      {"collect", moons__core_collect},
      {"results", job_results},
      {"errors", job_errors},
      {"settle", job_settle},
      {"outcome", job_outcome},
      {"is_stopped", job_is_stopped},
      {"has_ended", job_has_ended},
      {"is_closed", job_is_closed},
      {"lacks_worker", job_lacks_worker},
      {"report", job_report},
      {"ready", job_ready},
      {"pending", job_pending},
      {"is_in_use", job_is_in_use},
      {"note_caller", job_note_caller},
      {"stored", moons__core_stored},
      {"close", job_close},
      {NULL, NULL},
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
