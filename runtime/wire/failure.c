/*
** Kind, message and traceback are plain bytes, readable without a Lua state: a host that drives jobs by hand needs none, and
** a worker whose state has no memory left can still say why. Only the thrown value is a message of the wire. Reading checks
** every length against what is left and copies nothing.
*/
#include "wire/failure.h"

#include <string.h>

#include "base/errors.h"
#include "moons.h"

static int write_text(moons__buffer *out, const char *text, size_t n_bytes) {
  uint64_t length = n_bytes;
  int error = moons__buffer_append(out, &length, sizeof length);
  return error ? error : moons__buffer_append(out, text, n_bytes);
}

/* Texts are never NULL, so readers need not ask; a value that is NULL says that there is none. */
moons__failure moons__failure_of(moons__failure_kind kind, const char *message) {
  return (moons__failure){.kind = kind,
                          .message = message,
                          .message_bytes = strlen(message),
                          .traceback = "",
                          .unsent = ""};
}

int moons__failure_write(moons__buffer *out, const moons__failure *failure) {
  size_t n_before = out->n_bytes;
  char kind = (char)failure->kind;
  int error = moons__buffer_append(out, &kind, 1);
  if (!error) error = moons__buffer_append(out, &failure->worker, sizeof failure->worker);
  if (!error) error = write_text(out, failure->message, failure->message_bytes);
  if (!error) error = write_text(out, failure->traceback, failure->traceback_bytes);
  if (!error) error = write_text(out, failure->unsent, failure->unsent_bytes);
  if (error) out->n_bytes = n_before;
  return error;
}

void moons__failure_set_worker(void *bytes, size_t n_bytes, uint32_t worker) {
  if (n_bytes >= 1 + sizeof worker) memcpy((char *)bytes + 1, &worker, sizeof worker);
}

/* Points *text into the bytes, and moves *at behind it. */
static int read_text(const char **at, const char *end, const char **text, size_t *n_bytes) {
  uint64_t length;
  if ((size_t)(end - *at) < sizeof length) return MOONS__EMALFORMED;
  memcpy(&length, *at, sizeof length);
  *at += sizeof length;
  if (length > (size_t)(end - *at)) return MOONS__EMALFORMED;
  *text = *at;
  *n_bytes = (size_t)length;
  *at += length;
  return 0;
}

int moons__failure_read(moons__failure *failure, const void *bytes, size_t n_bytes) {
  const char *at = bytes, *end = at + n_bytes;
  *failure = moons__failure_of(MOONS__FAILURE_MEMORY, moons__failure_text(MOONS__FAILURE_MEMORY));
  if (n_bytes == 0) return 0;
  *failure = (moons__failure){0};
  if (n_bytes < 1 + sizeof failure->worker || (unsigned char)*at >= MOONS__N_FAILURES)
    return MOONS__EMALFORMED;
  failure->kind = (moons__failure_kind)*at++;
  memcpy(&failure->worker, at, sizeof failure->worker);
  at += sizeof failure->worker;
  int error = read_text(&at, end, &failure->message, &failure->message_bytes);
  if (!error) error = read_text(&at, end, &failure->traceback, &failure->traceback_bytes);
  if (!error) error = read_text(&at, end, &failure->unsent, &failure->unsent_bytes);
  if (error || at == end) return error;
  failure->value = at; /* all the rest: it comes last, so it needs no length */
  failure->value_bytes = (size_t)(end - at);
  return 0;
}

const char *moons__failure_name(moons__failure_kind kind) {
  static const char *const NAMES[] = {
#define MOONS__NAME(name, text, message) text,
      MOONS__FAILURES(MOONS__NAME)
#undef MOONS__NAME
  };
  return NAMES[kind];
}

const char *moons__failure_text(moons__failure_kind kind) {
  static const char *const MESSAGES[] = {
#define MOONS__MESSAGE(name, text, message) message,
      MOONS__FAILURES(MOONS__MESSAGE)
#undef MOONS__MESSAGE
  };
  return MESSAGES[kind];
}
