/*
** A process that this one starts for itself, to work for it: two streams of bytes to it and from it, one of files, and memory
** that both have. Knows the system, and neither chunks nor Lua. (Programs that scripts start are child.h.)
**
** The process leads a group of its own (groups.h), which is ended as a whole, with all that it has started. It inherits stdout and
** stderr, but no stdin and no other file. Where it ends, or its parent does, the streams of the other end.
**
** In the process they have fixed numbers. Until it has taken its place (`moons__process_settle`) what it prints to stderr
** goes into the stream for work, so that the parent learns why it has not.
*/
#ifndef MOONS_SYSTEM_PROCESS_H
#define MOONS_SYSTEM_PROCESS_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
  MOONS__PROCESS_WORK = 3,
  MOONS__PROCESS_CONTROL,
  MOONS__PROCESS_FILES,
  MOONS__PROCESS_MEMORY
};

/* The parent's side; zero-initialised: none. One thread at a time uses it. */
typedef struct moons__process {
  pid_t pid;                        /* 0: somebody carries its streams to where it is */
  int work, control, files, memory; /* file descriptors */
} moons__process;

/* Starts a program: its path, or, without a slash, a name to be found on the PATH. `arguments` end with NULL. A read or write
** of `work` or `files` gives up after `patience_ns` with EAGAIN. Returns 0, or a value of errno with nothing left behind. Any thread. */
int moons__process_start(moons__process *process, const char *program, char *const *arguments,
                         size_t memory_bytes, uint64_t patience_ns);

/* Starts a command for /bin/sh, a process of the same kind but for its streams: its stdin and stdout are `work`, what it says to
** stderr comes by `control`, and it has no other. */
int moons__process_launch(moons__process *process, const char *command, uint64_t patience_ns);

/* The same, where the process is elsewhere: makes streams alone. What comes by `*work`, and what is written to it and to `*said`, the
** caller carries there and back, without waiting. To end the process closes its streams. */
int moons__process_connect(moons__process *process, int *work, int *said, uint64_t patience_ns);

/* Reads what such a command has said to stderr, without waiting; returns how many bytes. */
size_t moons__process_hear(const moons__process *process, char *text, size_t n_bytes);

/* Whether it has ended. It must still be waited for. */
int moons__process_has_ended(const moons__process *process);

/* Ends it and its group at once, where it has not ended by itself. */
void moons__process_kill(const moons__process *process);

/* Waits until it has ended, ends what is left of its group, and closes what there is. Returns its status as waitpid gives it,
** or -1 where somebody else has waited for it. */
int moons__process_wait(moons__process *process);

/* {== Both sides ============================================================================== */

/* Maps the first bytes of the memory, or frees the map. NULL: no memory. */
void *moons__process_map(int memory, size_t n_bytes);
void moons__process_unmap(void *bytes, size_t n_bytes);

/* Writes all, though nobody may read: SIGPIPE does not come. Returns 0, or a value of errno; EAGAIN says that a part may have
** been written, which `*n_written` counts. */
int moons__process_write(int stream, const void *bytes, size_t n_bytes, size_t *n_written);

/* Sends a file by a stream that nothing else goes by. Returns 0, or a value of errno. */
int moons__process_send_file(int stream, int file);

/* Takes a file that was sent, or is about to be; -1: none comes. No program inherits it. */
int moons__process_take_file(int stream);

/* {== The process itself ====================================================================== */

/* Whether this process was started in this way: it has the streams. */
int moons__process_is_started(void);

/* From now on the child of a fork, in a call say, has a copy of this map of the memory: what it writes there, its parent does not
** see. For one map in a process. */
void moons__process_keep_from_forks(void *bytes, size_t n_bytes);

/* Takes its place: stderr is what it was, no other program inherits its streams, and it keeps no file of its parent's. */
void moons__process_settle(void);

/* {== A process that was launched by such a command =========================================== */

/* Its streams, which no program inherits. */
typedef struct moons__standard {
  int in, out;
  int printed; /* what it, or what it starts, prints to stdout; reading does not wait */
} moons__standard;

/* Takes stdin and stdout for itself: from now on stdin is empty, and stdout another stream. Its threads to come get EPIPE and no
** signal where nobody reads. Before it has other threads. Returns 0, or a value of errno. */
int moons__process_take_standard(moons__standard *standard);

/* {== Both of them ============================================================================ */

/* Writes to stdout (1) or stderr (2), as far as that goes. */
void moons__process_print(int stream, const char *bytes, size_t n_bytes);

/* Ends its group, and itself. */
_Noreturn void moons__process_end_group(void);

/* {== What differs from system to system ====================================================== */

/* A file without a name that holds `n_bytes` zeros, which take memory only as they are written to; -1: none is to be had. */
int moons__process_memory(size_t n_bytes);

/* Gives back the memory behind the first `n_kept` bytes of a map, which become zeros. */
void moons__process_forget(void *bytes, size_t n_kept, size_t n_bytes);

/* Two ends of a stream that no program inherits. Returns 0, or a value of errno. */
int moons__process_streams(int fds[2]);

/* Closes all files from a number on. */
void moons__process_close_from(int first);

/* Does what poll does, but for the unit of time. */
int moons__process_poll(struct pollfd *files, size_t n, uint64_t timeout_ns);

#endif
