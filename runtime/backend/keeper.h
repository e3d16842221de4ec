/*
** What processes.c and the files process_*.c share. Private to these.
*/
#ifndef MOONS_BACKEND_KEEPER_H
#define MOONS_BACKEND_KEEPER_H

#include <stdint.h>
#include <uv.h>

#include "backend/backend.h"
#include "backend/frame.h"
#include "backend/front.h"
#include "backend/outbox.h"
#include "moons.h"
#include "sizes.h"
#include "system/park.h"
#include "system/process.h"
#include "wire/failure.h"
#include "worker/outcome.h"
#include "worker/row.h"

enum { MOONS__WHY_BYTES = 1024 };

/* What a keeper has, only its thread touches, but for what the mutex of the backend guards. */
typedef struct keeper {
  moons__backend *backend;
  uv_thread_t id;
  moons__sleeper sleeper; /* its number is the worker's */

  int is_up; /* there is a process */
  moons__process process;
  moons__link link;
  moons__front *front;            /* of its memory */
  moons__outbox outbox;           /* what the process has */
  uint64_t deadline_ns;           /* until when it has to say who it is, or to end; 0: neither */
  int has_ended;                  /* the process has, but there may be something to read */
  moons__failure_kind killed_for; /* MOONS__FAILURE_LOST: it was not killed */
  unsigned n_run_killed;          /* calls that had run then */
  uint64_t looked_ns;
  int has_printed;
  int has_host; /* the process offers calls what the host does */
  moons__terms *
      kept; /* of the last calls that left a state behind, which may print when it is closed; shared */
  int is_short;               /* there was no memory for what results speak of */
  int is_spent;               /* something runs on in the process that does not end */
  moons__buffer text;         /* being printed */
  char why[MOONS__WHY_BYTES]; /* what the process said, or died of */
  moons__row row;             /* of the trace: chunks, and what the process says of their calls */
  uint64_t row_number;        /* its; set before it lends its place */
  unsigned n_places; /* how many workers the process knows; set before it wants places of these */
  pid_t ran_in;      /* the last process that had the chunk; 0: none had */
  int is_joined;     /* its thread has ended; for the thread that closes the backend */

  /* Guarded by the mutex. */
  moons__link control;
  moons__chunk *chunk;     /* that the process has; NULL: none */
  uint64_t work;           /* its number; the next one's is one more */
  uint64_t cancelled_ns;   /* since when it is cancelled; 0: it is not */
  int is_stopped;          /* the process was told to begin no more calls of it */
  int is_busy;             /* with a chunk, up to its end */
  int is_asked;            /* the process was asked for a part, and has not answered */
  unsigned n_wanted;       /* places that maps within its calls could use */
  unsigned n_borrowed;     /* that they have */
  struct keeper *borrower; /* who has the place of this one; NULL: nobody */
  int is_recalled;         /* and was told that it is wanted back */
  struct keeper *next;
} keeper;

struct moons__backend {
  moons__backend_config config;
  char *program;
  moons__teller teller;
  moons__entry *entry;

  uv_mutex_t mutex; /* guards all that follows */
  moons__chunk_list queue;
  moons__park park; /* keepers that sleep until there is a chunk, or the end */
  keeper *keepers;
  atomic_uint n_busy;               /* of the keepers; changed under the mutex */
  char is_taken[MOONS_MAX_WORKERS]; /* by number: a keeper has it */
  unsigned n_workers;               /* that there may be */
  unsigned n_wanted;                /* places, by all processes together */
  unsigned n_start_failures;        /* in a row */
  char *refusal;                    /* why no chunk is run any more; NULL: they are */
  int closing;
};

/* The command that serves. */
#define MOONS__SERVING_NAME "moons"

/* {== The life of a process: on the thread of its keeper, but for the last two ================ */

/* Starts the process and meets it. Returns 0, or -1 with nothing left: then `why` says why, and after some failures in a row
** the backend refuses all chunks. */
int moons__keeper_start(keeper *k);

/* Whether to go on waiting for the process: `waits` of its link. Ends a process that must end. */
int moons__keeper_look(void *data);

/* Waits for the end of the process, and takes what there is of it; `why` becomes what it has died of. Others no longer give it
** orders. */
void moons__keeper_bury(keeper *k);

/* Gives the process an order about its chunk. The mutex is held. */
void moons__keeper_order(keeper *k, moons__frame_kind kind, uint32_t n);

/* The same, with an order that was filled in. */
void moons__keeper_send(keeper *k, moons__frame_kind kind, const moons__frame_order *order);

/* Cancels its chunk, where nobody has. The mutex is held. */
void moons__keeper_cancel(keeper *k, uint64_t since_ns);

/* {== Its chunk: on the thread of its keeper ================================================== */

/* Hands the chunk over once. Returns whether it has run, or what of it can be; 0: it is to be tried again. */
int moons__keeper_try(keeper *k, moons__chunk *chunk);

/* Passes on what a call has printed, and what the backend has kept back of that. The first returns 0, or -1 as a link does. */
int moons__keeper_pass_on_print(keeper *k, const moons__frame *frame);
void moons__keeper_pass_on(keeper *k);

/* How far the process has come with its chunk; also on another thread, with the mutex held and a chunk. */
moons__stage moons__keeper_stage(const keeper *k);

/* Copies the position of the function, while there is a front. */
void moons__keeper_position(const keeper *k, char position[MOONS_POSITION_BYTES]);

/* `tell` of the backend. */
void moons__keepers_tell(moons__backend *backend, moons__take_running *take, void *taker);

/* {== Places that workers lend (process_places.c); the mutex is held =========================== */

/* Adds a keeper below `n_workers`, for a chunk, or for its place. Returns 0, or -1 where there can be none. */
int moons__keeper_add(moons__backend *backend, unsigned n_workers);

/* On the thread of a keeper that has nothing to do: lends its place, if somebody wants one. Returns whether it has: then it is
** woken when that is free again. */
int moons__place_lend(keeper *k);

/* Wants the place of one of the first `n_workers` back, for a chunk. */
void moons__place_recall(moons__backend *backend, unsigned n_workers);

/* Maps within calls of its process could use so many places more. */
void moons__places_want(keeper *k, unsigned n);

/* Its process has given back the place of worker `number`. */
void moons__places_return(const keeper *k, unsigned number);

/* Its chunk has ended, or its process has: so do the loans. */
void moons__places_forget(keeper *k);

/* {== Its row of a trace, on the thread of its keeper; without a trace they do nothing ========= */

/* A chunk begins, and ends. */
void moons__keeper_trace_begin(keeper *k);
void moons__keeper_trace_end(keeper *k, const moons__chunk *chunk);

/* Takes what the process has run, from its memory; takes a frame of that. The second returns 0, or -1 as a link does. */
void moons__keeper_take_events(keeper *k);
int moons__keeper_read_events(keeper *k, const moons__frame *frame);

/* Takes the same, and which call it was in, from a process that has died, before it is buried. */
void moons__keeper_take_row(keeper *k);

/* Adds the call that its end is blamed on. */
void moons__keeper_trace_lost(keeper *k, const moons__chunk *chunk, const moons__remains *remains);

#endif
