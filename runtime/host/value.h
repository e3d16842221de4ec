/*
** Plain C values (moons.h) <-> the wire's messages, without a Lua state.
*/
#ifndef MOONS_HOST_VALUE_H
#define MOONS_HOST_VALUE_H

#include <stddef.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "moons.h"
#include "system/shared.h"

/* Whether a value can be a key of a table: it is neither nil nor NaN. */
int moons__value_is_key(const moons_value *value);

/* Appends a message (wire.h) with the string `head`, where it is not NULL, and the values. Returns 0, or with `out` as it was
** MOONS_ENOMEM, or MOONS_EINVAL: nested deeper than MOONS_WIRE_DEPTH, NULL where there should be something, more elements than a
** table can have, a bad key, a bad type, or an address where the message leaves the process. */
int moons__values_write(moons__buffer *out, const char *head, const moons_value *values,
                        size_t n_values, int leaves_process);

/* What has come home: the values of a message. */
typedef struct moons__values {
  moons_value *values; /* the start of one block, which holds all that they point to; owned */
  size_t n_values;
} moons__values;

/* Reads the values of a message, to memory beside that block (allocate.h); `shared` are the blocks beside it, or NULL.
** Functions, and what else is no plain data, become values of the type MOONS_OTHER; metatables are left out; what is shared in
** Lua is shared here. Any bytes give values or an error, in memory bounded by their length. Returns 0, or with nothing made
** MOONS_ENOMEM, MOONS__EMALFORMED, or MOONS_EDEPTH for a value that contains itself. */
int moons__values_read(moons__values *values, const void *beside, const void *bytes, size_t n_bytes,
                       const moons__shared_list *shared);

/* Frees the block, and leaves none. */
void moons__values_free(moons__values *values);

#endif
