/*
** Programs that calls and the script start: processes with a pipe, or without. Knows the system, and no Lua.
**
** All that live are in one list: those of a runtime's calls, of the pools beside it, and of the script. Each has an
** owner, a worker or the script. What ends a call ends the programs of its owner too, so that whatever waits for them, or
** for what they print, goes on.
**
** A program is asked to end (SIGTERM), and made to (SIGKILL) MOONS_PROGRAM_GRACE_NS later; so are the programs that it
** has started, as far as they can be found. Where this process has no terminal, a program of a call leads a
** process group of its own, which is ended as a whole. With a terminal it stays in the group of this process: in
** another it could not read from the terminal, and Ctrl-C and Ctrl-Z would not reach it.
**
** All functions may be called on any thread, those with a child on one at a time.
*/
#ifndef MOONS_SYSTEM_CHILD_H
#define MOONS_SYSTEM_CHILD_H

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct moons__children moons__children; /* the list */
typedef struct moons__child moons__child;

/* Makes an empty list, in memory beside that block (allocate.h), which its users share; the last one to release it frees it.
** Returns 0 or MOONS_ENOMEM. Release accepts NULL. */
int moons__children_open(moons__children **children, const void *beside);
moons__children *moons__children_share(moons__children *children);
void moons__children_release(moons__children *children);

/* From now on programs of calls stay in the group of this process, which is ended as a whole: that of a worker. */
void moons__children_stay(moons__children *children);

/* How a program is started. */
typedef struct moons__child_options {
  const char *command; /* for /bin/sh -c */
  enum { MOONS__NO_PIPE, MOONS__FROM_CHILD, MOONS__TO_CHILD } pipe;
  int is_in_call; /* not the script's: it gets a mask of signals without any, and maybe a group of its own */
} moons__child_options;

/* Starts a program; `*fd` becomes our end of its pipe, which no other program inherits. Returns 0, or a value of
** errno. The child belongs to the caller, who waits for it. */
int moons__child_start(moons__children *children, const void *owner,
                       const moons__child_options *options, moons__child **child, int *fd);

/* Waits until the program has ended, and frees the child. `*status` is as waitpid gives it. Returns 0, or a value
** of errno: somebody else has waited for it. */
int moons__child_wait(moons__child *child, int *status);

/* Ends the program at once. The caller must still wait for it. */
void moons__child_kill(moons__child *child);

/* Waits until writing to its pipe, `fd`, does not have to wait, where its end is expected (below), and no longer: then
** the program is killed. */
void moons__child_await_reader(moons__child *child, int fd);

/* {== Of all, or of one owner ================================================================= */

/* Tells the programs of an owner, or of all (NULL), to end. Must be repeated until they have. */
void moons__children_end(moons__children *children, const void *owner);

/* Ends them at once, and waits for nothing. */
void moons__children_kill(moons__children *children, const void *owner);

/* Before the process ends: ends all but those of `but` at once, and no other starts any more. */
void moons__children_close(moons__children *children, const void *but);

/* Gives the programs of an owner until then to end by themselves: a wait for one that still runs then ends it. On the
** thread that waits for them. */
void moons__children_expect(moons__children *children, const void *owner, uint64_t until_ns);

/* Ends those of an owner which is gone, waits for them and frees them. On the thread that waits for them. */
void moons__children_forget(moons__children *children, const void *owner);

/* Whether an owner has any. */
int moons__children_has(moons__children *children, const void *owner);

/* {== Writing to a pipe that nobody reads ===================================================== */

/* Zero-initialised: at rest. */
typedef struct moons__sigpipe {
  int is_held;
  sigset_t before;
} moons__sigpipe;

/* Until release, such a writing is an error on this thread, EPIPE, and does not end the process. */
void moons__sigpipe_hold(moons__sigpipe *sigpipe);
void moons__sigpipe_release(moons__sigpipe *sigpipe);

/* {== What differs from system to system ====================================================== */

/* A pipe that no program inherits: fds[0] to read from, fds[1] to write to. Returns 0, or a value of errno. Where
** moons__child_pipe_leaks(), a program that is started meanwhile can inherit it all the same. */
int moons__child_pipe(int fds[2]);
int moons__child_pipe_leaks(void);

/* Finds programs that this one has started, and those have, and so on; returns how many, at most `n_most`. */
unsigned moons__child_kin(pid_t pid, pid_t *kin, unsigned n_most);

/* Whether a program runs; one that has ended and was not waited for does not, where that can be told. */
int moons__child_runs(pid_t pid);

#endif
