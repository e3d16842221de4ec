#include "thread.h"

#include <signal.h>
#include <stdio.h>

#include "machine.h"
#include "moons.h"

/* What a thread of ours blocks. A fault is caused by the thread that it hits; where its signal is blocked, the
** system ends the process and asks no handler. So is SIGPIPE, by writing, which stays as it is in the program. */
static void fill_blocked(sigset_t *set, const sigset_t *of_program) {
  static const int FAULTS[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
  sigfillset(set);
  for (size_t i = 0; i < sizeof FAULTS / sizeof FAULTS[0]; i++)
    sigdelset(set, FAULTS[i]);
  if (!sigismember(of_program, SIGPIPE)) sigdelset(set, SIGPIPE);
}

/* A thread starts with the mask of the one that starts it, which is therefore set around that. */
int moons__thread_start(uv_thread_t *id, size_t stack_bytes, int open_signal,
                        void (*run)(void *data), void *data) {
  uv_thread_options_t options = {.flags = stack_bytes > 0 ? UV_THREAD_HAS_STACK_SIZE
                                                          : UV_THREAD_NO_FLAGS,
                                 .stack_size = stack_bytes};
  sigset_t blocked, before;
  pthread_sigmask(SIG_SETMASK, NULL, &before);
  fill_blocked(&blocked, &before);
  if (open_signal != 0) sigdelset(&blocked, open_signal);
  pthread_sigmask(SIG_SETMASK, &blocked, NULL);
  int error = uv_thread_create_ex(id, &options, run, data);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return error ? MOONS_ETHREAD : 0;
}

void moons__thread_name(const char *what) {
  char name[16]; /* as long as Linux lets it be */
  snprintf(name, sizeof name, "moons/%s", what);
  moons__machine_name_thread(name);
}
