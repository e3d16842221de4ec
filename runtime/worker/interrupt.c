/*
** A signal tells all that has entered on its thread, and each knows itself whether it was meant. At most one is on its
** way to a thread at a time.
*/
#include "worker/interrupt.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "moons.h"

enum {
  MOST_YIELDS = 1000
}; /* while a signal is waited for; one is enough where it is not blocked */

/* A thread. `is_sent` is 1 from before a signal is sent until that arrives, so there is never more than one on its way:
** what arrives while it is 0 somebody else has sent. */
typedef struct moons__interrupted {
  pthread_t id;
  moons__interrupt *innermost; /* that has entered, and through it the others */
  atomic_int is_sent;
} moons__interrupted;

/* Of the model `initial-exec` finding it in a handler takes one instruction, where other models may allocate in a
** library that was loaded late. */
#if defined(__ELF__)
#define FOUND_AT_ONCE __attribute__((tls_model("initial-exec")))
#else
#define FOUND_AT_ONCE
#endif
static _Thread_local moons__interrupted here_now FOUND_AT_ONCE;

/* Signals in use. What one did before is written before the handler is set that reads it. */
static struct {
  unsigned n_users;
  struct sigaction before;
} signals[NSIG];

/* Guards `signals`: 0, or the process whose thread has it. In the child of a fork it may be a thread of the parent that
** had it, which the child does not have. */
static atomic_int lock;

static void take_lock(void) {
  int self = (int)getpid(), holder = 0;
  while (!atomic_compare_exchange_weak(&lock, &holder, self)) {
    if (holder == self) {
      sched_yield();
      holder = 0;
    } /* otherwise that of another process, which is taken over */
  }
}

static void release_lock(void) { atomic_store(&lock, 0); }

/* The thread sanitizer's own sigaction puts signals off until the thread calls the system, which a loop in Lua
** never does. */
#if defined(MOONS__FOR_TSAN) && defined(__GLIBC__)
extern int __sigaction(int signal, const struct sigaction *action, struct sigaction *before);
#define set_action __sigaction
#else
#define set_action sigaction
#endif

MOONS__HANDLES_SIGNAL static void pass_on(int signal, siginfo_t *info, void *context) {
  const struct sigaction *before = &signals[signal].before;
  if (before->sa_flags & SA_SIGINFO)
    before->sa_sigaction(signal, info, context);
  else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN)
    before->sa_handler(signal);
}

MOONS__HANDLES_SIGNAL static void on_signal(int signal, siginfo_t *info, void *context) {
  int error = errno;
  if (atomic_exchange(&here_now.is_sent, 0))
    for (moons__interrupt *i = here_now.innermost; i != NULL; i = i->outer)
      i->told(i->data);
  else
    pass_on(signal, info, context);
  errno = error;
}

static int can_be_used(int signal) {
  switch (signal) {
  case SIGKILL:
  case SIGSTOP:
  case SIGSEGV:
  case SIGBUS:
  case SIGFPE:
  case SIGILL:
  case SIGTRAP:
  case SIGABRT:
  case SIGSYS:
  case SIGPIPE: return 0;
  default: return signal > 0 && signal < NSIG;
  }
}

/* Restarts what it interrupts, and uses the stack for signals of a thread that has one. */
static int set_handler(int signal) {
  struct sigaction ours = {.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
  ours.sa_sigaction = on_signal;
  sigemptyset(&ours.sa_mask);
  if (set_action(signal, NULL, &signals[signal].before)) return MOONS_EINVAL;
  return set_action(signal, &ours, NULL) ? MOONS_EINVAL : 0;
}

/* Where the program has set a handler of its own since, that stays. */
static void put_back(int signal) {
  struct sigaction now;
  if (set_action(signal, NULL, &now)) return;
  if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_signal)
    set_action(signal, &signals[signal].before, NULL);
}

int moons__interrupt_open(int signal) {
  if (signal == 0) return 0;
  if (!can_be_used(signal)) return MOONS_EINVAL;
  take_lock();
  int error = signals[signal].n_users > 0 ? 0 : set_handler(signal);
  if (!error) signals[signal].n_users++;
  release_lock();
  return error;
}

void moons__interrupt_close(int signal) {
  if (signal == 0) return;
  take_lock();
  if (--signals[signal].n_users == 0) put_back(signal);
  release_lock();
}

/* The order of these writes is for a handler on the same thread. */

void moons__interrupt_enter(moons__interrupt *i) {
  if (i->signal == 0) return;
  if (here_now.innermost == NULL) here_now.id = pthread_self();
  i->thread = &here_now;
  i->outer = here_now.innermost;
  atomic_signal_fence(memory_order_seq_cst);
  here_now.innermost = i;
}

void moons__interrupt_leave(moons__interrupt *i) {
  if (i->signal != 0) here_now.innermost = i->outer;
}

MOONS__HANDLES_SIGNAL void moons__interrupt_each(void (*tell)(void *data)) {
  for (moons__interrupt *i = here_now.innermost; i != NULL; i = i->outer)
    tell(i->data);
}

MOONS__HANDLES_SIGNAL int moons__interrupt_is_here(const moons__interrupt *i) {
  const moons__interrupt *other = here_now.innermost;
  while (other != NULL && other != i)
    other = other->outer;
  return other != NULL;
}

MOONS__HANDLES_SIGNAL int moons__interrupt_is_innermost(const moons__interrupt *i) {
  return here_now.innermost == i;
}

/* It waits at this thread by now, and arrives when that comes back from the system. */
void moons__interrupt_settle(moons__interrupt *i) {
  if (i->signal == 0) return;
  for (int n = 0; n < MOST_YIELDS && atomic_load(&here_now.is_sent); n++)
    sched_yield();
}

void moons__interrupt_send(moons__interrupt *i) {
  if (!atomic_exchange(&i->thread->is_sent, 1)) pthread_kill(i->thread->id, i->signal);
}
