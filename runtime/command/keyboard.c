/*
** A line from a terminal is waited for with poll, beside a pipe that a signal handler writes to: so Ctrl-C ends a
** read, however late it comes, without leaving code that is not made for it. readline is used through its functions
** for such loops.
*/
#include "command/keyboard.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"

/* What is used of readline. Those of the second group are not in every version, nor in libedit. */
typedef struct editor {
  void *library; /* NULL: none could be loaded */
  void (*install)(const char *prompt, void (*take)(char *line));
  void (*read_key)(void);
  void (*uninstall)(void);
  void (*remember)(const char *line);

  void (*free_line)(void);
  void (*forget_keys)(void);
  void (*show_signal)(int number);
} editor;

static editor edits;
static int has_edited; /* readline has handed over a line, or the end of input */

static char *last_line; /* of malloc, as lines of readline are; NULL: there is none */

static int wake_pipe[2] = {-1, -1};
static atomic_int is_terminal; /* somebody reads from a terminal: what a signal handler asks */

/* {== Loading ================================================================================= */

static int find_function(const char *name, void *function) {
  void *symbol = dlsym(edits.library, name);
  memcpy(function, &symbol, sizeof symbol);
  return symbol != NULL;
}

static void set_int(const char *name, int value) {
  int *variable = dlsym(edits.library, name);
  if (variable != NULL) *variable = value;
}

/* A tab is a tab, so that indented code can be pasted. */
static void bind_tab(void) {
  int (*bind)(int key, int (*function)(int count, int key));
  int (*insert)(int count, int key);
  if (find_function("rl_bind_key", &bind) && find_function("rl_insert", &insert))
    bind('\t', insert);
}

/* Signals are ours, but for those of a window whose size changes. */
static void set_up(void) {
  static char name[] = "moons"; /* by which ~/.inputrc knows this program */
  const char **readline_name = dlsym(edits.library, "rl_readline_name");
  if (readline_name != NULL) *readline_name = name;
  set_int("rl_catch_signals", 0);
  set_int("rl_persistent_signal_handlers", 1);
  bind_tab();
}

/* A library without one of the first four is no editor: then the next name is tried. */
static int load(const char *name) {
  edits = (editor){.library = dlopen(name, RTLD_NOW | RTLD_LOCAL)};
  if (edits.library == NULL) return 0;
  if (!find_function("rl_callback_handler_install", &edits.install) ||
      !find_function("rl_callback_read_char", &edits.read_key) ||
      !find_function("rl_callback_handler_remove", &edits.uninstall) ||
      !find_function("add_history", &edits.remember)) {
    dlclose(edits.library);
    edits.library = NULL;
    return 0;
  }
  find_function("rl_free_line_state", &edits.free_line);
  find_function("rl_callback_sigcleanup", &edits.forget_keys);
  find_function("rl_echo_signal_char", &edits.show_signal);
  set_up();
  return 1;
}

static void load_usual(void) {
  static const char *const NAMES[] = {
      "libreadline.so.8", "libreadline.so.7", "libreadline.so",  "libedit.so.2",
      "libedit.so.0",     "libedit.so",       "libedit.3.dylib", "libedit.dylib",
  };
  for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
    if (load(NAMES[i])) return;
}

/* {== Waiting ================================================================================= */

/* A full pipe has what is needed. */
static int open_pipe(void) {
  if (pipe(wake_pipe) != 0) return 0;
  for (int i = 0; i < 2; i++) {
    fcntl(wake_pipe[i], F_SETFD, FD_CLOEXEC);
    fcntl(wake_pipe[i], F_SETFL, O_NONBLOCK);
  }
  return 1;
}

int moons__keyboard_interrupt(int is_end) {
  if (!atomic_load(&is_terminal)) return 0;
  int error = errno;
  unsigned char byte = is_end ? MOONS__TYPED_END : MOONS__TYPED_INTERRUPT;
  (void)!write(wake_pipe[1], &byte, 1);
  errno = error;
  return 1;
}

/* What a handler has asked for, the end before all else; MOONS__TYPED_LINE where that is nothing. */
static moons__typed take_wish(void) {
  unsigned char byte;
  moons__typed wish = MOONS__TYPED_LINE;
  while (read(wake_pipe[0], &byte, 1) == 1)
    if (wish != MOONS__TYPED_END) wish = (moons__typed)byte;
  return wish;
}

/* Waits for a key. Returns MOONS__TYPED_LINE where there is one, or the terminal is gone. */
static moons__typed await_key(void) {
  struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                         {.fd = wake_pipe[0], .events = POLLIN}};
  while (poll(fds, 2, -1) < 0 && errno == EINTR)
    continue;
  return take_wish();
}

/* {== Reading ================================================================================= */

/* NULL is the end of input. */
static void take_edited(char *line) {
  last_line = line;
  has_edited = 1;
  edits.uninstall(); /* or it would show the prompt again */
}

static void drop_edited(moons__typed wish) {
  if (wish == MOONS__TYPED_INTERRUPT && edits.show_signal != NULL) edits.show_signal(SIGINT);
  if (edits.free_line != NULL) edits.free_line();
  if (edits.forget_keys != NULL) edits.forget_keys();
  edits.uninstall();
}

static moons__typed read_edited(const char *prompt) {
  has_edited = 0;
  edits.install(prompt, take_edited);
  while (!has_edited) {
    moons__typed wish = await_key();
    if (wish != MOONS__TYPED_LINE) {
      drop_edited(wish);
      return wish;
    }
    edits.read_key();
  }
  return last_line != NULL ? MOONS__TYPED_LINE : MOONS__TYPED_END;
}

static moons__typed read_byte(char *byte) {
  for (;;) {
    moons__typed wish = await_key();
    if (wish != MOONS__TYPED_LINE) return wish;
    ssize_t n = read(STDIN_FILENO, byte, 1);
    if (n == 1) return MOONS__TYPED_LINE;
    if (n == 0 || errno != EINTR) return MOONS__TYPED_END;
  }
}

/* Byte by byte, so that nothing is taken from what runs next. The last line may have no end. */
static moons__typed read_terminal(void) {
  moons__buffer b = {0};
  moons__typed typed;
  char byte;
  int error = 0;
  while (!error && (typed = read_byte(&byte)) == MOONS__TYPED_LINE && byte != '\n')
    error = moons__buffer_append(&b, &byte, 1);
  if (!error && typed == MOONS__TYPED_END && b.n_bytes > 0) typed = MOONS__TYPED_LINE;
  if (!error) error = moons__buffer_append(&b, "", 1);
  if (!error) error = (last_line = strdup(b.bytes)) == NULL;
  moons__buffer_free(&b);
  return error ? MOONS__TYPED_END : typed;
}

/* Through stdin's buffer, from which a script may read on. */
static moons__typed read_file(void) {
  size_t n_bytes = 0;
  ssize_t n = getline(&last_line, &n_bytes, stdin);
  if (n < 0) return MOONS__TYPED_END;
  if (n > 0 && last_line[n - 1] == '\n') last_line[n - 1] = '\0';
  return MOONS__TYPED_LINE;
}

static moons__typed read_plain(const char *prompt) {
  fputs(prompt, stdout);
  fflush(stdout);
  return atomic_load(&is_terminal) ? read_terminal() : read_file();
}

moons__typed moons__keyboard_read(const char *prompt, const char **line) {
  fflush(stdout);
  free(last_line);
  last_line = NULL;
  moons__typed typed = edits.library != NULL ? read_edited(prompt) : read_plain(prompt);
  if (typed == MOONS__TYPED_INTERRUPT) putchar('\n');
  *line = last_line;
  return typed;
}

void moons__keyboard_remember(const char *line) {
  if (edits.library != NULL && *line != '\0') edits.remember(line);
}

void moons__keyboard_open(const char *library) {
  if (!isatty(STDIN_FILENO) || !open_pipe()) return;
  atomic_store(&is_terminal, 1);
  if (!isatty(STDOUT_FILENO)) return;
  if (library == NULL)
    load_usual();
  else if (*library != '\0')
    load(library);
}

/* The library stays: it may have handlers of its own. */
void moons__keyboard_close(void) {
  atomic_store(&is_terminal, 0);
  edits.library = NULL;
  free(last_line);
  last_line = NULL;
}
