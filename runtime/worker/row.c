/*
** An event is written by hand, digit by digit: a call of 10 us may cost 2% more with a trace than without, and printf takes
** half of that. What all calls of a function have in common is made once. Times are in us with three digits behind the point, as
** the format has them, from the begin of the trace on.
*/
#include "worker/row.h"

#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/json.h"
#include "moons.h"
#include "system/clock.h"
#include "system/source.h"
#include "wire/failure.h"

enum {
  MOST_DIGITS = 20,        /* of 64 bits */
  LEAST_EVENT_BYTES = 256, /* of one beside its start, without a message */
  LEAST_SET_UP_NS = 1000,  /* one that takes less was there already */
  MOST_MESSAGE_BYTES = 300,
};

/* {== Text ==================================================================================== */

static char *put(char *at, const char *text) {
  while (*text != '\0')
    *at++ = *text++;
  return at;
}

/* Two digits at a time: divisions take most of it. */
static char *put_number(char *at, uint64_t n) {
  static const char PAIRS[] = "00010203040506070809101112131415161718192021222324252627282930313233"
                              "34353637383940414243444546474849505152535455565758596061626364656667"
                              "6869707172737475767778798081828384858687888990919293949596979899";
  unsigned n_digits = 1;
  for (uint64_t power = 10; n_digits < MOST_DIGITS && n >= power; power *= 10)
    n_digits++;
  char *end = at + n_digits, *first = end;
  for (; n >= 10; n /= 100)
    memcpy(first -= 2, PAIRS + 2 * (n % 100), 2);
  if (first > at) *at = (char)('0' + n);
  return end;
}

static char *put_time(char *at, uint64_t ns) {
  at = put_number(at, ns < 1000 ? ns + 1000 : ns);
  memmove(at - 2, at - 3, 3);
  at[-3] = '.';
  if (ns < 1000) at[-4] = '0';
  return at + 1;
}

/* A reader of traces takes what begins within an event for a part of it: so an event ends where the next one begins, and not a
** digit later. */
static char *put_times(char *at, const moons__row *row, uint64_t begun_ns, uint64_t ended_ns) {
  at = put_time(at, begun_ns - row->origin.start_ns);
  at = put(at, ",\"dur\":");
  return put_time(at, ended_ns - begun_ns);
}

/* {== Events ================================================================================== */

/* The begin of an event, up to its name. */
static int append_head(moons__buffer *out, const moons__row *row) {
  char head[96];
  int n = snprintf(head, sizeof head, ",\n{\"ph\":\"X\",\"pid\":%llu,\"tid\":%llu,\"name\":\"",
                   (unsigned long long)row->origin.process, (unsigned long long)row->origin.thread);
  return moons__buffer_append(out, head, (size_t)n);
}

static int append(moons__buffer *out, const char *text) {
  return moons__buffer_append(out, text, strlen(text));
}

/* What all calls of the function begin with. */
static int make_start(moons__row *row) {
  char title[MOONS__FUNCTION_TITLE_BYTES] = "call";
  row->start.n_bytes = 0;
  if (row->position[0] != '\0') moons__source_title(row->position, title);
  return append_head(&row->start, row) || moons__json_text(&row->start, title, strlen(title)) ||
         append(&row->start, "\",\"cat\":\"call\",\"ts\":");
}

static void set_position(moons__row *row, const char *position) {
  if (row->has_start && strcmp(row->position, position) == 0) return;
  snprintf(row->position, sizeof row->position, "%s", position);
  row->has_start = !make_start(row);
}

void moons__row_begin(moons__row *row) {
  moons__trace_origin origin = moons__trace_here(row->out.trace, row->number);
  if (origin.thread != row->origin.thread) row->has_start = 0;
  row->origin = origin;
  row->is_set_up = 0;
  row->begun_ns = row->ended_ns = 0;
  row->chunk_ns = moons__clock_ns();
}

/* An event that is not one of many. */
static void add_event(moons__row *row, const char *name, const char *rest, uint64_t begun_ns,
                      uint64_t ended_ns) {
  moons__buffer text = {0};
  char times[64];
  *put_times(times, row, begun_ns, ended_ns) = '\0';
  int error = moons__buffer_grow(&text, LEAST_EVENT_BYTES) || append_head(&text, row) ||
              append(&text, name) || append(&text, "\",\"ts\":") || append(&text, times) ||
              append(&text, rest) || append(&text, "}");
  char *at = error ? NULL : moons__trace_begin(&row->out, text.n_bytes);
  if (at != NULL) {
    memcpy(at, text.bytes, text.n_bytes);
    moons__trace_end(&row->out, at + text.n_bytes);
  }
  moons__buffer_free(&text);
}

void moons__row_set_up(moons__row *row, const char *position) {
  static const char SET_UP[] = ",\"cat\":\"set-up\"";
  static const char FAILED[] =
      ",\"cat\":\"set-up\",\"cname\":\"terrible\",\"args\":{\"failed\":\"error\"}";
  uint64_t now_ns = moons__clock_ns();
  if (position == NULL || now_ns - row->chunk_ns >= LEAST_SET_UP_NS)
    add_event(row, "set-up", position != NULL ? SET_UP : FAILED, row->chunk_ns, now_ns);
  moons__row_set_up_elsewhere(row, position != NULL ? position : "");
}

void moons__row_set_up_elsewhere(moons__row *row, const char *position) {
  set_position(row, position);
  row->is_set_up = 1;
}

void moons__row_begin_call(moons__row *row) {
  row->ended_ns = 0;
  row->begun_ns = moons__clock_ns();
}

/* Appends why the call has failed: kind, and the first line of the message, which need not fit. */
static int append_failure(moons__buffer *out, const moons__traced_call *call) {
  moons__failure failure;
  if (moons__failure_read(&failure, call->failure, call->failure_bytes)) return MOONS__EMALFORMED;
  const char *line = memchr(failure.message, '\n', failure.message_bytes);
  size_t n_bytes = line != NULL ? (size_t)(line - failure.message) : failure.message_bytes;
  if (n_bytes > MOST_MESSAGE_BYTES)
    n_bytes = moons__json_whole(failure.message, MOST_MESSAGE_BYTES);
  return append(out, ",\"failed\":\"") || append(out, moons__failure_name(failure.kind)) ||
         append(out, "\",\"message\":\"") || moons__json_text(out, failure.message, n_bytes) ||
         append(out, "\"},\"cname\":\"terrible\"}");
}

/* Where there is no memory for the text, the call stands there as one that has not failed. */
static char *put_end(char *at, const moons__buffer *failure) {
  if (failure->n_bytes == 0) return put(at, "}}");
  memcpy(at, failure->bytes, failure->n_bytes);
  return at + failure->n_bytes;
}

static void add_call(moons__row *row, const moons__traced_call *call,
                     const moons__buffer *failure) {
  size_t n_bytes = row->start.n_bytes + LEAST_EVENT_BYTES + failure->n_bytes;
  char *at = moons__trace_begin(&row->out, n_bytes);
  if (at == NULL) return;
  memcpy(at, row->start.bytes, row->start.n_bytes);
  at = put_times(at + row->start.n_bytes, row, call->begun_ns, call->ended_ns);
  at = put_number(put(at, ",\"args\":{\"call\":"), call->number);
  if (call->n_tries > 0) at = put_number(put(at, ",\"try\":"), call->n_tries + 1);
  moons__trace_end(&row->out, put_end(at, failure));
}

void moons__row_call(moons__row *row, const moons__traced_call *call) {
  moons__buffer failure = {0};
  if (!row->is_set_up) set_position(row, ""); /* the set-up was given up */
  if (!row->has_start) return;
  if (call->failure_bytes > 0 && append_failure(&failure, call)) failure.n_bytes = 0;
  add_call(row, call, &failure);
  moons__buffer_free(&failure);
}

void moons__row_next(moons__row *row, uint64_t number, uint64_t ended_ns) {
  moons__traced_call call = {.begun_ns = row->begun_ns, .ended_ns = ended_ns, .number = number};
  moons__row_call(row, &call);
  row->begun_ns = ended_ns;
}

static void add_chunk(moons__row *row, const moons__traced_chunk *chunk, uint64_t now_ns) {
  char rest[192], process[40] = "";
  if (chunk->process != 0) snprintf(process, sizeof process, ",\"process\":%ld", chunk->process);
  snprintf(rest, sizeof rest,
           ",\"cat\":\"chunk\",%s\"args\":{\"first\":%llu,\"calls\":%u,\"failed\":%u%s}",
           chunk->n_failed > 0 ? "\"cname\":\"bad\"," : "", (unsigned long long)chunk->first,
           (unsigned)chunk->n_run, (unsigned)chunk->n_failed, process);
  add_event(row, "chunk", rest, row->chunk_ns, now_ns);
}

void moons__row_end(moons__row *row, const moons__traced_chunk *chunk) {
  uint64_t now_ns = moons__clock_ns();
  add_chunk(row, chunk, now_ns);
  moons__trace_rest(&row->out, now_ns - row->chunk_ns >= MOONS_TRACE_LONG_NS, now_ns);
}

void moons__row_open(moons__row *row, moons__trace *trace, uint64_t number) {
  row->number = number;
  moons__trace_join(&row->out, trace);
}

void moons__row_close(moons__row *row) {
  moons__trace_leave(&row->out);
  moons__buffer_free(&row->start);
}
