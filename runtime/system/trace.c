/*
** Each worker writes into a block of its own; who ends the trace writes out what all of them have, so a short lock keeps each block
** whole. Events are written as whole blocks, one after the other, under a lock. A block that cannot be written whole is taken out
** again, and the trace is as it was before: so what is there is always well-formed, but for the end of the array.
**
** A part of another process's trace keeps nothing: its process may die at any time.
*/
#include "system/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/allocate.h"
#include "base/json.h"
#include "moons.h"
#include "sizes.h"
#include "system/clock.h"
#include "system/fork.h"
#include "system/machine.h"

struct moons__trace {
  moons__trace_origin origin; /* `thread` is that of a part alone */
  unsigned fork_number;
  _Atomic uint64_t n_numbers; /* that threads and processes of other machines have taken */
  void (*take)(void *data, const char *events, size_t n_bytes); /* of a part; NULL: it is none */
  void *take_data;
  uv_mutex_t
      list_mutex; /* guards the list of writers; taken before their locks, and those before `mutex` */
  moons__trace_writer *writers;
  uv_mutex_t mutex; /* guards what follows */
  int fd;           /* -1: closed */
  uint64_t n_bytes; /* written */
  const char *why;  /* events are missing; NULL: none are */
};

/* Returns 0, or what failed as libuv has it. */
static int write_all(int fd, const char *bytes, size_t n_bytes) {
  while (n_bytes > 0) {
    ssize_t n = write(fd, bytes, n_bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return uv_translate_sys_error(errno);
    bytes += n;
    n_bytes -= (size_t)n;
  }
  return 0;
}

/* Writes the block whole or not at all. What is no file, as a pipe, keeps what it got. The mutex is held. */
static void write_block(moons__trace *t, const char *bytes, size_t n_bytes) {
  int error = write_all(t->fd, bytes, n_bytes);
  if (!error) {
    t->n_bytes += n_bytes;
    return;
  }
  t->why = uv_strerror(error);
  if (ftruncate(t->fd, (off_t)t->n_bytes) == 0) lseek(t->fd, (off_t)t->n_bytes, SEEK_SET);
}

static int is_foreign(const moons__trace *t) { return t->fork_number != moons__fork_number(); }

static void write_to_file(moons__trace *t, const char *events, size_t n_bytes) {
  uv_mutex_lock(&t->mutex);
  if (t->fd >= 0 && t->why == NULL) {
    if (n_bytes > MOONS_TRACE_BYTES - t->n_bytes)
      t->why = "it is as large as a trace may be";
    else
      write_block(t, events, n_bytes);
  }
  uv_mutex_unlock(&t->mutex);
}

static void write_events(moons__trace *t, const char *events, size_t n_bytes) {
  if (is_foreign(t)) return;
  if (t->take != NULL)
    t->take(t->take_data, events, n_bytes);
  else
    write_to_file(t, events, n_bytes);
}

/* Writers. */

/* Held for some ns, or while a block is written. */
static void hold(moons__trace_writer *w) {
  while (atomic_flag_test_and_set_explicit(&w->is_busy, memory_order_acquire))
    sched_yield();
}

static void let_go(moons__trace_writer *w) {
  atomic_flag_clear_explicit(&w->is_busy, memory_order_release);
}

/* The writer is held. */
static void write_out(moons__trace_writer *w) {
  if (w->block.n_bytes > 0) write_events(w->trace, w->block.bytes, w->block.n_bytes);
  w->block.n_bytes = 0;
}

void moons__trace_join(moons__trace_writer *w, moons__trace *t) {
  w->trace = t;
  if (t == NULL) return;
  atomic_flag_clear(&w->is_busy);
  w->written_ns = moons__clock_ns();
  uv_mutex_lock(&t->list_mutex);
  w->before = NULL;
  w->next = t->writers;
  if (w->next != NULL) w->next->before = w;
  t->writers = w;
  uv_mutex_unlock(&t->list_mutex);
}

void moons__trace_leave(moons__trace_writer *w) {
  moons__trace *t = w->trace;
  if (t == NULL) return;
  uv_mutex_lock(&t->list_mutex);
  *(w->before != NULL ? &w->before->next : &t->writers) = w->next;
  if (w->next != NULL) w->next->before = w->before;
  uv_mutex_unlock(&t->list_mutex);
  write_out(w);
  moons__buffer_free(&w->block);
  w->trace = NULL;
}

static void note_missing(moons__trace *t, const char *why) {
  uv_mutex_lock(&t->mutex);
  if (t->why == NULL) t->why = why;
  uv_mutex_unlock(&t->mutex);
}

char *moons__trace_begin(moons__trace_writer *w, size_t n_bytes) {
  hold(w);
  if (w->block.n_bytes + n_bytes > MOONS_TRACE_BLOCK_BYTES) write_out(w);
  if (moons__buffer_reserve(&w->block, n_bytes) == 0) return w->block.bytes + w->block.n_bytes;
  let_go(w);
  note_missing(w->trace, moons_error_text(MOONS_ENOMEM));
  return NULL;
}

void moons__trace_end(moons__trace_writer *w, const char *end) {
  w->block.n_bytes = (size_t)(end - w->block.bytes);
  if (w->trace->take != NULL) write_out(w);
  let_go(w);
}

void moons__trace_add(moons__trace_writer *w, const char *events, size_t n_bytes) {
  char *at = n_bytes > 0 ? moons__trace_begin(w, n_bytes) : NULL;
  if (at == NULL) return;
  memcpy(at, events, n_bytes);
  moons__trace_end(w, at + n_bytes);
}

void moons__trace_rest(moons__trace_writer *w, int took_long, uint64_t now_ns) {
  if (!took_long && now_ns - w->written_ns < MOONS_TRACE_KEPT_NS) return;
  hold(w);
  write_out(w);
  let_go(w);
  w->written_ns = now_ns;
}

static void write_all_out(moons__trace *t) {
  uv_mutex_lock(&t->list_mutex);
  for (moons__trace_writer *w = t->writers; w != NULL; w = w->next) {
    hold(w);
    write_out(w);
    let_go(w);
  }
  uv_mutex_unlock(&t->list_mutex);
}

/* Adds what is known of a process or a thread: its name, and where it stands among others. `of` is "process" or "thread". */
static void name_row(moons__trace *t, const moons__trace_origin *row, const char *of,
                     const char *name, unsigned place) {
  enum { MOST_BYTES = 512 };
  static const char EVENTS[] =
      ",\n{\"ph\":\"M\",\"pid\":%llu,\"tid\":%llu,\"name\":\"%s_name\",\"args\":{\"name\":\"%s\"}}"
      ",\n{\"ph\":\"M\",\"pid\":%llu,\"tid\":%llu,\"name\":\"%s_sort_index\",\"args\":{\"sort_"
      "index\":%u}}";
  char events[MOST_BYTES + MOONS_HOST_BYTES];
  unsigned long long process = row->process, thread = row->thread;
  int n = snprintf(events, sizeof events, EVENTS, process, thread, of, name, process, thread, of,
                   place);
  write_events(t, events, (size_t)n);
}

/* The pool before the name of what belongs to it. */
static const char *pool_text(unsigned pool, char text[32]) {
  text[0] = '\0';
  if (pool > 0) snprintf(text, 32, "pool %u, ", pool);
  return text;
}

/* Those of the script's own workers come first, then each pool's. */
void moons__trace_name_thread(moons__trace *t, unsigned pool, unsigned number) {
  char name[64], of[32];
  if (t == NULL || t->take != NULL) return;
  moons__trace_origin here = moons__trace_here(t, 0);
  snprintf(name, sizeof name, "%sworker %u", pool_text(pool, of), number);
  name_row(t, &here, "thread", name, pool * (MOONS_MAX_WORKERS + 1) + number);
}

/* Numbers that no system gives its threads; what shows traces takes 32 bits of them. */
static uint64_t take_numbers(moons__trace *t, unsigned n) {
  enum { FIRST = 1 << 30 };
  return FIRST + atomic_fetch_add(&t->n_numbers, n);
}

/* Of what a machine calls itself, what needs no escapes. */
static void make_plain(char *text) {
  for (; *text != '\0'; text++)
    if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\') *text = '?';
}

moons__trace_origin moons__trace_add_machine(moons__trace *t, unsigned pool, unsigned place,
                                             const char *name, unsigned n_workers) {
  char machine[MOONS_HOST_BYTES + 32], text[sizeof machine + 32], of[32];
  moons__trace_origin row = t->origin;
  uint64_t first = row.process = row.thread = take_numbers(t, n_workers + 1);
  snprintf(machine, sizeof machine, "%s%s", pool_text(pool, of), name);
  make_plain(machine);
  name_row(t, &row, "process", machine, pool * (MOONS_MAX_WORKERS + 1) + place);
  for (unsigned i = 1; i <= n_workers; i++) {
    row.thread = first + i;
    snprintf(text, sizeof text, "%s, worker %u", machine, i);
    name_row(t, &row, "thread", text, i);
  }
  row.thread = first + 1;
  return row;
}

/* The first event has no comma before it. */
static int name_process(moons__trace *t, const char *name) {
  moons__buffer text = {0};
  char start[64];
  unsigned long long process = t->origin.process;
  int n = snprintf(start, sizeof start, "[\n{\"ph\":\"M\",\"pid\":%llu,\"tid\":%llu,", process,
                   process);
  static const char NAME[] = "\"name\":\"process_name\",\"args\":{\"name\":\"", END[] = "\"}}";
  int error = moons__buffer_grow(&text, sizeof start) ||
              moons__buffer_append(&text, start, (size_t)n) ||
              moons__buffer_append(&text, NAME, sizeof NAME - 1) ||
              moons__json_text(&text, name, strlen(name)) ||
              moons__buffer_append(&text, END, sizeof END - 1);
  if (error)
    t->why = moons_error_text(MOONS_ENOMEM);
  else
    write_events(t, text.bytes, text.n_bytes);
  moons__buffer_free(&text);
  return t->why != NULL;
}

static const char *begin(moons__trace *t, const char *process_name) {
  moons__trace_origin here = moons__trace_here(t, 0);
  if (!name_process(t, process_name)) name_row(t, &here, "thread", "script's thread", 0);
  if (t->why != NULL) close(t->fd);
  return t->why;
}

static int make_locks(moons__trace *t) {
  if (uv_mutex_init(&t->mutex)) return MOONS_ENOMEM;
  if (uv_mutex_init(&t->list_mutex) == 0) return 0;
  uv_mutex_destroy(&t->mutex);
  return MOONS_ENOMEM;
}

static void trace_free(moons__trace *t) {
  uv_mutex_destroy(&t->list_mutex);
  uv_mutex_destroy(&t->mutex);
  moons__free(t);
}

static moons__trace *trace_new(int fd) {
  moons__trace *t = moons__allocate_zeros(NULL, sizeof *t);
  if (t == NULL || make_locks(t)) {
    moons__free(t);
    return NULL;
  }
  t->origin = (moons__trace_origin){.process = (uint64_t)getpid(), .start_ns = moons__clock_ns()};
  t->fork_number = moons__fork_number();
  t->fd = fd;
  return t;
}

/* Whether a file of that name is there and is no trace: `--trace script.lua` has forgotten the name of the trace. */
static int is_something_else(const char *path) {
  static const char START[] = "[\n{\"ph\"";
  char bytes[sizeof START - 1];
  struct stat status;
  if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) return 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t n = read(fd, bytes, sizeof bytes);
  close(fd);
  return n != sizeof bytes || memcmp(bytes, START, sizeof bytes) != 0;
}

const char *moons__trace_open(moons__trace **trace, const char *path, const char *process_name) {
  *trace = NULL;
  if (is_something_else(path)) return "it is there, and is no trace";
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return uv_strerror(uv_translate_sys_error(errno));
  moons__trace *t = trace_new(fd);
  if (t == NULL) {
    close(fd);
    return moons_error_text(MOONS_ENOMEM);
  }
  const char *why = begin(t, process_name);
  if (why == NULL)
    *trace = t;
  else
    trace_free(t);
  return why;
}

moons__trace *moons__trace_open_part(const moons__trace_origin *origin,
                                     void (*take)(void *data, const char *events, size_t n_bytes),
                                     void *data) {
  moons__trace *t = trace_new(-1);
  if (t == NULL) return NULL;
  t->origin = *origin;
  t->take = take;
  t->take_data = data;
  return t;
}

moons__trace_origin moons__trace_here(const moons__trace *t, uint64_t number) {
  moons__trace_origin here = t->origin;
  here.thread = t->take != NULL ? here.thread + number : moons__machine_thread();
  return here;
}

const char *moons__trace_close(moons__trace *t) {
  static const char END[] = "\n]\n";
  if (t == NULL || is_foreign(t)) return NULL;
  const char *why = NULL;
  write_all_out(t);
  uv_mutex_lock(&t->mutex);
  if (t->fd >= 0) {
    why = t->why;
    t->why = NULL;
    write_block(t, END, sizeof END - 1);
    if (why == NULL) why = t->why;
    if (close(t->fd) != 0 && why == NULL) why = uv_strerror(uv_translate_sys_error(errno));
    t->fd = -1;
  }
  uv_mutex_unlock(&t->mutex);
  return why;
}
