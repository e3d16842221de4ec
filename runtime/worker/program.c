/*
** The pipe of a program is a file of Lua's (LUA_FILEHANDLE), so all methods are Lua's own; only opening, closing and
** waiting are ours.
*/
#include "worker/program.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "state/weak.h"
#include "worker/original.h"

/* A key in the registry: a weak table whose keys are files that the state has opened for writing. */
static const char FILES[] = "moons.files";

/* A file of Lua's, from io.popen. */
typedef struct piped {
  luaL_Stream stream;
  moons__child *child;
  int is_written_to;
  moons__starter *starter; /* of a call, that writes to it; otherwise NULL */
} piped;

static moons__starter *starter_of(lua_State *L) { return lua_touserdata(L, lua_upvalueindex(1)); }

/* {== Files that are written to =============================================================== */

/* Notes the value at `index`, where it is a file of the state's own. */
static void note_file(lua_State *L, int index) {
  if (luaL_testudata(L, index, LUA_FILEHANDLE) == NULL) return;
  moons__push_weak(L, FILES, "k");
  lua_pushvalue(L, index);
  lua_pushboolean(L, 1);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

static void write_out(lua_State *L, int index) {
  const luaL_Stream *file = luaL_testudata(L, index, LUA_FILEHANDLE);
  if (file == NULL || file->closef == NULL || file->f == NULL) return;
  if (file->f != stdout && file->f != stderr)
    fflush(file->f); /* these are not for this state alone */
}

void moons__program_write_out(lua_State *L) {
  int top = lua_gettop(L);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (lua_getfield(L, LUA_REGISTRYINDEX, FILES) == LUA_TTABLE)
    for (lua_pushnil(L); lua_next(L, top + 1); lua_pop(L, 1))
      write_out(L, -2);
  lua_settop(L, top);
}

/* io.open(filename, mode). Upvalue: the original. */
static int call_open(lua_State *L) {
  const char *mode = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "r";
  int writes = *mode != 'r' || strchr(mode, '+') != NULL;
  int n = moons__original_call(L, 1);
  if (writes) note_file(L, 1);
  return n;
}

/* io.tmpfile(). Upvalue: the original. */
static int call_tmpfile(lua_State *L) {
  int n = moons__original_call(L, 1);
  note_file(L, 1);
  return n;
}

/* io.output([file]), which opens a file where it is given a name. Upvalue: the original. */
static int call_output(lua_State *L) {
  int opens = lua_isstring(L, 1), n = moons__original_call(L, 1);
  if (opens) note_file(L, 1);
  return n;
}

/* {== Programs ================================================================================ */

/* Tells what Lua tells of a program that has ended. */
static int push_outcome(lua_State *L, int error, int status) {
  errno = error;
  return luaL_execresult(L, error ? -1 : status);
}

/* The `close` of a file from io.popen. A program that still writes to us gets SIGPIPE at once. */
static int close_program(lua_State *L) {
  piped *p = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  int status = 0;
  if (p->is_written_to) moons__child_await_reader(p->child, fileno(p->stream.f));
  fclose(p->stream.f);
  int error = moons__child_wait(p->child, &status);
  if (p->starter != NULL) p->starter->n_written_to--;
  return push_outcome(L, error, status);
}

static piped *push_piped(lua_State *L) {
  piped *p = lua_newuserdatauv(L, sizeof *p, 0);
  *p = (piped){0};
  luaL_setmetatable(L, LUA_FILEHANDLE);
  return p;
}

/* Starts a program. A thread that gave up its call meanwhile may not have seen it, so it is killed here then. Returns 0 or a
** value of errno. */
static int start(const moons__starter *s, const void *owner, const moons__child_options *options,
                 moons__child **child, int *fd) {
  int error = moons__child_start(s->children, owner, options, child, fd);
  if (!error && s->is_over != NULL && s->is_over(s->data)) moons__child_kill(*child);
  return error;
}

/* Starts the program of a file. Returns 0 or a value of errno. */
static int open_program(moons__starter *s, piped *p, const void *owner,
                        const moons__child_options *options) {
  int fd = -1, status, writes = options->pipe == MOONS__TO_CHILD;
  int error = start(s, owner, options, &p->child, &fd);
  if (error) return error;
  p->stream.f = fdopen(fd, writes ? "w" : "r");
  if (p->stream.f == NULL) {
    error = errno;
    close(fd);
    moons__child_kill(p->child);
    moons__child_wait(p->child, &status);
    return error;
  }
  p->stream.closef = close_program;
  p->is_written_to = writes;
  if (!writes || !s->is_in_call) return 0;
  moons__sigpipe_hold(&s->sigpipe);
  s->n_written_to++;
  p->starter = s;
  return 0;
}

/* io.popen(command, mode). Upvalue: the starter. */
static int call_popen(lua_State *L) {
  moons__starter *s = starter_of(L);
  moons__child_options options = {.command = luaL_checkstring(L, 1), .is_in_call = s->is_in_call};
  const char *mode = luaL_optstring(L, 2, "r");
  luaL_argcheck(L, (*mode == 'r' || *mode == 'w') && mode[1] == '\0', 2, "invalid mode");
  options.pipe = *mode == 'r' ? MOONS__FROM_CHILD : MOONS__TO_CHILD;
  piped *p = push_piped(L);
  moons__program_write_out(L);
  const void *owner = s->begin(L, s->data);
  int error = open_program(s, p, owner, &options);
  if (!error) return 1;
  errno = error;
  return luaL_fileresult(L, 0, options.command);
}

/* os.execute(command). Upvalue: the starter. */
static int call_execute(lua_State *L) {
  moons__starter *s = starter_of(L);
  moons__child_options options = {.command = luaL_optstring(L, 1, NULL),
                                  .is_in_call = s->is_in_call};
  if (options.command == NULL) {
    lua_pushboolean(L, access("/bin/sh", X_OK) == 0);
    return 1;
  }
  moons__child *child;
  int status = 0, fd;
  const void *owner = s->begin(L, s->data);
  atomic_store(&s->is_waiting, 1);
  int error = start(s, owner, &options, &child, &fd);
  if (!error) error = moons__child_wait(child, &status);
  atomic_store(&s->is_waiting, 0);
  if (!error && s->ended != NULL) s->ended(L, status);
  return push_outcome(L, error, status);
}

/* {== Installing ============================================================================== */

static void install_io(lua_State *L, moons__starter *starter) {
  moons__original_replace(L, "open", call_open);
  moons__original_replace(L, "tmpfile", call_tmpfile);
  moons__original_replace(L, "output", call_output);
  lua_pushlightuserdata(L, starter);
  lua_pushcclosure(L, call_popen, 1);
  lua_setfield(L, -2, "popen");
}

static void install_os(lua_State *L, moons__starter *starter) {
  lua_pushlightuserdata(L, starter);
  lua_pushcclosure(L, call_execute, 1);
  lua_setfield(L, -2, "execute");
}

void moons__program_install(lua_State *L, moons__starter *starter) {
  if (lua_getglobal(L, LUA_IOLIBNAME) == LUA_TTABLE) install_io(L, starter);
  if (lua_getglobal(L, LUA_OSLIBNAME) == LUA_TTABLE) install_os(L, starter);
  lua_pop(L, 2);
}
