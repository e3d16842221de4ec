/*
** What is printed leaves in whole lines, those of several workers unmixed; programs that a call has started are known
** by the arena of its state.
*/
#include "worker/sandbox.h"

#include <stddef.h>
#include <string.h>

#include "moons.h"
#include "sizes.h"
#include "state/arena.h"
#include "system/clock.h"

_Static_assert(offsetof(moons__sandbox, stop) == 0,
               "the owner of a state's memory is known as either");

moons__sandbox *moons__sandbox_of(lua_State *L) { return (moons__sandbox *)moons__stop_of(L); }

moons__sandbox *moons__sandbox_find(lua_State *L) {
  void *arena;
  if (L == NULL || lua_getallocf(L, &arena) != moons__arena_alloc) return NULL;
  return ((const moons__arena *)arena)->owner;
}

const void *moons__sandbox_arena(lua_State *L) {
  void *arena;
  lua_getallocf(L, &arena);
  return arena;
}

/* Printing. */

/* What a thread prints after it was given up is dropped: `write` of the host may be gone. */
static void write_out(moons__sandbox *s, int stream, const char *bytes, size_t n_bytes) {
  const moons_terms *terms = moons__terms_of(s->terms);
  if (n_bytes == 0 || !moons__stop_pin(&s->stop)) return;
  if (terms->write != NULL) {
    terms->write(terms->data, s->call_data, stream, bytes, n_bytes);
  } else {
    s->write(s->write_data, stream, bytes, n_bytes);
    s->has_written = 1;
  }
  moons__stop_unpin(&s->stop);
}

void moons__sandbox_flush_line(moons__sandbox *s, int stream) {
  moons__buffer *line = &s->lines[stream - 1];
  write_out(s, stream, line->bytes, line->n_bytes);
  line->n_bytes = 0;
}

/* Counts what is to be printed. Returns how much was before. */
static size_t count_printed(moons__sandbox *s, size_t n_bytes) {
  if (s->printed != NULL)
    return atomic_fetch_add_explicit(s->printed, n_bytes, memory_order_relaxed);
  s->n_printed += n_bytes;
  return s->n_printed - n_bytes;
}

/* How much may be printed of so many bytes. A call that prints more must end. */
static size_t allow(moons__sandbox *s, size_t n_bytes) {
  const moons_terms *terms = moons__terms_of(s->terms);
  if ((terms->rights & MOONS_MAY_PRINT) == 0 || s->is_silent) return 0;
  if (terms->output_bytes == 0) return n_bytes;
  size_t before = count_printed(s, n_bytes);
  if (before <= terms->output_bytes && n_bytes <= terms->output_bytes - before) return n_bytes;
  moons__stop_here(&s->stop, moons__stop_running(&s->stop), MOONS__STOP(OUTPUT));
  return before < terms->output_bytes ? terms->output_bytes - before : 0;
}

/* Whole lines go out at once, so that those of several workers do not mix; what comes after the
** last newline waits for the rest of its line. */
void moons__sandbox_emit(moons__sandbox *s, int stream, const char *bytes, size_t n_bytes) {
  moons__buffer *line = &s->lines[stream - 1];
  n_bytes = allow(s, n_bytes);
  if (n_bytes == 0) return;
  if (moons__buffer_append(line, bytes, n_bytes)) { /* no memory to wait in */
    moons__sandbox_flush_line(s, stream);
    write_out(s, stream, bytes, n_bytes);
    return;
  }
  size_t n_whole = line->n_bytes;
  while (n_whole > 0 && line->bytes[n_whole - 1] != '\n')
    n_whole--;
  if (line->n_bytes - n_whole > MOONS_LINE_BYTES) n_whole = line->n_bytes;
  write_out(s, stream, line->bytes, n_whole);
  line->n_bytes -= n_whole;
  if (n_whole > 0) memmove(line->bytes, line->bytes + n_whole, line->n_bytes);
}

void moons__sandbox_write_lines(moons__sandbox *s) {
  for (int stream = 1; stream <= MOONS__N_STREAMS; stream++)
    moons__sandbox_flush_line(s, stream);
}

/* Programs. */

static int may_have_programs(const moons__sandbox *s) {
  return s->starter.children != NULL && s->state != NULL;
}

void moons__sandbox_expect_programs(moons__sandbox *s, uint64_t patience_ns) {
  moons__children *children = s->starter.children;
  if (!may_have_programs(s) || !moons__children_has(children, s->state)) return;
  moons__children_expect(children, s->state, moons__clock_ns() + patience_ns);
}

void moons__sandbox_forget_programs(moons__sandbox *s) {
  if (may_have_programs(s)) moons__children_forget(s->starter.children, s->state);
}

void moons__sandbox_end_programs(moons__sandbox *s) {
  if (may_have_programs(s)) moons__children_end(s->starter.children, s->state);
}

void moons__sandbox_kill_programs(moons__sandbox *s) {
  if (may_have_programs(s)) moons__children_kill(s->starter.children, s->state);
}

/* Beginning and ending. */

void moons__sandbox_release_deferred(moons__sandbox *s) {
  while (s->deferred.n_bytes > 0) {
    moons__deferred last;
    s->deferred.n_bytes -= sizeof last;
    memcpy(&last, s->deferred.bytes + s->deferred.n_bytes, sizeof last);
    last.release(last.pointer);
  }
}

void moons__sandbox_enter(moons__sandbox *s, const moons__terms *terms, void *call_data) {
  s->terms = terms;
  s->call_data = call_data;
}

void moons__sandbox_begin(moons__sandbox *s) {
  s->made_finalizer = s->loaded_library = s->loaded_module = s->set_default = 0;
}

/* A call that was given up has left what it has deferred. */
void moons__sandbox_free(moons__sandbox *s) {
  moons__sandbox_release(s);
  moons__buffer_free(&s->deferred);
  for (int i = 0; i < MOONS__N_STREAMS; i++)
    moons__buffer_free(&s->lines[i]);
}
