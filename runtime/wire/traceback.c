/*
** A line of a traceback is "\n\t<place>: in <function>". Those of the module go, and with them the functions in C that
** the module has called: lines of C that stand above one of the module's. So do tail calls below one. The text is taken from
** luaL_traceback, so what is left reads as Lua's own.
*/
#include "wire/traceback.h"

#include <lauxlib.h>
#include <string.h>

#include "base/lua_sources.h"

/* Whether a chunk of this name, which ends where n_bytes say, is the module's. Its files are compiled under the names
** of modules, such as "parallel.run". */
static int is_own(const char *chunk, size_t n_bytes) {
  for (const moons__lua_source *source = moons__lua_sources; source->name != NULL; source++)
    if (strlen(source->name) == n_bytes && memcmp(source->name, chunk, n_bytes) == 0) return 1;
  return 0;
}

static int begins_with(const char *line, size_t n_bytes, const char *text) {
  return n_bytes >= strlen(text) && memcmp(line, text, strlen(text)) == 0;
}

static int is_of_module(const char *line, size_t n_bytes) {
  if (!begins_with(line, n_bytes, "\n\t")) return 0;
  const char *chunk = line + 2, *colon = memchr(chunk, ':', n_bytes - 2);
  return colon != NULL && is_own(chunk, (size_t)(colon - chunk));
}

static int is_tail_call(const char *line, size_t n_bytes) {
  return begins_with(line, n_bytes, "\n\t(...tail calls...)");
}

static size_t line_length(const char *line) {
  const char *end = strchr(line + 1, '\n');
  return end != NULL ? (size_t)(end - line) : strlen(line);
}

void moons__push_traceback(lua_State *L, lua_State *of, const char *message, int level) {
  luaL_traceback(L, of, NULL, level);
  int whole = lua_gettop(L);
  const char *title = lua_tostring(L, whole), *line = title + line_length(title);
  const char *held = line; /* from here on, lines wait for what comes after them */
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  if (message != NULL) luaL_addstring(&text, message);
  if (message != NULL) luaL_addchar(&text, '\n');
  luaL_addlstring(&text, title, (size_t)(line - title));
  for (int after_own = 0; *line != '\0';) {
    size_t n_bytes = line_length(line);
    after_own = is_of_module(line, n_bytes) || (after_own && is_tail_call(line, n_bytes));
    if (after_own) {
      held = line + n_bytes;
    } else if (!begins_with(line, n_bytes, "\n\t[C]:")) {
      luaL_addlstring(&text, held, (size_t)(line - held) + n_bytes);
      held = line + n_bytes;
    }
    line += n_bytes;
  }
  luaL_addlstring(&text, held, (size_t)(line - held));
  luaL_pushresult(&text);
  lua_remove(L, whole);
}

static int is_own_at(lua_State *L, int level) {
  lua_Debug info;
  return lua_getstack(L, level, &info) && lua_getinfo(L, "S", &info) &&
         is_own(info.short_src, strlen(info.short_src));
}

static int is_in_c_at(lua_State *L, int level) {
  lua_Debug info;
  return lua_getstack(L, level, &info) && lua_getinfo(L, "S", &info) && *info.what == 'C';
}

/* Functions in C that the module has called are part of it, also where one has called the other. */
int moons__caller_level(lua_State *L) {
  int level = 1, next = 1;
  while (is_in_c_at(L, next) || is_own_at(L, next))
    if (is_own_at(L, next++)) level = next;
  return level;
}

void moons__blame(lua_State *L, const char *format, ...) {
  va_list values;
  luaL_where(L, moons__caller_level(L));
  va_start(values, format);
  lua_pushvfstring(L, format, values);
  va_end(values);
  lua_concat(L, 2);
  lua_error(L);
}

int moons__push_caller(lua_State *L) {
  lua_Debug info;
  for (int level = 0; lua_getstack(L, level, &info); level++) {
    lua_getinfo(L, "Sl", &info);
    if (info.currentline < 0 || is_own(info.short_src, strlen(info.short_src))) continue;
    lua_pushfstring(L, "%s:%d", info.short_src, info.currentline);
    return 1;
  }
  return 0;
}
