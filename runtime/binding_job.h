/*
** Jobs as objects of a Lua state, as the parts of the binding that work on them see them: making
** them is binding_job.c, putting items into them binding_feed.c, taking results out of them
** binding_collect.c.
*/
#ifndef MOONS_BINDING_JOB_H
#define MOONS_BINDING_JOB_H

#include <lua.h>

#include "batch.h"
#include "binding.h"
#include "chunk.h"
#include "failure.h"
#include "wire.h"

/* The user values of a job. */
enum {
  MOONS__VALUE_CLASSES = 1, /* number -> class */
  MOONS__VALUE_SENT,        /* name -> true: globals that went with the set-up */
  MOONS__VALUE_PRISTINE,    /* name -> value: globals that need no sending */
  MOONS__VALUE_STATE,       /* the moons__state_data */
  MOONS__VALUE_POOL,        /* the workers, where they are not the state's */
  MOONS__VALUE_FUNCTION,
  MOONS__VALUE_INIT,
  MOONS__N_VALUES = MOONS__VALUE_INIT
};

typedef struct moons__job_data {
  moons_job *job; /* NULL: closed */
  moons__state_data *state;
  moons__encoder encoder;
  moons__classes classes;
  moons__buffer setup;        /* being made */
  moons__libraries libraries; /* that the set-up brings */
  int is_extended;            /* it was made anew, with more than the function needs */
  moons__buffer bytes;        /* of the chunk being made */
  moons__batch_writer writer;
  moons__chunker chunker;
  lua_Integer n_results; /* in all; 0: nobody knows */
  lua_Integer n_room;    /* elements that the table of results was made with; 0: it just grows */
  moons_chunk taken;     /* whose results are being read; its bytes are owned */
  int item_is_open;      /* in the writer */
  int is_in_use;         /* by what may run the script's code */
  int pack;
} moons__job_data;

/* The job at a stack index; raises an error where it is closed. */
moons__job_data *moons__check_job(lua_State *L, int index);

/* Calls the function below its `n_arguments` on top, which may run the script's code: that cannot close
** the job meanwhile. Returns the status of lua_pcall. */
int moons__call_in_use(lua_State *L, moons__job_data *j, int n_arguments, int n_results);

/* Begins encoding for the job at stack index `job`; leaves what that needs on the stack. */
moons__encoder *moons__begin_encoding(lua_State *L, moons__job_data *j, int job);

/* Makes the set-up anew where a chunk's arguments need more than it brings: changed libraries, and
** where modules are found. May raise any error. */
void moons__need_libraries(lua_State *L, moons__job_data *j, int job, moons__libraries needs);

/* {== Errors of calls ========================================================================= */

/* Pushes an error value without `value`. */
void moons__push_error(lua_State *L, lua_Integer index, const moons__failure *failure);

/* Replaces the error on top by an error value of this side, whose `value` it becomes. Raises memory
** errors alone, whatever the error is. */
void moons__push_own_error(lua_State *L, moons__job_data *j, lua_Integer index, int status);

#endif
