/*
** Whether the calls of a fresh session need their state put back. Where it is proved that they leave nothing behind (proof.h),
** they go by another lane: the state stays as it is, until garbage has gathered. A session has one lane for each function that it
** calls (lanes.h), used by its thread.
*/
#ifndef MOONS_WORKER_LANE_H
#define MOONS_WORKER_LANE_H

#include <lua.h>
#include <stdint.h>

#include "worker/plan.h"
#include "worker/proof.h"

/* Zero-initialised: nothing is proved. */
typedef struct moons__lane {
  int verdicts
      [MOONS__ARGUMENTS_OTHER]; /* by what arguments are; 1: proved, -1: not, 0: nobody has tried */
  int draws;                    /* proved only where calls are seeded */
  uint64_t n_restored;          /* calls in a state that was put back */
  uint64_t n_taken, n_again; /* calls that have gone by the lane, and that were made again for it */
  char reason
      [MOONS__REASON_BYTES]; /* why it is not proved, or no longer believed; empty: it is, or nobody has tried */
} moons__lane;

/* Whether a proof is to be tried before the next call, whose arguments are numbers, or anything. */
int moons__lane_is_due(const moons__lane *lane, const moons__plan *plan, int are_numbers);

/* Tries it of the function at a stack index (proof.h), in a state that must be put back afterwards. */
void moons__lane_prove(moons__lane *lane, lua_State *L, int function, int randomseed,
                       const moons__models *models, int are_numbers);

/* Whether the next call may go by the lane. */
int moons__lane_is_open(const moons__lane *lane, const moons__plan *plan, int are_numbers,
                        int seeds);

/* The most that arguments may be that are no numbers. */
moons__arguments moons__lane_arguments(const moons__lane *lane);

/* Notes calls that have gone by the lane, and whether the last must be made again. Where that happens often, the lane closes. */
void moons__lane_note(moons__lane *lane, uint64_t n_calls, int is_again);

#endif
