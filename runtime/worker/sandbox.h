/*
** What stands between the calls of a worker and what is outside of their states: what they print, the programs that they
** start, how they are ended; and notes of what they did that the image cannot undo. The functions that use it are put in
** place by install.h.
*/
#ifndef MOONS_WORKER_SANDBOX_H
#define MOONS_WORKER_SANDBOX_H

#include <lua.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/buffer.h"
#include "worker/program.h"
#include "worker/stop.h"
#include "worker/terms.h"

enum { MOONS__N_STREAMS = 2 }; /* stdout, stderr */

/* Belongs to one worker, which sets `write`. That takes what is printed, unless the terms say who does: stream 1 is stdout, 2
** stderr. */
typedef struct moons__sandbox {
  moons__stop stop; /* the first: the owner of a state's memory */

  void (*write)(void *data, int stream, const char *bytes, size_t n_bytes);
  void (*flush)(void *data); /* NULL: `write` keeps back nothing */
  void *write_data;
  const moons__terms *terms; /* of what runs */
  void *call_data;           /* of it */
  size_t n_printed;          /* bytes, by what runs */
  atomic_size_t *
      printed; /* the same with all that is started, where it is counted for a scope; NULL: it is not */
  unsigned seat;          /* of the thread (seats.h) */
  int is_in_call;         /* a call has begun, and what it has deferred was not released */
  moons__buffer deferred; /* of moons__deferred */
  int is_silent;          /* what is printed is dropped */
  int has_written;
  moons__buffer lines[MOONS__N_STREAMS]; /* what was printed of lines that have not ended */
  int warns;                             /* warn is on; 2: within a message */

  /* Notes, cleared by begin. */
  int made_finalizer; /* a table has a __gc */
  int loaded_library; /* a C library was loaded */
  int loaded_module;  /* any module was */
  int set_default;    /* the default input or output was set: bits */

  uint64_t
      cpu_begun_ns; /* of the thread, when the call began; MOONS__UNKNOWN: os.clock counts from its first use */

  unsigned fork_number;   /* of the process (fork.h); set by the worker too */
  moons__starter starter; /* of the programs that calls start */

  /* The arena of the state in use, which owns its programs. Another thread that gives a call up reads it while this one may
  ** go on to close its state: relaxed, for nothing but the address is read. */
  _Atomic(const void *) state;
} moons__sandbox;

/* The sandbox of a worker's state, also of a coroutine of it. */
moons__sandbox *moons__sandbox_of(lua_State *L);

/* The same of any state; NULL where that is none of a worker's. Any thread. */
moons__sandbox *moons__sandbox_find(lua_State *L);

/* The arena of such a state, by which its programs are known. */
const void *moons__sandbox_arena(lua_State *L);

/* Says under which terms code runs next. */
void moons__sandbox_enter(moons__sandbox *sandbox, const moons__terms *terms, void *call_data);

/* What is to be released when the call is over. */
typedef struct moons__deferred {
  void (*release)(void *pointer);
  void *pointer;
} moons__deferred;

/* Releases what the call has deferred, the last first: nothing, after most calls. */
void moons__sandbox_release_deferred(moons__sandbox *sandbox);
static inline void moons__sandbox_release(moons__sandbox *sandbox) {
  if (sandbox->deferred.n_bytes > 0) moons__sandbox_release_deferred(sandbox);
}

/* Clears the notes. */
void moons__sandbox_begin(moons__sandbox *sandbox);

/* Writes what is printed: its whole lines at once. And what is left of an unfinished line of a stream. */
void moons__sandbox_emit(moons__sandbox *sandbox, int stream, const char *bytes, size_t n_bytes);
void moons__sandbox_flush_line(moons__sandbox *sandbox, int stream);

/* Writes out what is left of unfinished lines: nothing, after most calls. */
void moons__sandbox_write_lines(moons__sandbox *sandbox);
static inline void moons__sandbox_flush(moons__sandbox *sandbox) {
  if (sandbox->lines[0].n_bytes > 0 || sandbox->lines[1].n_bytes > 0)
    moons__sandbox_write_lines(sandbox);
}

/* Says which state is used next. To be called before the stop begins what may be ended in it. */
static inline void moons__sandbox_use(moons__sandbox *sandbox, const void *arena) {
  atomic_store_explicit(&sandbox->state, arena, memory_order_relaxed);
}

/* Gives programs that the state in use has left open this time to end by themselves. To be called before it is closed. */
void moons__sandbox_expect_programs(moons__sandbox *sandbox, uint64_t patience_ns);

/* Ends what programs are left of the state in use, which was closed. */
void moons__sandbox_forget_programs(moons__sandbox *sandbox);

/* To be called where a call has ended. */
static inline void moons__sandbox_end_call(moons__sandbox *sandbox) {
  moons__starter *starter = &sandbox->starter;
  if (starter->sigpipe.is_held && starter->n_written_to == 0)
    moons__sigpipe_release(&starter->sigpipe);
}

/* For the thread that watches the running call: end tells its programs to end, kill ends them at once. */
void moons__sandbox_end_programs(moons__sandbox *sandbox);
void moons__sandbox_kill_programs(moons__sandbox *sandbox);

/* Passes on what was written. */
static inline void moons__sandbox_pass_on(moons__sandbox *sandbox) {
  if (sandbox->has_written && sandbox->flush != NULL) sandbox->flush(sandbox->write_data);
  sandbox->has_written = 0;
}

/* Frees what it holds. */
void moons__sandbox_free(moons__sandbox *sandbox);

#endif
