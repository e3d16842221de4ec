/*
** A handler of faults does only what is safe in one: it reads what workers have noted (roster.h) and writes with write(2).
** It takes no lock and no memory, for the fault may have come in the midst of malloc. It aims at one line that a person can
** act on, then lets the process die as it would have, so that a shell, a debugger or a core dump see the fault itself. A
** fault in the handler ends the process at once.
*/
#include "command/crash.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sizes.h"
#include "worker/worker.h"

static const struct {
  int signal;
  const char *name;
} FAULTS[] = {
    {SIGSEGV, "SIGSEGV, an invalid access to memory or a stack that is too deep"},
    {SIGBUS, "SIGBUS, an access to memory that is not there"},
    {SIGFPE, "SIGFPE, an arithmetic error"},
    {SIGILL, "SIGILL, an invalid instruction"},
    {SIGABRT, "SIGABRT, a call of abort"},
};
enum { N_FAULTS = sizeof FAULTS / sizeof FAULTS[0], LINE_BYTES = 512 };

static const char *program_name;
static const moons__roster *roster;
static pthread_t script_thread;
static pid_t process;
static atomic_int is_telling;    /* a thread tells of its fault */
static pthread_t telling_thread; /* written before `is_telling` is 2 */

/* A line that is written at once. What does not fit is left out. */
typedef struct line {
  char bytes[LINE_BYTES];
  size_t n_bytes;
} line;

static void add(line *l, const char *text) {
  size_t n_bytes = strlen(text), room = sizeof l->bytes - 1 - l->n_bytes;
  if (n_bytes > room) n_bytes = room;
  memcpy(l->bytes + l->n_bytes, text, n_bytes);
  l->n_bytes += n_bytes;
}

/* Without printf, which is not for handlers. A number of 64 bits has 20 digits at most. */
static void add_number(line *l, uint64_t n) {
  char digits[21], *first = digits + sizeof digits - 1;
  *first = '\0';
  do
    *--first = (char)('0' + n % 10);
  while ((n /= 10) > 0);
  add(l, first);
}

/* One call for the whole line, so that lines of other threads do not mix with it. */
static void end(line *l) {
  l->bytes[l->n_bytes++] = '\n';
  (void)!write(STDERR_FILENO, l->bytes, l->n_bytes);
}

static void begin(line *l) {
  l->n_bytes = 0;
  add(l, program_name);
  add(l, ": ");
}

static void add_call(line *l, const moons__running *r) {
  if (r->is_setting_up) {
    add(l, "the set-up of a map");
  } else {
    add(l, "call ");
    add_number(l, r->call);
    add(l, " of ");
    add(l, r->position != NULL ? r->position : "?");
  }
  if (r->worker == 0) {
    add(l, " (on the script's thread)");
    return;
  }
  add(l, " (worker ");
  add_number(l, r->worker);
  add(l, ")");
}

/* Tells of the calls that run on this thread, or elsewhere. Returns how many. Other threads go on meanwhile, so what is told of
** them may be a moment old. */
static int tell_calls(int are_here, const char *before) {
  int n = 0;
  for (const moons__entry *e = atomic_load(&roster->workers); e != NULL; e = e->before) {
    const struct moons__worker *worker = atomic_load(&e->who);
    moons__running r;
    if (worker == NULL || !moons__worker_running(worker, &r)) continue;
    if (r.is_innermost || r.is_here != are_here) continue;
    line l;
    begin(&l);
    add(&l, before);
    add_call(&l, &r);
    end(&l);
    n++;
  }
  return n;
}

/* The call that this thread runs, the innermost; returns 0 where it runs none. */
static int find_here(moons__running *r) {
  for (const moons__entry *e = atomic_load(&roster->workers); e != NULL; e = e->before) {
    const struct moons__worker *worker = atomic_load(&e->who);
    if (worker != NULL && moons__worker_running(worker, r) && r->is_innermost) return 1;
  }
  return 0;
}

static void tell(int signal, int is_sent) {
  line l;
  moons__running here;
  begin(&l);
  add(&l, is_sent ? "got a signal from outside in " : "crashed in ");
  if (find_here(&here))
    add_call(&l, &here);
  else
    add(&l,
        pthread_equal(pthread_self(), script_thread) ? "the script" : "a thread that runs no call");
  for (int i = 0; i < N_FAULTS; i++)
    if (FAULTS[i].signal == signal) {
      add(&l, ": ");
      add(&l, FAULTS[i].name);
    }
  end(&l);
  tell_calls(1, "within ");
  if (getpid() == process) tell_calls(0, "also running: "); /* the child of a fork has one thread */
}

/* Once this handler returns, a fault comes again, and ends the process; what was sent, as by kill or abort, is sent again. */
static void die_of(int signal, const siginfo_t *info) {
  struct sigaction usual = {.sa_handler = SIG_DFL};
  sigemptyset(&usual.sa_mask);
  sigaction(signal, &usual, NULL);
  if (info->si_code <= 0) raise(signal);
}

/* A second thread that crashes meanwhile waits for the end. A fault in the handler itself comes back to it (SA_NODEFER), on the
** telling thread, which then dies of it without telling more. */
static void on_fault(int signal, siginfo_t *info, void *context) {
  (void)context;
  int none = 0;
  if (atomic_compare_exchange_strong(&is_telling, &none, 1)) {
    telling_thread = pthread_self();
    atomic_store(&is_telling, 2); /* from now on telling_thread may be read */
    tell(signal, info->si_code == SI_USER || info->si_code == SI_QUEUE);
  } else {
    while (atomic_load(&is_telling) == 1 || !pthread_equal(telling_thread, pthread_self()))
      sleep(1);
  }
  die_of(signal, info);
}

/* The stack of a thread that has overflowed has no room for a handler. */
static void open_signal_stack(void) {
  stack_t now = {0}, ours = {.ss_size = MOONS_SIGNAL_STACK_BYTES};
  if (sigaltstack(NULL, &now) || !(now.ss_flags & SS_DISABLE)) return;
  ours.ss_sp = malloc(ours.ss_size); /* to the end of the process */
  if (ours.ss_sp != NULL) sigaltstack(&ours, NULL);
}

void moons__crash_open(const char *program, const moons__roster *of_runtime) {
  program_name = program;
  roster = of_runtime;
  script_thread = pthread_self();
  process = getpid();
  open_signal_stack();
  for (int i = 0; i < N_FAULTS; i++) {
    struct sigaction before, ours = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    ours.sa_sigaction = on_fault;
    sigemptyset(&ours.sa_mask);
    if (sigaction(FAULTS[i].signal, NULL, &before) == 0 && before.sa_handler == SIG_DFL)
      sigaction(FAULTS[i].signal, &ours, NULL);
  }
}
