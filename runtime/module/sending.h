/*
** The set-up of a job, and encoding for it.
*/
#ifndef MOONS_MODULE_SENDING_H
#define MOONS_MODULE_SENDING_H

#include "module/job.h"

/* Begins encoding for the job; leaves what that needs on the stack. */
moons__encoder *moons__begin_encoding(lua_State *L, moons__job_data *j);

/* Makes the set-up, with at least these libraries and the modules in a table on top, or nil, which it pops. Where
** a module cannot go by value, it goes by name, and all is made again. May raise any error. */
void moons__make_setup(lua_State *L, moons__job_data *j, moons__libraries libraries);

/* Makes the set-up anew where the arguments that were encoded need more than it brings: changed libraries, where
** modules are found, and modules. May raise any error. */
void moons__complete_setup(lua_State *L, moons__job_data *j);

#endif
