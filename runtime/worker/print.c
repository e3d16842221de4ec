/*
** What a call prints goes through its sandbox; files that it opens are its own. Stdout and stderr are known by the C
** streams behind them, for a script may hold them under any name.
*/
#include "worker/print.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

#include "sizes.h"
#include "state/pristine.h"
#include "worker/original.h"
#include "worker/sandbox.h"

static int call_print(lua_State *L) {
  int n = lua_gettop(L);
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  for (int i = 1; i <= n; i++) {
    if (i > 1) luaL_addchar(&text, '\t');
    luaL_tolstring(L, i, NULL);
    luaL_addvalue(&text);
  }
  luaL_addchar(&text, '\n');
  luaL_pushresult(&text);
  size_t n_bytes;
  const char *bytes = lua_tolstring(L, -1, &n_bytes);
  moons__sandbox_emit(moons__sandbox_of(L), 1, bytes, n_bytes);
  return 0;
}

/* 1 or 2 where the value is the open file of stdout or stderr, otherwise 0. */
static int stream_of(lua_State *L, int index) {
  luaL_Stream *file = luaL_testudata(L, index, LUA_FILEHANDLE);
  if (file == NULL || file->closef == NULL) return 0;
  return file->f == stdout ? 1 : file->f == stderr ? 2 : 0;
}

static void emit_text(lua_State *L, int stream, const char *bytes, size_t n_bytes) {
  moons__sandbox_emit(moons__sandbox_of(L), stream, bytes, n_bytes);
}

/* Numbers are written as Lua's own write does, which is not as tostring does. */
static void emit_number(lua_State *L, int stream, int index) {
  char text[MOONS_NUMBER_BYTES];
  int n_bytes = lua_isinteger(L, index)
                    ? snprintf(text, sizeof text, LUA_INTEGER_FMT, lua_tointeger(L, index))
                    : snprintf(text, sizeof text, LUA_NUMBER_FMT, lua_tonumber(L, index));
  emit_text(L, stream, text, (size_t)n_bytes);
}

/* Writes the arguments from `first` on; what comes before a wrong one is written, as by Lua. */
static void emit_arguments(lua_State *L, int stream, int first) {
  int last = lua_gettop(L);
  for (int i = first; i <= last; i++) {
    size_t n_bytes;
    if (lua_type(L, i) == LUA_TNUMBER) {
      emit_number(L, stream, i);
    } else {
      const char *bytes = luaL_checklstring(L, i, &n_bytes);
      emit_text(L, stream, bytes, n_bytes);
    }
  }
}

/* file:write(...) */
static int call_file_write(lua_State *L) {
  int stream = stream_of(L, 1);
  if (stream == 0) return moons__original_call(L, 1);
  emit_arguments(L, stream, 2);
  lua_settop(L, 1);
  return 1;
}

/* Pushes the default output (upvalue 2 is io.output). */
static void push_default_output(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_call(L, 0, 1);
}

/* Which stream the default output is, or 0. */
static int default_stream(lua_State *L) {
  push_default_output(L);
  int stream = stream_of(L, -1);
  lua_pop(L, 1);
  return stream;
}

/* io.write(...) */
static int call_io_write(lua_State *L) {
  int stream = default_stream(L);
  if (stream == 0) return moons__original_call(L, 1);
  emit_arguments(L, stream, 1);
  push_default_output(L);
  return 1;
}

/* file:flush() */
static int call_file_flush(lua_State *L) {
  int stream = stream_of(L, 1);
  if (stream != 0) moons__sandbox_flush_line(moons__sandbox_of(L), stream);
  return moons__original_call(L, 1);
}

/* io.flush() */
static int call_io_flush(lua_State *L) {
  int stream = default_stream(L);
  if (stream != 0) moons__sandbox_flush_line(moons__sandbox_of(L), stream);
  return moons__original_call(L, 1);
}

/* Where there are no files: these know no original, which `debug` would find in them. */

/* io.write(...), to stdout, which is upvalue 1 */
static int call_write_to_stdout(lua_State *L) {
  emit_arguments(L, 1, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  return 1;
}

/* The stream that is argument 1, or an error. */
static int check_stream(lua_State *L) {
  int stream = stream_of(L, 1);
  luaL_argcheck(L, stream != 0, 1, "stdout or stderr expected");
  return stream;
}

/* file:write(...), of stdout or stderr */
static int call_stream_write(lua_State *L) {
  emit_arguments(L, check_stream(L), 2);
  lua_settop(L, 1);
  return 1;
}

/* file:flush(), of these */
static int call_stream_flush(lua_State *L) {
  moons__sandbox_flush_line(moons__sandbox_of(L), check_stream(L));
  lua_pushboolean(L, 1);
  return 1;
}

/* Default input and output. */

/* Where a call has set one, the registry holds under these names what it was, and the original of the function. */
static const char *const FORMER[] = {"moons.input", "moons.output"};
static const char *const ORIGINAL[] = {"moons.set_input", "moons.set_output"};

/* Notes what the default was when the call began. Upvalue 1: the function that tells. */
static void note_default(lua_State *L, int which) {
  moons__sandbox *s = moons__sandbox_of(L);
  if (s->set_default & 1 << which) return;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, ORIGINAL[which]);
  lua_call(L, 0, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, FORMER[which]);
  s->set_default |= 1 << which;
}

/* io.input([file]), io.output([file]) */
static int call_input(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) note_default(L, 0);
  return moons__original_call(L, 1);
}

static int call_output(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) note_default(L, 1);
  return moons__original_call(L, 1);
}

/* Nobody else writes to a file that a state has opened; stdout and stderr are not its own. */
static void write_out_default(lua_State *L) {
  const luaL_Stream *file = luaL_testudata(L, -1, LUA_FILEHANDLE);
  if (file != NULL && file->closef != NULL && stream_of(L, -1) == 0) fflush(file->f);
}

static void reset_default(lua_State *L, int which) {
  int top = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, ORIGINAL[which]);
  lua_pushvalue(L, -1);
  lua_call(L, 0, 1);
  if (which == 1) write_out_default(L);
  lua_settop(L, top + 1);
  lua_getfield(L, LUA_REGISTRYINDEX, FORMER[which]);
  lua_pcall(L, 1, 0, 0); /* one that was closed stays away */
  lua_settop(L, top);
  lua_pushnil(L);
  lua_setfield(L, LUA_REGISTRYINDEX, FORMER[which]);
}

void moons__print_reset_defaults(lua_State *L) {
  moons__sandbox *s = moons__sandbox_of(L);
  for (int which = 0; which < 2; which++)
    if (s->set_default & 1 << which) reset_default(L, which);
  s->set_default = 0;
}

static void warn(void *data, const char *message, int to_be_continued) {
  moons__sandbox *s = data;
  if (s->warns < 2 && !to_be_continued && *message == '@') {
    if (strcmp(message, "@on") == 0) s->warns = 1;
    if (strcmp(message, "@off") == 0) s->warns = 0;
    return;
  }
  if (s->warns == 0) return;
  if (s->warns == 1) moons__sandbox_emit(s, 2, "Lua warning: ", strlen("Lua warning: "));
  moons__sandbox_emit(s, 2, message, strlen(message));
  if (!to_be_continued) moons__sandbox_emit(s, 2, "\n", 1);
  s->warns = to_be_continued ? 2 : 1;
}

/* Installing. */

/* Replaces a function of `io`; what stands for it also knows io.output. */
static void replace_io(lua_State *L, const char *name, lua_CFunction function) {
  lua_getfield(L, -1, name);
  lua_getfield(L, -2, "output");
  lua_pushcclosure(L, function, 2);
  lua_setfield(L, -2, name);
}

/* Puts in place those of `io`, which is on top. */
static void install_io(lua_State *L) {
  replace_io(L, "write", call_io_write);
  replace_io(L, "flush", call_io_flush);
  moons__original_replace(L, "input", call_input);
  moons__original_replace(L, "output", call_output);
  luaL_getmetatable(L, LUA_FILEHANDLE);
  lua_getfield(L, -1, "__index");
  moons__original_replace(L, "write", call_file_write);
  moons__original_replace(L, "flush", call_file_flush);
  lua_pop(L, 2);
}

void moons__print_without_files(lua_State *L, int has_programs) {
  static const luaL_Reg METHODS[] = {
      {"write", call_stream_write}, {"flush", call_stream_flush}, {NULL, NULL}};
  int top = lua_gettop(L);
  if (moons__libraries_push_loaded(L, LUA_IOLIBNAME) == LUA_TTABLE) {
    lua_getfield(L, -1, "stdout");
    lua_pushcclosure(L, call_write_to_stdout, 1);
    lua_setfield(L, -2, "write");
  }
  if (!has_programs && luaL_getmetatable(L, LUA_FILEHANDLE) == LUA_TTABLE) {
    lua_getfield(L, -1, "__index");
    luaL_setfuncs(L, METHODS, 0);
  }
  lua_settop(L, top);
}

void moons__print_install(lua_State *L) {
  static const luaL_Reg FUNCTIONS[] = {{"print", call_print}, {NULL, NULL}};
  lua_setwarnf(L, warn, moons__sandbox_of(L));
  moons__original_put(L, FUNCTIONS);
  if (lua_getglobal(L, LUA_IOLIBNAME) == LUA_TTABLE) install_io(L);
  lua_pop(L, 1);
}
