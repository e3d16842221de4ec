/*
** stdio's own locks are the locks of the streams, so that what a host prints does not mix with what calls print. Bytes
** wait in the buffer of the stream for 20 ms at most, which a thread sees to; a status line is taken away before a line
** is written and drawn again below it.
*/
#include "system/console.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <uv.h>

#include "base/allocate.h"
#include "base/buffer.h"
#include "moons.h"
#include "sizes.h"
#include "system/thread.h"

/* What a terminal takes: to the beginning of the line, and erase all after it. */
static const char ERASE[] = "\r\x1b[K";

enum { BUFFER_BYTES = 4096 };  /* that stdio has for a pipe or a file, at the least */
enum { DEFAULT_COLUMNS = 80 }; /* of a terminal that does not say */

/* Streams, also as a set. */
enum { OUT = 1, ERR = 2 };

struct moons__console {
  const char *whose;

  /* The streams on whose terminals a status line is; and for each stream, whether the last line written
  ** has not ended. Changed by who holds the locks of these streams, read by who holds one of them,
  ** which orders the two; so here any order will do. */
  atomic_int beside;
  atomic_int is_mid_line[2];

  /* What calls have printed and stdout has not passed on: bytes; changed by who holds its lock. */
  atomic_size_t n_pending;

  /* A thread passes that on a while after it was printed, where nobody else has: made when it is needed first. */
  atomic_int is_scheduled; /* it will do so */
  uv_thread_t late;
  uv_mutex_t late_mutex; /* guards the rest of this part */
  uv_cond_t late_wake;
  int has_late, is_closing;

  uv_mutex_t mutex; /* guards all that follows; taken before the streams are locked */
  char text[MOONS_STATUS_BYTES];
  size_t n_bytes;         /* of the text; 0: none is shown */
  moons__buffer rests[2]; /* what was printed beside the status line of lines that have not ended */
};

static int make_locks(moons__console *c) {
  if (uv_mutex_init(&c->mutex)) return MOONS_ENOMEM;
  if (uv_mutex_init(&c->late_mutex)) {
    uv_mutex_destroy(&c->mutex);
    return MOONS_ENOMEM;
  }
  if (uv_cond_init(&c->late_wake)) {
    uv_mutex_destroy(&c->late_mutex);
    uv_mutex_destroy(&c->mutex);
    return MOONS_ENOMEM;
  }
  return 0;
}

static void end_late(moons__console *c);

int moons__console_open(moons__console **console, const void *beside, const char *whose) {
  moons__console *c = *console = moons__allocate_zeros(beside, sizeof **console);
  if (c == NULL) return MOONS_ENOMEM;
  c->whose = whose;
  for (int i = 0; i < 2; i++)
    c->rests[i].beside = c;
  if (make_locks(c) == 0) return 0;
  moons__free(c);
  *console = NULL;
  return MOONS_ENOMEM;
}

void moons__console_close(moons__console *c) {
  if (c == NULL) return;
  end_late(c);
  moons__console_hide(c, 0);
  moons__console_flush(c);
  for (int i = 0; i < 2; i++)
    moons__buffer_free(&c->rests[i]);
  uv_cond_destroy(&c->late_wake);
  uv_mutex_destroy(&c->late_mutex);
  uv_mutex_destroy(&c->mutex);
  moons__free(c);
}

static int get(atomic_int *value) { return atomic_load_explicit(value, memory_order_relaxed); }

static void set(atomic_int *value, int to) {
  atomic_store_explicit(value, to, memory_order_relaxed);
}

static FILE *file_of(int stream) { return stream == OUT ? stdout : stderr; }

/* Keeps other threads from writing to these streams, always in the same order. One that is a pipe
** may be held for long by who waits for its reader: it is not among them. */
static void lock_streams(int streams) {
  if (streams & OUT) flockfile(stdout);
  if (streams & ERR) flockfile(stderr);
}

static void unlock_streams(int streams) {
  if (streams & ERR) funlockfile(stderr);
  if (streams & OUT) funlockfile(stdout);
}

static int terminals(void) {
  return (isatty(fileno(stdout)) ? OUT : 0) | (isatty(fileno(stderr)) ? ERR : 0);
}

unsigned moons__console_columns(void) {
  struct winsize size = {0};
  if (!isatty(fileno(stderr))) return 0;
  if (ioctl(fileno(stderr), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return DEFAULT_COLUMNS;
  return size.ws_col;
}

/* {== With the mutex and the streams of `beside` held ========================================== */

static void erase(const moons__console *c) {
  if (c->n_bytes > 0) fwrite(ERASE, 1, strlen(ERASE), stderr);
}

/* Writes to one of the streams. */
static void put(moons__console *c, int stream, const char *bytes, size_t n_bytes) {
  if (n_bytes == 0) return;
  fwrite(bytes, 1, n_bytes, file_of(stream));
  set(&c->is_mid_line[stream - 1], bytes[n_bytes - 1] != '\n');
}

/* Puts the cursor on a line of its own, where it is behind what was printed. */
static size_t begin_line(moons__console *c, char *line) {
  size_t n = 0;
  for (int stream = OUT; stream <= ERR; stream++) {
    if (!(get(&c->beside) & stream) || !get(&c->is_mid_line[stream - 1])) continue;
    set(&c->is_mid_line[stream - 1], 0);
    n = 1;
  }
  line[0] = '\n';
  line[n++] = '\r';
  return n;
}

/* In one piece, and over the old text, so that nothing flickers. */
static void draw(moons__console *c) {
  char line[MOONS_STATUS_BYTES + 8];
  if (c->n_bytes == 0) return;
  size_t n = begin_line(c, line);
  memcpy(line + n, c->text, c->n_bytes);
  n += c->n_bytes;
  memcpy(line + n, ERASE + 1, strlen(ERASE + 1));
  n += strlen(ERASE + 1);
  fwrite(line, 1, n, stderr);
  fflush(stderr);
}

/* Writes the first bytes of what waits. */
static void put_rest(moons__console *c, int stream, size_t n_bytes) {
  moons__buffer *rest = &c->rests[stream - 1];
  if (n_bytes == 0) return;
  put(c, stream, rest->bytes, n_bytes);
  fflush(file_of(stream));
  rest->n_bytes -= n_bytes;
  memmove(rest->bytes, rest->bytes + n_bytes, rest->n_bytes);
}

/* How much of what waits goes out now. */
static size_t ripe_bytes(const moons__console *c, const moons__buffer *rest) {
  size_t n = rest->n_bytes;
  while (n > 0 && rest->bytes[n - 1] != '\n')
    n--;
  return c->n_bytes == 0 || rest->n_bytes - n > MOONS_LINE_BYTES ? rest->n_bytes : n;
}

/* {== Without ================================================================================= */

static int begin(moons__console *c, int more_streams) {
  uv_mutex_lock(&c->mutex);
  int streams = get(&c->beside) | more_streams;
  lock_streams(streams);
  return streams;
}

static void end(moons__console *c, int streams) {
  unlock_streams(streams);
  uv_mutex_unlock(&c->mutex);
}

static void write_beside(moons__console *c, int stream, const char *bytes, size_t n_bytes) {
  int streams = begin(c, stream);
  moons__buffer *rest = &c->rests[stream - 1];
  int is_full = moons__buffer_append(rest, bytes, n_bytes) != 0;
  size_t n_ripe = is_full ? rest->n_bytes : ripe_bytes(c, rest);
  if (n_ripe > 0 || is_full) {
    erase(c);
    put_rest(c, stream, n_ripe);
    if (is_full) put(c, stream, bytes, n_bytes); /* there is no memory for it to wait in */
    draw(c);
  }
  end(c, streams);
}

/* {== What stdout keeps back ================================================================== */

static size_t n_pending(moons__console *c) {
  return atomic_load_explicit(&c->n_pending, memory_order_relaxed);
}

static void set_pending(moons__console *c, size_t n_bytes) {
  atomic_store_explicit(&c->n_pending, n_bytes, memory_order_relaxed);
}

/* Passes on what is pending. The lock of stdout is held. */
static void pass_on(moons__console *c) {
  if (n_pending(c) == 0) return;
  fflush(stdout);
  set_pending(c, 0);
}

void moons__console_flush(void *console) {
  moons__console *c = console;
  if (n_pending(c) == 0) return;
  flockfile(stdout);
  pass_on(c);
  funlockfile(stdout);
}

/* Sleeps until there is something to do, and then a while longer. Returns 0 at the end. */
static int wait_late(moons__console *c) {
  uv_mutex_lock(&c->late_mutex);
  while (!get(&c->is_scheduled) && !c->is_closing)
    uv_cond_wait(&c->late_wake, &c->late_mutex);
  if (!c->is_closing) uv_cond_timedwait(&c->late_wake, &c->late_mutex, MOONS_PRINT_NS);
  int is_closing = c->is_closing;
  uv_mutex_unlock(&c->late_mutex);
  return !is_closing;
}

/* What is printed after is_scheduled was taken back schedules it again, or is passed on now. */
static void late_main(void *data) {
  moons__console *c = data;
  moons__thread_name(c->whose, "print");
  while (wait_late(c)) {
    atomic_store(&c->is_scheduled, 0);
    moons__console_flush(c);
  }
}

/* Whether the thread is there. Its mutex is held. */
static int start_late(moons__console *c) {
  sigset_t blocked;
  if (c->has_late) return 1;
  moons__thread_blocks(&blocked, 0);
  c->has_late = moons__thread_start(&c->late, c, 0, &blocked, late_main, c) == 0;
  return c->has_late;
}

/* Lets the thread pass on what was printed. Where it cannot be started, that is done now. */
static void schedule(moons__console *c) {
  if (atomic_exchange(&c->is_scheduled, 1)) return;
  uv_mutex_lock(&c->late_mutex);
  int has_late = start_late(c);
  uv_cond_signal(&c->late_wake);
  uv_mutex_unlock(&c->late_mutex);
  if (has_late) return;
  atomic_store(&c->is_scheduled, 0);
  moons__console_flush(c);
}

static void end_late(moons__console *c) {
  uv_mutex_lock(&c->late_mutex);
  c->is_closing = 1;
  uv_cond_signal(&c->late_wake);
  uv_mutex_unlock(&c->late_mutex);
  if (c->has_late) uv_thread_join(&c->late);
}

/* Writes to stdout, whose lock is held. What does not fit into its buffer goes out in whole lines. */
static void put_later(moons__console *c, const char *bytes, size_t n_bytes) {
  if (n_pending(c) + n_bytes > BUFFER_BYTES) pass_on(c);
  put(c, OUT, bytes, n_bytes);
  set_pending(c, n_pending(c) + n_bytes);
}

void moons__console_write(void *console, int stream, const char *bytes, size_t n_bytes) {
  moons__console *c = console;
  FILE *file = file_of(stream);
  if (stream == ERR) moons__console_flush(c); /* what was printed before comes before */
  flockfile(file);
  int is_beside = get(&c->beside) & stream;
  if (!is_beside && stream == OUT)
    put_later(c, bytes, n_bytes);
  else if (!is_beside)
    put(c, stream, bytes, n_bytes);
  funlockfile(file);
  if (is_beside)
    write_beside(c, stream, bytes, n_bytes);
  else if (stream == OUT)
    schedule(c);
}

void moons__console_show(moons__console *c, const char *text, size_t n_bytes) {
  int on = terminals();
  if (n_bytes == 0 || !(on & ERR)) return;
  if (n_bytes > sizeof c->text) n_bytes = sizeof c->text;
  int streams = begin(c, on);
  if (c->n_bytes == 0 && (on & OUT)) fflush(stdout);
  memcpy(c->text, text, n_bytes);
  c->n_bytes = n_bytes;
  set(&c->beside, streams);
  draw(c);
  end(c, streams);
}

void moons__console_hide(moons__console *c, int keeps) {
  int streams = begin(c, 0);
  if (c->n_bytes > 0) {
    if (keeps)
      fputs("\n", stderr);
    else
      erase(c);
    fflush(stderr);
    c->n_bytes = 0;
    put_rest(c, OUT, c->rests[OUT - 1].n_bytes);
    put_rest(c, ERR, c->rests[ERR - 1].n_bytes);
    set(&c->beside, 0);
  }
  end(c, streams);
}
