#include "sandbox.h"

#include <dlfcn.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "batch.h"
#include "failure.h"
#include "fork.h"
#include "limits.h"
#include "machine.h"
#include "moons.h"
#include "original.h"
#include "pristine.h"

enum { LUA_SEARCHER = 2 }; /* its place in package.searchers */

/* The arena of a state, which its allocator knows. Lua's own place for such things, the space beside each
** state and its coroutines, is the host's. */
static moons__arena *arena_of(lua_State *L) {
  void *arena;
  lua_getallocf(L, &arena);
  return arena;
}

moons__sandbox *moons__sandbox_of(lua_State *L) { return arena_of(L)->owner; }

/* Printing. */

/* What a thread prints that was given up is dropped: the one who takes it may be gone. */
static void write_out(moons__sandbox *s, int stream, const char *bytes, size_t n_bytes) {
  if (n_bytes == 0 || !moons__stop_pin(&s->stop)) return;
  s->write(s->write_data, stream, bytes, n_bytes);
  s->has_written = 1;
  moons__stop_unpin(&s->stop);
}

static void flush_line(moons__sandbox *s, int stream) {
  moons__buffer *line = &s->lines[stream - 1];
  write_out(s, stream, line->bytes, line->n_bytes);
  line->n_bytes = 0;
}

/* Whole lines go out at once, so that those of several workers do not mix; what comes after the
** last newline waits for the rest of its line. */
static void emit(moons__sandbox *s, int stream, const char *bytes, size_t n_bytes) {
  moons__buffer *line = &s->lines[stream - 1];
  if (moons__buffer_append(line, bytes, n_bytes)) { /* no memory to wait in */
    flush_line(s, stream);
    write_out(s, stream, bytes, n_bytes);
    return;
  }
  size_t n_whole = line->n_bytes;
  while (n_whole > 0 && line->bytes[n_whole - 1] != '\n')
    n_whole--;
  if (line->n_bytes - n_whole > MOONS_LINE_BYTES) n_whole = line->n_bytes;
  write_out(s, stream, line->bytes, n_whole);
  line->n_bytes -= n_whole;
  if (n_whole > 0) memmove(line->bytes, line->bytes + n_whole, line->n_bytes);
}

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
  emit(moons__sandbox_of(L), 1, bytes, n_bytes);
  return 0;
}

/* 1 or 2 where the value is the open file of stdout or stderr, otherwise 0. */
static int stream_of(lua_State *L, int index) {
  luaL_Stream *file = luaL_testudata(L, index, LUA_FILEHANDLE);
  if (file == NULL || file->closef == NULL) return 0;
  return file->f == stdout ? 1 : file->f == stderr ? 2 : 0;
}

static void emit_text(lua_State *L, int stream, const char *bytes, size_t n_bytes) {
  emit(moons__sandbox_of(L), stream, bytes, n_bytes);
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
  if (stream != 0) flush_line(moons__sandbox_of(L), stream);
  return moons__original_call(L, 1);
}

/* io.flush() */
static int call_io_flush(lua_State *L) {
  int stream = default_stream(L);
  if (stream != 0) flush_line(moons__sandbox_of(L), stream);
  return moons__original_call(L, 1);
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

void moons__sandbox_reset_defaults(lua_State *L) {
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
  if (s->warns == 1) emit(s, 2, "Lua warning: ", strlen("Lua warning: "));
  emit(s, 2, message, strlen(message));
  if (!to_be_continued) emit(s, 2, "\n", 1);
  s->warns = to_be_continued ? 2 : 1;
}

/* Ending the process. */

/* The error is raised again and again, so that no pcall keeps the call alive. */
static int call_exit(lua_State *L) {
  if (moons__sandbox_of(L)->fork_number !=
      moons__fork_number()) /* a child that the call has forked */
    return moons__original_call(L, 1);
  if (!lua_isboolean(L, 1)) luaL_optinteger(L, 1, 0);
  moons__stop_here(&moons__sandbox_of(L)->stop, L, MOONS__STOP(ERROR));
  if (lua_isnoneornil(L, 1)) return luaL_error(L, "os.exit was called");
  return luaL_error(L, "os.exit(%s) was called", luaL_tolstring(L, 1, NULL));
}

/* What is one for the whole process. */

/* os.clock(): processor time of the call. The thread's clock differs from it by what was when the call began; asking that
** takes longer than a small call, so it is asked where the function names `clock`. */
static int call_clock(lua_State *L) {
  moons__sandbox *s = moons__sandbox_of(L);
  uint64_t now_ns = moons__machine_cpu_ns();
  if (s->cpu_begun_ns == MOONS__UNKNOWN || s->cpu_begun_ns > now_ns) s->cpu_begun_ns = now_ns;
  lua_pushnumber(L, (lua_Number)(now_ns - s->cpu_begun_ns) / (lua_Number)1e9);
  return 1;
}

static int is_same_locale(const char *a, const char *b) {
  int a_is_c = strcmp(a, "C") == 0 || strcmp(a, "POSIX") == 0;
  int b_is_c = strcmp(b, "C") == 0 || strcmp(b, "POSIX") == 0;
  return strcmp(a, b) == 0 || (a_is_c && b_is_c);
}

/* os.setlocale([locale [, category]]): tells which it is, and refuses any other, which all calls would get. */
static int call_setlocale(lua_State *L) {
  if (lua_isnoneornil(L, 1)) return moons__original_call(L, 1);
  const char *wanted = luaL_checkstring(L, 1);
  lua_settop(L, 2);
  lua_pushnil(L);
  lua_pushvalue(L, 2);
  moons__original_call(L, 3);
  const char *present = lua_tostring(L, 3);
  if (present != NULL && is_same_locale(wanted, present)) return 1;
  luaL_pushfail(L);
  lua_pushfstring(
      L,
      "cannot set the locale '%s' in a call, for it would be that of the whole process; "
      "set it in the script, before the map",
      wanted);
  return 2;
}

/* Random numbers. */

/* math.randomseed([x [, y]]). Without arguments Lua would take the time and an address, which do not depend on
** the call alone: the call's own next numbers do. Upvalues: the original, math.random. */
static int call_randomseed(lua_State *L) {
  if (lua_gettop(L) > 0) return moons__original_call(L, 1);
  for (int i = 0; i < 2; i++) {
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_pushinteger(L, 0);
    lua_call(L, 1, 1);
  }
  return moons__original_call(L, 1);
}

/* What the script has changed was noted before. */
void moons__sandbox_push_seed(lua_State *L) {
  int top = lua_gettop(L);
  lua_pushnil(L);
  if (moons__pristine_push_library(L, LUA_MATHLIBNAME) ||
      moons__pristine_push_present(L, LUA_MATHLIBNAME)) {
    lua_pushliteral(L, "randomseed");
    lua_rawget(L, -2);
    if (lua_tocfunction(L, -1) == call_randomseed) lua_getupvalue(L, -1, 1);
    if (lua_iscfunction(L, -1)) lua_replace(L, top + 1);
  }
  lua_settop(L, top + 1);
}

/* Finalizers. */

/* Notes it where the metatable at `index` makes a table of the state's have a finalizer. */
static void note_finalizer(lua_State *L, int index) {
  if (!lua_istable(L, index)) return;
  lua_pushliteral(L, "__gc");
  if (lua_rawget(L, index) != LUA_TNIL) moons__sandbox_of(L)->made_finalizer = 1;
  lua_pop(L, 1);
}

static int call_setmetatable(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
    return luaL_error(L, "cannot change a protected metatable");
  lua_settop(L, 2);
  note_finalizer(L, 2);
  lua_setmetatable(L, 1);
  return 1;
}

static int call_debug_setmetatable(lua_State *L) {
  if (lua_istable(L, 1)) note_finalizer(L, 2);
  return moons__original_call(L, 1);
}

/* Loading. */

/* Bytecode can crash Lua, so only text is loaded. Of a mode without text nothing is. */
static const char *text_mode(const char *mode) { return strchr(mode, 't') != NULL ? "t" : ""; }

/* Returns what load and loadfile return, for what has been loaded in text_mode(mode). `env`: the index of its
** environment, or 0. */
static int finish_load(lua_State *L, int status, const char *mode, int env) {
  static const char NO_TEXT[] = "attempt to load a text chunk (mode is '')";
  if (status == LUA_OK) {
    if (env == 0) return 1;
    lua_pushvalue(L, env);
    if (lua_setupvalue(L, -2, 1) == NULL) lua_pop(L, 1);
    return 1;
  }
  const char *message = lua_tostring(L, -1);
  if (message != NULL && strcmp(message, NO_TEXT) == 0)
    lua_pushfstring(L, "attempt to load a text chunk (mode is '%s')", mode);
  luaL_pushfail(L);
  lua_insert(L, -2);
  return 2;
}

enum {
  PIECE = 5
}; /* where the reader of a chunk keeps what load is to read: after all arguments */

/* Reads what the function at 1 gives. */
static const char *read_piece(lua_State *L, void *data, size_t *n_bytes) {
  (void)data;
  luaL_checkstack(L, 2, "too many nested functions");
  lua_pushvalue(L, 1);
  lua_call(L, 0, 1);
  *n_bytes = 0;
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return NULL;
  }
  if (!lua_isstring(L, -1)) luaL_error(L, "reader function must return a string");
  lua_replace(L, PIECE);
  return lua_tolstring(L, PIECE, n_bytes);
}

/* load(chunk, name, mode, env), as Lua's own: calling that would have its errors name no place. */
static int call_load(lua_State *L) {
  size_t n_bytes;
  const char *chunk = lua_tolstring(L, 1, &n_bytes), *mode = luaL_optstring(L, 3, "bt");
  int env = lua_isnone(L, 4) ? 0 : 4, status;
  if (chunk != NULL) {
    const char *name = luaL_optstring(L, 2, chunk);
    status = luaL_loadbufferx(L, chunk, n_bytes, name, text_mode(mode));
  } else {
    const char *name = luaL_optstring(L, 2, "=(load)");
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, PIECE);
    status = lua_load(L, read_piece, NULL, name, text_mode(mode));
  }
  return finish_load(L, status, mode, env);
}

/* loadfile(filename, mode, env) */
static int call_loadfile(lua_State *L) {
  const char *filename = luaL_optstring(L, 1, NULL), *mode = luaL_optstring(L, 2, "bt");
  int env = lua_isnone(L, 3) ? 0 : 3;
  return finish_load(L, luaL_loadfilex(L, filename, text_mode(mode)), mode, env);
}

static int finish_dofile(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return lua_gettop(L) - 1;
}

static int call_dofile(lua_State *L) {
  const char *filename = luaL_optstring(L, 1, NULL);
  lua_settop(L, 1);
  if (luaL_loadfilex(L, filename, "t") != LUA_OK) return lua_error(L);
  lua_callk(L, 0, LUA_MULTRET, 0, finish_dofile);
  return finish_dofile(L, LUA_OK, 0);
}

/* Closing a state unloads its C libraries, while other states use them: they are made to stay. */
static void pin_library(const char *path) {
  void *handle = dlopen(path, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  if (handle != NULL) dlclose(handle);
}

/* Another searcher of package.searchers: returns a loader and, for files, their name. */
static int call_searcher(lua_State *L) {
  int n = moons__original_call(L, 1);
  if (!lua_isfunction(L, 1)) return n;
  moons__sandbox *s = moons__sandbox_of(L);
  s->loaded_module = 1;
  if (lua_iscfunction(L, 1) && lua_type(L, 2) == LUA_TSTRING && *lua_tostring(L, 2) != ':') {
    s->loaded_library = 1;
    pin_library(lua_tostring(L, 2));
  }
  return n;
}

/* The searcher for modules in Lua, which takes text only. Upvalues: package, package.searchpath. */
static int call_lua_searcher(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushvalue(L, 1);
  lua_getfield(L, lua_upvalueindex(1), "path");
  if (lua_tostring(L, -1) == NULL) return luaL_error(L, "'package.path' must be a string");
  lua_call(L, 2, 2);
  if (lua_isnil(L, -2)) return 1; /* why it was not found */
  lua_pop(L, 1);
  const char *filename = lua_tostring(L, -1);
  if (luaL_loadfilex(L, filename, "t") != LUA_OK)
    return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", name, filename,
                      lua_tostring(L, -1));
  moons__sandbox_of(L)->loaded_module = 1;
  lua_insert(L, -2);
  return 2;
}

/* package.loadlib(path, function) */
static int call_loadlib(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  lua_pushvalue(L, 1); /* keeps the path alive */
  lua_insert(L, 1);
  int n = moons__original_call(L, 2);
  moons__sandbox_of(L)->loaded_library = 1;
  pin_library(path);
  return n;
}

/* Programs. */

/* The `begin` of the starter. A C function that calls another one is reached by no hook. */
static const void *begin_program(lua_State *L, void *data) {
  moons__sandbox *s = data;
  moons__stop_reason reason = moons__stop_reason_of(&s->stop);
  if (reason != 0) luaL_error(L, "%s", moons__failure_text((moons__failure_kind)(reason - 1)));
  if (moons__stop_is_lost(&s->stop)) luaL_error(L, "the call was given up");
  moons__sandbox_flush(s);
  moons__sandbox_pass_on(s);
  return arena_of(L);
}

static int is_given_up(void *data) {
  const moons__sandbox *s = data;
  return moons__stop_is_lost(&s->stop);
}

static int may_have_programs(const moons__sandbox *s) {
  return s->starter.children != NULL && s->state != NULL;
}

void moons__sandbox_expect_programs(moons__sandbox *s, uint64_t patience_ns) {
  moons__children *children = s->starter.children;
  if (!may_have_programs(s) || !moons__children_has(children, s->state)) return;
  moons__children_expect(children, s->state, moons_clock_ns() + patience_ns);
}

void moons__sandbox_forget_programs(moons__sandbox *s) {
  if (may_have_programs(s)) moons__children_forget(s->starter.children, s->state);
}

void moons__sandbox_end_programs(moons__sandbox *s) {
  if (may_have_programs(s)) moons__children_end(s->starter.children, s->state);
}

void moons__sandbox_kill_programs(moons__sandbox *s) {
  if (may_have_programs(s)) moons__children_kill(s->starter.children, s->state);
}

/* Installing. */

/* Replaces the field of the table on top with `function`, which knows what it stands for. */
static void replace(lua_State *L, const char *name, lua_CFunction function) {
  if (lua_getfield(L, -1, name) == LUA_TFUNCTION) {
    lua_pushcclosure(L, function, 1);
    lua_setfield(L, -2, name);
  } else {
    lua_pop(L, 1);
  }
}

/* The same for functions of `io`, which also know io.output. */
static void replace_io(lua_State *L, const char *name, lua_CFunction function) {
  lua_getfield(L, -1, name);
  lua_getfield(L, -2, "output");
  lua_pushcclosure(L, function, 2);
  lua_setfield(L, -2, name);
}

static void set(lua_State *L, const char *name, lua_CFunction function) {
  lua_pushcfunction(L, function);
  lua_setfield(L, -2, name);
}

static void install_base(lua_State *L) {
  set(L, "print", call_print);
  set(L, "setmetatable", call_setmetatable);
  set(L, "dofile", call_dofile);
  set(L, "load", call_load);
  set(L, "loadfile", call_loadfile);
}

static void install_io(lua_State *L) {
  replace_io(L, "write", call_io_write);
  replace_io(L, "flush", call_io_flush);
  replace(L, "input", call_input);
  replace(L, "output", call_output);
  luaL_getmetatable(L, LUA_FILEHANDLE);
  lua_getfield(L, -1, "__index");
  replace(L, "write", call_file_write);
  replace(L, "flush", call_file_flush);
  lua_pop(L, 2);
}

static void install_math(lua_State *L) {
  lua_getfield(L, -1, "randomseed");
  lua_getfield(L, -2, "random");
  lua_pushcclosure(L, call_randomseed, 2);
  lua_setfield(L, -2, "randomseed");
}

static void install_package(lua_State *L) {
  int package = lua_gettop(L);
  replace(L, "loadlib", call_loadlib);
  lua_getfield(L, -1, "searchers");
  for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TFUNCTION; i++) {
    lua_pushcclosure(L, call_searcher, 1);
    lua_rawseti(L, -2, i);
  }
  lua_pop(L, 1);
  lua_pushvalue(L, package);
  lua_getfield(L, package, "searchpath");
  lua_pushcclosure(L, call_lua_searcher, 2);
  lua_rawseti(L, -2, LUA_SEARCHER);
  lua_pop(L, 1);
}

/* Pushes the table of a library that is open; returns 0 where it is not. */
static int push_open(lua_State *L, const char *library) {
  if (lua_getglobal(L, library) == LUA_TTABLE) return 1;
  lua_pop(L, 1);
  return 0;
}

void moons__sandbox_install(lua_State *L, moons__sandbox *sandbox) {
  arena_of(L)->owner = sandbox;
  lua_setwarnf(L, warn, sandbox);
  if (push_open(L, LUA_GNAME)) {
    install_base(L);
    moons__stop_install(L);
    lua_pop(L, 1);
  }
  if (push_open(L, LUA_OSLIBNAME)) {
    replace(L, "exit", call_exit);
    replace(L, "clock", call_clock);
    replace(L, "setlocale", call_setlocale);
    lua_pop(L, 1);
  }
  if (push_open(L, LUA_IOLIBNAME)) {
    install_io(L);
    lua_pop(L, 1);
  }
  if (push_open(L, LUA_MATHLIBNAME)) {
    install_math(L);
    lua_pop(L, 1);
  }
  if (sandbox->starter.children != NULL) {
    sandbox->starter.is_in_call = 1;
    sandbox->starter.begin = begin_program;
    sandbox->starter.is_over = is_given_up;
    sandbox->starter.data = sandbox;
    moons__program_install(L, &sandbox->starter);
  }
  if (push_open(L, LUA_DBLIBNAME)) {
    replace(L, "setmetatable", call_debug_setmetatable);
    lua_pop(L, 1);
  }
  if (push_open(L, LUA_LOADLIBNAME)) {
    install_package(L);
    lua_pop(L, 1);
  }
}

void moons__sandbox_begin(moons__sandbox *s) {
  s->made_finalizer = s->loaded_library = s->loaded_module = s->set_default = 0;
}

void moons__sandbox_write_lines(moons__sandbox *s) {
  for (int stream = 1; stream <= MOONS__N_STREAMS; stream++)
    flush_line(s, stream);
}

void moons__sandbox_free(moons__sandbox *s) {
  for (int i = 0; i < MOONS__N_STREAMS; i++)
    moons__buffer_free(&s->lines[i]);
}
