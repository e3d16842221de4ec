/*
** A file in the folder for temporary ones, which has a name only while it is made.
*/
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "system/process.h"

int moons__process_memory(size_t n_bytes) {
  char name[] = "/tmp/moons-XXXXXX";
  int fd = mkstemp(name);
  if (fd < 0) return -1;
  unlink(name);
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && ftruncate(fd, (off_t)n_bytes) == 0) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

/* There is no such thing everywhere: it keeps what it has taken until the process ends. */
void moons__process_forget(void *bytes, size_t n_kept, size_t n_bytes) {
  (void)bytes;
  (void)n_kept;
  (void)n_bytes;
}

/* Another thread that starts a program between the two steps leaves it an end; the process closes what it inherits. */
int moons__process_streams(int fds[2]) {
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) return errno;
  for (int i = 0; i < 2; i++) {
    fcntl(fds[i], F_SETFD, FD_CLOEXEC);
#ifdef SO_NOSIGPIPE
    int is_set = 1;
    setsockopt(fds[i], SOL_SOCKET, SO_NOSIGPIPE, &is_set, sizeof is_set);
#endif
  }
  return 0;
}

int moons__process_poll(struct pollfd *files, size_t n, uint64_t timeout_ns) {
  enum { NS_PER_MS = 1000000 };
  return poll(files, (nfds_t)n, (int)((timeout_ns + NS_PER_MS - 1) / NS_PER_MS));
}

void moons__process_close_from(int first) {
  for (long fd = first, end = sysconf(_SC_OPEN_MAX); fd < end; fd++)
    close((int)fd);
}
