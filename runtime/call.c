#include "call.h"

#include <lauxlib.h>

#include "moons.h"

static void check(lua_State *L, int error) {
  if (error) luaL_error(L, "%s", moons_error_text(error));
}

static void seed_random(lua_State *L, const moons__call *c) {
  if (lua_isnil(L, lua_upvalueindex(MOONS__CALLER_SEED))) return;
  lua_pushvalue(L, lua_upvalueindex(MOONS__CALLER_SEED));
  moons__session_seed(L, c->terms->seed, c->index);
}

/* Pushes the arguments; returns how many. */
static int push_arguments(lua_State *L, moons__call *c) {
  switch (c->item.kind) {
  case MOONS__ITEM_INTEGER: lua_pushinteger(L, (lua_Integer)c->item.integer); return 1;
  case MOONS__ITEM_FLOAT: lua_pushnumber(L, c->item.number); return 1;
  case MOONS__ITEM_MESSAGE: break;
  default: return luaL_error(L, "malformed bytes: no arguments");
  }
  moons__decoder decoder = {.L = L, .trusted = 1, .classes = &c->classes};
  decoder.class_index = lua_upvalueindex(MOONS__CALLER_CLASSES);
  int n = moons__decode(&decoder, c->item.bytes, c->item.n_bytes);
  if (decoder.made_finalizer) c->session->workshop->sandbox.made_finalizer = 1;
  return n;
}

/* Sends the values from stack index 1 on, as a message. */
static void put_message(lua_State *L, moons__call *c) {
  int n_values = lua_gettop(L);
  moons__session *s = c->session;
  check(L, moons__batch_item_begin(&c->results, MOONS__ITEM_MESSAGE));
  if (s->workshop->sandbox.loaded_module) s->names_known = 0;
  moons__encoder *e = &c->encoder;
  e->L = L;
  e->out = c->results.out;
  e->names = &s->names;
  e->names_refreshed = s->names_known;
  e->classes = &c->classes;
  e->own_start = e->own_end = NULL;
  if (s->fresh && !s->workshop->sandbox.loaded_module && !s->rebuilds) {
    e->own_start = s->image.arena.heap;
    e->own_end = (const char *)e->own_start + s->image.n_bytes;
  }
  moons__encoder_begin(e);
  moons__encode(e, 1, n_values, "result");
  s->names_known = e->names_refreshed;
  moons__batch_item_end(&c->results);
}

static void put_results(lua_State *L, moons__call *c) {
  if (c->terms->pack || lua_type(L, 1) != LUA_TNUMBER)
    put_message(L, c);
  else if (lua_isinteger(L, 1))
    check(L, moons__batch_integer(&c->results, lua_tointeger(L, 1)));
  else
    check(L, moons__batch_float(&c->results, lua_tonumber(L, 1)));
}

int moons__call_main(lua_State *L) {
  moons__call *c = lua_touserdata(L, 1);
  lua_settop(L, 0);
  c->stage = MOONS__CALL_RECEIVING;
  seed_random(L, c);
  lua_pushvalue(L, lua_upvalueindex(MOONS__CALLER_FUNCTION));
  int n_arguments = push_arguments(L, c);
  c->stage = MOONS__CALL_RUNNING;
  lua_call(L, n_arguments, c->terms->pack ? LUA_MULTRET : 1);
  c->stage = MOONS__CALL_SENDING;
  put_results(L, c);
  return 0;
}

static moons__failure_kind kind_of(const moons__call *c) {
  return c->stage == MOONS__CALL_RUNNING ? MOONS__FAILURE_ERROR : MOONS__FAILURE_MARSHAL;
}

/* Appends a failure for the error value on top, which it pops. */
static int report_error(moons__call *c, int status) {
  static const char *const PREFIXES[] = {"cannot receive the arguments: ", "", ""};
  moons__session *s = c->session;
  return moons__report(s->image.L, &s->workshop->reporter, status, kind_of(c), PREFIXES[c->stage],
                       &c->classes, c->results.out);
}

/* Appends a failure for a call that was made to end, whatever it made of that. */
static int report_end(moons__call *c, int status, int reason) {
  static const char *const TEXTS[] = {
      [MOONS__FAILURE_ERROR] = "os.exit was called",
      [MOONS__FAILURE_TIMEOUT] = "timed out",
      [MOONS__FAILURE_CANCELLED] = "cancelled",
  };
  moons__failure_kind kind = (moons__failure_kind)(reason - 1);
  lua_State *L = c->session->image.L;
  const char *text = TEXTS[kind];
  int has_own = kind == MOONS__FAILURE_ERROR && status != LUA_OK && lua_type(L, -1) == LUA_TSTRING;
  if (has_own) text = lua_tostring(L, -1);
  int error = moons__report_text(&c->session->workshop->reporter, kind, text, c->results.out);
  if (status != LUA_OK) lua_pop(L, 1);
  return error;
}

/* Appends a failure in place of the results. */
static int put_failure(moons__call *c, int status, int reason) {
  if (moons__batch_item_begin(&c->results, MOONS__ITEM_ERROR)) return MOONS_ENOMEM;
  int error = reason != 0 ? report_end(c, status, reason) : report_error(c, status);
  if (error) {
    moons__batch_item_drop(&c->results);
    return error;
  }
  moons__batch_item_end(&c->results);
  return 1;
}

int moons__call_run(moons__call *c) {
  lua_State *L = c->session->image.L;
  moons__stop *stop = &c->session->workshop->sandbox.stop;
  moons__batch_writer before = c->results;
  size_t n_bytes = c->results.out->n_bytes;
  c->session->workshop->reporter.traceback.n_bytes = 0;
  lua_pushvalue(L, MOONS__SESSION_CALLER);
  lua_pushlightuserdata(L, c);
  moons__stop_begin(stop, L);
  int status = lua_pcall(L, 1, 0, MOONS__SESSION_HANDLER);
  int reason = moons__stop_end(stop), outcome = 0;
  if (status != LUA_OK || reason != 0) {
    moons__batch_rewind(&c->results, &before, n_bytes);
    outcome = put_failure(c, status, reason);
  }
  if (c->classes.numbers.n_entries > 0) moons__ptrmap_clear(&c->classes.numbers);
  return outcome;
}
