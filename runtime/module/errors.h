/*
** Error values: of calls, and of what cannot be sent or received.
*/
#ifndef MOONS_MODULE_ERRORS_H
#define MOONS_MODULE_ERRORS_H

#include "module/job.h"
#include "wire/failure.h"

/* Pushes an error value without `value`, of a call of the job, or, with index 0, of none. */
void moons__push_error(lua_State *L, moons__job_data *j, lua_Integer index,
                       const moons__failure *failure);

/* core.note_computed(metatable) */
int moons__core_note_computed(lua_State *L);

/* Raises the error on top; an error value of a map tells from then on where the script was. */
int moons__raise(lua_State *L);

/* Replaces the error on top by an error value of this side, whose `value` it becomes. Raises memory
** errors alone, whatever the error is. */
void moons__push_own_error(lua_State *L, moons__job_data *j, lua_Integer index, int status);

/* Raises the error on top, for which a job could not be made: an error value as it is, any other as one which says that the function
** cannot be sent, or that there is no memory. */
void moons__raise_of_making(lua_State *L, moons__job_data *j, int status);

/* Notes the error value on top, which it pops, as that of an item. */
void moons__put_error(lua_State *L, moons__job_data *j, lua_Integer index);

#endif
