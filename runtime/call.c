#include "call.h"

#include <lauxlib.h>

#include "moons.h"

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
  if (s->workshop->sandbox.loaded_module) s->names_known = 0;
  moons__encoder *e = &c->encoder;
  e->L = L;
  e->out = &c->message;
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
  c->result.kind = MOONS__ITEM_MESSAGE;
}

static void put_results(lua_State *L, moons__call *c) {
  if (c->terms->pack || lua_type(L, 1) != LUA_TNUMBER) {
    put_message(L, c);
  } else if (lua_isinteger(L, 1)) {
    c->result.kind = MOONS__ITEM_INTEGER;
    c->result.integer = lua_tointeger(L, 1);
  } else {
    c->result.kind = MOONS__ITEM_FLOAT;
    c->result.number = lua_tonumber(L, 1);
  }
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

/* What filled a state that is kept is garbage now. Not all of Lua's functions collect it before they
** complain that there is no memory. */
static void collect_after(moons__session *s, const moons__buffer *message) {
  moons__failure failure;
  if (moons__failure_read(&failure, message->bytes, message->n_bytes)) return;
  if (failure.kind == MOONS__FAILURE_MEMORY) lua_gc(s->image.L, LUA_GCCOLLECT);
}

/* Puts a failure for the error value on top, which it pops. May run the script's __tostring. */
static int put_error(moons__call *c, int status) {
  static const char *const PREFIXES[] = {"cannot receive the arguments: ", "", ""};
  moons__session *s = c->session;
  c->message.n_bytes = 0;
  int error = moons__report(s->image.L, &s->workshop->reporter, status, kind_of(c),
                            PREFIXES[c->stage], &c->classes, &c->message);
  if (!s->fresh && !error) collect_after(s, &c->message);
  return error;
}

/* Puts a failure for a call that was made to end, whatever it made of that. `own`: the error value is
** on top, and was that of os.exit. */
static int put_end(moons__call *c, moons__stop_reason reason, int own) {
  moons__failure_kind kind = (moons__failure_kind)(reason - 1);
  const char *text = moons__failure_text(kind);
  lua_State *L = c->session->image.L;
  if (own && kind == MOONS__FAILURE_ERROR && lua_type(L, -1) == LUA_TSTRING)
    text = lua_tostring(L, -1);
  c->message.n_bytes = 0;
  return moons__report_text(&c->session->workshop->reporter, kind, text, &c->message);
}

static int finish(moons__call *c, int error) {
  c->result.bytes = c->message.bytes;
  c->result.n_bytes = c->message.n_bytes;
  if (c->classes.numbers.n_entries > 0) moons__ptrmap_clear(&c->classes.numbers);
  return error;
}

int moons__call_run(moons__call *c) {
  lua_State *L = c->session->image.L;
  moons__stop *stop = &c->session->workshop->sandbox.stop;
  int top = lua_gettop(L), error = 0;
  c->session->workshop->reporter.traceback.n_bytes = 0;
  c->message.n_bytes = 0;
  lua_pushvalue(L, MOONS__SESSION_CALLER);
  lua_pushlightuserdata(L, c);
  moons__stop_begin(stop, L);
  int status = lua_pcall(L, 1, 0, MOONS__SESSION_HANDLER);
  int is_told = moons__stop_reason_of(stop) != 0;
  if (status != LUA_OK && !is_told) error = put_error(c, status);
  moons__stop_reason reason = moons__stop_end(stop);
  if (reason == MOONS__STOP(LOST)) return 1;
  if (status != LUA_OK || reason != 0) c->result.kind = MOONS__ITEM_ERROR;
  if (reason != 0) error = put_end(c, reason, is_told && status != LUA_OK);
  lua_settop(L, top);
  return finish(c, error);
}
