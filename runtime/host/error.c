/*
** The failure of a call is bytes; a host gets texts that end with a zero byte, and the value that was thrown as plain data. What of
** it cannot be plain is told instead, for an error must never be lost for want of a value.
*/
#include "host/error.h"

#include <stdlib.h>
#include <string.h>

#include "base/allocate.h"
#include "wire/failure.h"

/* The kinds as hosts know them. The module alone makes failures of kind SYSTEM. */
static moons_kind kind_of(moons__failure_kind kind) {
  switch (kind) {
  case MOONS__FAILURE_TIMEOUT: return MOONS_KIND_TIMEOUT;
  case MOONS__FAILURE_MEMORY: return MOONS_KIND_MEMORY;
  case MOONS__FAILURE_CANCELLED: return MOONS_KIND_CANCELLED;
  case MOONS__FAILURE_MARSHAL: return MOONS_KIND_MARSHAL;
  case MOONS__FAILURE_LOST: return MOONS_KIND_LOST;
  case MOONS__FAILURE_LOAD: return MOONS_KIND_LOAD;
  case MOONS__FAILURE_OUTPUT: return MOONS_KIND_OUTPUT;
  default: return MOONS_KIND_ERROR;
  }
}

static const char *name_of(moons_kind kind) {
  static const char *const NAMES[] = {"error",     "timeout", "memory", "output",
                                      "cancelled", "marshal", "lost",   "load"};
  return NAMES[kind];
}

/* Copies a text to *at, which is moved behind it. */
static const char *copy_text(char **at, const char *text, size_t n_bytes) {
  char *copy = *at;
  if (n_bytes > 0) memcpy(copy, text, n_bytes);
  copy[n_bytes] = '\0';
  *at += n_bytes + 1;
  return copy;
}

static moons_value other(const char *text) {
  moons_value value = moons_string(text);
  value.type = MOONS_OTHER;
  return value;
}

/* What was thrown; where it cannot be had, why. Returns 0 or MOONS_ENOMEM. */
static int read_value(moons__host_error *e, const moons__failure *f, const char *unsent) {
  e->error.value = *unsent != '\0' ? other(unsent) : moons_nil();
  if (f->value == NULL || f->value_bytes == 0) return 0;
  int error = moons__values_read(&e->value, e, f->value, f->value_bytes, NULL);
  if (error == MOONS_ENOMEM) return error;
  if (error)
    e->error.value = other("what was thrown contains itself");
  else if (e->value.n_values > 0)
    e->error.value = e->value.values[0];
  return 0;
}

static moons__host_error *make(const void *beside, const moons__failure *f) {
  size_t n_bytes = f->message_bytes + f->traceback_bytes + f->unsent_bytes + 3;
  moons__host_error *e = moons__allocate_zeros(beside, sizeof *e + n_bytes);
  if (e == NULL) return NULL;
  char *at = e->texts;
  e->error.kind = kind_of(f->kind);
  e->error.kind_name = name_of(e->error.kind);
  e->error.message = copy_text(&at, f->message, f->message_bytes);
  e->error.traceback = copy_text(&at, f->traceback, f->traceback_bytes);
  if (read_value(e, f, copy_text(&at, f->unsent, f->unsent_bytes)) == 0) return e;
  moons__free(e);
  return NULL;
}

moons__host_error *moons__host_error_read(const void *beside, const void *bytes, size_t n_bytes) {
  moons__failure failure;
  return moons__failure_read(&failure, bytes, n_bytes) ? NULL : make(beside, &failure);
}

moons__host_error *moons__host_error_new(const void *beside, moons_kind kind, const char *message) {
  moons__failure failure = moons__failure_of(MOONS__FAILURE_ERROR, message);
  moons__host_error *e = make(beside, &failure);
  if (e == NULL) return NULL;
  e->error.kind = kind;
  e->error.kind_name = name_of(kind);
  return e;
}

void moons__host_error_free(moons__host_error *e) {
  if (e == NULL) return;
  moons__values_free(&e->value);
  moons__free(e);
}
