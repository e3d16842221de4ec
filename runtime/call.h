/*
** One call: arguments from bytes, the function, results or an error to bytes.
*/
#ifndef MOONS_CALL_H
#define MOONS_CALL_H

#include <lua.h>

#include "batch.h"
#include "session.h"
#include "worker.h"

typedef struct moons__call {
  moons__session *session;
  moons__program *program;
  const moons__terms *terms;
  moons__batch_writer results;
  moons__classes classes; /* that came with the arguments; outer: the program's */
  moons__encoder encoder;
  moons__item item; /* the arguments */
  uint64_t index;   /* number of the call */
  enum { MOONS__CALL_RECEIVING, MOONS__CALL_RUNNING, MOONS__CALL_SENDING } stage;
} moons__call;

/* The function behind a session's caller: takes a moons__call as light userdata. */
int moons__call_main(lua_State *L);

/* Makes the call in the state of the session, which has begun it, and appends its results or its
** failure to the results. Returns 1 where the call failed, 0, or MOONS_ENOMEM. */
int moons__call_run(moons__call *call);

#endif
