/*
** Memory in which values become bytes, used again and again: of one Lua state, and owned by a userdata, so that an error frees it.
*/
#ifndef MOONS_STORE_SCRATCH_H
#define MOONS_STORE_SCRATCH_H

#include "base/buffer.h"
#include "base/ptrmap.h"

typedef struct moons__scratch {
  moons__buffer out;  /* what is being written */
  moons__buffer keys; /* moons__key: those of tables that are being written, the innermost last */
  moons__seen tables; /* of a value that becomes JSON: whether they are being written (json.c) */
} moons__scratch;

#endif
