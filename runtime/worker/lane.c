/*
** A proof is tried once for each kind of arguments, and only where a state has made enough calls to earn it. What is no number may
** be tables: where nothing is proved of these, it may still be of strings.
*/
#include "worker/lane.h"

#include <string.h>

enum {
  FEW_AGAIN = 8,
  AGAIN_SHARE = 8
}; /* calls made again: so many, or this part of all, do not close the lane */

/* What is proved of strings or tables is proved of numbers, which are among those. */
static int verdict_on_numbers(const moons__lane *lane) {
  int others =
      lane->verdicts[MOONS__ARGUMENTS_STRINGS] > 0 || lane->verdicts[MOONS__ARGUMENTS_TABLES] > 0;
  return others ? 1 : lane->verdicts[MOONS__ARGUMENTS_NUMBERS];
}

/* 0 where neither was tried. */
static int verdict_on_others(const moons__lane *lane) {
  int tables = lane->verdicts[MOONS__ARGUMENTS_TABLES];
  return tables > 0 ? tables : lane->verdicts[MOONS__ARGUMENTS_STRINGS];
}

static int verdict(const moons__lane *lane, int are_numbers) {
  return are_numbers ? verdict_on_numbers(lane) : verdict_on_others(lane);
}

int moons__lane_is_due(const moons__lane *lane, const moons__plan *plan, int are_numbers) {
  return plan->prove_after != MOONS__PROVE_NEVER && lane->n_restored >= plan->prove_after &&
         verdict(lane, are_numbers) == 0;
}

static int prove(moons__lane *lane, lua_State *L, int function, int randomseed,
                 const moons__models *models, moons__arguments arguments) {
  moons__proof proof;
  moons__prove(L, function, randomseed, models, arguments, &proof);
  lane->verdicts[arguments] = proof.is_proved ? 1 : -1;
  lane->draws |= proof.is_proved && proof.draws;
  memcpy(lane->reason, proof.reason, sizeof lane->reason);
  return proof.is_proved;
}

void moons__lane_prove(moons__lane *lane, lua_State *L, int function, int randomseed,
                       const moons__models *models, int are_numbers) {
  if (are_numbers)
    prove(lane, L, function, randomseed, models, MOONS__ARGUMENTS_NUMBERS);
  else if (!prove(lane, L, function, randomseed, models, MOONS__ARGUMENTS_TABLES))
    prove(lane, L, function, randomseed, models, MOONS__ARGUMENTS_STRINGS);
}

int moons__lane_is_open(const moons__lane *lane, const moons__plan *plan, int are_numbers,
                        int seeds) {
  return plan->prove_after != MOONS__PROVE_NEVER && verdict(lane, are_numbers) > 0 &&
         (seeds || !lane->draws);
}

moons__arguments moons__lane_arguments(const moons__lane *lane) {
  return lane->verdicts[MOONS__ARGUMENTS_TABLES] > 0 ? MOONS__ARGUMENTS_TABLES
                                                     : MOONS__ARGUMENTS_STRINGS;
}

/* A call that is made again costs twice: where that is often, putting the state back is cheaper. */
void moons__lane_note(moons__lane *lane, uint64_t n_calls, int is_again) {
  lane->n_taken += n_calls;
  lane->n_again += (uint64_t)is_again;
  if (lane->n_again <= FEW_AGAIN + lane->n_taken / AGAIN_SHARE) return;
  memset(lane->verdicts, -1, sizeof lane->verdicts);
  strcpy(lane->reason, "its calls fail too often, and each is made again then");
}
