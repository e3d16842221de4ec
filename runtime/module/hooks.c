/*
** What the module reads or sends may run the script's code, and any of that may end by a hook, as Ctrl-C and deadlines end it:
** such an error is nobody's result, and is passed on. A thread that waits in C runs no hook; so it looks for one now and then.
*/
#include "module/hooks.h"

#include <lauxlib.h>
#include <string.h>

#include "wire/traceback.h"
#include "worker/interrupt.h"
#include "worker/sandbox.h"

/* Functions between an error and the hook that it was raised in, at most: a hook in C and one in Lua raise it themselves,
** the latter by `error`. */
enum { HOOK_LEVELS = 3 };

static int is_in_hook(lua_State *L) {
  lua_Debug info;
  for (int level = 0; level < HOOK_LEVELS && lua_getstack(L, level, &info); level++)
    if (lua_getinfo(L, "n", &info) && strcmp(info.namewhat, "hook") == 0) return 1;
  return 0;
}

static int note_hook(lua_State *L) {
  if (is_in_hook(L)) {
    moons__push_state(L)->ended_by_hook = 1;
    lua_settop(L, 1);
  }
  return 1;
}

/* Leaves the job as it is between items, and passes the error on top on. */
static int pass_on(lua_State *L, moons__job_data *j) {
  if (j->item_is_open) moons__batch_item_drop(&j->writer);
  j->item_is_open = 0;
  j->encoder.is_setup = 0;
  return lua_error(L);
}

/* Begins to note whether a hook ends what is called; returns what is known of an error before, which may be under way. */
static int begin_noting(moons__state_data *state) {
  int before = state->ended_by_hook;
  state->ended_by_hook = 0;
  return before;
}

static void end_noting(moons__state_data *state, int before, int has_succeeded) {
  if (has_succeeded) state->ended_by_hook = before;
}

static int call_noting_hooks(lua_State *L, moons__state_data *state, int n_arguments,
                             int n_results) {
  int handler = lua_gettop(L) - n_arguments;
  int before = begin_noting(state);
  lua_pushcfunction(L, note_hook);
  lua_insert(L, handler);
  int status = lua_pcall(L, n_arguments, n_results, handler);
  end_noting(state, before, status == LUA_OK);
  lua_remove(L, handler);
  return status;
}

void moons__do_in_use(lua_State *L, moons__job_data *j, int n_arguments, int n_results) {
  int is_in_use = j->is_in_use;
  j->is_in_use = 1;
  int status = lua_pcall(L, n_arguments, n_results, 0);
  j->is_in_use = is_in_use;
  if (status != LUA_OK) lua_error(L);
}

int moons__call_in_use(lua_State *L, moons__job_data *j, int n_arguments, int n_results) {
  int is_in_use = j->is_in_use;
  j->is_in_use = 1;
  int status = call_noting_hooks(L, j->state, n_arguments, n_results);
  j->is_in_use = is_in_use;
  return status != LUA_OK && j->state->ended_by_hook ? pass_on(L, j) : status;
}

int moons__call_passing_hooks(lua_State *L, moons__state_data *state, int n_arguments,
                              int n_results) {
  int status = call_noting_hooks(L, state, n_arguments, n_results);
  return status != LUA_OK && state->ended_by_hook ? lua_error(L) : status;
}

/* The state's data lie at index 1; the handler's place is that of what comes first. */
static int return_all(lua_State *L, int status, lua_KContext before) {
  int has_succeeded = status == LUA_OK || status == LUA_YIELD;
  end_noting(lua_touserdata(L, 1), (int)before, has_succeeded);
  lua_pushboolean(L, has_succeeded);
  lua_replace(L, 2);
  return lua_gettop(L) - 1;
}

/* Callbacks may yield. */
int moons__core_protect(lua_State *L) {
  luaL_checkany(L, 1);
  int before = begin_noting(moons__push_state(L));
  lua_pushcfunction(L, note_hook);
  lua_rotate(L, 1, 2);
  int status = lua_pcallk(L, lua_gettop(L) - 3, LUA_MULTRET, 2, before, return_all);
  return return_all(L, status, before);
}

int moons__core_ended_by_hook(lua_State *L) {
  lua_pushboolean(L, moons__push_state(L)->ended_by_hook);
  return 1;
}

/* The main thread of a state, which stays. */
static lua_State *main_of(lua_State *L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  lua_State *main = lua_tothread(L, -1);
  lua_pop(L, 1);
  return main;
}

int moons__has_hook(lua_State *L) {
  return lua_gethook(L) != NULL || lua_gethook(main_of(L)) != NULL;
}

/* luaL_error would add the place again where a function in C runs. */
int moons__raise_ended(lua_State *L, const char *what) {
  if (moons__push_caller(L))
    lua_pushfstring(L, "%s: %s", lua_tostring(L, -1), what);
  else
    lua_pushstring(L, what);
  return lua_error(L);
}

MOONS__HANDLES_SIGNAL void moons__set_hook(lua_State *L, lua_Hook hook) {
  lua_sethook(L, hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

/* Once: it may have been set on the main thread of the state, and have run on a coroutine. */
static void interrupt(lua_State *L, lua_Debug *info) {
  (void)info;
  lua_State *main = main_of(L);
  lua_sethook(L, NULL, 0, 0);
  if (lua_gethook(main) == interrupt) lua_sethook(main, NULL, 0, 0);
  moons__raise_ended(L, "interrupted!");
}

MOONS__HANDLES_SIGNAL void moons_interrupt(lua_State *L) {
  if (L != NULL && moons__sandbox_find(L) == NULL) moons__set_hook(L, interrupt);
}

/* Runs an instruction, as code of the module's, and with it the hook that is set. */
static void run_instruction(lua_State *L) {
  static const char CODE[] = "return";
  if (luaL_loadbuffer(L, CODE, sizeof CODE - 1, "=parallel") != LUA_OK) lua_error(L);
  lua_call(L, 0, 0);
}

/* In a coroutine, a signal handler will most likely have told the main thread of the state: its hook is run here
** as well. One that debug.sethook has set does nothing then: it is for that thread alone. */
void moons__run_hook(lua_State *L) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_State *main = main_of(L);
  if (lua_gethook(L) == NULL && main != L && lua_gethook(main) != NULL) {
    lua_sethook(L, lua_gethook(main), lua_gethookmask(main), lua_gethookcount(main));
    run_instruction(L);
    lua_sethook(L, NULL, 0, 0);
  } else if (lua_gethook(L) != NULL) {
    run_instruction(L);
  }
}
