/*
** Chunks: calls of one job that travel together, what has become of them, and lists of chunks, in order.
**
** A chunk belongs to the job that made it, lies in a list while it waits, and is changed by the worker that runs it
** until it is told `done`.
*/
#ifndef MOONS_WORKER_CHUNK_H
#define MOONS_WORKER_CHUNK_H

#include <stdint.h>

#include "base/buffer.h"
#include "worker/mark.h"
#include "worker/plan.h"

typedef struct moons__chunk {
  moons__plan *plan;
  uint64_t first; /* number of the first call */
  uint32_t n_calls;
  uint32_t n_skipped; /* items of `bytes` before the first call's */
  unsigned n_tries;   /* that the first call has had */
  unsigned n_losses;  /* hosts that were lost while they had it */
  char *bytes;        /* arguments (batch.h), owned; NULL afterwards where the worker keeps them */
  size_t n_bytes;
  moons__shared_list *
      shared; /* blocks that arguments speak of; NULL: none; shared. Those of items of an array are the plan's */
  moons__mark *mark; /* where the worker says how far it has come; NULL: nobody asks */

  /* What has become of the calls. */
  moons__buffer results;     /* batch.h; as many as calls were run */
  moons__shared_list *given; /* blocks that these speak of; NULL: none; owned */
  size_t counted_bytes;      /* of arguments and results, with the call that made the job */
  uint32_t n_run;
  uint32_t n_failed, n_retried, n_restored, n_proved;
  uint32_t n_images;   /* states that were built from nothing */
  size_t memory_bytes; /* the most that its state held when a call ended */
  uint32_t n_lost; /* calls that were given up with their worker, or that no worker is left for */
  int found;       /* a call gave what the job goes on until */
  int failed;      /* a call failed */
  uint64_t first_failed;
  int is_given_up; /* a call did not end: those after it were not run, though nothing stopped them */
  uint64_t begun_ns, busy_ns; /* when a worker began it, and how long it ran */
  const char *host; /* that ran it, which stays as long as the backend; NULL: this machine */

  /* Learns of a block that the next outcomes may speak of, after it was added to `given`; NULL: nobody asks. */
  void (*gave)(struct moons__chunk *chunk, moons__shared *block);

  /* By whom it is run, and taken back. */
  void *owner;                              /* which chunks belong together */
  void (*done)(struct moons__chunk *chunk); /* takes it back */
  /* Takes calls that have left it before they began, some time after they were asked for. */
  void (*parted)(struct moons__chunk *chunk, struct moons__chunk *rest);
  unsigned n_workers; /* workers 0 to n_workers - 1 may run it */

  /* Where it waits for its turn before a backend has it (schedule/line.h); the lock of that guards these. */
  struct moons__line *line; /* NULL: nowhere */
  int is_task;              /* a host has submitted it; otherwise it is of a map within a call */
  int is_in_line;           /* it waits there */
  int has_place;            /* a worker of its own has it, or will */
  uint64_t counted_ns;      /* of its line's time so far */
  uint64_t expected_ns;     /* of that, beforehand */

  unsigned depth;  /* 1: it was made outside of calls; 2: in a call of depth 1; and so on */
  int is_queued;   /* it is in a backend's queue, and has not begun */
  int is_in_scope; /* it has begun, and the call that has started it waits for its end */
  struct moons__chunk *next, *before; /* in the list that it is in */
  struct moons__chunk *next_of_owner,
      *before_of_owner; /* the owner's, of chunks that it has submitted */
} moons__chunk;

/* Frees the arguments. */
void moons__chunk_drop_arguments(moons__chunk *chunk);

/* Around its run, for the call that has started it, if one has. The second may come alone, and on another thread. */
void moons__chunk_enter_scope(moons__chunk *chunk);
void moons__chunk_leave_scope(moons__chunk *chunk);

/* Moves the calls after the first `n_kept` into a new chunk, whose arguments are `bytes`: a block (allocate.h), and the same as those
** of the chunk. NULL: no memory, with nothing changed. */
moons__chunk *moons__chunk_cut(moons__chunk *chunk, uint32_t n_kept, char *bytes);

/* {== Lists =================================================================================== */

/* Zero-initialised: empty. Callers on several threads lock. */
typedef struct moons__chunk_list {
  moons__chunk *first, *last;
  unsigned n;
} moons__chunk_list;

/* Adds a chunk at the end, or at the start. */
void moons__chunk_append(moons__chunk_list *list, moons__chunk *chunk);
void moons__chunk_prepend(moons__chunk_list *list, moons__chunk *chunk);

/* Puts a chunk behind `before`, which is in the list; NULL: at the start. */
void moons__chunk_insert(moons__chunk_list *list, moons__chunk *before, moons__chunk *chunk);

/* Takes a chunk out of the list that it is in. */
void moons__chunk_remove(moons__chunk_list *list, moons__chunk *chunk);

/* Takes the first out of the list, or returns NULL. */
moons__chunk *moons__chunk_take(moons__chunk_list *list);

/* {== The queue of a backend ================================================================== */

void moons__chunk_enqueue(moons__chunk_list *queue, moons__chunk *chunk);

/* Takes from the queue the first chunk that the worker of this number may run, or returns NULL. */
moons__chunk *moons__chunk_dequeue(moons__chunk_list *queue, unsigned worker_number);

/* How many in the queue it may run; of more than `n_most` it says these. */
unsigned moons__chunk_count(const moons__chunk_list *queue, unsigned worker_number,
                            unsigned n_most);

/* Takes from the queue the last chunk of a chain (`next_of_owner`) that is in it, or returns NULL. */
moons__chunk *moons__chunk_withdraw(moons__chunk_list *queue, moons__chunk *chain);

/* Takes all. */
moons__chunk_list moons__chunk_empty(moons__chunk_list *queue);

#endif
