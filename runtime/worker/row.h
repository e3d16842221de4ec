/*
** A worker's row of a trace: what it ran, and when. Events wait in a block and go to the file (system/trace.h) together. The
** worker's thread uses it, or whoever holds its call (stop.h).
*/
#ifndef MOONS_WORKER_ROW_H
#define MOONS_WORKER_ROW_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "sizes.h"
#include "system/trace.h"

typedef struct moons__row {
  moons__trace_writer out;
  uint64_t number;            /* of the row, where the trace is a part */
  moons__trace_origin origin; /* of the thread that the chunk began on */
  int is_set_up;
  uint64_t chunk_ns;                   /* when the chunk began */
  uint64_t begun_ns;                   /* when the next call did; 0: it has not */
  uint64_t ended_ns;                   /* when it ended; 0: it has not */
  char position[MOONS_POSITION_BYTES]; /* of the function; "": not known */
  moons__buffer start;                 /* of an event of this function, up to its time */
  int has_start;                       /* it is that of the position and the thread */
} moons__row;

/* A call, or a try, that has ended. */
typedef struct moons__traced_call {
  uint64_t begun_ns, ended_ns, number;
  unsigned n_tries; /* before it */
  const char *failure;
  size_t failure_bytes; /* 0: it has not failed */
} moons__traced_call;

typedef struct moons__traced_chunk {
  uint64_t first;
  uint32_t n_run, n_failed;
  long process; /* that ran it; 0: the one that is traced */
} moons__traced_chunk;

/* A row of this trace, NULL: of none; of a part row `number`. What follows is only for one that is traced. */
void moons__row_open(moons__row *row, moons__trace *trace, uint64_t number);

static inline int moons__row_is_traced(const moons__row *row) { return row->out.trace != NULL; }

/* A chunk begins on the calling thread. */
void moons__row_begin(moons__row *row);

/* The chunk is set up since now: its calls are of the function that was written there; NULL: the set-up has failed. */
void moons__row_set_up(moons__row *row, const char *position);

/* The same, of a chunk that another process has set up. */
void moons__row_set_up_elsewhere(moons__row *row, const char *position);

/* The next call, or a try of it, begins. */
void moons__row_begin_call(moons__row *row);

/* Adds a call. */
void moons__row_call(moons__row *row, const moons__traced_call *call);

/* Adds the next call, which begins where the one before has ended. */
void moons__row_next(moons__row *row, uint64_t number, uint64_t ended_ns);

/* The chunk has ended. */
void moons__row_end(moons__row *row, const moons__traced_chunk *chunk);

/* Writes what is left, and frees what the row has; also where it is not traced. */
void moons__row_close(moons__row *row);

#endif
