/*
** Whether calls of a function can leave anything behind in their state (PROOF.md). Where it is proved that they cannot, a call
** that has come to its end has left the state as it was, but for garbage.
*/
#ifndef MOONS_WORKER_PROOF_H
#define MOONS_WORKER_PROOF_H

#include <lua.h>

#include "base/ptrmap.h"
#include "state/libraries.h"

/* What is known of C functions: by their addresses, which are the same in all states. Zero-initialised: nothing. */
typedef struct moons__models {
  moons__ptrmap numbers;  /* address of a C function -> number of its model */
  moons__ptrmap inner;    /* the same -> address of the function that it stands for */
  moons__libraries noted; /* whose functions are in it */
  const void *beside;     /* a block, beside which they lie, and what a proof needs (allocate.h) */
} moons__models;

/* Notes the functions of these libraries, which are open in the state, and as they are before a script has changed anything.
** Without memory some are left out: they then count as unknown. May raise a memory error. */
void moons__models_note(moons__models *models, lua_State *L, moons__libraries libraries);

/* Frees what it holds. */
void moons__models_free(moons__models *models);

/* What arguments are. Each kind includes those before it. */
typedef enum moons__arguments {
  MOONS__ARGUMENTS_NUMBERS, /* numbers, booleans and nil */
  MOONS__ARGUMENTS_STRINGS,
  MOONS__ARGUMENTS_TABLES, /* without metatables and functions in them, and made for the call */
  MOONS__ARGUMENTS_OTHER   /* nothing is proved of calls with these */
} moons__arguments;

enum { MOONS__REASON_BYTES = 160 };

typedef struct moons__proof {
  int is_proved;
  int draws; /* it may draw random numbers: it is proved only for calls that are seeded */
  char reason
      [MOONS__REASON_BYTES]; /* why it is not proved: "line 12 writes to the captured table 'cache'" */
} moons__proof;

/* Tries to prove it of the function at a stack index, for all arguments of a kind. `randomseed` is the index of the function by
** which calls are seeded, or of nil. Raises nothing, calls nothing, changes nothing in the state but for garbage. */
void moons__prove(lua_State *L, int function, int randomseed, const moons__models *models,
                  moons__arguments arguments, moons__proof *proof);

#endif
