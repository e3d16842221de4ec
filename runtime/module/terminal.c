/*
** What the script's side of a map shows on the terminal: the status line, and how wide that may be.
*/
#include <lauxlib.h>

#include "module/state.h"
#include "schedule/runtime.h"
#include "system/console.h"

static const moons__state_data *state_of(lua_State *L) {
  const moons__state_data *state = moons__push_state(L);
  lua_pop(L, 1);
  return state;
}

/* The console that this state may show something on, or NULL: it belongs to the caller, not to calls. */
static moons__console *console_of(lua_State *L) {
  const moons__state_data *state = state_of(L);
  if (moons__is_worker(L) || moons__runtime_is_forked(state->runtime)) return NULL;
  if (moons__terms_of(state->luggage.terms)->write != NULL) return NULL;
  return moons__runtime_console(state->runtime);
}

/* core.columns(): how many columns the terminal on stderr has; nothing where there is no terminal, where
** the host takes what is printed, and in calls. */
int moons__core_columns(lua_State *L) {
  unsigned n_columns = console_of(L) != NULL ? moons__console_columns() : 0;
  if (n_columns == 0) return 0;
  lua_pushinteger(L, (lua_Integer)n_columns);
  return 1;
}

/* core.say(line): writes it to stderr, or to where the host takes what is printed. Nothing in calls: what these print is counted, and
** wants a right. */
int moons__core_say(lua_State *L) {
  size_t n_bytes;
  const char *line = luaL_checklstring(L, 1, &n_bytes);
  if (moons__is_worker(L)) return 0;
  const moons__state_data *state = state_of(L);
  moons__runtime_print(state->runtime, moons__luggage_of(state), 2, line, n_bytes);
  return 0;
}

/* core.show(text): shows it as the status line of the terminal; nothing where there is none. */
int moons__core_show(lua_State *L) {
  size_t n_bytes;
  const char *text = luaL_checklstring(L, 1, &n_bytes);
  moons__console *console = console_of(L);
  if (console != NULL) moons__console_show(console, text, n_bytes);
  return 0;
}

/* core.hide([keeps]): ends the status line: erases it, or leaves it on the screen. */
int moons__core_hide(lua_State *L) {
  int keeps = lua_toboolean(L, 1);
  moons__console *console = console_of(L);
  if (console != NULL) moons__console_hide(console, keeps);
  return 0;
}
