/*
** Letters between the ranks of MPI. None is waited for, neither to be sent nor to come; those from one rank to another come in
** their order. One thread uses a post, that which MPI knows.
*/
#ifndef MOONS_BACKEND_POST_H
#define MOONS_BACKEND_POST_H

#include <stddef.h>
#include <stdint.h>

#include "backend/mpi.h"

typedef enum moons__letter_kind {
  /* About a channel (channel.h). */
  MOONS__LETTER_OPEN, /* rank 0 wants an agent at its other end */
  MOONS__LETTER_DATA, /* bytes of one of its flows */
  MOONS__LETTER_MORE, /* a uint64_t: so many bytes of a flow have been taken */
  MOONS__LETTER_END,  /* the sender's end of it is gone */

  /* About the world (world.h). */
  MOONS__LETTER_HEART, /* rank 0 is there */
  MOONS__LETTER_LEAVE, /* from rank 0: the script has ended */
  MOONS__LETTER_LEFT   /* to it: all agents have */
} moons__letter_kind;

typedef struct moons__letter {
  struct moons__letter *next;
  int rank;      /* whom it is to, or from */
  void *sending; /* what MPI knows of it */
  size_t n_bytes, n_taken;
  struct moons__letter_head {
    uint16_t kind, flow;
    uint32_t channel;
  } head;
  char bytes[]; /* so many, right behind the head */
} moons__letter;

/* Zero-initialised, but for what the world says. */
typedef struct moons__post {
  const moons__mpi *mpi;
  int n_ranks;
  char *is_lost; /* by rank */
  int n_lost;
  int is_shaky; /* a rank is lost, so that each is asked by itself for letters */
  moons__letter *leaving, **last;
} moons__post;

/* Largest number of bytes of a letter. */
enum { MOONS__LETTER_BYTES = 65536 };

/* Returns 0, or MOONS_ENOMEM. */
int moons__post_open(moons__post *post, const moons__mpi *mpi, int n_ranks);

/* Forgets what has not been sent. */
void moons__post_close(moons__post *post);

/* Begins to send a letter with these bytes. Where that cannot be, the rank is lost. */
void moons__post_send(moons__post *post, int to, struct moons__letter_head head, const void *bytes,
                      size_t n_bytes);

/* Sees what has been sent. Returns how many letters have not. */
size_t moons__post_look(moons__post *post);

/* Takes a letter that has come, which moons__free frees; NULL: there is none now. */
moons__letter *moons__post_take(moons__post *post);

#endif
