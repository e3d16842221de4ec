/*
** A file in memory that cannot shrink, so that no map of it can lose its pages.
*/
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "system/process.h"

int moons__process_memory(size_t n_bytes) {
  int fd = memfd_create("moons worker", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return -1;
  if (ftruncate(fd, (off_t)n_bytes) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

void moons__process_forget(void *bytes, size_t n_kept, size_t n_bytes) {
  madvise((char *)bytes + n_kept, n_bytes - n_kept, MADV_REMOVE);
}

int moons__process_streams(int fds[2]) {
  return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0 ? 0 : errno;
}

int moons__process_poll(struct pollfd *files, size_t n, uint64_t timeout_ns) {
  enum { NS = 1000000000 };
  struct timespec time = {.tv_sec = (time_t)(timeout_ns / NS), .tv_nsec = (long)(timeout_ns % NS)};
  return ppoll(files, (nfds_t)n, &time, NULL);
}

/* glibc has a function for it from 2.34 on only. */
void moons__process_close_from(int first) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, (unsigned)first, ~0U, 0) == 0) return;
#endif
  for (long fd = first, end = sysconf(_SC_OPEN_MAX); fd < end; fd++)
    close((int)fd);
}
