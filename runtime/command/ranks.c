/*
** Before MPI is entered only the environment says which of them this process is: enough to tell a person something once.
*/
#include "command/ranks.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/world.h"
#include "moons.h"
#include "sizes.h"
#include "system/machine.h"

/* The first of these variables that is set, as a number; -1: none is. */
static int number_of(const char *first, const char *second) {
  const char *value = getenv(first) != NULL ? getenv(first) : getenv(second);
  return value != NULL ? (int)strtol(value, NULL, 10) : -1;
}

static int count_started(void) { return number_of("OMPI_COMM_WORLD_SIZE", "PMI_SIZE"); }

static int is_first(void) { return number_of("OMPI_COMM_WORLD_RANK", "PMI_RANK") <= 0; }

/* Tells it once, whatever the other ranks know. Returns the status of the process. */
static int refuse(const char *program_name, const char *why) {
  if (is_first()) fprintf(stderr, "%s: -b mpi: %s\n", program_name, why);
  return EXIT_FAILURE;
}

/* Finds the plugin beside the command, or where it is installed. Returns 0 or -1. */
static int find_plugin(const char *program, char path[MOONS_PATH_BYTES]) {
  static const char *const FOLDERS[] = {"", "../lib/moons/", "../lib64/moons/"};
  const char *slash = strrchr(program, '/');
  int n_folder = slash != NULL ? (int)(slash + 1 - program) : 0;
  for (size_t i = 0; n_folder > 0 && i < sizeof FOLDERS / sizeof FOLDERS[0]; i++) {
    int n = snprintf(path, MOONS_PATH_BYTES, "%.*s%smoons_mpi.so", n_folder, program, FOLDERS[i]);
    if (n > 0 && n < MOONS_PATH_BYTES && access(path, R_OK) == 0) return 0;
  }
  return -1;
}

/* Whether each process is alone in a world of its own, though they were started together. */
static int is_foreign(const moons__world *world) {
  return moons__world_ranks(world) == 1 && count_started() > 1;
}

/* Ctrl-C may come to all ranks: whether the script ends, rank 0 decides. What this process starts does not inherit it. */
static int serve(moons__world *world) {
  sigset_t interrupt;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  pthread_sigmask(SIG_BLOCK, &interrupt, NULL);
  if (moons__world_serve(world)) _exit(EXIT_FAILURE); /* MPI's own end would wait for rank 0 */
  return EXIT_SUCCESS;
}

/* Open MPI binds so few ranks to a core each that it takes most of their machines from them. */
static void tell_of_bound(const moons__world *world, const char *program_name) {
  const char *machine = moons__world_bound(world);
  if (machine == NULL) return;
  fprintf(stderr,
          "%s: a rank on '%s' may use one core alone; all of them with mpirun --bind-to none\n",
          program_name, machine);
}

int moons__ranks_enter(moons__world **world, const char *program_name, int reads_environment) {
  static const char MISSING[] = "there is no moons_mpi.so beside the command, nor in "
                                "../lib/moons from there: `make MPI=1` builds it with the mpicc "
                                "of the MPI whose mpirun this is; MOONS_MPI may name it";
  static const char FOREIGN[] = "this mpirun and moons_mpi.so are of different MPIs: each process "
                                "is alone. Build the plugin with that one's mpicc (make MPI=1 "
                                "MPICC=...)";
  char program[MOONS_PATH_BYTES], path[MOONS_PATH_BYTES], why[MOONS__WORLD_WHY_BYTES];
  const char *plugin = reads_environment ? getenv("MOONS_MPI") : NULL;
  moons__machine_find_command(moons__machine_self(), program, sizeof program);
  if (plugin == NULL) plugin = find_plugin(program, path) == 0 ? path : NULL;
  if (plugin == NULL) return refuse(program_name, MISSING);
  *world = moons__world_open(plugin, program, why);
  if (*world == NULL) return refuse(program_name, why);
  if (moons__world_rank(*world) != 0) return serve(*world);
  if (is_foreign(*world)) {
    moons__world_close(*world, EXIT_FAILURE);
    return refuse(program_name, FOREIGN);
  }
  tell_of_bound(*world, program_name);
  return -1;
}

void moons__ranks_warn(const char *program_name) {
  int n = count_started();
  if (n < 2 || !is_first()) return;
  fprintf(stderr,
          "%s: mpirun has started %d copies of this script, each by itself; one script with "
          "workers in all of them is moons -b mpi\n",
          program_name, n);
}
