/*
** A function goes as its dump, with upvalues by value, shared ones once. Its code tells which globals it needs
** (encode_code.c); where that cannot tell, all that can travel go along. A global that both sides have is never sent.
*/
#include "moons.h"
#include "sizes.h"
#include "state/pristine.h"
#include "wire/encode.h"

typedef moons__encoder encoder;

/* Pushes the global that has the name at this stack index; for the metatable of globals, false. */
static void push_global(lua_State *L, int name) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  if (lua_isboolean(L, name)) {
    if (!lua_getmetatable(L, -1)) lua_pushnil(L); /* a __marshal has taken it away */
  } else {
    lua_pushvalue(L, name);
    lua_rawget(L, -2);
  }
  lua_remove(L, -2);
}

/* Whether the table at stack index `set` has the key on top. */
static int has_key(lua_State *L, int set) {
  lua_pushvalue(L, -1);
  int is_there = lua_rawget(L, set) != LUA_TNIL;
  lua_pop(L, 1);
  return is_there;
}

/* The table in the slot is a list and a set at once: what is queued is a string or false, so it cannot meet the numbers of
** the list. */
lua_Integer moons__wire_queue(encoder *e, int which, lua_Integer n) {
  lua_State *L = e->L;
  if (lua_istable(L, slot(e, which)) && has_key(L, slot(e, which))) {
    lua_pop(L, 1);
    return n;
  }
  lua_pushvalue(L, -1);
  n = moons__wire_list_add(e, which, n);
  lua_pushboolean(L, 1);
  lua_rawset(L, slot(e, which));
  return n;
}

/* Queues the global whose name is on top, or false, which it pops. */
static void queue_global(encoder *e) {
  if (has_key(e->L, e->sent_index))
    lua_pop(e->L, 1);
  else
    e->n_globals = moons__wire_queue(e, MOONS__SLOT_GLOBALS, e->n_globals);
}

/* Queues the metatable that the script has given its globals, if any. */
static void queue_metatable(encoder *e) {
  if (!moons__pristine_has_new_metatable(e->L)) return;
  e->changes_standard = 1;
  lua_pushboolean(e->L, 0);
  queue_global(e);
}

/* Whether the global with the name at this stack index, whose value is on top, is as it was noted. */
static int is_pristine(const encoder *e, int name) {
  lua_pushvalue(e->L, name);
  lua_rawget(e->L, e->pristine_index);
  int is_same = moons__pristine_is_same(e->L, -1, -2);
  lua_pop(e->L, 1);
  return is_same;
}

/* Queues the global whose name is on top, which it pops, where the other side has not the same:
**
** - What the script has set, or has changed in a standard global, is sent.
** - What is absent here may be given by the metatable of _G, so that goes along. A state that is kept may still have it from
**   an earlier set-up: the name is sent, to take it away.
** - What the host has is the same on both sides; where code names it, the name is sent, so that a host which has given it to
**   the script alone is told. */
static void queue_named(encoder *e, int is_named) {
  lua_State *L = e->L;
  int name = lua_gettop(L);
  size_t n_bytes;
  const char *text = lua_tolstring(L, name, &n_bytes);
  int is_standard = moons__libraries_of_global(text, n_bytes) != 0;
  push_global(L, name);
  int is_absent = lua_isnil(L, -1), is_same = is_pristine(e, name);
  lua_settop(L, name);
  if (is_absent) queue_metatable(e);
  int may_be_stale = is_absent && is_named && !is_standard && e->is_kept;
  if (is_same && !may_be_stale && (is_standard || is_absent || !is_named)) {
    lua_pop(L, 1);
    return;
  }
  if (is_standard) e->changes_standard = 1;
  queue_global(e);
}

void moons__wire_note_name(encoder *e, const char *name, size_t n_bytes, int is_module) {
  if (is_module) {
    moons__wire_require(e, name, n_bytes);
    return;
  }
  moons__wire_note_library(e, name, n_bytes);
  lua_pushlstring(e->L, name, n_bytes);
  queue_named(e, 1);
}

/* Whether the function at a stack index, which is in a module, was written there, and not given to it by the script. */
static int is_foreign(const encoder *e, const lua_Debug *info) {
  return e->owner != 0 && e->source != NULL && strcmp(info->source, e->source) != 0;
}

/* Upvalues are known by lua_upvalueid: functions that share a variable here share it on the other side. An upvalue that is
** the table of globals is sent as that, not by content. */
void moons__wire_function_content(encoder *e, int function, int depth) {
  lua_State *L = e->L;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  const char *name;
  for (int i = 1; (name = lua_getupvalue(L, function, i)) != NULL; i++) {
    const void *upvalue = lua_upvalueid(L, function, i);
    uint64_t *seen = look_up(e, upvalue);
    if (*seen != MOONS__PTRMAP_NONE) {
      put_byte(e, WIRE_JOIN);
      put_varint(e, *seen);
    } else {
      *seen = offset(e);
      put_byte(e, WIRE_UPVALUE);
      if (lua_topointer(L, -1) == globals_of(e)) { /* which it names, capture has told */
        put_byte(e, WIRE_GLOBALS);
        lua_pop(L, 1);
        continue;
      }
      moons__wire_frame frame = {.kind = AT_UPVALUE, .name = name};
      enter(e, &frame);
      moons__wire_value(e, lua_gettop(L), depth);
      leave(e);
    }
    lua_pop(L, 1);
  }
}

/* Whether a function at this depth is the one that a map calls. */
static int is_mapped(const encoder *e, int depth) {
  return e->is_setup && e->sent_index != 0 && e->owner == 0 && depth == 0 && e->number == 1;
}

/* Puts a function, its tag first. */
static void function_put(encoder *e, int index, int depth) {
  lua_State *L = e->L;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_Debug info;
  lua_pushvalue(L, index);
  lua_getinfo(L, ">Su", &info);
  if (e->source == NULL) e->source = info.source;
  e->is_foreign = is_foreign(e, &info);
  int deferred = depth >= MOONS_WIRE_DEPTH;
  e->needs_lists = 1;
  put_byte(e, deferred ? WIRE_DEFERRED_FUNCTION : WIRE_FUNCTION);
  put_byte(e, info.nups);
  uint64_t length_at = offset(e), n_bytes = 0;
  put_bytes(e, &n_bytes, sizeof n_bytes);
  moons__wire_code(e, index, is_mapped(e, depth));
  n_bytes = offset(e) - length_at - sizeof n_bytes;
  memcpy(byte_at(e, length_at), &n_bytes, sizeof n_bytes);
  if (deferred)
    moons__wire_defer(e, index);
  else
    moons__wire_function_content(e, index, depth + 1);
}

void moons__wire_function(encoder *e, int index, int depth) {
  if (e->is_data) moons__wire_refuse(e, "a function is more than data");
  const void *function = lua_topointer(e->L, index);
  if (put_reference(e, function)) return;
  size_t outer = e->owner;
  int is_in_c = lua_iscfunction(e->L, index);
  if ((is_in_c || may_be_named(e, function)) && moons__wire_named(e, index, 0)) return;
  if (is_in_c)
    moons__wire_refuse(
        e, "cannot send a C function of no loaded module (a host adds its own in 'open')");
  function_put(e, index, depth);
  e->owner = outer;
}

/* Globals. */

/* The name counts as sent before its value is put, for that may name it too. */
void moons__wire_global(encoder *e) {
  lua_State *L = e->L;
  lua_rawgeti(L, slot(e, MOONS__SLOT_GLOBALS), ++e->n_globals_done);
  int name = lua_gettop(L), is_metatable = lua_isboolean(L, name);
  if (e->is_setup) {
    lua_pushvalue(L, name);
    lua_pushboolean(L, 1);
    lua_rawset(L, e->sent_index);
  }
  push_global(L, name);
  if (is_metatable) {
    lua_pushnil(L);
    lua_replace(L, name);
    moons__wire_place(e, WIRE_PLACE_GLOBALS_METATABLE, "the metatable of _G");
  } else if (is_pristine(e, name)) {
    int is_absent = lua_isnil(L, name + 1);
    lua_pushnil(L);
    lua_replace(L, name + 1);
    moons__wire_place(e, is_absent ? WIRE_PLACE_ABSENT : WIRE_PLACE_HOST, "global of the host");
  } else {
    moons__wire_place(e, WIRE_PLACE_GLOBAL, "global");
  }
}

/* Encodes a value for trial. Arguments: the encoder, the value. */
static int trial(lua_State *L) {
  encoder *e = lua_touserdata(L, 1);
  lua_settop(L, 2 + MOONS__N_SLOTS);
  moons__wire_value(e, 2, 1);
  moons__wire_later(e, 1);
  return 0;
}

/* The bytes are thrown away: whether a value can be sent is known only by doing it. Each further try has one module less that
** goes by value, so this ends. */
int moons__wire_try(encoder *e, int *holds_by_name) {
  lua_State *L = e->L;
  moons__buffer scratch = {.beside = e->out->beside};
  encoder inner = {.L = L, .out = &scratch, .names = e->names, .base = 3, .is_setup = 1};
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_pushcfunction(L, trial);
  lua_pushlightuserdata(L, &inner);
  lua_pushvalue(L, -3);
  int status = lua_pcall(L, 2, 0, 0);
  int is_better = status != LUA_OK && moons__wire_give_up_module(&inner);
  if (status != LUA_OK && !is_better) lua_pop(L, 1);
  moons__encoder_end(&inner);
  moons__buffer_free(&scratch);
  if (is_better) return moons__wire_try(e, holds_by_name);
  if (holds_by_name != NULL) *holds_by_name = inner.holds_by_name;
  return status == LUA_OK;
}

/* What cannot be sent is left out without a word: nobody knows whether the function asks for it. */
void moons__wire_queue_all_globals(encoder *e) {
  lua_State *L = e->L;
  e->dynamic = 2;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  int globals = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, globals); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING || !moons__wire_try(e, NULL)) continue;
    lua_pushvalue(L, -2);
    queue_named(e, 0);
  }
  if (lua_getmetatable(L, globals)) {
    if (moons__wire_try(e, NULL)) queue_metatable(e);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}
