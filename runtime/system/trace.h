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
** text; then *trace is NULL. */
const char *moons__trace_open(moons__trace **trace, const char *path, const char *process_name);

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

/* Writes what was added, where that took long, or where the last block was written long ago: `now_ns` of moons__clock_ns. */
void moons__trace_rest(moons__trace_writer *writer, int took_long, uint64_t now_ns);

/* Names the calling thread: worker `number` of the runtime `pool`, 0 for the script's own. Accepts NULL. */
void moons__trace_name_thread(moons__trace *trace, unsigned pool, unsigned number);

/* The time from which events count, of moons__clock_ns. Any thread. */
uint64_t moons__trace_start_ns(const moons__trace *trace);

/* The number of the process. Any thread. */
long moons__trace_process(const moons__trace *trace);

/* Writes what all have added, and ends the array. The trace itself stays, for threads that nobody waits for. Returns NULL, or why events are missing, a
** constant text. Any thread; accepts NULL; closing it again does nothing, and returns NULL. */
const char *moons__trace_close(moons__trace *trace);

#endif
