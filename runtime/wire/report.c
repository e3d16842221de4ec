/*
** An error value is described in protected mode, for its own __tostring or __marshal may fail, and the state may have
** no memory left: then less is told, but the kind and the traceback always.
*/
#include "wire/report.h"

#include <lauxlib.h>
#include <string.h>

#include "moons.h"
#include "sizes.h"
#include "wire/traceback.h"
#include "wire/wire.h"

/* The last line is the C function that makes the call, which tells nobody anything. */
static size_t without_last_line(const char *traceback, size_t n_bytes) {
  static const char FIRST[] = "stack traceback:", LAST[] = "\n\t[C]: in ?";
  size_t n_last = sizeof LAST - 1;
  if (n_bytes > n_last && strcmp(traceback + n_bytes - n_last, LAST) == 0) n_bytes -= n_last;
  return n_bytes > sizeof FIRST - 1 ? n_bytes : 0;
}

static int on_error(lua_State *L) {
  moons__reporter *reporter = lua_touserdata(L, lua_upvalueindex(1));
  reporter->traceback.n_bytes = 0;
  moons__push_traceback(L, L, NULL, 1);
  size_t n_bytes;
  const char *text = lua_tolstring(L, -1, &n_bytes);
  moons__buffer_append(&reporter->traceback, text, without_last_line(text, n_bytes));
  lua_settop(L, 1);
  return 1;
}

void moons__report_push_handler(lua_State *L, moons__reporter *reporter) {
  lua_pushlightuserdata(L, reporter);
  lua_pushcclosure(L, on_error, 1);
}

typedef struct description {
  moons__failure failure;
  const char *prefix;
  moons__buffer *out;
  int error;
} description;

/* Whether the value at `index` is an error value of a map. */
static int is_of_map(lua_State *L, int index) {
  if (!lua_getmetatable(L, index)) return 0;
  luaL_getmetatable(L, MOONS__ERROR_TYPE);
  int is_same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return is_same;
}

/* Pushes what a person should read of the error value at `index`. */
static void push_message(lua_State *L, int index, const char *prefix) {
  if (is_of_map(L, index) && luaL_getmetafield(L, index, "brief") != LUA_TNIL) {
    lua_pushvalue(L, index); /* the error of a map within: its traceback goes with its value */
    lua_call(L, 1, 1);
    luaL_tolstring(L, -1, NULL);
  } else if (lua_isstring(L, index) || luaL_getmetafield(L, index, "__tostring") != LUA_TNIL)
    luaL_tolstring(L, index, NULL);
  else
    lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, index));
  lua_pushfstring(L, "%s%s", prefix, lua_tostring(L, -1));
}

/* Whether the error value at 2 is what lauxlib's buffers (resizebox in lauxlib.c), and we (raise.h), raise when
** memory runs out: a plain string. */
static int is_out_of_memory(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  const char *text = lua_tostring(L, 2);
  return strcmp(text, "not enough memory") == 0 ||
         strcmp(text, moons_error_text(MOONS_ENOMEM)) == 0;
}

/* Arguments: a description, the error value. */
static int describe(lua_State *L) {
  description *d = lua_touserdata(L, 1);
  if (*d->prefix == '\0' && lua_type(L, 2) == LUA_TSTRING)
    lua_pushvalue(L, 2);
  else
    push_message(L, 2, d->prefix);
  d->failure.message = lua_tolstring(L, -1, &d->failure.message_bytes);
  if (is_out_of_memory(L)) d->failure.kind = MOONS__FAILURE_MEMORY;
  if (d->failure.message_bytes > MOONS_ERROR_TEXT_BYTES)
    d->failure.message_bytes = MOONS_ERROR_TEXT_BYTES;
  d->error = moons__failure_write(d->out, &d->failure);
  return 0;
}

/* Arguments: an encoder, the value. */
static int encode(lua_State *L) {
  moons__encoder *encoder = lua_touserdata(L, 1);
  moons__encoder_begin(encoder);
  moons__encode(encoder, 2, 1, "error");
  return 0;
}

/* Appends the value on top, which stays there, to the bytes. Where it cannot be sent, there are none, and the reason is
** pushed; returns 0 then. */
static int put_value(moons__encoder *encoder, moons__buffer *bytes) {
  lua_State *L = encoder->L;
  moons__buffer *out = encoder->out;
  encoder->out = bytes;
  lua_pushcfunction(L, encode);
  lua_pushlightuserdata(L, encoder);
  lua_pushvalue(L, -3);
  int is_put = lua_pcall(L, 2, 0, 0) == LUA_OK;
  if (!is_put) bytes->n_bytes = 0;
  encoder->out = out;
  return is_put;
}

int moons__report_text(moons__reporter *reporter, moons__failure_kind kind, const char *text,
                       moons__buffer *out) {
  moons__failure failure = moons__failure_of(kind, text);
  failure.traceback = reporter->traceback.bytes;
  failure.traceback_bytes = reporter->traceback.n_bytes;
  return moons__failure_write(out, &failure);
}

/* Writes the failure for the error value at `index`. What a failed try has written of it is cut off, and a text without
** anything of the value's takes its place. */
static int write(lua_State *L, moons__reporter *reporter, int index, description *d) {
  size_t n_bytes = d->out->n_bytes;
  moons__failure_kind kind = d->failure.kind;
  lua_pushcfunction(L, describe);
  lua_pushlightuserdata(L, d);
  lua_pushvalue(L, index);
  if (lua_pcall(L, 2, 0, 0) == LUA_OK) return d->error;
  lua_pop(L, 1);
  d->out->n_bytes = n_bytes;
  return moons__report_text(reporter, kind, MOONS__FAILURE_UNTOLD, d->out);
}

/* The value comes last, but is encoded first, into a buffer of its own: why it cannot be sent stands before it. Where memory or
** stack has run out, nothing is asked of the value. */
int moons__report(moons__encoder *encoder, moons__reporter *reporter, int status,
                  moons__failure_kind kind, const char *prefix) {
  lua_State *L = encoder->L;
  moons__buffer *out = encoder->out;
  description d = {.prefix = prefix, .out = out};
  int has_no_memory = status == LUA_ERRMEM || !lua_checkstack(L, 2 * LUA_MINSTACK);
  d.failure.kind = has_no_memory ? MOONS__FAILURE_MEMORY : kind;
  d.failure.traceback = reporter->traceback.bytes;
  d.failure.traceback_bytes = reporter->traceback.n_bytes;
  if (has_no_memory) {
    lua_pop(L, 1);
    return moons__report_text(reporter, d.failure.kind, moons_error_text(MOONS_ENOMEM), out);
  }
  int value = lua_gettop(L);
  moons__buffer bytes = {.beside = out->beside};
  int is_put = put_value(encoder, &bytes);
  if (!is_put) {
    d.failure.unsent = lua_isstring(L, -1) ? lua_tostring(L, -1) : "its __marshal failed";
    d.failure.unsent_bytes = strlen(d.failure.unsent);
  }
  int error = write(L, reporter, value, &d);
  if (!error) error = moons__buffer_append(out, bytes.bytes, bytes.n_bytes);
  moons__buffer_free(&bytes);
  lua_settop(L, value - 1);
  return error;
}
