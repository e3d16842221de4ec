/*
** A thread starts with the signal mask of the one that starts it, which is set around that: nothing can arrive in
** between.
*/
#include "system/thread.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/allocate.h"
#include "moons.h"
#include "sizes.h"
#include "system/machine.h"

/* A fault is caused by the thread that it hits; where its signal is blocked, the system ends the process and asks no handler.
** So is SIGPIPE, by writing, which stays as it is in the program. */
void moons__thread_blocks(sigset_t *blocked, int open_signal) {
  static const int FAULTS[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
  sigset_t of_program;
  pthread_sigmask(SIG_SETMASK, NULL, &of_program);
  sigfillset(blocked);
  for (size_t i = 0; i < sizeof FAULTS / sizeof FAULTS[0]; i++)
    sigdelset(blocked, FAULTS[i]);
  if (!sigismember(&of_program, SIGPIPE)) sigdelset(blocked, SIGPIPE);
  if (open_signal != 0) sigdelset(blocked, open_signal);
}

/* Gives the calling thread a stack for signal handlers, unless it has one, as under sanitizers; returns it, or NULL. */
static void *open_signal_stack(const void *beside) {
  stack_t now = {0}, ours = {.ss_size = MOONS_SIGNAL_STACK_BYTES};
  if (sigaltstack(NULL, &now) || !(now.ss_flags & SS_DISABLE)) return NULL;
  ours.ss_sp = moons__allocate(beside, ours.ss_size);
  if (ours.ss_sp == NULL || sigaltstack(&ours, NULL) == 0) return ours.ss_sp;
  moons__free(ours.ss_sp);
  return NULL;
}

static void close_signal_stack(void *stack) {
  stack_t none = {.ss_flags = SS_DISABLE, .ss_size = MOONS_SIGNAL_STACK_BYTES};
  if (stack == NULL) return;
  sigaltstack(&none, NULL);
  moons__free(stack);
}

typedef struct start {
  void (*run)(void *data);
  void *data;
} start;

static void run_thread(void *data) {
  start s = *(start *)data;
  void *stack = open_signal_stack(data);
  moons__free(data);
  s.run(s.data);
  close_signal_stack(stack);
}

/* A thread starts with the mask of the one that starts it, which is therefore set around that. */
int moons__thread_start(uv_thread_t *id, const void *beside, size_t stack_bytes,
                        const sigset_t *blocked, void (*run)(void *data), void *data) {
  uv_thread_options_t options = {.flags = stack_bytes > 0 ? UV_THREAD_HAS_STACK_SIZE
                                                          : UV_THREAD_NO_FLAGS,
                                 .stack_size = stack_bytes};
  start *s = moons__allocate(beside, sizeof *s);
  if (s == NULL) return MOONS_ETHREAD;
  *s = (start){.run = run, .data = data};
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, blocked, &before);
  int error = uv_thread_create_ex(id, &options, run_thread, s);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error) moons__free(s);
  return error ? MOONS_ETHREAD : 0;
}

void moons__thread_open_signal(int signal, sigset_t *before) {
  sigset_t open;
  sigemptyset(&open);
  if (signal != 0) sigaddset(&open, signal);
  pthread_sigmask(SIG_UNBLOCK, &open, before);
}

void moons__thread_restore(const sigset_t *before) { pthread_sigmask(SIG_SETMASK, before, NULL); }

void moons__thread_name(const char *whose, const char *what) {
  char name[16]; /* as long as Linux lets it be */
  int n_left = (int)sizeof name - 2 - (int)strlen(what);
  snprintf(name, sizeof name, "%.*s/%s", n_left > 0 ? n_left : 0, whose, what);
  moons__machine_name_thread(name);
}
