/*
** Started with posix_spawn and never with a bare fork: the caller may have threads, and much memory to copy. All files of ours
** lie above those of fixed numbers, so that putting one into its place cannot cover another. A process is waited for in two
** steps: while its end is only seen (WNOWAIT) its number is not another's, and its group can be ended.
*/
#include "system/process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/allocate.h"
#include "system/child.h"
#include "system/groups.h"

#ifdef __APPLE__
extern char **environ;
#define MSG_NOSIGNAL 0 /* streams have SO_NOSIGPIPE there */
#endif

/* Where the process finds stderr until it has settled; no file of ours has this number or a lower one. */
enum { STDERR_KEPT = MOONS__PROCESS_MEMORY + 1, FIRST_OF_OURS };

/* {== Files =================================================================================== */

static void close_file(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* Moves a file above those of fixed numbers. */
static int move_up(int *fd) {
  if (*fd < 0) return errno;
  if (*fd >= FIRST_OF_OURS) return 0;
  int moved = fcntl(*fd, F_DUPFD_CLOEXEC, FIRST_OF_OURS);
  if (moved < 0) return errno;
  close(*fd);
  *fd = moved;
  return 0;
}

static int open_stream(int *ours, int *theirs) {
  int fds[2];
  int error = moons__process_streams(fds);
  if (error) return error;
  *ours = fds[0];
  *theirs = fds[1];
  error = move_up(ours);
  return error ? error : move_up(theirs);
}

/* A pipe, as programs expect for what they print; reading from it does not wait. */
static int open_pipe(int *ours, int *theirs) {
  int fds[2];
  int error = moons__child_pipe(fds);
  if (error) return error;
  *ours = fds[0];
  *theirs = fds[1];
  fcntl(*ours, F_SETFL, O_NONBLOCK);
  error = move_up(ours);
  return error ? error : move_up(theirs);
}

static void set_patience(int stream, uint64_t patience_ns) {
  struct timeval time = {.tv_sec = (time_t)(patience_ns / 1000000000),
                         .tv_usec = (suseconds_t)(patience_ns % 1000000000 / 1000)};
  setsockopt(stream, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  setsockopt(stream, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

static void close_all(moons__process *p) {
  close_file(&p->work);
  close_file(&p->control);
  close_file(&p->files);
  close_file(&p->memory);
}

/* {== Starting ================================================================================ */

/* What the process has of each, under its number. */
static int place_files(posix_spawn_file_actions_t *actions, const moons__process *theirs) {
  int error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  int has_stderr = fcntl(STDERR_FILENO, F_GETFD) >= 0;
  if (!error && has_stderr)
    error = posix_spawn_file_actions_adddup2(actions, STDERR_FILENO, STDERR_KEPT);
  const int placed[][2] = {{theirs->work, MOONS__PROCESS_WORK},
                           {theirs->control, MOONS__PROCESS_CONTROL},
                           {theirs->files, MOONS__PROCESS_FILES},
                           {theirs->memory, MOONS__PROCESS_MEMORY},
                           {theirs->work, STDERR_FILENO}};
  for (size_t i = 0; !error && i < sizeof placed / sizeof placed[0]; i++)
    error = posix_spawn_file_actions_adddup2(actions, placed[i][0], placed[i][1]);
  return error;
}

/* No signal is blocked, and none that shells rely on is ignored. */
static void set_attributes(posix_spawnattr_t *attributes) {
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  sigaddset(&defaults, SIGCHLD);
  posix_spawnattr_setsigmask(attributes, &none);
  posix_spawnattr_setsigdefault(attributes, &defaults);
  posix_spawnattr_setpgroup(attributes, 0);
  posix_spawnattr_setflags(
      attributes, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
}

/* The same of a command that is launched. */
static int place_standard(posix_spawn_file_actions_t *actions, const moons__process *theirs) {
  const int placed[][2] = {{theirs->work, STDIN_FILENO},
                           {theirs->work, STDOUT_FILENO},
                           {theirs->control, STDERR_FILENO}};
  int error = 0;
  for (size_t i = 0; !error && i < sizeof placed / sizeof placed[0]; i++)
    error = posix_spawn_file_actions_adddup2(actions, placed[i][0], placed[i][1]);
  return error;
}

static int spawn(moons__process *p, const char *program, char *const *arguments,
                 const moons__process *theirs) {
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  int error = posix_spawnattr_init(&attributes);
  if (error) return error;
  error = posix_spawn_file_actions_init(&actions);
  if (!error) {
    set_attributes(&attributes);
    error = theirs->memory >= 0 ? place_files(&actions, theirs) : place_standard(&actions, theirs);
    if (!error) error = posix_spawnp(&p->pid, program, &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
  }
  posix_spawnattr_destroy(&attributes);
  return error;
}

int moons__process_start(moons__process *p, const char *program, char *const *arguments,
                         size_t memory_bytes, uint64_t patience_ns) {
  moons__process theirs = {.work = -1, .control = -1, .files = -1};
  *p = theirs;
  p->memory = moons__process_memory(memory_bytes);
  int error = move_up(&p->memory);
  if (!error) error = open_stream(&p->work, &theirs.work);
  if (!error) error = open_stream(&p->control, &theirs.control);
  if (!error) error = open_stream(&p->files, &theirs.files);
  theirs.memory = p->memory;
  if (!error) set_patience(p->work, patience_ns);
  if (!error) set_patience(p->files, patience_ns);
  if (!error) error = spawn(p, program, arguments, &theirs);
  if (!error) moons__groups_add(p->pid);
  theirs.memory = -1;
  close_all(&theirs);
  if (error) close_all(p);
  return error;
}

int moons__process_launch(moons__process *p, const char *command, uint64_t patience_ns) {
  char name[] = "sh", option[] = "-c";
  char *text = moons__allocate_copy(NULL, command), *arguments[] = {name, option, text, NULL};
  moons__process theirs = {.work = -1, .control = -1, .files = -1, .memory = -1};
  *p = theirs;
  int error = text == NULL ? ENOMEM : open_stream(&p->work, &theirs.work);
  if (!error) error = open_pipe(&p->control, &theirs.control);
  if (!error) set_patience(p->work, patience_ns);
  if (!error) error = spawn(p, "/bin/sh", arguments, &theirs);
  close_all(&theirs);
  if (error) close_all(p);
  moons__free(text);
  return error;
}

int moons__process_connect(moons__process *p, int *work, int *said, uint64_t patience_ns) {
  *p = (moons__process){.work = -1, .control = -1, .files = -1, .memory = -1};
  *work = *said = -1;
  int error = open_stream(&p->work, work);
  if (!error) error = open_pipe(&p->control, said);
  if (!error) set_patience(p->work, patience_ns);
  if (!error && fcntl(*work, F_SETFL, O_NONBLOCK) != 0) error = errno;
  if (!error && fcntl(*said, F_SETFL, O_NONBLOCK) != 0) error = errno;
  if (error) {
    close_all(p);
    close_file(work);
    close_file(said);
  }
  return error;
}

size_t moons__process_hear(const moons__process *p, char *text, size_t n_bytes) {
  ssize_t n = read(p->control, text, n_bytes);
  return n > 0 ? (size_t)n : 0;
}

/* {== The end ================================================================================= */

/* Looks whether it has ended, or waits until it has, and leaves its status where it is: 1, 0, or -1 where somebody else has
** waited for it. */
static int look(const moons__process *p, int flags) {
  siginfo_t info = {0};
  while (waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOWAIT | flags) != 0)
    if (errno != EINTR) return -1;
  return info.si_pid != 0;
}

int moons__process_has_ended(const moons__process *p) { return look(p, WNOHANG) != 0; }

/* Where somebody else has waited for it, its number may be another's by now. */
void moons__process_kill(const moons__process *p) {
  if (p->pid == 0)
    shutdown(p->work, SHUT_RDWR);
  else if (look(p, WNOHANG) >= 0)
    kill(-p->pid, SIGKILL);
}

int moons__process_wait(moons__process *p) {
  int status = -1;
  int is_ours = p->pid != 0 && look(p, 0) > 0;
  moons__groups_remove(p->pid);
  if (is_ours) {
    kill(-p->pid, SIGKILL);
    while (waitpid(p->pid, &status, 0) < 0)
      if (errno != EINTR) break;
  }
  close_all(p);
  return status;
}

/* {== Both sides ============================================================================== */

void *moons__process_map(int memory, size_t n_bytes) {
  void *bytes = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  return bytes != MAP_FAILED ? bytes : NULL;
}

void moons__process_unmap(void *bytes, size_t n_bytes) {
  if (bytes != NULL) munmap(bytes, n_bytes);
}

/* A stream is a socket, or what a command that launches this process has made of it: then the signal is blocked. */
static ssize_t write_some(int stream, const char *bytes, size_t n_bytes) {
  ssize_t n = send(stream, bytes, n_bytes, MSG_NOSIGNAL);
  return n >= 0 || errno != ENOTSOCK ? n : write(stream, bytes, n_bytes);
}

int moons__process_write(int stream, const void *bytes, size_t n_bytes, size_t *n_written) {
  const char *from = bytes;
  while (*n_written < n_bytes) {
    ssize_t n = write_some(stream, from + *n_written, n_bytes - *n_written);
    if (n >= 0)
      *n_written += (size_t)n;
    else if (errno != EINTR)
      return errno == EWOULDBLOCK ? EAGAIN : errno;
  }
  return 0;
}

/* With one byte, for a message of none says that the stream has ended. */
typedef union one_file {
  char bytes[CMSG_SPACE(sizeof(int))];
  struct cmsghdr head;
} one_file;

int moons__process_send_file(int stream, int file) {
  one_file control = {0};
  char byte = 0;
  struct iovec place = {.iov_base = &byte, .iov_len = 1};
  struct msghdr message = {.msg_iov = &place,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  control.head = (struct cmsghdr){
      .cmsg_len = CMSG_LEN(sizeof file), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  memcpy(CMSG_DATA(&control.head), &file, sizeof file);
  while (sendmsg(stream, &message, MSG_NOSIGNAL) < 0)
    if (errno != EINTR) return errno == EWOULDBLOCK ? EAGAIN : errno;
  return 0;
}

int moons__process_take_file(int stream) {
  one_file control = {0};
  char byte;
  int file;
  struct iovec place = {.iov_base = &byte, .iov_len = 1};
  struct msghdr message = {.msg_iov = &place,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  ssize_t n;
  while ((n = recvmsg(stream, &message, 0)) < 0 && errno == EINTR)
    ;
  const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  if (n <= 0 || head == NULL || head->cmsg_type != SCM_RIGHTS) return -1;
  memcpy(&file, CMSG_DATA(head), sizeof file);
  fcntl(file, F_SETFD, FD_CLOEXEC);
  return file;
}

/* {== The process itself ====================================================================== */

int moons__process_is_started(void) {
  struct stat status;
  for (int fd = MOONS__PROCESS_WORK; fd <= MOONS__PROCESS_FILES; fd++)
    if (fstat(fd, &status) != 0 || !S_ISSOCK(status.st_mode)) return 0;
  return 1;
}

static struct {
  void *bytes;
  size_t n_bytes;
} shared;

static void copy_shared(void) {
  (void)mmap(shared.bytes, shared.n_bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, MOONS__PROCESS_MEMORY, 0);
}

void moons__process_keep_from_forks(void *bytes, size_t n_bytes) {
  shared.bytes = bytes;
  shared.n_bytes = n_bytes;
  pthread_atfork(NULL, NULL, copy_shared);
}

void moons__process_settle(void) {
  if (fcntl(STDERR_KEPT, F_GETFD) >= 0)
    dup2(STDERR_KEPT, STDERR_FILENO);
  else
    close(STDERR_FILENO);
  moons__process_close_from(STDERR_KEPT);
  for (int fd = MOONS__PROCESS_WORK; fd <= MOONS__PROCESS_MEMORY; fd++)
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* Puts a file in the place of another. */
static int replace_file(int fd, int place) {
  if (fd < 0 || dup2(fd, place) < 0) return errno;
  return fd != place && close(fd) != 0 ? errno : 0;
}

static int replace_stdout(int *printed) {
  int theirs = -1;
  int error = open_pipe(printed, &theirs);
  return error ? error : replace_file(theirs, STDOUT_FILENO);
}

int moons__process_take_standard(moons__standard *s) {
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, NULL);
  s->in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FIRST_OF_OURS);
  s->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, FIRST_OF_OURS);
  if (s->in < 0 || s->out < 0) return errno;
  int error = replace_file(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
  return error ? error : replace_stdout(&s->printed);
}

void moons__process_print(int stream, const char *bytes, size_t n_bytes) {
  for (ssize_t n; n_bytes > 0; bytes += n, n_bytes -= (size_t)n)
    if ((n = write(stream, bytes, n_bytes)) <= 0) return;
}

_Noreturn void moons__process_end_group(void) {
  for (;;)
    kill(getpgrp() == getpid() ? 0 : getpid(), SIGKILL);
}
