/*
** The file of a trace: events in the trace event format, as one array of JSON, which Perfetto and Chrome show. Its end may be
** missing, so a process that is killed leaves a trace as well.
*/
#ifndef MOONS_SYSTEM_TRACE_H
#define MOONS_SYSTEM_TRACE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "system/clock.h"

typedef struct moons__trace moons__trace;

/* Makes the file anew, and names the process and the calling thread in it. Returns NULL, or why that cannot be, a constant
** text; then *trace is NULL. A file that is no trace is not touched. */
const char *moons__trace_open(moons__trace **trace, const char *path, const char *process_name);

/* Where events of another process stand in a trace. */
typedef struct moons__trace_origin {
  uint64_t process;  /* the number of whose they count; 0: nothing is traced */
  uint64_t thread;   /* of its row, or of the first of its rows */
  uint64_t start_ns; /* from when events count, by moons__clock_ns there */
} moons__trace_origin;

/* A part of the trace of another process, in that which works for it: each event goes to `take` as soon as it is added, on the
** thread that adds it. NULL: no memory. */
moons__trace *moons__trace_open_part(const moons__trace_origin *origin,
                                     void (*take)(void *data, const char *events, size_t n_bytes),
                                     void *data);

/* Whoever adds events, which go to the file in blocks. One thread at a time uses it, but for the end of the trace. */
typedef struct moons__trace_writer {
  moons__trace *trace; /* NULL: it adds none */
  atomic_flag is_busy; /* guards what follows */
  moons__buffer block;
  uint64_t written_ns; /* when the last block was */
  struct moons__trace_writer *next, *before;
} moons__trace_writer;

/* Joins a trace, or none for NULL, until it leaves: then what is left is written. */
void moons__trace_join(moons__trace_writer *writer, moons__trace *trace);
void moons__trace_leave(moons__trace_writer *writer);

/* Begins an event of up to `n_bytes`, an object behind ",\n", which goes to where it returns; NULL: there is no memory, and the
** event is missing. Otherwise `end`, where the event ends, is due at once. There are none once the trace is closed or full, could
** not be written, or in the child of a fork: then what is added is lost. */
char *moons__trace_begin(moons__trace_writer *writer, size_t n_bytes);
void moons__trace_end(moons__trace_writer *writer, const char *end);

/* Adds events of a part, as its `take` got them. */
void moons__trace_add(moons__trace_writer *writer, const char *events, size_t n_bytes);

/* Writes what was added, where that took long, or where the last block was written long ago: `now_ns` of moons__clock_ns. */
void moons__trace_rest(moons__trace_writer *writer, int took_long, uint64_t now_ns);

/* Names the calling thread: worker `number` of the runtime `pool`, 0 for the script's own. Of a part, whose it is has named
** it. Accepts NULL. */
void moons__trace_name_thread(moons__trace *trace, unsigned pool, unsigned number);

/* Names another machine that works for the runtime `pool`, as a process of the trace, number `place` of those of the runtime, with
** a row for each of its workers. Returns where its events stand, by the clock here. Any thread. */
moons__trace_origin moons__trace_add_machine(moons__trace *trace, unsigned pool, unsigned place,
                                             const char *name, unsigned n_workers);

/* Where events of the calling thread stand; of a part, those of its row `number`, from 0, or behind or, as numbers wrap around,
** before that. Events of a process that works for the thread may stand there too. */
moons__trace_origin moons__trace_here(const moons__trace *trace, uint64_t number);

/* Writes what all have added, and ends the array. The trace itself stays, for threads that nobody waits for. Returns NULL, or
** why events are missing, a constant text. Any thread; accepts NULL; closing it again does nothing, and returns NULL. */
const char *moons__trace_close(moons__trace *trace);

#endif
