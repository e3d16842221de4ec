/*
** Where a value lies is kept as frames on the C stack, which cost a few stores each, and is put into words only when an error
** wants them. The words are for people: they look like Lua, long keys are cut, and of long paths only the last steps are
** shown.
*/
#include <lauxlib.h>

#include "wire/encode.h"

enum { PATH_PARTS = 12 }; /* of longer paths only the last parts are shown */

typedef moons__encoder encoder;

/* Whether a key can be written as `.key`. Reserved words count too: nobody will run the text. */
static int is_identifier(const char *s, size_t n_bytes) {
  if (n_bytes == 0 || (s[0] >= '0' && s[0] <= '9')) return 0;
  for (size_t i = 0; i < n_bytes; i++) {
    char c = s[i];
    if (!(c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
      return 0;
  }
  return 1;
}

static void add_key(lua_State *L, luaL_Buffer *text, int key) {
  size_t n_bytes;
  switch (lua_type(L, key)) {
  case LUA_TSTRING: {
    const char *s = lua_tolstring(L, key, &n_bytes);
    int plain = is_identifier(s, n_bytes);
    luaL_addstring(text, plain ? "." : "[\"");
    luaL_addlstring(text, s, n_bytes < 40 ? n_bytes : 40); /* enough to find it by */
    if (!plain) luaL_addstring(text, "\"]");
    break;
  }
  case LUA_TNUMBER:
    luaL_addstring(text, "[");
    lua_pushvalue(L, key);
    luaL_addvalue(text);
    luaL_addstring(text, "]");
    break;
  default:
    luaL_addstring(text, "[a ");
    luaL_addstring(text, luaL_typename(L, key));
    luaL_addstring(text, "]");
  }
}

/* What is in a place, and its name where it has one: global 'x'. */
static void add_place(lua_State *L, luaL_Buffer *text, const moons__wire_frame *frame) {
  luaL_addstring(text, " ");
  luaL_addstring(text, frame->name);
  if (lua_type(L, (int)frame->index) != LUA_TSTRING) return;
  luaL_addstring(text, " '");
  lua_pushvalue(L, (int)frame->index);
  luaL_addvalue(text);
  luaL_addstring(text, "'");
}

static void add_frame(lua_State *L, luaL_Buffer *text, const moons__wire_frame *frame) {
  switch (frame->kind) {
  case AT_INDEX:
    luaL_addstring(text, "[");
    lua_pushinteger(L, frame->index);
    luaL_addvalue(text);
    luaL_addstring(text, "]");
    break;
  case AT_KEY: add_key(L, text, (int)frame->index); break;
  case AT_METATABLE: luaL_addstring(text, " its metatable"); break;
  case AT_PLACE: add_place(L, text, frame); break;
  case AT_UPVALUE:
    luaL_addstring(text, " upvalue '");
    luaL_addstring(text, frame->name);
    luaL_addstring(text, "'");
    break;
  case AT_MARSHAL: luaL_addstring(text, " what its __marshal returned"); break;
  case AT_DEFERRED: luaL_addstring(text, " ..."); break;
  }
}

/* Frames are linked from the value outwards, and the text reads the other way round. The recursion is no deeper than what is
** shown. */
static void add_path(lua_State *L, luaL_Buffer *text, const moons__wire_frame *frame, int n_left) {
  if (frame == NULL) return;
  if (n_left == 0) {
    luaL_addstring(text, " ...");
    return;
  }
  add_path(L, text, frame->up, n_left - 1);
  if (frame->up == NULL && (frame->kind == AT_INDEX || frame->kind == AT_KEY))
    luaL_addstring(text, " ");
  add_frame(L, text, frame);
}

/* What the whole value is: an argument, a result, or one of the two values of a set-up. */
static void add_root(const encoder *e, luaL_Buffer *text) {
  const moons__wire_frame *root = e->frame;
  while (root != NULL && root->up != NULL)
    root = root->up;
  if (root != NULL && root->kind == AT_PLACE) return; /* the place is the root */
  if (e->what == NULL) {
    luaL_addstring(text, e->number == 1 ? "the function:" : "init:");
    return;
  }
  luaL_addstring(text, e->what);
  luaL_addstring(text, " ");
  lua_pushinteger(e->L, e->number);
  luaL_addvalue(text);
  luaL_addstring(text, ":");
}

/* The module to blame is noted before anything here can raise a memory error. The frames are gone with the C stack that the
** error leaves: encoder->frame must not be followed afterwards. */
void moons__wire_refuse(encoder *e, const char *why) {
  lua_State *L = e->L;
  e->refused_module = e->owner;
  luaL_Buffer text;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  luaL_buffinit(L, &text);
  add_root(e, &text);
  add_path(L, &text, e->frame, PATH_PARTS);
  if (e->frame != NULL) luaL_addstring(&text, ":");
  luaL_addstring(&text, " ");
  luaL_addstring(&text, why);
  luaL_pushresult(&text);
  const char *message = lua_tostring(L, -1);
  if (*message == ' ') lua_pushstring(L, message + 1);
  lua_error(L);
}
