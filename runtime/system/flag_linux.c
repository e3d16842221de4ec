/*
** A counter in the kernel, which is readable while it is not 0.
*/
#include "system/flag.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int moons__flag_open(moons__flag *flag) {
  *flag = (moons__flag){.descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  return flag->descriptor >= 0 ? 0 : -1;
}

void moons__flag_close(moons__flag *flag) {
  if (flag->descriptor >= 0) close(flag->descriptor);
  flag->descriptor = -1;
}

/* Reading sets the counter to 0. Where a host has read from it, it does nothing. */
void moons__flag_set(moons__flag *flag, int is_up) {
  uint64_t n = 1;
  if (flag->descriptor < 0 || flag->is_up == is_up) return;
  flag->is_up = is_up;
  ssize_t moved =
      is_up ? write(flag->descriptor, &n, sizeof n) : read(flag->descriptor, &n, sizeof n);
  (void)moved;
}
