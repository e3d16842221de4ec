/*
** moons_mpi.so: see mpi.h. Errors come back as values, so that a lost rank is an affair of its calls alone, where MPI lets it be.
*/
#include "backend/mpi.h"

#include <mpi.h>
#include <stdlib.h>

enum { TAG = 1 };

static int init(int *rank, int *n_ranks) {
  int level;
  if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS) return -1;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, rank);
  return MPI_Comm_size(MPI_COMM_WORLD, n_ranks) == MPI_SUCCESS ? 0 : -1;
}

static int gather(const void *mine, void *all, int n_bytes) {
  int error = MPI_Gather(mine, n_bytes, MPI_BYTE, all, n_bytes, MPI_BYTE, 0, MPI_COMM_WORLD);
  return error == MPI_SUCCESS ? 0 : -1;
}

static void *begin_sending(int to, const void *bytes, int n_bytes) {
  MPI_Request *request = malloc(sizeof *request);
  if (request == NULL) return NULL;
  if (MPI_Isend(bytes, n_bytes, MPI_BYTE, to, TAG, MPI_COMM_WORLD, request) == MPI_SUCCESS)
    return request;
  free(request);
  return NULL;
}

static int is_sent(void *sending) {
  int is_done = 0;
  if (MPI_Test(sending, &is_done, MPI_STATUS_IGNORE) != MPI_SUCCESS) return -1;
  if (is_done) free(sending);
  return is_done;
}

static int probe(int of, int *from, int *n_bytes) {
  MPI_Status status;
  int is_there = 0;
  if (of < 0) of = MPI_ANY_SOURCE;
  if (MPI_Iprobe(of, TAG, MPI_COMM_WORLD, &is_there, &status) != MPI_SUCCESS) return -1;
  if (!is_there) return 0;
  *from = status.MPI_SOURCE;
  return MPI_Get_count(&status, MPI_BYTE, n_bytes) == MPI_SUCCESS ? 1 : -1;
}

static int receive(int from, void *bytes, int n_bytes) {
  int error = MPI_Recv(bytes, n_bytes, MPI_BYTE, from, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  return error == MPI_SUCCESS ? 0 : -1;
}

static void finalize(void) { MPI_Finalize(); }

static void end_all(int code) { MPI_Abort(MPI_COMM_WORLD, code); }

extern const moons__mpi moons_mpi;

__attribute__((visibility("default"))) const moons__mpi moons_mpi = {
    .version = MOONS__MPI_VERSION,
    .init = init,
    .gather = gather,
    .send = begin_sending,
    .is_sent = is_sent,
    .probe = probe,
    .receive = receive,
    .finalize = finalize,
    .abort = end_all,
};
