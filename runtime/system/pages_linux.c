/*
** Freezing maps a copy of the bytes from a file in memory over them, privately: the system copies the pages that are
** written to, and thawing drops these copies.
*/
#include <sys/mman.h>
#include <unistd.h>

#include "moons.h"
#include "sizes.h"
#include "system/pages.h"

size_t moons__pages_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

void moons__pages_release(void *start, size_t n_bytes) { munmap(start, n_bytes); }

/* Of much memory at once most is likely to be used: large pages then, where there are any, for a fault each
** costs more than clearing the page (measured on a virtual machine, 11 us a fault: 16 MB in 1 ms, not 46). */
int moons__pages_commit(void *start, size_t n_bytes) {
  if (mprotect(start, n_bytes, PROT_READ | PROT_WRITE)) return MOONS_ENOMEM;
  if (n_bytes >= MOONS_LARGE_PAGES_BYTES) madvise(start, n_bytes, MADV_HUGEPAGE);
  return 0;
}

void moons__pages_discard(void *start, size_t n_bytes) { madvise(start, n_bytes, MADV_DONTNEED); }

static int write_all(int fd, const char *bytes, size_t n_bytes) {
  while (n_bytes > 0) {
    ssize_t n_written = write(fd, bytes, n_bytes);
    if (n_written <= 0) return MOONS_ENOMEM;
    bytes += n_written;
    n_bytes -= (size_t)n_written;
  }
  return 0;
}

/* The content goes into a file in memory, of which a private mapping takes the old pages' place:
** a page that is written to becomes a copy, and dropping the copy shows the file's page again. */
int moons__pages_freeze(void *start, size_t n_bytes) {
  int fd = memfd_create("moons image", MFD_CLOEXEC);
  if (fd < 0) return MOONS_EUNSUPPORTED;
  int error = write_all(fd, start, n_bytes);
  if (!error) {
    int flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE;
    void *mapped = mmap(start, n_bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (mapped == MAP_FAILED) error = MOONS_EUNSUPPORTED;
  }
  close(fd); /* the mapping keeps the file */
  return error;
}

void moons__pages_thaw(void *start, size_t n_bytes) { madvise(start, n_bytes, MADV_DONTNEED); }
