/*
** SIGINT and SIGTERM are errors of the script, so that what it has open is closed: the handler makes Lua raise the
** error at the script's next instruction, on the script's own thread. For the rest there is a thread, which the handler
** tells through a pipe: it ends the programs that run, and then a script that has not ended shortly after, or gets a
** second signal, as it is.
**
** While the script itself waits in os.execute, Ctrl-C reaches the program that it waits for as well, and that
** decides: where it dies of it, so does the script; where it takes it as a key, as an editor does, the script goes
** on.
**
** SIGUSR1 asks what runs; that thread tells it.
**
** SIGTSTP, Ctrl-Z, stops worker processes as well, and SIGCONT has them go on.
**
** At the prompt the first SIGINT ends what runs there, however long that takes, or the line that is typed.
*/
#include "command/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "command/keyboard.h"
#include "command/running.h"
#include "module/hooks.h"
#include "schedule/runtime.h"
#include "system/child.h"
#include "system/groups.h"

enum { PATIENCE_MS = 60, PATIENCE_OF_MPI_MS = 2000 };

static moons__starter *programs;   /* of the script */
static moons__trace *trace;        /* NULL: there is none */
static atomic_int left_to_program; /* SIGINT came while the script waited for a program */

static int signal_pipe[2] = {-1, -1};
static atomic_int signal_taken; /* the first; 0: none */
static atomic_int runs_typed;   /* code from the prompt runs */
static atomic_int has_mpi;      /* it wants to be left in order */
static atomic_int is_leaving;   /* the script has ended, and MPI is being left */

/* Changed before there are handlers, but for the state, by the thread that runs it. */
static pthread_t script_thread;
static pid_t script_process;
static lua_State *volatile signalled_state; /* NULL: there is none to tell */

static void interrupt(lua_State *L, lua_Debug *info) {
  (void)info;
  lua_sethook(L, NULL, 0, 0);
  moons__raise_ended(L, signal_taken == SIGINT ? "interrupted!" : "terminated!");
}

static void tell_state(void) {
  if (signalled_state != NULL) moons__set_hook(signalled_state, interrupt);
}

/* The child of a fork has the handlers but not the thread behind them: there a signal does what it does by default. */
static void end_child(int signal) {
  struct sigaction usual = {.sa_handler = SIG_DFL};
  sigemptyset(&usual.sa_mask);
  sigaction(signal, &usual, NULL);
  raise(signal);
}

/* On the script's thread. */
static void note_signal(int signal) {
  int none = 0, is_first = atomic_compare_exchange_strong(&signal_taken, &none, signal);
  unsigned char byte = (unsigned char)signal;
  if (is_first) tell_state();
  if (is_first) moons__runtime_cancel_here();
  if (!is_first || signal != SIGINT || !atomic_load(&runs_typed))
    (void)!write(signal_pipe[1], &byte, 1);
}

/* Whether the signal is for a program that the script waits for, to decide. */
static int is_for_program(int signal, const siginfo_t *info) {
  int is_sent = info->si_code == SI_USER || info->si_code == SI_QUEUE; /* not by the terminal */
  if (signal != SIGINT || is_sent || !atomic_load(&programs->is_waiting)) return 0;
  atomic_store(&left_to_program, 1);
  return 1;
}

/* Whether the signal ends no more than the line that is being typed. Any but SIGINT ends the reading of lines too. */
static int is_for_line(int signal) {
  if (signal != SIGINT) moons__keyboard_interrupt(1);
  return signal == SIGINT && !atomic_load(&runs_typed) && moons__keyboard_interrupt(0);
}

static void take_signal(int signal, siginfo_t *info, void *context) {
  (void)context;
  int error = errno;
  if (getpid() != script_process)
    end_child(signal);
  else if (!pthread_equal(pthread_self(), script_thread)) /* a library's thread, say */
    pthread_kill(script_thread, signal);
  else if (!is_for_program(signal, info) && !is_for_line(signal))
    note_signal(signal);
  errno = error;
}

/* On any thread. Where the pipe is full there are questions enough. */
static void take_question(int signal, siginfo_t *info, void *context) {
  (void)info, (void)context;
  int error = errno;
  unsigned char byte = (unsigned char)signal;
  if (getpid() != script_process)
    end_child(signal);
  else
    (void)!write(signal_pipe[1], &byte, 1);
  errno = error;
}

static void set_action(int signal, void (*take)(int signal, siginfo_t *info, void *context)) {
  struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_RESTART | SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, NULL);
}

/* Stops this process as the signal does by default, which shells tell as such, until it goes on. */
static void stop_here(int signal) {
  struct sigaction usual = {.sa_handler = SIG_DFL}, ours;
  sigset_t only, before;
  sigemptyset(&usual.sa_mask);
  sigemptyset(&only);
  sigaddset(&only, signal);
  sigaction(signal, &usual, &ours);
  raise(signal);
  pthread_sigmask(SIG_UNBLOCK, &only, &before);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  sigaction(signal, &ours, NULL);
}

/* On any thread. */
static void take_stop(int signal, siginfo_t *info, void *context) {
  (void)info, (void)context;
  int error = errno, has_workers = getpid() == script_process;
  if (has_workers) moons__groups_signal(SIGSTOP);
  stop_here(signal);
  if (has_workers) moons__groups_signal(SIGCONT);
  errno = error;
}

/* The thread that ends what does not end by itself. It runs no Lua, so it gets through whatever the script does. The children
** of the runtime are there before anybody handles a signal. */
static void *await_end(void *unused) {
  (void)unused;
  unsigned char byte;
  do {
    if (read(signal_pipe[0], &byte, 1) != 1) return NULL;
    if (byte == SIGUSR1) moons__running_tell();
  } while (byte == SIGUSR1);
  moons__children_end(programs->children, NULL);
  struct pollfd second = {.fd = signal_pipe[0], .events = POLLIN};
  int patience_ms = atomic_load(&has_mpi) ? PATIENCE_OF_MPI_MS : PATIENCE_MS;
  if (poll(&second, 1, patience_ms) == 0 && atomic_load(&is_leaving)) poll(&second, 1, -1);
  moons__children_close(programs->children, NULL);
  moons__trace_close(trace);
  _exit(128 + byte);
}

/* Starts a thread that gets no signals itself. */
static int start_without_signals(void *(*run)(void *data)) {
  pthread_t thread;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&thread, NULL, run, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (!error) pthread_detach(thread);
  return error;
}

/* As `lua` does, SIGINT is taken even where a shell has this process ignore it, as it does with what it runs
** in the background. */
static void catch_signal(int signal, void (*take)(int signal, siginfo_t *info, void *context)) {
  struct sigaction old;
  if (sigaction(signal, NULL, &old) == 0 && (signal == SIGINT || old.sa_handler != SIG_IGN))
    set_action(signal, take);
}

void moons__signals_open(moons__starter *script_programs, moons__trace *script_trace) {
  programs = script_programs;
  trace = script_trace;
  script_thread = pthread_self();
  script_process = getpid();
  if (pipe(signal_pipe) != 0) return;
  for (int i = 0; i < 2; i++)
    fcntl(signal_pipe[i], F_SETFD, FD_CLOEXEC);
  if (start_without_signals(await_end) != 0) return;
  fcntl(signal_pipe[1], F_SETFL, O_NONBLOCK);
  catch_signal(SIGINT, take_signal);
  catch_signal(SIGTERM, take_signal);
  catch_signal(SIGUSR1, take_question);
  catch_signal(SIGTSTP, take_stop);
}

void moons__signals_tell(lua_State *L) { signalled_state = L; }

int moons__signals_taken(void) { return atomic_load(&signal_taken); }

void moons__signals_enter_mpi(void) { atomic_store(&has_mpi, 1); }

void moons__signals_leave(void) { atomic_store(&is_leaving, 1); }

void moons__signals_begin_program(void) { atomic_store(&left_to_program, 0); }

void moons__signals_end_program(int has_died) {
  if (!atomic_exchange(&left_to_program, 0) || !has_died) return;
  note_signal(SIGINT);
}

void moons__signals_begin_typed(void) { atomic_store(&runs_typed, 1); }

void moons__signals_end_typed(lua_State *L) {
  atomic_store(&runs_typed, 0);
  int interrupted = SIGINT;
  if (atomic_load(&signal_taken) == SIGINT) lua_sethook(L, NULL, 0, 0);
  atomic_compare_exchange_strong(&signal_taken, &interrupted, 0);
}
