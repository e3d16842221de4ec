/*
** No lock, for a handler of a signal reads the list: each place is free (0) or somebody's, and is taken and left in one step.
*/
#include "system/groups.h"

#include <signal.h>
#include <stdatomic.h>

#include "sizes.h"

static atomic_int leaders[MOONS_MAX_WORKERS];

static void replace(int before, int after) {
  for (unsigned i = 0; i < MOONS_MAX_WORKERS; i++) {
    int expected = before;
    if (atomic_compare_exchange_strong(&leaders[i], &expected, after)) return;
  }
}

void moons__groups_add(pid_t leader) { replace(0, (int)leader); }

void moons__groups_remove(pid_t leader) { replace((int)leader, 0); }

void moons__groups_signal(int signal) {
  for (unsigned i = 0; i < MOONS_MAX_WORKERS; i++) {
    int leader = atomic_load(&leaders[i]);
    if (leader != 0) kill(-leader, signal);
  }
}
