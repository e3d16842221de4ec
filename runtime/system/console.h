/*
** The terminal that calls print to: where their lines go when the host does not take them, and a
** status line below them, such as a progress bar, which no line mixes with.
**
** The status line is on stderr. While it is shown, what is printed to a terminal goes above it in whole
** lines; what comes after the last newline waits for the rest of its line, or for the end of the
** status line. While none is shown, and for streams that are no terminal, bytes go into the buffer of the
** stream, and out of that in whole lines and soon, but many at once.
**
** All functions may be called on any thread.
*/
#ifndef MOONS_SYSTEM_CONSOLE_H
#define MOONS_SYSTEM_CONSOLE_H

#include <stddef.h>

typedef struct moons__console moons__console;

/* Its memory is made beside that block (allocate.h). Its thread's name begins with `whose`, which must outlive it. Returns 0 or
** MOONS_ENOMEM. */
int moons__console_open(moons__console **console, const void *beside, const char *whose);

/* Nobody may write any more. Accepts NULL. */
void moons__console_close(moons__console *console);

/* Writes to stdout or stderr (stream 1 or 2): the `write` of workers, whose data is the console.
** Bytes that end a line come out whole, also among what other threads write. */
void moons__console_write(void *console, int stream, const char *bytes, size_t n_bytes);

/* Has the system take what calls have printed to stdout. That happens soon after it was printed, also where nobody
** asks: MOONS_PRINT_NS later, before anything is written to stderr, and where the buffer of stdout is full. */
void moons__console_flush(void *console);

/* How many columns the terminal on stderr has; 0: stderr is no terminal. */
unsigned moons__console_columns(void);

/* Shows a status line in place of the one before: fewer columns than the terminal has, at most
** MOONS_STATUS_BYTES bytes, copied. Does nothing where stderr is no terminal. */
void moons__console_show(moons__console *console, const char *text, size_t n_bytes);

/* Ends the status line: erases it, or leaves it on the screen where `keeps`. The cursor is then at the
** beginning of a line, unless a call has not ended its own. Does nothing where none is shown. */
void moons__console_hide(moons__console *console, int keeps);

#endif
