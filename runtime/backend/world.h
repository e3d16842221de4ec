/*
** The world of MPI, as the backend "mpi" sees it: rank 0 runs the script, the others start agents for it (agent.h) and carry bytes
** to and from them (channel.h). A rank makes no calls and runs no Lua: its agents' worker processes do.
**
** A thread makes all calls of MPI. The command opens the world, before its runtime, and closes it last; pools share it.
*/
#ifndef MOONS_BACKEND_WORLD_H
#define MOONS_BACKEND_WORLD_H

#include <stddef.h>
#include <stdint.h>

#include "backend/host_list.h"
#include "system/process.h"

typedef struct moons__world moons__world;

enum { MOONS__WORLD_WHY_BYTES = 1024 };

/* Loads the plugin (mpi.h) and waits until all ranks are there. `program`: what ranks start as agents, a path of the command `moons`.
** NULL: `why` says why, for a person. Once in a process, before it has other threads. */
moons__world *moons__world_open(const char *plugin, const char *program,
                                char why[MOONS__WORLD_WHY_BYTES]);

/* Of this process, and how many there are. */
int moons__world_rank(const moons__world *world);
int moons__world_ranks(const moons__world *world);

/* In other ranks than 0: waits for the end of the script. Returns 0, or -1 where rank 0 is gone: then the process must end at once,
** without what others do at their exit. Agents have ended. */
int moons__world_serve(moons__world *world);

/* {== In rank 0 =============================================================================== */

/* Where agents may be: each rank but 0, and 0 too where no other is on its machine; those that share cores have a part of these each.
** They run one call a core, or more where `n_workers` is more than that. The list lies beside that block
** (allocate.h). Returns 0, or MOONS_ENOMEM. Any thread, as the next. */
int moons__world_hosts(const moons__world *world, moons__host_list *list, const void *beside,
                       unsigned n_workers, unsigned *n_cores);

/* The name of a machine on which a rank is bound to one of several cores; NULL: there is none. */
const char *moons__world_bound(const moons__world *world);

/* Starts an agent in a rank. Returns 0, or a value of errno: EHOSTUNREACH where the rank is lost, or the script has ended. */
int moons__world_reach(moons__world *world, int rank, moons__process *process,
                       uint64_t patience_ns);

/* Has all ranks end, and leaves MPI. Where one is lost it ends them all, and this process too, with the status `code`: files are
** to be written before. Connections stay as they are: nobody may want calls any more. Accepts NULL. */
void moons__world_close(moons__world *world, int code);

#endif
