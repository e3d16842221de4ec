/*
** The prompt of `moons`, as that of `lua`: reads lines, runs them, prints what expressions give.
*/
#ifndef MOONS_COMMAND_PROMPT_H
#define MOONS_COMMAND_PROMPT_H

#include <lua.h>

/* Calls the function below `n_arguments` on the stack, protected, with all its results. Where it fails, tells of
** that, pops the error and returns what lua_pcall has returned. Ctrl-C ends the function, and nothing else. */
typedef int moons__prompt_call(lua_State *L, int n_arguments);

/* Reads and runs until the end of input. `library`: see moons__keyboard_open. The stack is empty afterwards. */
void moons__prompt_run(lua_State *L, moons__prompt_call *call, const char *library);

#endif
