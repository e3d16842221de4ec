/*
** Jobs as objects of a Lua state, as the files that work on them see them: begin.c makes them, sending.c their set-up, feed.c
** puts items into them, arrays.c knows what arrays they use, collect.c takes results out of them, errors.c makes error values of
** those that failed; map.c does all of that in one go; job.c is what the script asks them. hooks.c calls what may run the
** script's code meanwhile.
*/
#ifndef MOONS_MODULE_JOB_H
#define MOONS_MODULE_JOB_H

#include <lua.h>

#include "module/state.h"
#include "schedule/jobs.h"
#include "wire/batch.h"
#include "wire/wire.h"

/* The user values of a job. */
enum {
  MOONS__VALUE_FUNCTION = 1,
  MOONS__VALUE_INIT,
  MOONS__VALUE_SOURCE,  /* of the items: a table or a function */
  MOONS__VALUE_RESULTS, /* number -> result; nil: there are none yet */
  MOONS__VALUE_ERRORS,  /* number -> error value; nil: there are none yet */
  MOONS__VALUE_CLASSES, /* number -> class, and each array that is read -> true */
  MOONS__VALUE_SENT,    /* what went with the set-up (wire.h) */
  MOONS__VALUE_POOL,    /* the workers, where they are not the state's */
  MOONS__VALUE_ITEMS, /* number -> item, of an iterator, until its result is there; nil: there are none */
  MOONS__VALUE_CALLER, /* where in the script it was begun, where that is not where results are taken */
  MOONS__VALUE_REPORT, /* the option, a table; nil: nobody asks for it */
  MOONS__VALUE_HOST,   /* the name of this machine, where there is a report */
  MOONS__VALUE_INTO,   /* the option, an array; nil: results go into a table */
  MOONS__N_VALUES = MOONS__VALUE_INTO
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
  int lacks_worker;  /* a worker that it needs could not be started */
  int suits_caller;  /* by its options, this thread may run calls of it */
  int leaves_process; /* its workers are other processes */
  int is_awaited;     /* this thread does nothing before they are over */
  int is_own;         /* nobody else has it (moons__push_own_job) */
  unsigned n_workers; /* that it uses */

  /* Arrays. Those that are noted here belong to the user values. */
  moons__buffer arrays; /* the address of each that the job reads: they count it */
  moons__array *into;   /* that takes the results, and counts it as well; NULL: a table does */
  int stores;           /* there is one, also after the job is closed */
  moons__array *items;  /* of the calls; NULL: they are no array */
  int gives_rows;       /* these are rows of it, and not numbers */

  /* Random numbers of a job of a pool, or of a state with a seed (module/state.h). */
  uint64_t n_seeds_before; /* that calls before it have taken */
  int is_uncounted;        /* how many it takes itself is known at its end */

  /* Feeding. */
  enum {
    MOONS__FROM_TABLE,
    MOONS__FROM_ITERATOR,
    MOONS__FROM_INTEGERS,
    MOONS__FROM_FLOATS,
    MOONS__FROM_ARRAY,
    MOONS__FROM_CALL
  } source;
  int is_rows;             /* items are rows of arguments */
  int has_ended;           /* there are no more items, or no more are wanted */
  int is_paused;           /* what the items are read from wants something else to be done first */
  lua_Integer next;        /* number of the next item */
  lua_Integer n;           /* how many there are in all; -1: nobody knows */
  lua_Integer first, step; /* a range of integers */
  lua_Number number_first, number_step; /* a range of floats */
  moons__chunker chunker;
  uint64_t function; /* a number for it (chunk.h); 0: none */
  uint64_t
      first_here; /* number of the first call of the chunk that this thread runs; 0: there is none */
  moons__buffer bytes; /* of the chunk being made */
  moons__batch_writer writer;
  int item_is_open; /* in the writer */

  /* Collecting. */
  moons_chunk taken;          /* whose results are being read; its bytes are owned */
  moons__shared_list *given;  /* blocks that these speak of; owned; NULL: none */
  uint64_t n_reported_before; /* in the report, of its pool */
  lua_Integer n_room; /* elements that the table of results was made with; 0: it just grows */
} moons__job_data;

/* The job at stack index 1, where it is in all that follows; raises an error where it is closed, or in use:
** what it reads or sends would feed it, or empty it, meanwhile. */
moons__job_data *moons__check_job(lua_State *L);

/* The job at any stack index, or an error. */
moons__job_data *moons__check_job_at(lua_State *L, int index);

/* Pushes a job without a set-up, and that is not under way. */
moons__job_data *moons__push_job(lua_State *L);

/* The same, for who lets nobody else have it, and ends with moons__leave_job: for the job at stack index 1, that closes it and leaves
** it to the next one that is pushed so. What it has is dropped, results and errors too. */
moons__job_data *moons__push_own_job(lua_State *L);
void moons__leave_job(lua_State *L);

/* Leaves what encodes to the next job of the state. */
void moons__leave_encoder(moons__job_data *j);

/* The same for the memory of the set-up, whose bytes the job has been given: where it is large, only to one of the same size,
** as of the next call of the same function. */
void moons__leave_setup(moons__job_data *j);

/* Notes whose workers a job uses. */
void moons__link_job(moons__job_data *j, moons__workers_data *workers);

/* Pushes the table that is a user value of the job at stack index 1, made when it is needed first. */
void moons__push_table(lua_State *L, int which);

/* How many arguments core.job and core.map have. */
enum { MOONS__N_OF_MAP = 9 };

/* Make the job on top of the arguments below it, those of a map (core.job), or of a call (core.call): that is all on the stack. The
** job stands at 1 then, alone; where it is pushed by moons__push_own_job, it is closed when the function in C returns. Raises an
** error value where it cannot be made. */
moons__job_data *moons__make_map(lua_State *L);
moons__job_data *moons__make_call(lua_State *L);

/* Checks that there are the arguments of a call, of which these functions rely on more than on others. */
void moons__check_call(lua_State *L);

/* Drops the table that is a user value of the job at stack index 1, but for one that is empty, which is as good as a new one. */
void moons__drop_table(lua_State *L, int which);

/* Pushes what an iterator of the module's own gives in the place of an item to be read on by the next feeding: core.pause. */
void moons__push_pause(lua_State *L);

/* Puts chunks until `most` are under way, 0: as many as keep all workers busy, or there are no more items, or an iterator pauses, or a
** failure has stopped the job. Returns how many items could not be sent: their errors are noted. Passes on errors of reading items. */
lua_Integer moons__feed(lua_State *L, moons__job_data *j, lua_Integer most);

/* Puts one call, with the values from stack index `first` on as its arguments. Where they cannot be sent,
** that error is noted. */
void moons__feed_call(lua_State *L, moons__job_data *j, int first);

/* {== Arrays (arrays.c) ======================================================================== */

/* Raises an error where the items of a map, at a stack index, are a userdata that cannot be read as an array now, or what is to take
** its results, nil: nothing, is no array that can be written to now. */
void moons__check_arrays(lua_State *L, int items, int into);

/* Note the items of a map, at a stack index, that are an array or its rows, of which each is one; and the array that takes the results,
** nil: none. They were checked. The latter raises an error where there are more calls than places. */
void moons__use_items(lua_State *L, moons__job_data *j, int items);
void moons__use_into(lua_State *L, moons__job_data *j, int into);

/* What goes with the job beside the set-up that was encoded last. The caller releases luggage->shared, also after MOONS_ENOMEM. */
int moons__pack_luggage(moons__job_data *j, moons__luggage *luggage);

/* The list of blocks that the encoder has put since this was asked last, NULL for none; the caller's. */
moons__shared_list *moons__take_shared(moons__job_data *j);

/* How many calls there is room for in the array that takes the results; no end where there is none. */
lua_Integer moons__places_in_sink(const moons__job_data *j);

/* The items of an array from the next one on. */
moons__batch_part moons__part_of_items(const moons__job_data *j);

/* Pushes the item with this number, from 1, of an array. */
void moons__push_array_item(lua_State *L, const moons__job_data *j, lua_Integer number);

/* Arrays no longer count the job. */
void moons__leave_arrays(moons__job_data *j);

/* Feeds and collects until all is home, or a failure has ended the map before its time. */
void moons__finish(lua_State *L, moons__job_data *j);

/* Waits for the only call of a job, with the option `pack`, and pushes its values on the job at stack index 1; returns how many
** they are. Raises its error value. */
int moons__take_values(lua_State *L, moons__job_data *j);

/* Takes what is home by now. */
void moons__collect_ready(lua_State *L, moons__job_data *j);

/* Pushes what a map returns: the array that has its results, or these, with how many calls there were in `n`, and where they are
** collected, the errors, with how many they are in `n`. Returns how many values. Also of a job that is closed. */
int moons__push_outcome(lua_State *L, moons__job_data *j);

/* Whether a failure has ended the map before its time. */
static inline int moons__is_stopped(const moons__job_data *j) {
  return j->has_failed && !j->collects;
}

#endif
