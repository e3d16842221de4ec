/*
** What is read is an expression, where it can be one, and else statements; lines are added to these while nothing but
** their end is missing. Lua code, that of `_PROMPT` and `print` included, runs only within the call that is
** passed in: so Ctrl-C finds either code to end, or a line that is being read.
*/
#include "command/prompt.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "command/keyboard.h"

enum { TEXT = 1 }; /* stack index of the text of a chunk */

static void complain(const char *message) {
  fprintf(stderr, "%s\n", message);
  fflush(stderr);
}

/* {== Reading ================================================================================= */

/* Arguments: the name of a global, and what stands for it where there is none. Result: a string. */
static int get_text(lua_State *L) {
  if (lua_getglobal(L, lua_tostring(L, 1)) == LUA_TNIL) lua_pop(L, 1);
  luaL_tolstring(L, -1, NULL);
  return 1;
}

static const char *push_prompt(lua_State *L, moons__prompt_call *call, int is_first) {
  const char *usual = is_first ? "> " : ">> ";
  lua_pushcfunction(L, get_text);
  lua_pushstring(L, is_first ? "_PROMPT" : "_PROMPT2");
  lua_pushstring(L, usual);
  if (call(L, 2) != LUA_OK) lua_pushstring(L, usual);
  return lua_tostring(L, -1);
}

/* Reads a line and pushes it, where there is one. */
static moons__typed push_line(lua_State *L, moons__prompt_call *call, int is_first) {
  const char *line;
  moons__typed typed = moons__keyboard_read(push_prompt(L, call, is_first), &line);
  lua_pop(L, 1);
  if (typed != MOONS__TYPED_LINE) return typed;
  if (is_first && *line == '=')
    lua_pushfstring(L, "return %s", line + 1); /* as Lua had it once */
  else
    lua_pushstring(L, line);
  return typed;
}

static int load_text(lua_State *L, const char *text, size_t n_bytes) {
  return luaL_loadbuffer(L, text, n_bytes, "=stdin");
}

/* Whether an error message says that the text has ended too early. */
static int is_unfinished(const char *message) {
  static const char END[] = "<eof>";
  size_t n_bytes = strlen(message), n_end = sizeof END - 1;
  return n_bytes >= n_end && strcmp(message + n_bytes - n_end, END) == 0;
}

/* Loads the text as an expression. Pushes the function; where it is none, returns an error and pushes nothing. */
static int load_expression(lua_State *L) {
  const char *code = lua_pushfstring(L, "return %s", lua_tostring(L, TEXT));
  int status = load_text(L, code, strlen(code));
  lua_remove(L, -2);
  if (status != LUA_OK) lua_pop(L, 1);
  return status;
}

/* Loads the text as statements, to which lines are added. Pushes the function, or an error message. */
static moons__typed load_statements(lua_State *L, moons__prompt_call *call, int *status) {
  for (;;) {
    size_t n_bytes;
    const char *text = lua_tolstring(L, TEXT, &n_bytes);
    *status = load_text(L, text, n_bytes);
    if (*status != LUA_ERRSYNTAX || !is_unfinished(lua_tostring(L, -1))) return MOONS__TYPED_LINE;
    moons__typed typed = push_line(L, call, 0);
    if (typed == MOONS__TYPED_INTERRUPT) return typed;
    if (typed == MOONS__TYPED_END) return MOONS__TYPED_LINE; /* with the message */
    lua_remove(L, -2);
    lua_pushliteral(L, "\n");
    lua_insert(L, -2);
    lua_concat(L, 3);
  }
}

/* Reads a chunk onto the empty stack: its text, and the function or an error message. */
static moons__typed read_chunk(lua_State *L, moons__prompt_call *call, int *status) {
  moons__typed typed = push_line(L, call, 1);
  if (typed != MOONS__TYPED_LINE) return typed;
  *status = load_expression(L);
  if (*status != LUA_OK) typed = load_statements(L, call, status);
  if (typed == MOONS__TYPED_LINE) moons__keyboard_remember(lua_tostring(L, TEXT));
  return typed;
}

/* {== Running ================================================================================= */

/* Prints its arguments with the global `print`. */
static int print_all(lua_State *L) {
  if (lua_getglobal(L, "print") == LUA_TNIL)
    luaL_error(L, "there is no 'print' to show results with");
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 0);
  return 0;
}

/* The results stand above the text. */
static void print_results(lua_State *L, moons__prompt_call *call) {
  int n_results = lua_gettop(L) - TEXT;
  if (n_results == 0) return;
  if (!lua_checkstack(L, LUA_MINSTACK)) {
    complain("too many results to print");
    return;
  }
  lua_pushcfunction(L, print_all);
  lua_insert(L, TEXT + 1);
  call(L, n_results);
}

static void run_chunk(lua_State *L, moons__prompt_call *call, int status) {
  if (status != LUA_OK)
    complain(lua_tostring(L, -1));
  else if (call(L, 0) == LUA_OK)
    print_results(L, call);
}

void moons__prompt_run(lua_State *L, moons__prompt_call *call, const char *library) {
  int status;
  moons__typed typed;
  moons__keyboard_open(library);
  lua_settop(L, 0);
  while ((typed = read_chunk(L, call, &status)) != MOONS__TYPED_END) {
    if (typed == MOONS__TYPED_LINE) run_chunk(L, call, status);
    lua_settop(L, 0);
  }
  moons__keyboard_close();
  putchar('\n');
  fflush(stdout);
}
