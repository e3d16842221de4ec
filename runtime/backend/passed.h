/*
** The terms of chunks that come from another process: of what they say, what must hold where the calls are made.
*/
#ifndef MOONS_BACKEND_PASSED_H
#define MOONS_BACKEND_PASSED_H

#include "backend/frame.h"
#include "worker/terms.h"

enum { MOONS__PASSED_N = 32 }; /* that are told apart */

/* Zero-initialised, but for the host and what takes what calls print. */
typedef struct moons__passed {
  void (*write)(void *data, void *call_data, int stream, const char *bytes, size_t n_bytes);
  void *write_data;   /* as in moons_terms; NULL: that of the host, or the standard streams */
  moons__terms *host; /* what this process offers calls that use the host; shared; NULL: nothing */
  moons__terms *list[MOONS__PASSED_N]; /* that chunks have had; shared */
  unsigned n;                          /* so far */
} moons__passed;

/* Notes in the head of a chunk what its terms say. */
void moons__passed_write(moons__frame_chunk *head, const moons__terms *terms);

/* Finds the terms of a chunk, or makes them: states are known by them, so those that are alike are the same. They are not the
** caller's. NULL: the defaults. Returns 0 or MOONS_ENOMEM. One thread at a time. */
int moons__passed_read(moons__passed *passed, const moons__frame_chunk *head, moons__terms **terms);

#endif
