/*
** Runs a function at once on another thread, whatever that thread is doing: by a signal sent to it alone. A program chooses
** the signal. The library's handler is set while anybody uses the signal, and the one before is put back afterwards; it is
** the one thing of the library that the whole process shares.
*/
#ifndef MOONS_WORKER_INTERRUPT_H
#define MOONS_WORKER_INTERRUPT_H

#include <pthread.h>
#include <stdatomic.h>

struct moons__interrupted;

/* A function that runs on a thread, in a signal handler. Zero-initialised: at rest. */
typedef struct moons__interrupt {
  void (*told)(void *data);
  void *data;
  int signal;                        /* 0: nothing can be sent */
  struct moons__interrupted *thread; /* on which it is, between enter and leave */
  struct moons__interrupt *outer;
} moons__interrupt;

/* Code that runs in the handler: the thread sanitizer's own is not safe there. */
#if defined(__SANITIZE_THREAD__)
#define MOONS__FOR_TSAN 1
#define MOONS__HANDLES_SIGNAL __attribute__((no_sanitize("thread")))
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MOONS__FOR_TSAN 1
#define MOONS__HANDLES_SIGNAL __attribute__((disable_sanitizer_instrumentation))
#endif
#endif
#ifndef MOONS__HANDLES_SIGNAL
#define MOONS__HANDLES_SIGNAL
#endif

/* Begins to use a signal, or ends it; 0 is none. Open returns MOONS_EINVAL for what is no signal that a program can
** have to itself: those of faults, and those that cannot be caught. Any thread. */
int moons__interrupt_open(int signal);
void moons__interrupt_close(int signal);

/* {== The thread that is told ================================================================= */

/* From enter to leave this is told on the calling thread, beside what has entered before. Leave takes back the last one that
** entered. */
void moons__interrupt_enter(moons__interrupt *i);
void moons__interrupt_leave(moons__interrupt *i);

/* Calls the function with the data of all that has entered on this thread, the innermost first. For signal handlers. */
void moons__interrupt_each(void (*tell)(void *data));

/* Whether it has entered on the calling thread, and as the last. For signal handlers. */
int moons__interrupt_is_here(const moons__interrupt *i);
int moons__interrupt_is_innermost(const moons__interrupt *i);

/* Waits until what was sent has arrived, so that it breaks nothing that comes after. */
void moons__interrupt_settle(moons__interrupt *i);

/* {== Another thread ========================================================================== */

/* Tells what has entered, which must not leave meanwhile. All that has entered on the same thread is told with it, so each
** must know by itself whether it was meant. */
void moons__interrupt_send(moons__interrupt *i);

#endif
