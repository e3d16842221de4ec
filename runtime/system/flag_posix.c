/*
** A pipe, which is readable while there is a byte in it.
*/
#include "system/flag.h"

#include <fcntl.h>
#include <unistd.h>

static int prepare(int descriptor) {
  return fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 && fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0;
}

int moons__flag_open(moons__flag *flag) {
  int ends[2];
  *flag = (moons__flag){.descriptor = -1};
  if (pipe(ends) != 0) return -1;
  flag->descriptor = ends[0];
  flag->other = ends[1];
  if (prepare(ends[0]) && prepare(ends[1])) return 0;
  moons__flag_close(flag);
  return -1;
}

void moons__flag_close(moons__flag *flag) {
  if (flag->descriptor < 0) return;
  close(flag->descriptor);
  close(flag->other);
  flag->descriptor = -1;
}

/* Where a host has read from it, reading the byte does nothing. */
void moons__flag_set(moons__flag *flag, int is_up) {
  char byte = 0;
  if (flag->descriptor < 0 || flag->is_up == is_up) return;
  flag->is_up = is_up;
  ssize_t moved = is_up ? write(flag->other, &byte, 1) : read(flag->descriptor, &byte, 1);
  (void)moved;
}
