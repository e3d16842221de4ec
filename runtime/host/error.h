/*
** Why a call or a program failed, as a C program gets to see it.
*/
#ifndef MOONS_HOST_ERROR_H
#define MOONS_HOST_ERROR_H

#include "host/value.h"

/* An error in memory of its own. */
typedef struct moons__host_error {
  moons_error error;
  moons__values value;
  char texts[]; /* of the error */
} moons__host_error;

/* Of a failure (failure.h), in memory beside that block (allocate.h). NULL: no memory, or malformed. */
moons__host_error *moons__host_error_read(const void *beside, const void *bytes, size_t n_bytes);

/* Of a kind, with a message that is copied, in the same way. NULL: no memory. */
moons__host_error *moons__host_error_new(const void *beside, moons_kind kind, const char *message);

/* Accepts NULL. */
void moons__host_error_free(moons__host_error *error);

#endif
