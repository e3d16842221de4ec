/*
** The set-up of a job is encoded once, and again only where an argument needs more than it brings.
*/
#include "module/sending.h"

#include <lauxlib.h>

#include "module/hooks.h"
#include "sizes.h"
#include "state/pristine.h"
#include "wire/setup.h"

moons__encoder *moons__begin_encoding(lua_State *L, moons__job_data *j) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  moons__encoder *e = &j->encoder;
  e->L = L;
  e->out = &j->bytes;
  e->names = &j->state->names;
  e->names_refreshed = 0;
  e->classes = &j->classes;
  e->needs = 0;
  e->put_first = NULL;
  e->put_more = NULL;
  e->arrays = &j->arrays;
  e->sink = j->into;
  e->leaves_process = j->leaves_process;
  e->may_want = j->n_setups < MOONS_SETUPS_PER_JOB;
  moons__push_table(L, MOONS__VALUE_CLASSES);
  e->class_index = lua_gettop(L);
  moons__push_table(L, MOONS__VALUE_SENT);
  e->sent_index = lua_gettop(L);
  moons__pristine_push_globals(L);
  e->pristine_index = lua_gettop(L);
  moons__encoder_begin(e);
  return e;
}

/* Arguments: the job, the libraries that the set-up brings at least, the modules that it brings, or nil. */
static int encode_setup(lua_State *L) {
  moons__job_data *j = lua_touserdata(L, 1);
  moons__drop_table(L, MOONS__VALUE_SENT);
  moons__encoder *e = moons__begin_encoding(L, j);
  e->out = &j->setup;
  e->needs = (moons__libraries)lua_tointeger(L, 2);
  e->is_setup = 1;
  e->is_kept = j->keeps;
  j->setup.n_bytes = 0;
  moons__shared_list_release(moons__take_shared(j)); /* of a try that failed */
  j->classes.n_known = 0;
  lua_getiuservalue(L, 1, MOONS__VALUE_FUNCTION);
  lua_getiuservalue(L, 1, MOONS__VALUE_INIT);
  moons__setup_encode(e, lua_gettop(L) - 1, lua_gettop(L), 3);
  j->libraries = e->needs;
  return 0;
}

void moons__make_setup(lua_State *L, moons__job_data *j, moons__libraries libraries) {
  int modules = lua_gettop(L);
  uint32_t n_known = j->classes.n_known;
  moons__names_forget_by_name(&j->state->names, L);
  for (;;) {
    lua_pushcfunction(L, encode_setup);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, (lua_Integer)libraries);
    lua_pushvalue(L, modules);
    int status = moons__call_in_use(L, j, 3, 0);
    j->encoder.is_setup = 0;
    j->classes.n_known = n_known;
    if (status == LUA_OK) break;
    j->encoder.L = L;
    if (!moons__wire_give_up_module(&j->encoder)) lua_error(L);
  }
  lua_settop(L, modules - 1);
}

/* The chunk's arguments need libraries which the set-up has not. */
static int lacks_libraries(lua_State *L, moons__job_data *j, moons__libraries needs) {
  needs &= ~j->libraries;
  if (needs == 0) return 0;
  if (!moons__setup_covers(L, needs)) return 1;
  j->libraries |= needs;
  return 0;
}

/* Gives the job the set-up that was just made. */
static void extend(lua_State *L, moons__job_data *j) {
  moons__luggage luggage;
  int error = moons__pack_luggage(j, &luggage);
  if (!error) error = moons__job_extend(j->job, j->setup.bytes, j->setup.n_bytes, &luggage);
  moons__shared_list_release(luggage.shared);
  moons__check(L, error);
}

void moons__complete_setup(lua_State *L, moons__job_data *j) {
  moons__libraries needs = j->encoder.needs;
  int wants_modules = j->encoder.wants_modules;
  j->encoder.wants_modules = 0;
  if (j->n_setups == MOONS_SETUPS_PER_JOB) return;
  int lacks = lacks_libraries(L, j, needs);
  if (!lacks && !wants_modules) return;
  moons__shared_list *of_chunk = moons__take_shared(j);
  lua_getiuservalue(L, 1, MOONS__VALUE_SENT);
  moons__make_setup(L, j, lacks ? needs | MOONS__LIBRARIES_ALL : j->libraries);
  j->n_setups++;
  extend(L, j);
  j->encoder.shared = of_chunk;
}
