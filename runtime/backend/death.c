/*
** Signals have their names beside their numbers, as far as programs die of them by themselves: the system's own texts differ.
*/
#include "backend/death.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

static const char *signal_name(int number) {
  static const struct {
    int number;
    const char *name;
  } SIGNALS[] = {{SIGSEGV, " (SIGSEGV)"}, {SIGKILL, " (SIGKILL)"}, {SIGABRT, " (SIGABRT)"},
                 {SIGBUS, " (SIGBUS)"},   {SIGFPE, " (SIGFPE)"},   {SIGILL, " (SIGILL)"},
                 {SIGTERM, " (SIGTERM)"}, {SIGPIPE, " (SIGPIPE)"}, {SIGSYS, " (SIGSYS)"}};
  for (size_t i = 0; i < sizeof SIGNALS / sizeof SIGNALS[0]; i++)
    if (SIGNALS[i].number == number) return SIGNALS[i].name;
  return "";
}

void moons__death_tell(char *why, size_t n_bytes, int status) {
  if (status >= 0 && WIFSIGNALED(status))
    snprintf(why, n_bytes, "its worker process died of signal %d%s", WTERMSIG(status),
             signal_name(WTERMSIG(status)));
  else if (status >= 0 && WIFEXITED(status))
    snprintf(why, n_bytes, "its worker process ended with status %d", WEXITSTATUS(status));
  else
    snprintf(why, n_bytes, "its worker process ended");
}
