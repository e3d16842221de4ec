/*
** What comes home from who runs chunks: who it is, what calls print, and what has become of them.
*/
#ifndef MOONS_BACKEND_ARRIVAL_H
#define MOONS_BACKEND_ARRIVAL_H

#include <stdint.h>
#include <uv.h>

#include "backend/frame.h"
#include "worker/chunk.h"
#include "worker/config.h"
#include "worker/terms.h"

/* Whom to expect. */
typedef struct moons__greeting {
  const char *magic;
  const char *name; /* of what was started, for a person */
  void *head;       /* that of its HELLO goes there; NULL: it has none */
  size_t n_head;
  int has_host; /* it offers calls what a host does (identity.h); filled in */
} moons__greeting;

/* Reads who is there. Returns 0, or -1: `why` is what came in its place, or names both where it is another one. */
int moons__arrival_greet(moons__link *link, moons__greeting *greeting, char *why, size_t n_why);

/* Takes a frame of the kind PRINT and its text. Returns 0, or -1 as a link does. */
int moons__arrival_print(moons__link *link, const moons__frame *frame, moons__frame_print *head,
                         moons__buffer *text);

/* Takes a frame with such a head and at most MOONS_TRACED_BYTES, which become the text. Returns the same. */
int moons__arrival_text(moons__link *link, const moons__frame *frame, void *head, size_t n_head,
                        moons__buffer *text);

/* Gives a text to whoever takes what is printed under these terms (NULL: the defaults), with data of the call. Returns whether that is the
** `write` of the workers. */
int moons__arrival_pass_on(const moons__worker_config *config, const moons__terms *terms,
                           void *call_data, int stream, const moons__buffer *text);

/* The calls that somebody else may make now, the last `n_taken` of a chunk that was sent, as a chunk; NULL: none, or no memory: then
** they are put back when theirs is done. The lock guards how many calls the chunk has. */
moons__chunk *moons__arrival_part(moons__chunk *chunk, uint32_t n_taken, uv_mutex_t *lock);

/* The head of a frame of the kind DONE. */
moons__frame_done moons__arrival_tell(const moons__chunk *chunk, uint64_t work);

/* Takes over what it says; the results come beside it. Returns 0, or -1 where it cannot be about this chunk. */
int moons__arrival_take(const moons__frame_done *done, moons__chunk *chunk);

#endif
