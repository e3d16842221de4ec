/*
** Lines that somebody types at the terminal of this process, or that come from stdin in their place. Where the
** system has readline, or libedit, that edits and remembers them: it is loaded when the first line is read, so neither
** building nor running needs it. There is one keyboard, and one thread reads from it.
*/
#ifndef MOONS_COMMAND_KEYBOARD_H
#define MOONS_COMMAND_KEYBOARD_H

typedef enum moons__typed {
  MOONS__TYPED_LINE,
  MOONS__TYPED_END,
  MOONS__TYPED_INTERRUPT
} moons__typed;

/* Begins to read. `library` names the editing library: NULL for the usual ones, "" for none; one that cannot be loaded is done
** without. The name must stay as long as the keyboard is open. */
void moons__keyboard_open(const char *library);
void moons__keyboard_close(void);

/* Shows the prompt and reads a line, without its end. MOONS__TYPED_LINE: *line is there until the next one is read.
** MOONS__TYPED_END: there is no more, or no memory for it. MOONS__TYPED_INTERRUPT: there was a Ctrl-C; what had been
** typed is dropped. */
moons__typed moons__keyboard_read(const char *prompt, const char **line);

/* Keeps the line, so that the arrow keys bring it back. */
void moons__keyboard_remember(const char *line);

/* Ends the read that waits, or the next one: with MOONS__TYPED_END where `is_end`, otherwise with
** MOONS__TYPED_INTERRUPT. Returns 0, and does nothing, where nobody reads from a terminal. For signal handlers, on any thread. */
int moons__keyboard_interrupt(int is_end);

#endif
