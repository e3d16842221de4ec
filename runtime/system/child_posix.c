/*
** Without /proc nobody tells which programs descend from which: the process group is all that can be ended.
*/
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "system/child.h"

int moons__child_pipe(int fds[2]) {
  if (pipe(fds) != 0) return errno;
  for (int i = 0; i < 2; i++)
    fcntl(fds[i], F_SETFD, FD_CLOEXEC);
  return 0;
}

int moons__child_pipe_leaks(void) { return 1; }

/* The twin writes to `kin`. NOLINTNEXTLINE(readability-non-const-parameter) */
unsigned moons__child_kin(pid_t pid, pid_t *kin, unsigned n_most) {
  (void)pid;
  (void)kin;
  (void)n_most;
  return 0;
}

int moons__child_runs(pid_t pid) { return kill(pid, 0) == 0; }
