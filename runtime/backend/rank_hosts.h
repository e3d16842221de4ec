/*
** What ranks of MPI say of themselves at the start, and where calls run then: on each rank but 0, which runs the script, and on 0 too
** where no other is on its machine.
*/
#ifndef MOONS_BACKEND_RANK_HOSTS_H
#define MOONS_BACKEND_RANK_HOSTS_H

#include <stdint.h>

#include "backend/host_list.h"
#include "sizes.h"

/* The name of a host is that of its machine and, where others are on it, the rank. */
enum { MOONS__RANK_BYTES = 16, MOONS__MACHINE_BYTES = MOONS_HOST_BYTES - MOONS__RANK_BYTES };

/* It goes by its bytes. */
typedef struct moons__rank {
  char machine[MOONS__MACHINE_BYTES];
  uint64_t cores_key;        /* ranks with the same share its cores */
  uint32_t n_cores, n_bound; /* as moons__machine_cores_key says */
} moons__rank;

/* Fills in what this process says. */
void moons__rank_read(moons__rank *rank);

/* The hosts that these are, as moons__world_hosts says (world.h). */
int moons__rank_hosts(const moons__rank *ranks, int n_ranks, moons__host_list *list,
                      const void *beside, unsigned n_workers, unsigned *n_cores);

/* The machine of one that is bound to one of several cores; NULL: there is none. */
const char *moons__rank_bound(const moons__rank *ranks, int n_ranks);

#endif
