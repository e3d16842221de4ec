/*
** A program is known by its pid, which the system gives to another once this one has been waited for. So a
** thread first waits without taking the program's status (WNOWAIT), and takes that with the list locked, in which
** the program then is no more: whatever signals programs holds the lock as well.
*/
#include "system/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/allocate.h"
#include "moons.h"
#include "sizes.h"
#include "system/clock.h"
#include "system/fork.h"

#ifdef __APPLE__
extern char **environ; /* glibc's unistd.h declares it */
#endif

enum { LOOK_NS = 500000 }; /* between two looks at a program that is about to end */

struct moons__child {
  moons__children *of;
  const void *owner;
  pid_t pid;
  int is_foreign; /* of the parent, in the child of a fork: it is left alone */
  int leads_group;
  uint64_t until_ns;            /* when the owner loses patience with it; 0: never */
  uint64_t told_ns;             /* when it was told to end; 0: it was not */
  pid_t kin[MOONS_PROGRAM_KIN]; /* what it had started then */
  unsigned n_kin;
  int is_killed;
  moons__child *next, **link;
};

struct moons__children {
  atomic_uint n_users;
  unsigned fork_number;     /* of the process that locks it (fork.h) */
  pthread_mutex_t starting; /* held while pipes are there that other programs would inherit */
  pthread_mutex_t mutex;    /* guards all that follows, and what hangs on it */
  moons__child *first;
  unsigned n_starting; /* that are not in the list yet */
  int stay;            /* in the group of this process; set before any is started */
  int is_closed;       /* the process is about to end */
};

int moons__children_open(moons__children **children, const void *beside) {
  moons__children *c = *children = moons__allocate_zeros(beside, sizeof **children);
  if (c == NULL) return MOONS_ENOMEM;
  atomic_init(&c->n_users, 1);
  c->fork_number = moons__fork_number();
  pthread_mutex_init(&c->starting, NULL);
  pthread_mutex_init(&c->mutex, NULL);
  return 0;
}

moons__children *moons__children_share(moons__children *c) {
  atomic_fetch_add_explicit(&c->n_users, 1, memory_order_relaxed);
  return c;
}

void moons__children_stay(moons__children *c) { c->stay = 1; }

/* The last release has to see what all others did. */
void moons__children_release(moons__children *c) {
  if (c == NULL || atomic_fetch_sub_explicit(&c->n_users, 1, memory_order_acq_rel) != 1) return;
  pthread_mutex_destroy(&c->starting);
  pthread_mutex_destroy(&c->mutex);
  moons__free(c);
}

/* In the child of a fork, which has one thread yet, locks may be had by threads that are not there, and the programs are the
** parent's. */
static void be_forked(moons__children *children) {
  pthread_mutex_init(&children->starting, NULL);
  pthread_mutex_init(&children->mutex, NULL);
  children->fork_number = moons__fork_number();
  children->n_starting = 0;
  children->is_closed = 0;
  for (moons__child *c = children->first; c != NULL; c = c->next) {
    c->is_foreign = 1;
    c->until_ns = c->told_ns = 0;
  }
}

/* Locks the list. */
static void take_list(moons__children *children) {
  if (children->fork_number != moons__fork_number()) be_forked(children);
  pthread_mutex_lock(&children->mutex);
}

/* {== Signals, with the list locked ============================================================ */

/* A pid that was found some time ago may be another's by now; hardly one of our own session. */
static void signal_kin(const moons__child *c, int number) {
  for (unsigned i = 0; i < c->n_kin; i++)
    if (getsid(c->kin[i]) == getsid(0)) kill(c->kin[i], number);
}

/* Finds what it has started since: SIGTERM may have ended some of that, or had it start more. */
static void find_kin(moons__child *c) {
  c->n_kin += moons__child_kin(c->pid, c->kin + c->n_kin, MOONS_PROGRAM_KIN - c->n_kin);
}

/* Signals it before what it has started: a shell whose program has ended goes on to the next. For the same reason
** it is held still while one looks what that is. */
static void signal_all(moons__child *c, int number) {
  pid_t all = c->leads_group ? -c->pid : c->pid;
  if (c->is_foreign) return;
  if (number == SIGKILL) kill(all, SIGSTOP);
  if (number == SIGTERM || !c->is_killed) find_kin(c);
  if (number == SIGKILL) c->is_killed = 1;
  kill(all, number);
  signal_kin(c, number);
}

/* {== Starting ================================================================================ */

/* Whether this process has a terminal, whose Ctrl-C and input are for its group of processes. */
static int has_terminal(void) {
  int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

/* Moves a file descriptor out of the place of stdin, stdout and stderr, where another one comes. */
static int move_up(int *fd) {
  if (*fd > STDERR_FILENO) return 0;
  int moved = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (moved < 0) return errno;
  close(*fd);
  *fd = moved;
  return 0;
}

static void close_pipe(const int fds[2]) {
  for (int i = 0; i < 2; i++)
    if (fds[i] >= 0) close(fds[i]);
}

static int open_pipe(int fds[2]) {
  int error = moons__child_pipe(fds);
  if (!error) error = move_up(&fds[0]);
  if (!error) error = move_up(&fds[1]);
  return error;
}

/* Signals that a program may not inherit as ignored: shells rely on both. */
static void fill_defaults(sigset_t *set) {
  sigemptyset(set);
  sigaddset(set, SIGPIPE);
  sigaddset(set, SIGCHLD);
}

static void set_attributes(posix_spawnattr_t *attributes, int is_in_call, int leads_group) {
  sigset_t none, defaults;
  if (!is_in_call) return;
  sigemptyset(&none);
  fill_defaults(&defaults);
  posix_spawnattr_setsigmask(attributes, &none);
  posix_spawnattr_setsigdefault(attributes, &defaults);
  posix_spawnattr_setpgroup(attributes, 0);
  int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  if (leads_group) flags |= POSIX_SPAWN_SETPGROUP;
  posix_spawnattr_setflags(attributes, (short)flags);
}

/* Starts /bin/sh; `fd`, where it is not -1, becomes its file descriptor `place`. */
static int spawn(moons__child *c, const moons__child_options *options, int fd, int place) {
  char sh[] = "sh", dash_c[] = "-c";
  char *arguments[] = {sh, dash_c, (char *)(uintptr_t)options->command, NULL};
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  int error = posix_spawnattr_init(&attributes);
  if (error) return error;
  error = posix_spawn_file_actions_init(&actions);
  if (!error) {
    set_attributes(&attributes, options->is_in_call, c->leads_group);
    if (fd >= 0) error = posix_spawn_file_actions_adddup2(&actions, fd, place);
    if (!error) error = posix_spawn(&c->pid, "/bin/sh", &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
  }
  posix_spawnattr_destroy(&attributes);
  return error;
}

/* Starts it with its pipe; `*fd` becomes our end. */
static int start(moons__child *c, const moons__child_options *options, int *fd) {
  int fds[2] = {-1, -1}, error = 0;
  if (options->pipe == MOONS__NO_PIPE) return spawn(c, options, -1, -1);
  int place = options->pipe == MOONS__FROM_CHILD ? STDOUT_FILENO : STDIN_FILENO;
  int theirs = place; /* stdin is read from, as fds[0] is, and stdout written to */
  error = open_pipe(fds);
  if (!error) error = spawn(c, options, fds[theirs], place);
  if (!error) {
    *fd = fds[1 - theirs];
    fds[1 - theirs] = -1;
  }
  close_pipe(fds);
  return error;
}

/* Returns 0, or a value of errno: none may start any more. */
static int begin(moons__children *children) {
  take_list(children);
  int is_closed = children->is_closed;
  if (!is_closed) children->n_starting++;
  pthread_mutex_unlock(&children->mutex);
  return is_closed ? ECANCELED : 0;
}

static void append(moons__children *children, moons__child *c) {
  c->next = children->first;
  c->link = &children->first;
  if (c->next != NULL) c->next->link = &c->next;
  children->first = c;
}

/* The program has been started, unless there was an error. */
static void finish(moons__children *children, moons__child *c, int error) {
  take_list(children);
  children->n_starting--;
  if (!error) append(children, c);
  if (!error && children->is_closed) signal_all(c, SIGKILL);
  pthread_mutex_unlock(&children->mutex);
}

int moons__child_start(moons__children *children, const void *owner,
                       const moons__child_options *options, moons__child **child, int *fd) {
  int leaks = moons__child_pipe_leaks();
  moons__child *c = moons__allocate_zeros(children, sizeof *c);
  if (c == NULL) return ENOMEM;
  c->of = children;
  c->owner = owner;
  c->leads_group = options->is_in_call && !children->stay && !has_terminal();
  int error = begin(children);
  if (!error) {
    if (leaks) pthread_mutex_lock(&children->starting);
    error = start(c, options, fd);
    if (leaks) pthread_mutex_unlock(&children->starting);
    finish(children, c, error);
  }
  if (error)
    moons__free(c);
  else
    *child = c;
  return error;
}

/* {== Ending, with the list locked ============================================================ */

static void end(moons__child *c, uint64_t now_ns) {
  if (c->told_ns == 0) {
    c->told_ns = now_ns;
    signal_all(c, SIGTERM);
  } else if (now_ns - c->told_ns >= MOONS_PROGRAM_GRACE_NS) {
    signal_all(c, SIGKILL);
  }
}

/* Whether any that it has started is left, and may be ending. */
static int has_kin(const moons__child *c) {
  for (unsigned i = 0; i < c->n_kin; i++)
    if (getsid(c->kin[i]) == getsid(0) && moons__child_runs(c->kin[i])) return 1;
  return 0;
}

/* {== Waiting ================================================================================= */

static void sleep_ns(long n) {
  struct timespec time = {.tv_nsec = n};
  nanosleep(&time, NULL);
}

/* Looks whether the program has ended, or waits until it has, and leaves its status where it is. Returns 1 where
** it has, 0, or -1: somebody else has waited for it. */
static int look(const moons__child *c, int flags) {
  siginfo_t info = {0};
  while (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT | flags) != 0)
    if (errno != EINTR) return -1;
  return info.si_pid != 0;
}

static void end_late(moons__child *c) {
  uint64_t now_ns = moons__clock_ns();
  if (now_ns < c->until_ns) return;
  take_list(c->of);
  end(c, now_ns);
  pthread_mutex_unlock(&c->of->mutex);
}

/* As look, until it has ended. */
static int await(moons__child *c) {
  int has_ended;
  if (c->until_ns == 0) return look(c, 0);
  while ((has_ended = look(c, WNOHANG)) == 0) {
    end_late(c);
    sleep_ns(LOOK_NS);
  }
  return has_ended;
}

/* What a program that was told to end has left behind gets as much time as it had. Returns 1 where none of that
** is left. */
static int have_kin_ended(moons__child *c) {
  take_list(c->of);
  int is_over = c->told_ns == 0;
  if (!is_over && (!has_kin(c) || moons__clock_ns() >= c->told_ns + MOONS_PROGRAM_GRACE_NS)) {
    signal_kin(c, SIGKILL);
    if (c->leads_group) kill(-c->pid, SIGKILL);
    is_over = 1;
  }
  pthread_mutex_unlock(&c->of->mutex);
  return is_over;
}

int moons__child_wait(moons__child *c, int *status) {
  moons__children *children = c->of;
  int error = await(c) < 0 ? errno : 0;
  while (!error && !have_kin_ended(c))
    sleep_ns(LOOK_NS);
  take_list(children);
  if (!error && waitpid(c->pid, status, 0) < 0) error = errno;
  *c->link = c->next;
  if (c->next != NULL) c->next->link = c->link;
  pthread_mutex_unlock(&children->mutex);
  moons__free(c);
  return error;
}

void moons__child_kill(moons__child *c) {
  take_list(c->of);
  signal_all(c, SIGKILL);
  pthread_mutex_unlock(&c->of->mutex);
}

/* What is in the buffer of a FILE goes into a pipe that poll finds ready. */
void moons__child_await_reader(moons__child *c, int fd) {
  struct pollfd writing = {.fd = fd, .events = POLLOUT};
  uint64_t now_ns = moons__clock_ns();
  if (c->until_ns == 0) return;
  int left_ms = c->until_ns > now_ns ? (int)((c->until_ns - now_ns) / 1000000) : 0;
  if (poll(&writing, 1, left_ms) == 0) moons__child_kill(c);
}

/* {== Of all, or of one owner ================================================================= */

static int is_of(const moons__child *c, const void *owner) {
  return owner == NULL || c->owner == owner;
}

void moons__children_end(moons__children *children, const void *owner) {
  take_list(children);
  uint64_t now_ns = moons__clock_ns();
  for (moons__child *c = children->first; c != NULL; c = c->next)
    if (is_of(c, owner)) end(c, now_ns);
  pthread_mutex_unlock(&children->mutex);
}

void moons__children_kill(moons__children *children, const void *owner) {
  take_list(children);
  for (moons__child *c = children->first; c != NULL; c = c->next)
    if (is_of(c, owner)) signal_all(c, SIGKILL);
  pthread_mutex_unlock(&children->mutex);
}

/* A thread that is just starting a program kills it itself; this waits a while for such threads. */
void moons__children_close(moons__children *children, const void *but) {
  uint64_t until_ns = moons__clock_ns() + MOONS_PROGRAM_GRACE_NS;
  take_list(children);
  children->is_closed = 1;
  for (moons__child *c = children->first; c != NULL; c = c->next)
    if (c->owner != but) signal_all(c, SIGKILL);
  while (children->n_starting > 0 && moons__clock_ns() < until_ns) {
    pthread_mutex_unlock(&children->mutex);
    sleep_ns(LOOK_NS);
    take_list(children);
  }
  pthread_mutex_unlock(&children->mutex);
}

void moons__children_expect(moons__children *children, const void *owner, uint64_t until_ns) {
  take_list(children);
  for (moons__child *c = children->first; c != NULL; c = c->next)
    if (c->owner == owner) c->until_ns = until_ns;
  pthread_mutex_unlock(&children->mutex);
}

static moons__child *find(moons__children *children, const void *owner) {
  take_list(children);
  moons__child *c = children->first;
  while (c != NULL && c->owner != owner)
    c = c->next;
  pthread_mutex_unlock(&children->mutex);
  return c;
}

int moons__children_has(moons__children *children, const void *owner) {
  return find(children, owner) != NULL;
}

void moons__children_forget(moons__children *children, const void *owner) {
  int status;
  moons__child *c;
  moons__children_expect(children, owner, 1); /* which is over */
  while ((c = find(children, owner)) != NULL)
    moons__child_wait(c, &status);
}

/* {== Writing to a pipe that nobody reads ===================================================== */

void moons__sigpipe_hold(moons__sigpipe *s) {
  if (s->is_held) return;
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  s->is_held = pthread_sigmask(SIG_BLOCK, &pipe, &s->before) == 0;
}

void moons__sigpipe_release(moons__sigpipe *s) {
  if (!s->is_held) return;
  sigset_t pipe, pending;
  int number;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  if (!sigismember(&s->before, SIGPIPE) && sigpending(&pending) == 0 &&
      sigismember(&pending, SIGPIPE))
    sigwait(&pipe, &number);
  pthread_sigmask(SIG_SETMASK, &s->before, NULL);
  s->is_held = 0;
}
