/*
** A line has a clock that goes on as workers run what it has, and the line whose clock is behind comes next. While a chunk runs it
** counts with what the last one took, and with what it really took once it is done; a call also with the chunks that it has run
** itself by then. A line that comes with its first chunk begins where the others are: who has waited for long has no claim for
** that. After each change as many chunks of lines that take turns are with the backend as there are workers, or none of these lines
** has one that can begin; and the others have none.
**
** Calls and chunks of maps within calls begin one after the other where both wait: so neither keeps the other waiting.
**
** The runtime's mutex is taken after a job's and before the backend's, and is free when chunks are submitted.
*/
#include "schedule/line.h"

#include <stdlib.h>

#include "base/allocate.h"
#include "schedule/inside.h"

/* A chunk counts with this at least, so that lines with the shortest calls take turns too. */
enum { LEAST_CHUNK_NS = 1000 };

int moons__line_open(moons__terms *terms, moons_runtime *r, int takes_turns) {
  moons__line *line = moons__allocate(r, sizeof *line);
  if (line == NULL) return MOONS_ENOMEM;
  *line = (moons__line){.runtime = r,
                        .takes_turns = takes_turns,
                        .max_running = terms->given.max_running,
                        .max_waiting = terms->given.max_waiting,
                        .task_ns = LEAST_CHUNK_NS,
                        .inner_ns = LEAST_CHUNK_NS};
  terms->line = line;
  return 0;
}

moons__line *moons__line_find(const moons_runtime *r, const moons__terms *terms) {
  moons__line *line = terms != NULL ? terms->line : NULL;
  return line != NULL && line->runtime == r && !r->functions->runs_when_asked ? line : NULL;
}

/* {== Turns; the mutex is held ================================================================ */

static int is_empty(const moons__line *line) { return line->tasks.n + line->inner.n == 0; }

static int is_used_up(const moons__line *line) {
  return line->max_running > 0 && line->n_running >= line->max_running;
}

static moons__pairing *heap_of(const moons__line *line) {
  moons__lines *lines = &line->runtime->lines;
  return line->takes_turns ? &lines->turns : &lines->others;
}

static void enter_turn(moons__line *line) {
  const moons__lines *lines = &line->runtime->lines;
  if (line->is_in_turn || is_empty(line) || is_used_up(line)) return;
  if (line->used_ns < lines->now_ns) line->used_ns = lines->now_ns;
  moons__pairing_put(heap_of(line), &line->turn, line->used_ns);
  line->is_in_turn = 1;
}

static void leave_turn(moons__line *line) {
  if (line->is_in_turn) moons__pairing_remove(heap_of(line), &line->turn);
  line->is_in_turn = 0;
}

/* Where nothing waits or runs, all lines are even. */
static void make_even(moons__lines *lines) {
  if (lines->n_started == 0 && lines->turns.least == NULL) lines->now_ns = lines->last_ns;
}

static void use_time(moons__line *line, uint64_t ns) {
  moons__lines *lines = &line->runtime->lines;
  line->used_ns += ns;
  if (line->takes_turns && line->used_ns > lines->last_ns) lines->last_ns = line->used_ns;
}

/* How long a chunk of its kind takes. */
static uint64_t *expected_ns(const moons__chunk *chunk) {
  return chunk->is_task ? &chunk->line->task_ns : &chunk->line->inner_ns;
}

static unsigned *n_begun(const moons__line *line) {
  moons__lines *lines = &line->runtime->lines;
  return line->takes_turns ? &lines->n_started : &lines->n_beside;
}

static void take_place(moons__chunk *chunk) {
  moons__line *line = chunk->line;
  chunk->has_place = 1;
  chunk->expected_ns = chunk->counted_ns = *expected_ns(chunk);
  line->n_running++;
  ++*n_begun(line);
  use_time(line, chunk->counted_ns);
}

/* What was counted for it so far is set right. */
static void set_right(moons__chunk *chunk, uint64_t used_ns) {
  if (used_ns > chunk->counted_ns)
    use_time(chunk->line, used_ns - chunk->counted_ns);
  else
    chunk->line->used_ns -= chunk->counted_ns - used_ns;
  chunk->counted_ns = used_ns;
}

static void measure(moons__chunk *chunk) {
  uint64_t used_ns = chunk->busy_ns < LEAST_CHUNK_NS ? LEAST_CHUNK_NS : chunk->busy_ns;
  *expected_ns(chunk) = used_ns;
  set_right(chunk, used_ns);
}

/* Part of the time of a chunk whose call has run another one itself, and which may go on for long: so that counts by now, and no
** longer beforehand. */
static void count_part(moons__chunk *outer, uint64_t busy_ns) {
  uint64_t expected = outer->expected_ns < busy_ns ? outer->expected_ns : busy_ns;
  outer->expected_ns -= expected;
  outer->counted_ns += busy_ns - expected;
  outer->line->used_ns -= expected;
}

static void give_place(moons__chunk *chunk) {
  moons__line *line = chunk->line;
  chunk->has_place = 0;
  chunk->counted_ns = chunk->expected_ns = 0;
  line->n_running--;
  --*n_begun(line);
  enter_turn(line);
}

void moons__line_done(moons__chunk *chunk, moons__chunk *outer) {
  if (chunk->has_place) {
    measure(chunk);
    give_place(chunk);
  } else if (outer != NULL) {
    set_right(chunk, chunk->busy_ns);
    count_part(outer, chunk->busy_ns);
  }
}

/* {== Waiting; the mutex is held ============================================================== */

static moons__chunk_list *list_of(const moons__chunk *chunk) {
  return chunk->is_task ? &chunk->line->tasks : &chunk->line->inner;
}

static void begin_waiting(moons__chunk *chunk) {
  moons__lines *lines = &chunk->line->runtime->lines;
  chunk->is_in_line = 1;
  lines->n_waiting++;
  enter_turn(chunk->line);
}

void moons__line_add(moons__chunk *chunk) {
  make_even(&chunk->line->runtime->lines);
  moons__chunk_append(list_of(chunk), chunk);
  begin_waiting(chunk);
}

void moons__line_add_first(moons__chunk *chunk) {
  moons__chunk_prepend(list_of(chunk), chunk);
  begin_waiting(chunk);
}

static void take_out(moons__chunk *chunk) {
  moons__chunk_remove(list_of(chunk), chunk);
  chunk->is_in_line = 0;
  chunk->line->runtime->lines.n_waiting--;
}

void moons__line_remove(moons__chunk *chunk) {
  take_out(chunk);
  if (is_empty(chunk->line)) leave_turn(chunk->line);
}

/* {== Beginning =============================================================================== */

static moons__chunk *take_next(moons__line *line) {
  line->was_task = line->tasks.n > 0 && (line->inner.n == 0 || !line->was_task);
  moons__chunk *chunk = line->was_task ? line->tasks.first : line->inner.first;
  take_out(chunk);
  return chunk;
}

static moons__line *first_of(const moons__pairing *heap) {
  return (moons__line *)(void *)heap->least;
}

/* The line whose turn it is; there is one. Its clock may have gone on since it came into the heap. */
static moons__line *next_line(const moons__pairing *heap) {
  moons__line *line = first_of(heap);
  while (line->used_ns > line->turn.key) {
    leave_turn(line);
    enter_turn(line);
    line = first_of(heap);
  }
  return line;
}

/* Takes the chunk whose turn it is. There is one. */
static moons__chunk *begin_next(const moons__pairing *heap) {
  moons__line *line = next_line(heap);
  if (line->takes_turns) line->runtime->lines.now_ns = line->turn.key;
  leave_turn(line);
  moons__chunk *chunk = take_next(line);
  take_place(chunk);
  enter_turn(line);
  return chunk;
}

/* The heap of a line that can begin something; NULL: there is none. */
static const moons__pairing *next_heap(const moons__lines *lines, unsigned n_most) {
  if (lines->turns.least != NULL && lines->n_started < n_most) return &lines->turns;
  return lines->others.least != NULL ? &lines->others : NULL;
}

moons__chunk_list moons__lines_begin_most(moons_runtime *r, unsigned n_most) {
  const moons__pairing *heap;
  moons__chunk_list begun = {0};
  while ((heap = next_heap(&r->lines, n_most)) != NULL)
    moons__chunk_append(&begun, begin_next(heap));
  return begun;
}

/* Those that run on the thread that waits begin when it does. */
moons__chunk_list moons__lines_begin(moons_runtime *r) {
  return moons__lines_begin_most(r, r->functions->runs_when_asked ? 0 : r->options.n_workers);
}

int moons__lines_submit(moons_runtime *r, moons__chunk_list *begun, const moons__chunk *own,
                        unsigned *n_had) {
  int error = 0;
  moons__chunk *chunk;
  while ((chunk = moons__chunk_take(begun)) != NULL) {
    int is_own = chunk == own;
    int refused = r->functions->submit(r->backend, chunk, is_own ? n_had : NULL);
    if (!is_own || !refused) continue;
    error = refused;
    moons__line_give_back(chunk);
  }
  if (error) moons__lines_go_on(r); /* what others have put meanwhile must not wait for it */
  return error;
}

void moons__lines_go_on(moons_runtime *r) { moons__lines_put(r, &(moons__chunk_list){0}); }

/* {== Without the mutex ======================================================================= */

int moons__line_put(moons__chunk *chunk, unsigned *n_had) {
  moons_runtime *r = chunk->line->runtime;
  uv_mutex_lock(&r->mutex);
  moons__line_add(chunk);
  moons__chunk_list begun = moons__lines_begin(r);
  uv_mutex_unlock(&r->mutex);
  return moons__lines_submit(r, &begun, chunk, n_had);
}

void moons__lines_put(moons_runtime *r, moons__chunk_list *chunks) {
  moons__chunk *chunk;
  uv_mutex_lock(&r->mutex);
  while ((chunk = moons__chunk_take(chunks)) != NULL)
    moons__line_add(chunk);
  moons__chunk_list begun = moons__lines_begin(r);
  uv_mutex_unlock(&r->mutex);
  moons__lines_submit(r, &begun, NULL, NULL);
}

/* Owners put each chunk at the head of their chain, so the last one has waited longest. */
static moons__chunk *find_waiting(moons__chunk *chain) {
  moons__chunk *last = NULL;
  for (; chain != NULL; chain = chain->next_of_owner)
    if (chain->is_in_line) last = chain;
  return last;
}

moons__chunk *moons__line_withdraw(moons__line *line, moons__chunk *chain) {
  uv_mutex_lock(&line->runtime->mutex);
  moons__chunk *chunk = find_waiting(chain);
  if (chunk != NULL) moons__line_remove(chunk);
  uv_mutex_unlock(&line->runtime->mutex);
  return chunk;
}

int moons__line_holds(moons__line *line, moons__chunk *chain) {
  uv_mutex_lock(&line->runtime->mutex);
  int holds = find_waiting(chain) != NULL;
  uv_mutex_unlock(&line->runtime->mutex);
  return holds;
}

void moons__line_give_back(moons__chunk *chunk) {
  moons_runtime *r = chunk->line->runtime;
  uv_mutex_lock(&r->mutex);
  set_right(chunk, 0);
  give_place(chunk);
  uv_mutex_unlock(&r->mutex);
}

int moons__line_can_begin(moons__line *line) {
  moons_runtime *r = line->runtime;
  uv_mutex_lock(&r->mutex);
  int has_worker = !line->takes_turns || r->lines.n_started < r->options.n_workers;
  int can_begin = has_worker && !is_used_up(line);
  uv_mutex_unlock(&r->mutex);
  return can_begin;
}

unsigned moons__line_workers(const moons__line *line) {
  unsigned n = line->runtime->options.n_workers;
  return line->max_running > 0 && line->max_running < n ? line->max_running : n;
}

void moons__line_stats(moons__line *line, moons_stats *stats) {
  uv_mutex_lock(&line->runtime->mutex);
  *stats = line->stats;
  stats->n_running = line->n_running;
  stats->n_waiting = line->tasks.n;
  uv_mutex_unlock(&line->runtime->mutex);
  stats->n_workers = moons__line_workers(line);
}
