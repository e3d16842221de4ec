/*
** The command as it is started by mpirun: as many processes as that says, of which one runs the script.
*/
#ifndef MOONS_COMMAND_RANKS_H
#define MOONS_COMMAND_RANKS_H

struct moons__world;

/* -b mpi: loads the plugin, and meets the other ranks. In rank 0, where *world is theirs (world.h), returns -1. In the others it
** starts agents until the script has ended, and returns the status to exit with, as where MPI is not to be had, which it tells.
** `reads_environment`: MOONS_MPI may name the plugin. */
int moons__ranks_enter(struct moons__world **world, const char *program_name,
                       int reads_environment);

/* For any other backend: says, in one of them, that mpirun has started copies that know nothing of each other. */
void moons__ranks_warn(const char *program_name);

#endif
