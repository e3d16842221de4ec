/*
** What moons_mpi.so does for the backend "mpi": the few calls of MPI that it needs. MPI libraries have the same functions but no common
** binary interface, so this plugin is built with the `mpicc` of a site (mpi/plugin.c), and nothing else of Moons knows MPI.
**
** One thread makes all calls, from `init` to `finalize`.
*/
#ifndef MOONS_BACKEND_MPI_H
#define MOONS_BACKEND_MPI_H

enum { MOONS__MPI_VERSION = 1 };

typedef struct moons__mpi {
  unsigned version; /* MOONS__MPI_VERSION: what both were built with */

  /* Enters the world: the first call. Returns 0, or -1; as a rule MPI itself ends the process where it fails. */
  int (*init)(int *rank, int *n_ranks);

  /* Brings so many bytes of each rank to rank 0, which has `all`. All ranks call it once. Returns 0 or -1. */
  int (*gather)(const void *mine, void *all, int n_bytes);

  /* Begins to send, and returns what `is_sent` wants; NULL: it cannot be. The bytes stay until they are sent. */
  void *(*send)(int to, const void *bytes, int n_bytes);

  /* 1: it is sent, and `sending` is gone; 0: not yet; -1: it never will be. */
  int (*is_sent)(void *sending);

  /* Whether a message from this rank, or from any (-1), is there: 1, with who sent it and how long it is; 0; -1: the rank, or one
  ** of all, is lost. */
  int (*probe)(int of, int *from, int *n_bytes);

  /* Takes it. Returns 0 or -1. */
  int (*receive)(int from, void *bytes, int n_bytes);

  /* Leaves the world: the last call. All ranks must. */
  void (*finalize)(void);

  /* Ends all ranks, and with them what has started them, which returns `code`. */
  void (*abort)(int code);
} moons__mpi;

/* The name of the plugin's one symbol, a moons__mpi. */
#define MOONS__MPI_SYMBOL "moons_mpi"

#endif
