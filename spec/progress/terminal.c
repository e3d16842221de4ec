/*
** terminal COLUMNS TEXT COMMAND...: runs a command on a terminal of its own, and prints all that it
** writes there. Once TEXT has come, presses Ctrl-C; an empty one never comes. Ends as the command does.
*/
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_SECONDS = 60 };

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

/* Prints what comes from the terminal; at its end the system reports an error. */
static void show(int master, const char *awaited) {
  static char screen[1 << 20];
  size_t n_bytes = 0;
  for (;;) {
    ssize_t n = read(master, screen + n_bytes, sizeof screen - 1 - n_bytes);
    if (n <= 0) return;
    fwrite(screen + n_bytes, 1, (size_t)n, stdout);
    n_bytes += (size_t)n;
    screen[n_bytes] = '\0';
    if (*awaited != '\0' && strstr(screen, awaited) != NULL) {
      if (write(master, "\003", 1) != 1) fail("write");
      awaited = "";
    }
    if (n_bytes == sizeof screen - 1 || *awaited == '\0') n_bytes = 0;
  }
}

int main(int argc, char **argv) {
  if (argc < 4) return EXIT_FAILURE;
  alarm(MOST_SECONDS);
  int master = open_master();
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    enter(master, argv[1]);
    execvp(argv[3], argv + 3);
    fail(argv[3]);
  }
  show(master, argv[2]);
  int status;
  if (waitpid(child, &status, 0) != child) fail("waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
