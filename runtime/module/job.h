/*
** Jobs as objects of a Lua state, as the files that work on them see them: job.c makes them, feed.c puts items into
** them, collect.c takes results out of them.
*/
#ifndef MOONS_MODULE_JOB_H
#define MOONS_MODULE_JOB_H

#include <lua.h>

#include "module/state.h"
#include "wire/batch.h"
#include "wire/failure.h"
#include "wire/wire.h"

/* The user values of a job. */
enum {
  MOONS__VALUE_FUNCTION = 1,
  MOONS__VALUE_INIT,
  MOONS__VALUE_SOURCE,  /* of the items: a table or a function */
  MOONS__VALUE_RESULTS, /* number -> result; nil: there are none yet */
  MOONS__VALUE_ERRORS,  /* number -> error value; nil: there are none yet */
  MOONS__VALUE_CLASSES, /* number -> class */
  MOONS__VALUE_SENT,    /* what went with the set-up (wire.h) */
  MOONS__VALUE_POOL,    /* the workers, where they are not the state's */
  MOONS__VALUE_ITEMS, /* number -> item, of an iterator, until its result is there; nil: there are none */
  MOONS__VALUE_CALLER, /* where in the script it was begun, where that is not where results are taken */
  MOONS__VALUE_REPORT, /* the option, a table; nil: nobody asks for it */
  MOONS__VALUE_HOST,   /* the name of this machine, where there is a report */
  MOONS__N_VALUES = MOONS__VALUE_HOST
};

typedef struct moons__job_data {
  moons_job *job; /* NULL: closed */
  moons__state_data *state;
  moons__workers_data *workers; /* whose they are, or NULL: the state's */
  struct moons__job_data *next_of_workers, *before_of_workers; /* of their open jobs */
  moons__encoder encoder;
  moons__classes classes;
  moons__buffer setup;        /* being made */
  moons__libraries libraries; /* that the set-up brings */
  unsigned n_setups; /* how often it was made: with more than the function needs, after the first */
  int is_in_use;     /* by what may run the script's code */
  int pack;          /* a result is all values of a call, packed */
  int keeps;         /* states: not fresh for each call */
  int collects;      /* failures do not stop it */
  int has_failed;    /* a call, or an item that could not be sent */

  /* Random numbers of a pool's job (module/state.h). */
  uint64_t n_seeds_before; /* that calls before it have taken */
  int is_uncounted;        /* how many it takes itself is known at its end */

  /* Feeding. */
  enum {
    MOONS__FROM_TABLE,
    MOONS__FROM_ITERATOR,
    MOONS__FROM_INTEGERS,
    MOONS__FROM_FLOATS,
    MOONS__FROM_CALL
  } source;
  int is_rows;                          /* items are rows of arguments */
  int has_ended;                        /* there are no more items, or no more are wanted */
  lua_Integer next;                     /* number of the next item */
  lua_Integer n;                        /* how many there are in all; -1: nobody knows */
  lua_Integer first, step;              /* a range of integers */
  lua_Number number_first, number_step; /* a range of floats */
  moons__chunker chunker;
  uint64_t function;   /* a number for it (chunk.h); 0: none */
  moons__buffer bytes; /* of the chunk being made */
  moons__batch_writer writer;
  int item_is_open; /* in the writer */

  /* Collecting. */
  moons_chunk taken;          /* whose results are being read; its bytes are owned */
  uint64_t n_reported_before; /* in the report, of its pool */
  lua_Integer n_room; /* elements that the table of results was made with; 0: it just grows */
} moons__job_data;

/* The job at stack index 1, where it is in all that follows; raises an error where it is closed, or in use:
** what it reads or sends would feed it, or empty it, meanwhile. */
moons__job_data *moons__check_job(lua_State *L);

/* The job at any stack index, or an error. */
moons__job_data *moons__check_job_at(lua_State *L, int index);

/* Calls the function below its `n_arguments` on top, which may run the script's code: that cannot feed,
** empty or close the job meanwhile. Returns the status of lua_pcall. An error that a hook has raised, as Ctrl-C does, is none
** of an item or result: it is passed on. */
int moons__call_in_use(lua_State *L, moons__job_data *j, int n_arguments, int n_results);

/* The same, but raises all errors. */
void moons__do_in_use(lua_State *L, moons__job_data *j, int n_arguments, int n_results);

/* The same without a job. */
int moons__call_passing_hooks(lua_State *L, moons__state_data *state, int n_arguments,
                              int n_results);

/* core.note_hook(message): a message handler that tells errors of hooks from others. core.ended_by_hook(): whether the last
** error was one, and this is the first time that somebody asks. */
int moons__core_note_hook(lua_State *L);
int moons__core_ended_by_hook(lua_State *L);

/* Begins encoding for the job; leaves what that needs on the stack. */
moons__encoder *moons__begin_encoding(lua_State *L, moons__job_data *j);

/* Makes the set-up anew where the arguments that were encoded need more than it brings: changed libraries, where
** modules are found, and modules. May raise any error. */
void moons__complete_setup(lua_State *L, moons__job_data *j);

/* Puts chunks until `most` are under way, 0: as many as keep all workers busy, or there are no more items, or a failure has stopped the job.
** Returns how many items could not be sent: their errors are noted. Passes on errors of reading items. */
lua_Integer moons__feed(lua_State *L, moons__job_data *j, lua_Integer most);

/* Puts one call, with the values from stack index `first` on as its arguments. Where they cannot be sent,
** that error is noted. */
void moons__feed_call(lua_State *L, moons__job_data *j, int first);

/* Whether a failure has ended the map before its time. */
static inline int moons__is_stopped(const moons__job_data *j) {
  return j->has_failed && !j->collects;
}

/* {== Errors of calls ========================================================================= */

/* Pushes an error value without `value`, of a call of the job, or, with index 0, of none. */
void moons__push_error(lua_State *L, const moons__job_data *j, lua_Integer index,
                       const moons__failure *failure);

/* Raises the error on top; an error value of a map tells from then on where the script was. */
int moons__raise(lua_State *L);

/* Replaces the error on top by an error value of this side, whose `value` it becomes. Raises memory
** errors alone, whatever the error is. */
void moons__push_own_error(lua_State *L, moons__job_data *j, lua_Integer index, int status);

/* Notes the error value on top, which it pops, as that of an item. */
void moons__put_error(lua_State *L, moons__job_data *j, lua_Integer index);

#endif
