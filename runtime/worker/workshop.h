/*
** What the sessions of one worker share, and how code runs in their states outside of calls: protected, so that it can be told
** to end, and be given up, as a call can.
*/
#ifndef MOONS_WORKER_WORKSHOP_H
#define MOONS_WORKER_WORKSHOP_H

#include <lua.h>

#include "state/image.h"
#include "wire/names.h"
#include "wire/report.h"
#include "worker/config.h"
#include "worker/proof.h"
#include "worker/sandbox.h"

/* Stack index of the message handler, where a state has one. */
enum { MOONS__WORKSHOP_HANDLER = 1 };

typedef struct moons__workshop {
  moons__worker_config config;
  moons__sandbox sandbox;
  moons__reporter reporter;
  moons__buffer failure; /* why the last set-up failed (failure.h) */
  lua_CFunction make_call;
  moons__models models;     /* of C functions, for proofs */
  uint32_t n_built;         /* states that were built from nothing, in this chunk */
  moons__stop_reason ended; /* why the last function below was made to end; 0: it was not */
} moons__workshop;

/* Calls a function in the slot's state with a light userdata. Leaves nothing on the stack but, after an error, its value. What
** had to end counts as failed though it may have caught the error: then the value is nil, and workshop->ended says why.
** `is_kept`: where it was ended in its midst, the state goes on, so what it had under way is collected. */
int moons__workshop_call(moons__workshop *workshop, const moons__slot *slot, lua_CFunction function,
                         void *data, int is_kept);

/* Closes the state: finalizers run, which close files, and wait for programs. These have `patience_ns` to end by themselves. */
void moons__workshop_close_state(moons__workshop *workshop, const moons__slot *slot,
                                 uint64_t patience_ns);

/* Notes in workshop->failure why something failed: from the error value on top, which was raised after the text `prefix`; or
** where it was made to end, that; or that there was no memory. `names` are those of L. All return -1. */
int moons__workshop_fail(moons__workshop *workshop, lua_State *L, moons__names *names, int status,
                         moons__failure_kind kind, const char *prefix);
int moons__workshop_fail_for_memory(moons__workshop *workshop);

#endif
