/*
** terminal COLUMNS [TEXT KEYS]... -- COMMAND...: runs a command on a terminal of its own, and prints all that
** it writes there. Once a TEXT has come, after what came for those before, types its KEYS; an empty one is a
** pause. Ends as the command does.
*/
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_SECONDS = 60, PAUSE_US = 200000 };

static void fail(const char *what) {
  perror(what);
  exit(EXIT_FAILURE);
}

static int open_master(void) {
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) fail("terminal");
  return master;
}

/* Makes the terminal that of this process, with a width. */
static void enter(int master, const char *columns) {
  struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)atoi(columns)};
  setsid();
  int slave = open(ptsname(master), O_RDWR);
  if (slave < 0 || ioctl(slave, TIOCSCTTY, 0) != 0 || ioctl(slave, TIOCSWINSZ, &size) != 0)
    fail("terminal");
  for (int stream = 0; stream <= 2; stream++)
    dup2(slave, stream);
  close(slave);
  close(master);
}

/* Types the keys whose text has come; `keys` are pairs up to "--". Returns the pairs that are left, and moves *seen
** behind what has been found. */
static char **answer(int master, char **keys, const char **seen) {
  for (; strcmp(*keys, "--") != 0; keys += 2) {
    const char *found = strstr(*seen, keys[0]);
    if (found == NULL) break;
    if (*keys[0] == '\0') usleep(PAUSE_US);
    *seen = found + strlen(keys[0]);
    if (write(master, keys[1], strlen(keys[1])) < 0) fail("write");
  }
  return keys;
}

/* Prints what comes from the terminal; at its end the system reports an error. */
static void show(int master, char **keys) {
  static char screen[1 << 20];
  size_t n_bytes = 0;
  const char *seen = screen;
  for (;;) {
    ssize_t n = read(master, screen + n_bytes, sizeof screen - 1 - n_bytes);
    if (n <= 0) return;
    fwrite(screen + n_bytes, 1, (size_t)n, stdout);
    fflush(stdout);
    n_bytes += (size_t)n;
    screen[n_bytes] = '\0';
    keys = answer(master, keys, &seen);
    if (n_bytes == sizeof screen - 1 || strcmp(*keys, "--") == 0) {
      n_bytes = 0;
      seen = screen;
    }
  }
}

/* The command behind the keys; NULL where the arguments are wrong. */
static char **find_command(char **keys) {
  for (; *keys != NULL && strcmp(*keys, "--") != 0; keys += 2)
    if (keys[1] == NULL) return NULL;
  return *keys != NULL && keys[1] != NULL ? keys + 1 : NULL;
}

int main(int argc, char **argv) {
  char **command = argc < 2 ? NULL : find_command(argv + 2);
  if (command == NULL) return EXIT_FAILURE;
  alarm(MOST_SECONDS);
  int master = open_master();
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    enter(master, argv[1]);
    execvp(*command, command);
    fail(*command);
  }
  show(master, argv + 2);
  int status;
  if (waitpid(child, &status, 0) != child) fail("waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
