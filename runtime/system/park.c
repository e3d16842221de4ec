/*
** Each place has a semaphore, so a wake-up that comes before the sleep is kept (SLEEPING.md).
*/
#include "system/park.h"

#include <sched.h>
#include <stddef.h>

#include "moons.h"

int moons__place_open(moons__place *place, unsigned number) {
  *place = (moons__place){.number = number};
  return uv_sem_init(&place->wake, 0) ? MOONS_ENOMEM : 0;
}

void moons__place_close(moons__place *place) { uv_sem_destroy(&place->wake); }

void moons__park_sleep(moons__park *park, moons__place *place, uv_mutex_t *lock) {
  place->next = park->last;
  park->last = place;
  uv_mutex_unlock(lock);
  uv_sem_wait(&place->wake);
  uv_mutex_lock(lock);
  atomic_fetch_sub_explicit(&park->n_called, 1, memory_order_relaxed);
}

moons__place *moons__park_call(moons__park *park, unsigned n_workers) {
  moons__place **at = &park->last, *place;
  while ((place = *at) != NULL && place->number >= n_workers)
    at = &place->next;
  if (place == NULL) return NULL;
  *at = place->next;
  atomic_fetch_add_explicit(&park->n_called, 1, memory_order_relaxed);
  return place;
}

void moons__place_wake(moons__place *place) { uv_sem_post(&place->wake); }

unsigned moons__park_n_called(const moons__park *park) {
  return atomic_load_explicit(&park->n_called, memory_order_relaxed);
}

void moons__park_make_way(const moons__park *park) {
  if (moons__park_n_called(park) > 0) sched_yield();
}
