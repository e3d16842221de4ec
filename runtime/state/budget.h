/*
** A number of bytes that several may take from: what all states of a process hold, or those of one call and all
** that it starts. A budget within another takes from that too.
**
** An arena takes in steps of some pages and keeps what it has, so it pays nothing for memory that it uses again. Any thread,
** several at once.
*/
#ifndef MOONS_STATE_BUDGET_H
#define MOONS_STATE_BUDGET_H

#include <stdatomic.h>
#include <stddef.h>

/* Zero-initialised but for max_bytes: everything is left. */
typedef struct moons__budget {
  size_t max_bytes;
  size_t last_bytes; /* of these, for states that hold little: large ones cannot take these */
  atomic_size_t used_bytes;
  atomic_size_t peak_bytes;    /* the most that were ever taken */
  struct moons__budget *outer; /* or NULL */
} moons__budget;

/* Takes bytes for a state that has `has_bytes` by now. Returns 0, or MOONS_ENOMEM with nothing taken where fewer are left.
** Accepts NULL, which has no end. */
int moons__budget_take(moons__budget *budget, size_t n_bytes, size_t has_bytes);

/* Whether more than half of it was taken, and `has_bytes` is more than those who hold little have. Accepts NULL. */
int moons__budget_is_short(const moons__budget *budget, size_t has_bytes);

/* Begins a budget within another one, from which `used_bytes` have been taken: these are taken from it as well. */
void moons__budget_begin(moons__budget *budget, size_t used_bytes);

/* Takes bytes whether they are there or not. */
void moons__budget_force(moons__budget *budget, size_t n_bytes);

/* Gives bytes back. Each accepts NULL. */
void moons__budget_give(moons__budget *budget, size_t n_bytes);

#endif
