/*
** One pass over the values, with no look ahead: what is met again is a reference to its offset. Values that lie too deep
** are left for later, and globals and modules are queued and follow in the same message, so that sharing holds for all.
** Most messages are small and plain: nothing is allocated, and no list begun, before a value needs it. Errors are raised
** wherever they come up; what the encoder holds is freed by moons__encoder_end alone.
*/
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/allocate.h"
#include "sizes.h"
#include "state/view.h"
#include "wire/encode.h"

enum { MARSHAL_DEPTH = MOONS_WIRE_DEPTH + 32 }; /* nesting through __marshal needs the C stack */

typedef moons__encoder encoder;

/* Lists. */

lua_Integer moons__wire_list_add(encoder *e, int which, lua_Integer n) {
  lua_State *L = e->L;
  if (lua_isnil(L, slot(e, which))) {
    lua_newtable(L);
    lua_replace(L, slot(e, which));
  }
  lua_rawseti(L, slot(e, which), n + 1);
  return n + 1;
}

/* The module that holds it is kept beside it: when its content comes, errors must still blame that. */
void moons__wire_defer(encoder *e, int index) {
  e->needs_lists = 1;
  moons__check(e->L, moons__buffer_append(&e->owners, &e->owner, sizeof e->owner));
  lua_pushvalue(e->L, index);
  e->n_deferred = moons__wire_list_add(e, MOONS__SLOT_DEFERRED, e->n_deferred);
}

/* Plain values. */

void moons__wire_long_string(encoder *e, const char *bytes, size_t n_bytes) {
  if (put_reference(e, bytes)) return;
  put_byte(e, WIRE_STRING);
  put_varint(e, n_bytes);
  put_bytes(e, bytes, n_bytes);
}

/* Values that rebuild themselves. */

/* Pushes the metamethod; returns 0, and pushes nothing, where there is none. */
static int push_marshal(lua_State *L, int index) {
  if (!lua_getmetatable(L, index)) return 0;
  lua_pushliteral(L, "__marshal");
  if (lua_rawget(L, -2) == LUA_TNIL) {
    lua_pop(L, 2);
    return 0;
  }
  lua_remove(L, -2);
  return 1;
}

static int is_callable_on_top(lua_State *L) {
  if (lua_isfunction(L, -1)) return 1;
  int is_callable = luaL_getmetafield(L, -1, "__call") != LUA_TNIL;
  lua_pop(L, is_callable);
  return is_callable;
}

void moons__wire_anchor(encoder *e) {
  lua_State *L = e->L;
  int anchors = slot(e, MOONS__SLOT_ANCHORS);
  moons__wire_list_add(e, MOONS__SLOT_ANCHORS,
                       lua_istable(L, anchors) ? (lua_Integer)lua_rawlen(L, anchors) : 0);
}

/* Anchors the values between two stack indices. */
static void anchor(encoder *e, int first, int last) {
  lua_State *L = e->L;
  lua_createtable(L, last - first + 1, 0);
  for (int i = first; i <= last; i++) {
    lua_pushvalue(L, i);
    lua_rawseti(L, -2, i - first + 1);
  }
  moons__wire_anchor(e);
}

/* The metamethod is on top; it is popped. A string in its place says why the value cannot be sent. What it returns may refer
** to anything but the value itself, which does not exist on the other side before the function has been called there: so its
** offset is marked meanwhile. That call wants its arguments whole, so what was left for later in them is put here and not at
** the end of the message. */
static void encode_marshalled(encoder *e, int index, int depth) {
  lua_State *L = e->L;
  if (lua_type(L, -1) == LUA_TSTRING) moons__wire_refuse(e, lua_tostring(L, -1));
  if (!is_callable_on_top(L)) moons__wire_refuse(e, "its __marshal must be a function");
  if (depth >= MARSHAL_DEPTH)
    moons__wire_refuse(e, "cannot send values nested so deeply through __marshal");
  uint64_t at = offset(e);
  const void *object = lua_topointer(L, index);
  remember(e, object, at | MOONS__IN_PROGRESS);
  moons__wire_frame frame = {.kind = AT_MARSHAL};
  enter(e, &frame);
  int first = lua_gettop(L);
  lua_pushvalue(L, index);
  if (e->has_stopped_collector) lua_gc(L, LUA_GCRESTART);
  lua_call(L, 1, LUA_MULTRET);
  if (e->has_stopped_collector) lua_gc(L, LUA_GCSTOP);
  int last = lua_gettop(L);
  if (last < first || !lua_isfunction(L, first)) {
    leave(e); /* the value is to blame, not what it has returned */
    moons__wire_refuse(e, "its __marshal must return a function and that function's arguments");
  }
  need_stack(e, last + LUA_MINSTACK);
  anchor(e, first, last);
  put_byte(e, WIRE_MARSHAL);
  put_varint(e, (uint64_t)(last - first + 1));
  for (int i = first; i <= last; i++)
    moons__wire_value(e, i, depth + 1);
  moons__wire_later(e, depth + 1);
  leave(e);
  remember(e, object, at);
  lua_settop(L, first - 1);
}

int moons__wire_marshalled(encoder *e, int index, int depth) {
  need_stack(e, index);
  if (!push_marshal(e->L, index)) return 0;
  if (e->is_data) moons__wire_refuse(e, "a value with __marshal is more than data");
  encode_marshalled(e, index, depth);
  return 1;
}

/* Others. */

static void refuse_userdata(encoder *e, int index) {
  lua_State *L = e->L;
  const char *name = NULL;
  if (luaL_getmetafield(L, index, "__name") == LUA_TSTRING) name = lua_tostring(L, -1);
  if (name != NULL)
    lua_pushfstring(L, "cannot send a userdata (%s)", name);
  else
    lua_pushliteral(L, "cannot send a userdata");
  moons__wire_refuse(e, lua_tostring(L, -1));
}

/* A name of a view means nothing to a host that waits for its numbers. */
static int is_kept_from_home(const encoder *e, int index) {
  return e->gives_away && moons__view_is(e->L, index);
}

static void encode_userdata(encoder *e, int index, int depth) {
  const void *userdata = lua_topointer(e->L, index);
  if (e->is_data) moons__wire_refuse(e, "a userdata is more than data");
  if (put_reference(e, userdata) || moons__wire_array(e, index, depth)) return;
  int is_nameable = may_be_named(e, userdata) && !is_kept_from_home(e, index);
  if (is_nameable && moons__wire_named(e, index, 0)) return;
  if (!moons__wire_marshalled(e, index, depth)) refuse_userdata(e, index);
}

/* A handle of the host's, which means the same to all states of the process; NULL, as of libraries that have a value for it,
** means the same everywhere. */
static void put_pointer(encoder *e, int index) {
  const void *pointer = lua_topointer(e->L, index);
  if (e->leaves_process && pointer != NULL)
    moons__wire_refuse(e,
                       "cannot send a light userdata to another process, where it means nothing");
  put_tagged(e, WIRE_POINTER, &pointer, sizeof pointer);
}

void moons__wire_value(encoder *e, int index, int depth) {
  int type = lua_type(e->L, index);
  if (put_plain(e, index, type)) return;
  switch (type) {
  case LUA_TTABLE: moons__wire_table(e, index, depth, 0); break;
  case LUA_TFUNCTION: moons__wire_function(e, index, depth); break;
  case LUA_TUSERDATA: encode_userdata(e, index, depth); break;
  case LUA_TLIGHTUSERDATA:
    if (!moons__wire_named(e, index, 0)) put_pointer(e, index);
    break;
  default: moons__wire_refuse(e, "cannot send a coroutine");
  }
}

/* What comes after the values. */

/* Where the object lay is not kept, so the path in an error begins with "...". */
static void encode_deferred(encoder *e, int depth) {
  lua_State *L = e->L;
  moons__wire_frame frame = {.kind = AT_DEFERRED}, *outer = e->frame;
  memcpy(&e->owner, e->owners.bytes + (size_t)e->n_done * sizeof e->owner, sizeof e->owner);
  lua_rawgeti(L, slot(e, MOONS__SLOT_DEFERRED), ++e->n_done);
  e->frame = NULL;
  enter(e, &frame);
  put_byte(e, WIRE_CONTENT);
  int object = lua_gettop(L);
  if (lua_istable(L, object))
    moons__wire_table_content(e, object, depth);
  else
    moons__wire_function_content(e, object, depth);
  e->frame = outer;
  e->owner = 0;
  lua_pop(L, 1);
}

void moons__wire_place(encoder *e, enum wire_place where, const char *what) {
  int name = lua_gettop(e->L) - 1;
  moons__wire_frame frame = {.kind = AT_PLACE, .name = what, .index = name}, *outer = e->frame;
  e->needs_lists = 1;
  put_byte(e, WIRE_PLACE);
  put_byte(e, (unsigned)where);
  moons__libraries needs = e->needs;
  moons__wire_value(e, name, 1);
  e->needs = needs; /* a name is no value */
  e->frame = NULL;
  enter(e, &frame);
  moons__wire_value(e, name + 1, 1);
  e->frame = outer;
  lua_settop(e->L, name - 1);
}

/* Each step may add to any of the lists, so all are asked again until none has anything left. What goes along with a set-up
** (put_more) is asked for at the end of the message alone, and not within a __marshal, where there is a frame. */
void moons__wire_later(encoder *e, int depth) {
  for (;;) {
    if (e->n_done < e->n_deferred)
      encode_deferred(e, depth);
    else if (e->n_globals_done < e->n_globals)
      moons__wire_global(e);
    else if (e->dynamic == 1 && e->sent_index != 0)
      moons__wire_queue_all_globals(e);
    else if (e->n_modules_done < e->n_modules)
      moons__wire_module(e);
    else if (e->put_more == NULL || e->frame != NULL || !e->put_more(e))
      break;
  }
  put_byte(e, WIRE_END);
}

/* Messages. */

void moons__encoder_begin(moons__encoder *e) {
  lua_State *L = e->L;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  int top = lua_gettop(L);
  e->base = top + 1;
  e->stack_limit = top + LUA_MINSTACK;
  e->globals = NULL;
  moons__seen_use(&e->seen, e->out->beside);
  e->first_keys.beside = e->captured.beside = e->owners.beside = e->out->beside;
  lua_settop(L, top + MOONS__N_SLOTS);
}

void moons__encoder_end(moons__encoder *e) {
  moons__seen_free(&e->seen);
  moons__ptrmap_free(&e->first_keys);
  moons__buffer_free(&e->captured);
  moons__buffer_free(&e->owners);
  moons__free(e->shapes);
  e->shapes = NULL;
  moons__shared_list_release(e->shared);
  e->shared = NULL;
}

/* An encoder makes many messages, most of which leave its slots empty: these are cleared only where something is in
** them. */
static void start_message(encoder *e) {
  moons__seen_clear(&e->seen);
  moons__ptrmap_clear(&e->first_keys);
  if (e->n_deferred + e->n_globals + e->n_modules > 0 ||
      !lua_isnil(e->L, slot(e, MOONS__SLOT_ANCHORS)))
    for (int i = 0; i < MOONS__N_SLOTS; i++) {
      lua_pushnil(e->L);
      lua_replace(e->L, slot(e, i));
    }
  e->n_deferred = e->n_done = e->n_globals = e->n_globals_done = e->n_modules = e->n_modules_done =
      0;
  e->dynamic = e->requires_any = e->holds_by_name = e->needs_lists = 0;
  e->owner = e->refused_module = e->dynamic_module = e->owners.n_bytes = 0;
  e->is_foreign = 0;
  e->source = NULL;
  if (e->shapes != NULL) e->shapes->n_shapes = e->shapes->n_keys = 0;
  e->frame = NULL;
  e->start = e->out->n_bytes;
}

void moons__encode(moons__encoder *e, int first, int n_values, const char *what) {
  start_message(e);
  e->what = what;
  need_stack(e, first + n_values - 1);
  put_byte(e, 0); /* `lists`, known at the end */
  put_varint(e, (uint64_t)n_values);
  if (e->put_first != NULL) e->put_first(e);
  for (int i = 0; i < n_values; i++) {
    e->number = i + 1;
    moons__wire_value(e, first + i, 0);
  }
  moons__wire_later(e, 1);
  unsigned n_keys = e->shapes != NULL ? e->shapes->n_keys : 0;
  if (e->needs_lists || n_keys > 0) *byte_at(e, 0) = (char)(1 + n_keys);
}

void moons__classes_free(moons__classes *classes) { moons__ptrmap_free(&classes->numbers); }
