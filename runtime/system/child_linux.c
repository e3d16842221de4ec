/*
** Programs that a program has started: /proc/PID/task/TID/children, where the kernel has that (CONFIG_PROC_CHILDREN).
*/
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "system/child.h"

enum { PATH_BYTES = 64, MOST_BYTES = 4096 };

int moons__child_pipe(int fds[2]) { return pipe2(fds, O_CLOEXEC) == 0 ? 0 : errno; }

int moons__child_pipe_leaks(void) { return 0; }

/* Reads a file of /proc, which may be gone: then the text is empty. */
static void read_text(const char *path, char text[MOST_BYTES]) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n_bytes = fd >= 0 ? read(fd, text, MOST_BYTES - 1) : 0;
  if (fd >= 0) close(fd);
  text[n_bytes > 0 ? n_bytes : 0] = '\0';
}

/* Reads the children of one thread. */
static unsigned read_children(const char *path, pid_t *kin, unsigned n_most) {
  char text[MOST_BYTES];
  unsigned n = 0;
  read_text(path, text);
  char *at = text, *end;
  for (long pid; n < n_most && (pid = strtol(at, &end, 10)) > 0 && end != at; at = end)
    kin[n++] = (pid_t)pid;
  return n;
}

/* Those of all threads of a program. */
static unsigned find_children(pid_t pid, pid_t *kin, unsigned n_most) {
  char path[PATH_BYTES + sizeof((struct dirent *)0)->d_name];
  snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
  DIR *threads = opendir(path);
  if (threads == NULL) return 0;
  unsigned n = 0;
  for (const struct dirent *thread; n < n_most && (thread = readdir(threads)) != NULL;) {
    if (thread->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/proc/%ld/task/%s/children", (long)pid, thread->d_name);
    n += read_children(path, kin + n, n_most - n);
  }
  closedir(threads);
  return n;
}

unsigned moons__child_kin(pid_t pid, pid_t *kin, unsigned n_most) {
  unsigned n = find_children(pid, kin, n_most);
  for (unsigned i = 0; i < n; i++)
    n += find_children(kin[i], kin + n, n_most - n);
  return n;
}

/* The state follows the name, which is in brackets. */
int moons__child_runs(pid_t pid) {
  char path[PATH_BYTES], text[MOST_BYTES];
  snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
  read_text(path, text);
  const char *name_end = strrchr(text, ')');
  return name_end != NULL && strncmp(name_end, ") Z", 3) != 0 && strncmp(name_end, ") X", 3) != 0;
}
