/*
** Blocks on their way to a worker process: chunks speak of them (shared.h). Large ones are mapped there, and small ones copied. The
** process keeps what it has got until it is told to forget that, at the same address, for sessions may have images that tell it.
*/
#ifndef MOONS_BACKEND_CARGO_H
#define MOONS_BACKEND_CARGO_H

#include "backend/frame.h"
#include "worker/chunk.h"

/* {== The caller's side ======================================================================= */

/* What a process has; zero-initialised: nothing. One thread at a time uses it. */
typedef struct moons__sent {
  struct moons__sent_block *blocks;
  unsigned n, capacity, n_at_sweep;
  uint64_t sink; /* that it has */
} moons__sent;

/* Shows what chunks of a plan, or a chunk, speak of, before a process may be sent it. Return 0, or MOONS_ENOMEM where there is no file
** for the sink to be had. Any thread. */
int moons__cargo_show_plan(const moons__plan *plan);
void moons__cargo_show(const moons__shared_list *blocks);

/* A set-up of these bytes, which are copied, to memory beside that block (allocate.h); where they are many, to where processes can map
** them. NULL: no memory. Any thread. */
moons__setup *moons__cargo_setup(const void *beside, const void *bytes, size_t n_bytes,
                                 uint64_t hash);

/* Sends a set-up for a slot; `files` is as below. Returns 0, or -1 as a link does. */
int moons__cargo_send_setup(moons__link *link, int files, const moons__setup *setup, uint32_t slot);

/* Sends what the chunk speaks of and the process has not got. `files` is its stream for files; -1: there is none, and all go by
** their bytes. Returns 0, or -1: as a link does, or no
** memory. */
int moons__cargo_send(moons__sent *sent, moons__link *link, int files, const moons__chunk *chunk);

/* Takes a frame of the kind GIVEN to a list, in memory beside that block. Returns 0, or -1 as a link does; without memory
** *is_lost becomes 1. */
int moons__cargo_take_given(moons__link *link, const moons__frame *frame, const void *beside,
                            moons__shared_list **given, int *is_lost);

/* Takes over what a process has put into the plan's sink for the first `n_run` calls of the chunk. */
void moons__cargo_fetch(const moons__chunk *chunk, uint32_t n_run);

/* The process is gone. */
void moons__sent_clear(moons__sent *sent);

/* {== The process's side ====================================================================== */

/* What a process has got; zero-initialised: nothing. */
typedef struct moons__held {
  moons__shared_list *blocks;
  moons__shared *sink;

  /* Of the chunk that comes. */
  moons__luggage luggage;
  moons__shared_list *of_chunk;
} moons__held;

/* Take a frame of this kind. Return 0 or -1. */
int moons__held_take_block(moons__held *held, moons__link *link, const moons__frame *frame);
int moons__held_take_sink(moons__held *held, moons__link *link, const moons__frame *frame);
int moons__held_forget(moons__held *held, moons__link *link, const moons__frame *frame);
int moons__held_take_cargo(moons__held *held, moons__link *link, const moons__frame *frame);

/* Takes a set-up, and the number of its slot. NULL: none came. */
moons__setup *moons__held_take_setup(moons__link *link, const moons__frame *frame, uint32_t *slot);

/* Note that the chunk that comes runs, and that it has run: then it speaks of nothing. */
void moons__held_begin(moons__held *held);
void moons__held_end(moons__held *held);

#endif
