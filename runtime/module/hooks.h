/*
** Calling what may run the script's code, and the hooks that end it, or a wait.
*/
#ifndef MOONS_MODULE_HOOKS_H
#define MOONS_MODULE_HOOKS_H

#include "module/job.h"

/* Calls the function below its `n_arguments` on top, which may run the script's code: that cannot feed,
** empty or close the job meanwhile. Returns the status of lua_pcall. An error that a hook has raised, as Ctrl-C does, is none
** of an item or result: it is passed on. */
int moons__call_in_use(lua_State *L, moons__job_data *j, int n_arguments, int n_results);

/* The same, but raises all errors. */
void moons__do_in_use(lua_State *L, moons__job_data *j, int n_arguments, int n_results);

/* The same without a job. */
int moons__call_passing_hooks(lua_State *L, moons__state_data *state, int n_arguments,
                              int n_results);

/* core.protect(f, ...): calls a function in protected mode, and returns what pcall does. core.ended_by_hook(): whether a hook has
** ended what was called so last, or one of the above, also where its error came home by way of others. */
int moons__core_protect(lua_State *L);
int moons__core_ended_by_hook(lua_State *L);

/* Whether a hook is set that moons__run_hook would run. */
int moons__has_hook(lua_State *L);

/* Lets a hook run that was set while this thread was waiting in C, as a signal handler or a deadline does to end the
** script: it raises an error. */
void moons__run_hook(lua_State *L);

/* The error of a hook that ends what runs: `what`, with the place in the script. */
int moons__raise_ended(lua_State *L, const char *what);

/* What a signal handler, or another thread, may set: the hook runs before the next instruction. */
void moons__set_hook(lua_State *L, lua_Hook hook);

#endif
