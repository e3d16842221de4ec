/*
** A session: a state brought to a set-up, in which calls are made one after the other, each in the
** state as it was set up (fresh) or as the last call left it (kept). A kept session can hold several
** set-ups side by side.
*/
#ifndef MOONS_WORKER_SESSION_H
#define MOONS_WORKER_SESSION_H

#include <lua.h>

#include "sizes.h"
#include "state/image.h"
#include "wire/batch.h"
#include "wire/names.h"
#include "wire/wire.h"
#include "worker/base.h"
#include "worker/check_image.h"
#include "worker/lanes.h"
#include "worker/plan.h"
#include "worker/workshop.h"

/* A set-up as it is in a state. */
typedef struct moons__loaded_setup {
  moons__setup *setup; /* by which it is found again; shared */
  uint64_t last_used;
  int uses_seed;          /* `init` could draw random numbers */
  uint64_t seed;          /* what it drew them from */
  moons__classes classes; /* that came with it */
  int places;             /* reference of what it has placed (places.h); kept sessions alone */
  int caller;             /* reference of the function that makes a call */
  char position[MOONS_POSITION_BYTES]; /* of what is mapped: "script.lua:3" */
  int has_random; /* the state has random numbers, to be seeded for each call */
} moons__loaded_setup;

typedef struct moons__session {
  moons__workshop *workshop;
  moons__base *base;   /* outlives the session */
  moons__slot *slot;   /* that of the base: where its calls are made */
  moons__terms *terms; /* kept: of its calls; shared */
  uint64_t host;       /* what the host has added to it (terms.h); 0: nothing */
  moons__image image;  /* fresh: of the state as it was set up, unless it rebuilds */
  moons__names names;
  moons__libraries reached; /* by any set-up or argument so far */
  int names_known;          /* no module was loaded since they were looked at */
  int fresh;
  int rebuilds;             /* the set-up cannot lie in the image: it is made anew for each call */
  int dirty;                /* a call was made since the image was put back */
  int is_script;            /* its calls are of functions that a script has, by their names */
  moons__lanes lanes;       /* fresh: whether calls must begin in a state that was put back */
  moons__lane *lane;        /* of these, that of the call; NULL: it must */
  moons__image_check check; /* of that */
  int in_lane;              /* the call that has begun need not */
  int is_clean;             /* what the last call has left is but garbage */
  int is_late; /* beginning the call has taken long: it has done more than to put the state back */
  int in_call; /* a call has begun, and has not ended: it runs, or was given up */
  size_t memory_bytes;         /* the most that the call may hold; 0: no limit of its own */
  int warns;                   /* whether `warn` is on when a call begins */
  moons__loaded_setup *loaded; /* owned; fresh: one */
  unsigned n_loaded, n_most_loaded;
  const moons__loaded_setup *last_loaded; /* kept: the one that was entered last, if any */
} moons__session;

/* The stack of the state between calls. */
enum {
  MOONS__SESSION_HANDLER = MOONS__WORKSHOP_HANDLER,
  MOONS__SESSION_CALLER,   /* workshop->make_call, with the upvalues below */
  MOONS__SESSION_FUNCTION, /* what is mapped */
  MOONS__SESSION_TOP = MOONS__SESSION_FUNCTION
};

/* The upvalues of the caller. */
enum {
  MOONS__CALLER_FUNCTION = 1, /* what is mapped */
  MOONS__CALLER_CLASSES,      /* number -> class */
  MOONS__CALLER_SEED,         /* Lua's own math.randomseed, or nil where there is no math */
  MOONS__CALLER_N_UPVALUES = MOONS__CALLER_SEED
};

/* Brings the state of the base to the set-up. Returns 0, or -1 with workshop->failure saying why. */
int moons__session_open_fresh(moons__session *session, moons__workshop *workshop, moons__base *base,
                              moons__plan *plan);

/* Takes the state of the base, which no other session uses, for set-ups to come under these terms. Returns the same. */
int moons__session_open_kept(moons__session *session, moons__workshop *workshop, moons__base *base,
                             moons__terms *terms);

/* Frees it; finalizers of a kept one run. The base stays. Does nothing for one that is not open. */
void moons__session_close(moons__session *session);

/* Seeds math.randomseed, the function on top, which it pops, for call `number` of a seed; 0: init. */
void moons__session_seed(lua_State *L, uint64_t seed, uint64_t number);

/* Whether a fresh session has this set-up, and what the host adds to it. */
int moons__session_has(const moons__session *session, const moons__plan *plan);

/* Makes the state ready for calls of a chunk; kept sessions are brought to the set-up where they
** do not have it yet. Returns it, or NULL with workshop->failure saying why. */
moons__loaded_setup *moons__session_enter(moons__session *session, moons__plan *plan);

/* Collects what a call has left in a kept state: pools that it has dropped, say, end. */
void moons__session_collect(moons__session *session);

/* Ends the calls of a chunk: gives back memory that the last one needed. */
void moons__session_leave(moons__session *session);

/* How a call may be made. */
typedef enum moons__way {
  MOONS__WAY_ANY,     /* its arguments may be anything */
  MOONS__WAY_NUMBERS, /* they are numbers */
  MOONS__WAY_RESTORED /* in a state that was put back, whatever is proved */
} moons__way;

/* Learns what the next call is given, which may say of which function it is. */
void moons__session_expect(moons__session *session, const moons__item *item);

/* Makes the state ready for that call, whose random numbers are seeded where it `seeds`. Returns 0, or -1 with
** workshop->failure saying why. */
int moons__session_begin_call(moons__session *session, const moons__plan *plan, moons__way way,
                              int seeds);

/* Whether the call that has begun may draw random numbers. */
static inline int moons__session_may_draw(const moons__session *session) {
  return !session->in_lane || session->lane->draws;
}

/* How far calls that go by the lane may go, from when the session was begun: for who looks after each of many. */
typedef struct moons__bounds {
  const moons__arena *arena;
  size_t most_touched_bytes, most_bytes;
} moons__bounds;

static inline moons__bounds moons__session_bounds(const moons__session *session) {
  return (moons__bounds){&session->slot->arena, session->image.n_bytes + MOONS_PROVED_BYTES,
                         session->image.n_bytes + MOONS_GARBAGE_BYTES};
}

/* Whether the running call has come upon what depends on what lies in the state besides: memory was refused, or a stack has become
** large. */
static inline int moons__bounds_are_odd(const moons__bounds *bounds) {
  return bounds->arena->was_refused || bounds->arena->touched_bytes > bounds->most_touched_bytes;
}

/* Whether more calls may follow before the state is put back. */
static inline int moons__bounds_have_room(const moons__bounds *bounds) {
  return moons__memory_reach(bounds->arena) <= bounds->most_bytes;
}

/* The same of a session. */
static inline int moons__session_is_odd(const moons__session *session) {
  moons__bounds bounds = moons__session_bounds(session);
  return moons__bounds_are_odd(&bounds);
}

static inline int moons__session_has_room(const moons__session *session) {
  moons__bounds bounds = moons__session_bounds(session);
  return moons__bounds_have_room(&bounds);
}

/* Where code was ended in its midst, its own cleaning up in Lua was ended too. In a state that is kept, jobs that it
** had under way would go on, which the collector closes. To be called before the end of what runs (stop.h). */
void moons__session_unwind(moons__session *session);

/* Ends a call: runs finalizers where the call left any, and writes out what it printed. `is_whole`: it has come to its end, with
** a result. Returns 1 where finalizers did not end and the thread was given up, otherwise 0. */
int moons__session_end_call(moons__session *session, int is_whole);

#endif
