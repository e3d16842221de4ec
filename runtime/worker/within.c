/*
** What C functions of the host ask of the call that has called them. They have nothing but the state, and are told apart by its
** allocator from functions that something else calls.
*/
#include "moons.h"
#include "worker/sandbox.h"

void *moons_data(lua_State *L) {
  const moons__sandbox *s = moons__sandbox_find(L);
  return s != NULL ? moons__terms_of(s->terms)->data : NULL;
}

/* Not while a state is set up: what that leaves is in the image, which calls of others start from. */
void *moons_data_of_call(lua_State *L) {
  const moons__sandbox *s = moons__sandbox_find(L);
  return s != NULL && s->is_in_call ? s->call_data : NULL;
}

unsigned moons_worker(lua_State *L) {
  const moons__sandbox *s = moons__sandbox_find(L);
  return s != NULL ? s->seat : 0;
}

int moons_is_ending(lua_State *L) {
  const moons__sandbox *s = moons__sandbox_find(L);
  if (s == NULL) return 0;
  return moons__stop_reason_of(&s->stop) != 0 || moons__stop_is_lost(&s->stop);
}

int moons_defer(lua_State *L, void (*release)(void *pointer), void *pointer) {
  moons__sandbox *s = moons__sandbox_find(L);
  moons__deferred deferred = {release, pointer};
  if (s == NULL || !s->is_in_call || release == NULL) return MOONS_EINVAL;
  if (moons__buffer_append(&s->deferred, &deferred, sizeof deferred) == 0) return 0;
  release(pointer);
  return MOONS_ENOMEM;
}
