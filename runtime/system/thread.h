/*
** Threads of the library's own. They block all signals but those that a thread causes itself, faults and
** SIGPIPE: signals sent to the process are for the threads of the program, which may wait for them with
** sigwait. Each has a name, and a stack for handlers of faults, those of its own stack's overflow among them.
*/
#ifndef MOONS_SYSTEM_THREAD_H
#define MOONS_SYSTEM_THREAD_H

#include <signal.h>
#include <stddef.h>
#include <uv.h>

/* What a thread blocks that is started on behalf of the calling one, whose SIGPIPE it takes over; `open_signal`, where it is
** not 0, is not among it. */
void moons__thread_blocks(sigset_t *blocked, int open_signal);

/* Starts a thread that blocks these signals, which does not depend on what the calling thread blocks; `stack_bytes` 0: the
** system's default. What it needs is made beside that block (allocate.h). Returns 0, or MOONS_ETHREAD. Any thread. */
int moons__thread_start(uv_thread_t *id, const void *beside, size_t stack_bytes,
                        const sigset_t *blocked, void (*run)(void *data), void *data);

/* Lets a signal through to the calling thread, which is a host's, until that is restored; 0: none. */
void moons__thread_open_signal(int signal, sigset_t *before);
void moons__thread_restore(const sigset_t *before);

/* What the names of threads begin with, unless a host says otherwise. */
#define MOONS__THREAD_NAME "moons"

/* Names the calling thread, where the system can: `whose`, a slash and `what`; of a name that is too long, `whose` is cut. */
void moons__thread_name(const char *whose, const char *what);

#endif
