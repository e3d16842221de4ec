/*
** Channels between rank 0 and agents of other ranks: what one end writes to its stream comes out of that at the other end, by letters. So a
** host that is reached by MPI is to hosts.c, and its caller to the agent, what it is elsewhere: a stream.
**
** A channel has two flows: the stream itself, and what the agent says to stderr. Of each flow so many bytes may be on their way, or
** wait to be written: the end that writes them tells the other how far it has come. So nobody waits for anybody, and a slow agent
** holds up no other.
*/
#ifndef MOONS_BACKEND_CHANNEL_H
#define MOONS_BACKEND_CHANNEL_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/post.h"
#include "system/process.h"

enum { MOONS__FLOW_WORK, MOONS__FLOW_SAID, MOONS__FLOWS };

/* One way of a channel at one of its ends. */
typedef struct moons__flow {
  int file;                     /* -1: closed */
  size_t n_ahead;               /* bytes that were sent, and that the other end has not taken */
  size_t n_owed;                /* that were taken here, of which the other end was not told */
  moons__letter *first, **last; /* have come, and wait to be written */
} moons__flow;

typedef struct moons__channel {
  struct moons__channel *next;
  uint32_t number; /* by which both ends know it */
  int rank;        /* of the other end */
  moons__flow flows[MOONS__FLOWS];
  moons__process agent; /* its end is here; pid 0: it is not */
  int is_open;          /* the other end was told of it */
  int is_over;          /* the other end is gone */
  size_t at;            /* of its files among those that are polled */
} moons__channel;

/* All of a rank. */
typedef struct moons__channels {
  moons__post *post;
  moons__channel *first;
  size_t n;
  char bytes[MOONS__LETTER_BYTES]; /* on their way from a file to a letter */
} moons__channels;

/* Adds one, which takes over the files. NULL: no memory. */
moons__channel *moons__channel_new(moons__channels *channels, uint32_t number, int rank, int work,
                                   int said);

/* Puts what may happen next into `files`, which has room for all flows. */
void moons__channels_await(moons__channels *channels, struct pollfd *files);

/* Reads and writes what can be, now that these files were polled; channels that are over go. */
void moons__channels_move(moons__channels *channels, const struct pollfd *files);

/* Takes a letter about a channel that is, or was, there, and frees it. */
void moons__channels_take(moons__channels *channels, moons__letter *letter);

/* Ends all, agents at once. */
void moons__channels_end(moons__channels *channels);

#endif
