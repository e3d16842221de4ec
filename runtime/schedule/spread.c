/*
** As many tasks are under way as the sizes of chunks want ahead (chunk_size.h). Whoever takes one back puts the next ones into the
** line, under the mutex, and has them begun without it. An error stops it: what waits is taken back, what runs is told to end, and
** what that gives does not count any more.
*/
#include "schedule/spread.h"

#include <stdlib.h>
#include <uv.h>

#include "base/allocate.h"
#include "base/errors.h"
#include "schedule/chunk_size.h"
#include "sizes.h"
#include "wire/batch.h"

/* A task, in one of two lists: of those under way, or of those that have run. */
typedef struct part {
  moons__task task; /* the first field */
  moons__spread *spread;
  struct part *next, *before;
} part;

struct moons__spread {
  moons__spread_config config;
  moons__spread_items items;

  uv_mutex_t mutex; /* guards all that follows; taken before the runtime's */
  moons__chunker chunker;
  size_t n_put; /* items that have been put into the line */
  part *under_way, *finished;
  unsigned n_under_way;
  uint64_t busy_ns;
  moons__spread_end end; /* as far as is known */
  int is_stopped;        /* no more are put */
  int has_ended;         /* that was told */
  const part *failed;    /* which has stopped it */
};

/* {== Parts =================================================================================== */

static void link_part(part **list, part *p) {
  p->before = NULL;
  p->next = *list;
  if (*list != NULL) (*list)->before = p;
  *list = p;
}

static void unlink_part(part **list, const part *p) {
  *(p->before != NULL ? &p->before->next : list) = p->next;
  if (p->next != NULL) p->next->before = p->before;
}

/* The plan is the spread's. */
static void part_free(part *p) {
  moons__task_clear(&p->task);
  moons__free(p);
}

static void free_all(part *list) {
  for (part *next; list != NULL; list = next) {
    next = list->next;
    part_free(list);
  }
}

static size_t start_of(const moons__spread_items *items, size_t i) {
  return i > 0 ? items->ends[i - 1] : 0;
}

/* How many of n items from `first` on travel together: as many as have not too many bytes. */
static uint32_t bound_bytes(const moons__spread_items *items, size_t first, uint32_t n) {
  while (n > 1 && items->ends[first + n - 1] - start_of(items, first) > MOONS_CHUNK_BYTES)
    n /= 2;
  return n;
}

static int write_items(moons__buffer *out, const moons__spread_items *items, size_t first,
                       uint32_t n) {
  moons__batch_writer writer;
  int error = moons__batch_begin(&writer, out);
  for (size_t i = first; i < first + n && !error; i++) {
    size_t start = start_of(items, i);
    error = moons__batch_bytes(&writer, MOONS__ITEM_MESSAGE, items->bytes.bytes + start,
                               items->ends[i] - start);
  }
  return error;
}

static void part_done(moons__task *task);

/* The task of n items; NULL: no memory. */
static part *part_new(moons__spread *s, size_t first, uint32_t n) {
  moons__buffer bytes = {.beside = s};
  part *p = moons__allocate_zeros(s, sizeof *p);
  if (p == NULL || write_items(&bytes, &s->items, first, n)) {
    moons__buffer_free(&bytes);
    moons__free(p);
    return NULL;
  }
  p->spread = s;
  p->task.done = part_done;
  p->task.chunk = (moons__chunk){.plan = s->config.plan,
                                 .first = s->config.first + first,
                                 .n_calls = n,
                                 .bytes = bytes.bytes,
                                 .n_bytes = bytes.n_bytes,
                                 .owner = s};
  return p;
}

/* {== Under way; the mutex is held ============================================================ */

/* Puts a task of items from `first` on into the line. Returns 0 or MOONS_ENOMEM. */
static int put_part(moons__spread *s, size_t first, uint32_t n) {
  part *p = part_new(s, first, n);
  if (p == NULL) return MOONS_ENOMEM;
  link_part(&s->under_way, p);
  s->n_under_way++;
  moons__task_add(s->config.line, &p->task);
  return 0;
}

/* Puts as many as are wanted ahead. Without memory for one, those under way have to do, and the next comes with the end of one of
** them. */
static void put_parts(moons__spread *s) {
  while (!s->is_stopped && s->n_put < s->items.n &&
         s->n_under_way < moons__chunker_ahead(&s->chunker)) {
    uint32_t n = moons__chunker_next(&s->chunker, s->items.n - s->n_put);
    n = bound_bytes(&s->items, s->n_put, n);
    if (put_part(s, s->n_put, n)) return;
    s->n_put += n;
  }
}

/* Puts no more, and ends what is under way. */
static void stop(moons__spread *s, moons__spread_end end) {
  s->is_stopped = 1;
  s->end = end;
  for (part *p = s->under_way, *next; p != NULL; p = next) {
    next = p->next;
    if (!moons__task_cancel(&p->task)) continue;
    unlink_part(&s->under_way, p);
    s->n_under_way--;
    part_free(p);
  }
}

/* Calls that were not made, though nothing has failed: those after a process died that nobody is blamed for are made again; others
** had no memory for their results. */
static void make_up(moons__spread *s, const moons__chunk *chunk) {
  uint32_t n_left = chunk->n_calls - chunk->n_run;
  size_t next = (size_t)(chunk->first - s->config.first) + chunk->n_run;
  if (n_left == 0 || s->is_stopped) return;
  if (!chunk->is_given_up || put_part(s, next, n_left)) stop(s, MOONS__SPREAD_SHORT);
}

static void take_home(moons__spread *s, part *p) {
  const moons__chunk *chunk = &p->task.chunk;
  unlink_part(&s->under_way, p);
  link_part(&s->finished, p);
  s->n_under_way--;
  s->busy_ns += chunk->busy_ns;
  moons__chunker_measured(&s->chunker, chunk->n_run, chunk->busy_ns);
  if (chunk->failed && !s->is_stopped) {
    s->failed = p;
    stop(s, MOONS__SPREAD_FAILED);
  }
  make_up(s, chunk);
}

/* Whether nothing more comes, which is told once; where no memory was left for what should come, that is the end too. */
static int has_just_ended(moons__spread *s) {
  if (s->n_under_way > 0 || s->has_ended) return 0;
  if (!s->is_stopped && s->n_put < s->items.n) stop(s, MOONS__SPREAD_SHORT);
  s->has_ended = 1;
  return 1;
}

/* {== There and back ========================================================================== */

/* When the mutex is free, what was put may have come home, and where it has not ended here the spread may be gone. */
static void part_done(moons__task *task) {
  part *p = (part *)(void *)task;
  moons__spread *s = p->spread;
  moons_runtime *r = s->config.line->runtime;
  uv_mutex_lock(&s->mutex);
  moons__chunk_drop_arguments(&task->chunk);
  take_home(s, p);
  put_parts(s);
  int has_ended = has_just_ended(s);
  uv_mutex_unlock(&s->mutex);
  moons__lines_go_on(r);
  if (has_ended) s->config.done(s->config.data);
}

moons__spread *moons__spread_new(const moons__spread_config *config, moons__spread_items *items) {
  moons__spread *s = moons__allocate_zeros(config->plan, sizeof *s);
  if (s == NULL) return NULL;
  if (uv_mutex_init(&s->mutex)) {
    moons__free(s);
    return NULL;
  }
  s->config = *config;
  s->items = *items;
  *items = (moons__spread_items){.n = 0};
  moons__chunker_init(&s->chunker, moons__line_workers(config->line), config->chunk, NULL);
  moons__chunker_aim(&s->chunker, moons__runtime_handover_ns(config->line->runtime));
  return s;
}

/* A spread without items is over at once. */
int moons__spread_begin(moons__spread *s) {
  moons_runtime *r = s->config.line->runtime;
  if (moons__line_is_full(s->config.line)) return MOONS_EBUSY;
  uv_mutex_lock(&s->mutex);
  put_parts(s);
  int is_empty = s->items.n == 0, is_short = !is_empty && s->n_under_way == 0;
  s->has_ended = is_empty;
  uv_mutex_unlock(&s->mutex);
  if (is_short) return MOONS_ENOMEM;
  if (is_empty)
    s->config.done(s->config.data);
  else
    moons__lines_go_on(r);
  return 0;
}

int moons__spread_cancel(moons__spread *s) {
  uv_mutex_lock(&s->mutex);
  if (!s->is_stopped) stop(s, MOONS__SPREAD_CANCELLED);
  int has_ended = has_just_ended(s);
  uv_mutex_unlock(&s->mutex);
  return has_ended;
}

/* {== Once it is over ========================================================================= */

moons__spread_end moons__spread_outcome(const moons__spread *s) { return s->end; }

const moons__chunk *moons__spread_failed(const moons__spread *s) { return &s->failed->task.chunk; }

uint64_t moons__spread_busy_ns(const moons__spread *s) { return s->busy_ns; }

/* Merges two ordered lists. */
static part *merge(part *a, part *b) {
  part *first = NULL, **end = &first;
  while (a != NULL && b != NULL) {
    part **least = a->task.chunk.first < b->task.chunk.first ? &a : &b;
    *end = *least;
    end = &(*least)->next;
    *least = *end;
  }
  *end = a != NULL ? a : b;
  return first;
}

/* Cuts the list after n, and returns the rest. */
static part *cut_after(part *list, size_t n) {
  while (n-- > 1 && list != NULL)
    list = list->next;
  if (list == NULL) return NULL;
  part *rest = list->next;
  list->next = NULL;
  return rest;
}

/* Sorts n of a list by halves. */
static part *sort(part *list, size_t n) {
  if (n < 2) return list;
  part *rest = cut_after(list, n / 2);
  return merge(sort(list, n / 2), sort(rest, n - n / 2));
}

static size_t length_of(const part *list) {
  size_t n = 0;
  for (; list != NULL; list = list->next)
    n++;
  return n;
}

const moons__chunk *moons__spread_next(moons__spread *s, const moons__chunk *chunk) {
  if (chunk == NULL) s->finished = sort(s->finished, length_of(s->finished));
  const part *p = chunk == NULL ? s->finished : ((const part *)(const void *)chunk)->next;
  return p != NULL ? &p->task.chunk : NULL;
}

void moons__spread_clear(moons__spread *s) {
  if (s == NULL) return;
  free_all(s->finished);
  moons__buffer_free(&s->items.bytes);
  moons__free(s->items.ends);
  s->finished = NULL;
  s->items.ends = NULL;
}

void moons__spread_close(moons__spread *s) {
  if (s == NULL) return;
  moons__spread_clear(s);
  moons__plan_release(s->config.plan);
  uv_mutex_destroy(&s->mutex);
  moons__free(s);
}
