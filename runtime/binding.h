/*
** What the parts of the binding share. The module's C half is binding.c (the module), binding_pool.c
** (the runtimes of a Lua state), binding_job.c (jobs as objects of a Lua state) and binding_console.c
** (what the caller's side shows on the terminal); the Lua half (lua/parallel) makes the calls of the
** module out of it.
*/
#ifndef MOONS_BINDING_H
#define MOONS_BINDING_H

#include <lua.h>

#include "moons.h"
#include "names.h"

/* Keys in the registry. */
#define MOONS__KEY_RUNTIME "moons.runtime" /* light userdata, given by moons_preload */
#define MOONS__KEY_HOST "moons.host"       /* true in states given to moons_open */

/* The metatable of error values. */
#define MOONS__ERROR_TYPE "parallel.error"

/* What the jobs of a Lua state share. */
typedef struct moons__state_data {
  moons_runtime *runtime;
  int owns_runtime;
  moons__names names;
} moons__state_data;

/* Raises the error of a code that is not 0. */
void moons__check(lua_State *L, int error);

/* Pushes the data of this state, made when it is needed first, with a runtime where it has none. */
moons__state_data *moons__push_state(lua_State *L);

/* Whether this is the state of a call that a worker runs. */
int moons__is_worker(lua_State *L);

/* The runtime of the workers object at a stack index; raises an error where it is closed. */
moons_runtime *moons__check_workers(lua_State *L, int index);

/* Makes the metatables of states and workers, and of jobs. */
void moons__make_pool_types(lua_State *L);
void moons__make_job_types(lua_State *L);

/* Functions of the module "parallel.core". */
int moons__core_new_workers(lua_State *L);
int moons__core_stats(lua_State *L);
int moons__core_job(lua_State *L);
int moons__core_wait(lua_State *L);
int moons__core_columns(lua_State *L);
int moons__core_say(lua_State *L);
int moons__core_show(lua_State *L);
int moons__core_hide(lua_State *L);

#endif
