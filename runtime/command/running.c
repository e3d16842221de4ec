/*
** The workers are looked at one after the other, each for a moment, and go on meanwhile: so the list need not be one that was
** true at any time. Those elsewhere are told of by who has them. Names of functions are read from their source then. It is
** written with one call, so that no line of the script stands within it.
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
static const moons__roster *roster;

/* What a worker runs, with texts as they were. */
typedef struct running_call {
  moons__running running;
  char position[MOONS_POSITION_BYTES];
  char host[MOONS_HOST_BYTES]; /* "": this machine */
} running_call;

typedef struct call_list {
  running_call *calls;
  unsigned n, capacity;
} call_list;

static int make_room(call_list *list) {
  if (list->n < list->capacity) return 0;
  unsigned capacity = list->capacity > 0 ? 2 * list->capacity : 16;
  running_call *calls = realloc(list->calls, capacity * sizeof *calls);
  if (calls == NULL) return -1;
  list->calls = calls;
  list->capacity = capacity;
  return 0;
}

/* A moons__take_running. What there is no memory for is left out. */
static void take(void *data, const moons__running *running) {
  call_list *list = data;
  if (make_room(list)) return;
  running_call *call = &list->calls[list->n++];
  call->running = *running;
  snprintf(call->position, sizeof call->position, "%s",
           running->position != NULL ? running->position : "?");
  snprintf(call->host, sizeof call->host, "%s", running->host != NULL ? running->host : "");
}

static void look_at_workers(call_list *list) {
  moons__running running;
  for (moons__entry *e = atomic_load(&roster->workers); e != NULL; e = e->before) {
    const struct moons__worker *worker = moons__roster_hold(e);
    if (worker == NULL) continue;
    if (moons__worker_running(worker, &running)) take(list, &running);
    moons__roster_let_go(e);
  }
}

static void ask_tellers(call_list *list) {
  for (moons__entry *e = atomic_load(&roster->tellers); e != NULL; e = e->before) {
    const moons__teller *teller = moons__roster_hold(e);
    if (teller == NULL) continue;
    teller->tell(teller->data, take, list);
    moons__roster_let_go(e);
  }
}

/* By worker, and of one worker what contains the other first. */
static int compare(const void *left, const void *right) {
  const running_call *l = left, *r = right;
  const moons__running *a = &l->running, *b = &r->running;
  int of_hosts = strcmp(l->host, r->host);
  if (a->pool != b->pool) return a->pool < b->pool ? -1 : 1;
  if (of_hosts != 0) return of_hosts;
  if (a->worker != b->worker) return a->worker < b->worker ? -1 : 1;
  return (a->since_ns > b->since_ns) - (a->since_ns < b->since_ns);
}

static void append(moons__buffer *out, const char *line) {
  moons__buffer_append(out, line, strlen(line));
}

/* "pool 1, node1, worker 2" */
static void append_worker(moons__buffer *out, const running_call *call) {
  char text[LINE_BYTES];
  const moons__running *r = &call->running;
  append(out, "  ");
  snprintf(text, sizeof text, "pool %u, ", r->pool);
  if (r->pool > 0 && (r->worker > 0 || call->host[0] != '\0')) append(out, text);
  append(out, call->host);
  snprintf(text, sizeof text, "%sworker %u", call->host[0] != '\0' ? ", " : "", r->worker);
  if (r->worker > 0)
    append(out, text);
  else if (call->host[0] == '\0')
    append(out, "script's thread");
  append(out, ": ");
}

/* "call 3 of score (sweep.lua:12)" */
static void append_what(moons__buffer *out, const running_call *call) {
  char text[LINE_BYTES], title[MOONS__FUNCTION_TITLE_BYTES];
  const moons__running *r = &call->running;
  unsigned long long first = r->call, last = first + r->n_calls - 1;
  if (r->is_setting_up)
    snprintf(text, sizeof text, "the set-up of a map");
  else if (r->n_calls == 0)
    snprintf(text, sizeof text, "call %llu of %s", first,
             moons__source_title(call->position, title));
  else if (r->n_calls == 1)
    snprintf(text, sizeof text, "it does not answer; it has call %llu of a map", first);
  else
    snprintf(text, sizeof text, "it does not answer; it has calls %llu to %llu of a map", first,
             last);
  append(out, text);
}

static void append_call(moons__buffer *out, const running_call *call, uint64_t now_ns) {
  char text[LINE_BYTES];
  const moons__running *r = &call->running;
  double seconds = now_ns > r->since_ns ? (double)(now_ns - r->since_ns) / 1e9 : 0;
  append_worker(out, call);
  append_what(out, call);
  snprintf(text, sizeof text, ", for %s%.2f s\n",
           r->is_earlier && !r->is_setting_up ? "at most " : "", seconds);
  append(out, text);
}

static void write_out(const moons__buffer *text) {
  (void)!write(STDERR_FILENO, text->bytes, text->n_bytes);
}

static void tell_calls(const call_list *list) {
  moons__buffer text = {0};
  char head[LINE_BYTES];
  snprintf(head, sizeof head,
           list->n == 0   ? "%s: no call runs\n"
           : list->n == 1 ? "%s: 1 call runs\n"
                          : "%s: %u calls run\n",
           program_name, list->n);
  append(&text, head);
  for (unsigned i = 0; i < list->n; i++)
    append_call(&text, &list->calls[i], moons__clock_ns());
  write_out(&text);
  moons__buffer_free(&text);
}

void moons__running_open(const char *program, const moons__roster *of_runtime) {
  program_name = program;
  roster = of_runtime;
}

void moons__running_tell(void) {
  call_list list = {0};
  look_at_workers(&list);
  ask_tellers(&list);
  if (list.n > 0) qsort(list.calls, list.n, sizeof *list.calls, compare);
  tell_calls(&list);
  free(list.calls);
}
