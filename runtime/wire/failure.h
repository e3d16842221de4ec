/*
** The error of a call as bytes: what kind, which worker, message, traceback, and the value that was thrown.
**
** failure = kind:byte worker:u32 length:u64 message length:u64 traceback length:u64 unsent, then the value as a message
**           (wire.h), or nothing where it cannot be sent; `unsent` says why
*/
#ifndef MOONS_WIRE_FAILURE_H
#define MOONS_WIRE_FAILURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/errors.h"

/* The kinds: name, as scripts see them, and what a call says that was made to end. */
#define MOONS__FAILURES(X)                                                                         \
  X(ERROR, "error", "os.exit was called")                                                          \
  X(TIMEOUT, "timeout", "timed out")                                                               \
  X(MEMORY, "memory", "not enough memory")                                                         \
  X(CANCELLED, "cancelled", "cancelled")                                                           \
  X(MARSHAL, "marshal", "cannot be sent")                                                          \
  X(LOST, "lost", "its worker was lost")                                                           \
  X(SYSTEM, "system", "the system refused")                                                        \
  X(LOAD, "load", "does not compile")                                                              \
  X(OUTPUT, "output", "printed more than it may")

/* The metatable of error values, in the registry. Its field `brief` gives the text of one without tracebacks. */
#define MOONS__ERROR_TYPE "parallel.error"

/* The message of an error whose own raises another. */
#define MOONS__FAILURE_UNTOLD "(the error cannot be told: telling it raised another)"

typedef enum moons__failure_kind {
#define MOONS__FAILURE_KIND(name, text, message) MOONS__FAILURE_##name,
  MOONS__FAILURES(MOONS__FAILURE_KIND)
#undef MOONS__FAILURE_KIND
      MOONS__N_FAILURES
} moons__failure_kind;

typedef struct moons__failure {
  moons__failure_kind kind;
  uint32_t worker; /* that made the call, from 1; 0: nobody has said */
  const char *message, *traceback, *unsent, *value; /* not zero-terminated; value NULL: none */
  size_t message_bytes, traceback_bytes, unsent_bytes, value_bytes;
} moons__failure;

/* A failure of a kind with a text, which it points to, and without traceback and value. */
moons__failure moons__failure_of(moons__failure_kind kind, const char *message);

/* Appends a failure but its value, which may follow. Returns 0, or MOONS_ENOMEM with nothing appended. */
int moons__failure_write(moons__buffer *out, const moons__failure *failure);

/* Says in a failure, as bytes, which worker made the call. */
void moons__failure_set_worker(void *bytes, size_t n_bytes, uint32_t worker);

/* Reads one; points into the bytes. Where there are none, there was no memory to write it: it is of kind MEMORY. Returns 0 or
** MOONS__EMALFORMED. */
int moons__failure_read(moons__failure *failure, const void *bytes, size_t n_bytes);

/* The name of a kind, and what is said where there is nothing more to say. */
const char *moons__failure_name(moons__failure_kind kind);
const char *moons__failure_text(moons__failure_kind kind);

#endif
