/*
** A check of proofs (proof.h), in builds with MOONS_CHECK_IMAGES alone: after calls that were proved to leave nothing behind,
** everything that can be reached in the state must be what it was. Elsewhere these do nothing.
*/
#ifndef MOONS_WORKER_CHECK_IMAGE_H
#define MOONS_WORKER_CHECK_IMAGE_H

#include <lua.h>
#include <stdint.h>

typedef struct moons__image_check {
  uint64_t sum;     /* of all that the state held when it was put back; 0: not taken yet */
  uint64_t n_calls; /* that were looked at since */
} moons__image_check;

#ifdef MOONS_CHECK_IMAGES

/* Takes the sum of a state that was just put back; `randomseed` is the stack index of the function by which calls are seeded: its
** random numbers do not count. */
void moons__image_check_begin(moons__image_check *check, lua_State *L, int randomseed);

/* Compares: ends the process where a call has changed something; `position` is that of its function. */
void moons__image_check_end(moons__image_check *check, lua_State *L, int randomseed,
                            const char *position);

#else

static inline void moons__image_check_begin(moons__image_check *check, lua_State *L,
                                            int randomseed) {
  (void)check;
  (void)L;
  (void)randomseed;
}

static inline void moons__image_check_end(moons__image_check *check, lua_State *L, int randomseed,
                                          const char *position) {
  (void)check;
  (void)L;
  (void)randomseed;
  (void)position;
}

#endif
#endif
