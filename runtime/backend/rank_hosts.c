/*
** A machine is known by its name. Ranks on it that may use the same cores share these; those that are bound to cores of their own have
** them.
*/
#include "backend/rank_hosts.h"

#include <stdio.h>
#include <string.h>

#include "base/allocate.h"
#include "moons.h"
#include "system/machine.h"

void moons__rank_read(moons__rank *rank) {
  *rank = (moons__rank){.n_cores = moons_cpus()};
  rank->cores_key = moons__machine_cores_key(&rank->n_bound);
  moons__machine_host(rank->machine, sizeof rank->machine);
}

const char *moons__rank_bound(const moons__rank *ranks, int n_ranks) {
  for (int rank = 0; rank < n_ranks; rank++)
    if (ranks[rank].n_bound == 1) return ranks[rank].machine;
  return NULL;
}

/* How many ranks before `end`, but not 0, are on the machine of this one, and with its cores if that matters. */
static unsigned count_agents(const moons__rank *ranks, int of, int end, int shares_cores) {
  const moons__rank *s = &ranks[of];
  unsigned n = 0;
  for (int rank = 1; rank < end; rank++) {
    const moons__rank *other = &ranks[rank];
    int are_together = strcmp(other->machine, s->machine) == 0;
    n += are_together && (!shares_cores || other->cores_key == s->cores_key);
  }
  return n;
}

/* Its part of its cores. */
static unsigned count_workers(const moons__rank *ranks, int n_ranks, int rank) {
  unsigned n_cores = ranks[rank].n_cores;
  unsigned n_agents = rank == 0 ? 1 : count_agents(ranks, rank, n_ranks, 1);
  unsigned n_before = rank == 0 ? 0 : count_agents(ranks, rank, rank, 1);
  unsigned n = n_cores / n_agents + (n_before < n_cores % n_agents);
  return n > 0 ? n : 1;
}

static int add_host(const moons__rank *ranks, int n_ranks, moons__host_list *list, int rank) {
  char name[MOONS_HOST_BYTES];
  int is_alone = rank == 0 || count_agents(ranks, rank, n_ranks, 0) == 1;
  snprintf(name, sizeof name, is_alone ? "%s" : "%s/%d", ranks[rank].machine, rank);
  list->hosts[list->n] = (moons__host_name){.name = moons__allocate_copy(list->beside, name),
                                            .n_workers = count_workers(ranks, n_ranks, rank),
                                            .rank = rank};
  return list->hosts[list->n++].name != NULL ? 0 : MOONS_ENOMEM;
}

/* Has them run `n` calls at once in all, each as many of these as it has of the cores. */
static void raise_workers(moons__host_list *list, unsigned n_cores, unsigned n) {
  uint64_t n_before = 0;
  for (unsigned i = 0; i < list->n && n > n_cores; i++) {
    uint64_t n_given = n_before * n / n_cores;
    n_before += list->hosts[i].n_workers;
    list->hosts[i].n_workers = (unsigned)(n_before * n / n_cores - n_given);
  }
}

int moons__rank_hosts(const moons__rank *ranks, int n_ranks, moons__host_list *list,
                      const void *beside, unsigned n_workers, unsigned *n_cores) {
  *list = (moons__host_list){.beside = beside};
  list->hosts = moons__allocate_zeros(beside, (size_t)n_ranks * sizeof *list->hosts);
  int error = list->hosts != NULL ? 0 : MOONS_ENOMEM;
  int first = count_agents(ranks, 0, n_ranks, 0) > 0; /* another uses the machine of rank 0 */
  for (int rank = first; rank < n_ranks && !error; rank++)
    error = add_host(ranks, n_ranks, list, rank);
  if (error) moons__host_list_free(list);
  for (unsigned i = *n_cores = 0; i < list->n; i++)
    *n_cores += list->hosts[i].n_workers;
  raise_workers(list, *n_cores, n_workers);
  return error;
}
