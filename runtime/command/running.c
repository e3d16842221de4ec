/*
** The workers are looked at one after the other, each for a moment, and go on meanwhile: so the list need not be one that was
** true at any time. Names of functions are read from their source then. It is written with one call, so that no line of the
** script stands within it.
*/
#include "command/running.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"
#include "moons.h"
#include "sizes.h"
#include "system/clock.h"
#include "system/source.h"
#include "worker/worker.h"

enum { LINE_BYTES = 512 };

static const char *program_name;
static const moons__roster *workers;

/* What a worker runs, with the position as it was. */
typedef struct running_call {
  moons__running running;
  char position[MOONS_POSITION_BYTES];
} running_call;

static int look_at(const struct moons__worker *worker, running_call *call) {
  moons__running *r = &call->running;
  if (!moons__worker_running(worker, r)) return 0;
  snprintf(call->position, sizeof call->position, "%s", r->position != NULL ? r->position : "?");
  return 1;
}

static unsigned count_entries(void) {
  unsigned n = 0;
  for (const moons__entry *e = atomic_load(&workers->last); e != NULL; e = e->before)
    n++;
  return n;
}

/* Puts up to `n_most` calls that run into the list; returns how many. */
static unsigned look_at_all(running_call *calls, unsigned n_most) {
  unsigned n = 0;
  for (moons__entry *e = atomic_load(&workers->last); e != NULL && n < n_most; e = e->before) {
    const struct moons__worker *worker = moons__roster_hold(e);
    if (worker == NULL) continue;
    n += (unsigned)look_at(worker, &calls[n]);
    moons__roster_let_go(e);
  }
  return n;
}

/* By worker, and of one worker what contains the other first. */
static int compare(const void *left, const void *right) {
  const moons__running *a = &((const running_call *)left)->running;
  const moons__running *b = &((const running_call *)right)->running;
  if (a->pool != b->pool) return a->pool < b->pool ? -1 : 1;
  if (a->worker != b->worker) return a->worker < b->worker ? -1 : 1;
  return (a->since_ns > b->since_ns) - (a->since_ns < b->since_ns);
}

static void append(moons__buffer *out, const char *line) {
  moons__buffer_append(out, line, strlen(line));
}

static void append_worker(moons__buffer *out, const moons__running *r) {
  char text[LINE_BYTES];
  if (r->worker == 0)
    snprintf(text, sizeof text, "  script's thread: ");
  else if (r->pool == 0)
    snprintf(text, sizeof text, "  worker %u: ", r->worker);
  else
    snprintf(text, sizeof text, "  pool %u, worker %u: ", r->pool, r->worker);
  append(out, text);
}

static void append_call(moons__buffer *out, const running_call *call, uint64_t now_ns) {
  char text[LINE_BYTES], title[MOONS__FUNCTION_TITLE_BYTES];
  const moons__running *r = &call->running;
  double seconds = now_ns > r->since_ns ? (double)(now_ns - r->since_ns) / 1e9 : 0;
  append_worker(out, r);
  if (r->is_setting_up)
    snprintf(text, sizeof text, "the set-up of a map, for %.2f s\n", seconds);
  else
    snprintf(text, sizeof text, "call %llu of %s, for %s%.2f s\n", (unsigned long long)r->call,
             moons__source_title(call->position, title), r->is_earlier ? "at most " : "", seconds);
  append(out, text);
}

static void write_out(const moons__buffer *text) {
  (void)!write(STDERR_FILENO, text->bytes, text->n_bytes);
}

static void tell_calls(running_call *calls, unsigned n) {
  moons__buffer text = {0};
  char head[LINE_BYTES];
  qsort(calls, n, sizeof *calls, compare);
  snprintf(head, sizeof head,
           n == 0   ? "%s: no call runs\n"
           : n == 1 ? "%s: 1 call runs\n"
                    : "%s: %u calls run\n",
           program_name, n);
  append(&text, head);
  for (unsigned i = 0; i < n; i++)
    append_call(&text, &calls[i], moons__clock_ns());
  write_out(&text);
  moons__buffer_free(&text);
}

void moons__running_open(const char *program, const moons__roster *roster) {
  program_name = program;
  workers = roster;
}

/* Workers that join meanwhile are left out. */
void moons__running_tell(void) {
  unsigned n_most = count_entries();
  running_call *calls = calloc(n_most + 1, sizeof *calls);
  if (calls == NULL) return;
  tell_calls(calls, look_at_all(calls, n_most));
  free(calls);
}
