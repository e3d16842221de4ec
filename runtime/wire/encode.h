/*
** What the files of the encoder share: encode.c, encode_table.c, encode_function.c, encode_code.c, encode_module.c and
** path.c, to which it is private. They call each other in a circle, for values are trees: a table holds functions, which hold tables.
*/
#ifndef MOONS_WIRE_ENCODE_H
#define MOONS_WIRE_ENCODE_H

#include <lua.h>
#include <string.h>

#include "base/buffer.h"
#include "base/ptrmap.h"
#include "sizes.h"
#include "wire/format.h"
#include "wire/raise.h"
#include "wire/wire.h"

/* Stack slots from encoder->base on. Each is nil until it is needed. */
enum {
  MOONS__SLOT_DEFERRED, /* list of objects whose content comes later */
  MOONS__SLOT_GLOBALS,  /* list and set of names of globals to send */
  MOONS__SLOT_MODULES,  /* list and set of names of modules to send */
  MOONS__SLOT_ANCHORS,  /* list of what must live while the message is made */
  MOONS__N_SLOTS
};

/* Free stack slots that a table needs while it is put, without the values in it. */
enum { MOONS__STACK_NEED = 8 };

/* In place of an offset: an object is within its own __marshal. */
#define MOONS__IN_PROGRESS (UINT64_C(1) << 63)

/* {== Shapes: the keys that many tables have in common ======================================= */

_Static_assert(MOONS_WIRE_ALL_SHAPE_KEYS < 255, "one more than the number of keys is a byte");

typedef struct moons__shape {
  unsigned first, n_keys; /* in `keys` */
  int score;              /* falls where tables have other keys too */
} moons__shape;

typedef struct moons__shapes {
  unsigned n_shapes, n_keys;
  moons__shape all[MOONS_WIRE_ALL_SHAPE_KEYS];
  const void *keys[MOONS_WIRE_ALL_SHAPE_KEYS]; /* addresses of strings, which are anchored */
} moons__shapes;

/* {== Where in the value we are =============================================================== */

/* One step on the way from the message's root to the value at hand. */
typedef struct moons__wire_frame {
  struct moons__wire_frame *up;
  enum { AT_INDEX, AT_KEY, AT_METATABLE, AT_UPVALUE, AT_PLACE, AT_MARSHAL, AT_DEFERRED } kind;
  lua_Integer index; /* AT_INDEX; otherwise a stack index of the key; AT_PLACE: of the name */
  const char *name;  /* AT_UPVALUE; AT_PLACE: what is there */
} moons__wire_frame;

static inline void enter(moons__encoder *e, moons__wire_frame *frame) {
  frame->up = e->frame;
  e->frame = frame;
}

static inline void leave(moons__encoder *e) { e->frame = e->frame->up; }

/* Raises the error that the value at hand cannot be sent, and why. */
void moons__wire_refuse(moons__encoder *e, const char *why);

/* {== Bytes =================================================================================== */

static inline char *room(moons__encoder *e, size_t n_bytes) {
  moons__check(e->L, moons__buffer_reserve(e->out, n_bytes));
  return e->out->bytes + e->out->n_bytes;
}

static inline void put_byte(moons__encoder *e, unsigned byte) {
  *room(e, 1) = (char)byte;
  e->out->n_bytes++;
}

static inline void put_bytes(moons__encoder *e, const void *bytes, size_t n_bytes) {
  memcpy(room(e, n_bytes), bytes, n_bytes);
  e->out->n_bytes += n_bytes;
}

static inline void put_varint(moons__encoder *e, uint64_t n) {
  char *at = room(e, 10);
  size_t length = 0;
  for (; n >= 0x80; n >>= 7)
    at[length++] = (char)(n | 0x80);
  at[length++] = (char)n;
  e->out->n_bytes += length;
}

/* A tag and its bytes at once. */
static inline void put_tagged(moons__encoder *e, enum wire_tag tag, const void *bytes,
                              size_t n_bytes) {
  char *at = room(e, 1 + n_bytes);
  at[0] = (char)tag;
  memcpy(at + 1, bytes, n_bytes);
  e->out->n_bytes += 1 + n_bytes;
}

static inline uint64_t offset(const moons__encoder *e) { return e->out->n_bytes - e->start; }

static inline char *byte_at(moons__encoder *e, uint64_t at) {
  return e->out->bytes + e->start + at;
}

/* {== Plain values ============================================================================ */

static inline void put_integer(moons__encoder *e, lua_Integer n) {
  if (n >= INT8_MIN && n <= INT8_MAX) {
    int8_t small = (int8_t)n;
    put_tagged(e, WIRE_INT8, &small, sizeof small);
  } else if (n >= INT32_MIN && n <= INT32_MAX) {
    int32_t medium = (int32_t)n;
    put_tagged(e, WIRE_INT32, &medium, sizeof medium);
  } else {
    put_tagged(e, WIRE_INT64, &n, sizeof n);
  }
}

static inline void put_number(moons__encoder *e, int index) {
  if (lua_isinteger(e->L, index)) {
    put_integer(e, lua_tointeger(e->L, index));
  } else {
    lua_Number n = lua_tonumber(e->L, index);
    put_tagged(e, WIRE_FLOAT, &n, sizeof n);
  }
}

/* Puts a string that is long enough to be sent once. */
void moons__wire_long_string(moons__encoder *e, const char *bytes, size_t n_bytes);

_Static_assert(MOONS_WIRE_SHARED_STRING_BYTES <= 256, "the length of a short string is a byte");

/* Returns the string. */
static inline const char *put_string(moons__encoder *e, int index) {
  size_t n_bytes;
  const char *bytes = lua_tolstring(e->L, index, &n_bytes);
  e->needs |= MOONS__LIBRARIES_LEAST;
  if (n_bytes >= MOONS_WIRE_SHARED_STRING_BYTES) {
    moons__wire_long_string(e, bytes, n_bytes);
    return bytes;
  }
  char *at = room(e, 2 + n_bytes);
  at[0] = WIRE_STRING8;
  at[1] = (char)n_bytes;
  memcpy(at + 2, bytes, n_bytes);
  e->out->n_bytes += 2 + n_bytes;
  return bytes;
}

/* Puts the value at a stack index where it holds no others; returns 0 where it is not such a
** one. */
static inline int put_plain(moons__encoder *e, int index, int type) {
  switch (type) {
  case LUA_TNIL: put_byte(e, WIRE_NIL); return 1;
  case LUA_TBOOLEAN: put_byte(e, lua_toboolean(e->L, index) ? WIRE_TRUE : WIRE_FALSE); return 1;
  case LUA_TNUMBER: put_number(e, index); return 1;
  case LUA_TSTRING: put_string(e, index); return 1;
  default: return 0;
  }
}

/* {== Objects met before ====================================================================== */

/* The number kept for an object, to be read or set. */
static inline uint64_t *look_up(moons__encoder *e, const void *object) {
  uint64_t *seen = moons__seen_at(&e->seen, object);
  moons__check(e->L, seen == NULL ? MOONS_ENOMEM : 0);
  return seen;
}

static inline void remember(moons__encoder *e, const void *object, uint64_t at) {
  *look_up(e, object) = at;
}

/* Puts a reference to an object that has been met before. Otherwise remembers that it is at this
** offset, and returns 0. */
static inline int put_reference(moons__encoder *e, const void *object) {
  uint64_t *seen = look_up(e, object), at = *seen;
  if (at == MOONS__PTRMAP_NONE) {
    *seen = offset(e);
    return 0;
  }
  if (at & MOONS__IN_PROGRESS)
    moons__wire_refuse(e, "cannot send a value whose __marshal returns itself");
  *byte_at(e, at) |= (char)WIRE_SHARED;
  e->needs_lists = 1;
  put_byte(e, WIRE_REF);
  put_varint(e, at);
  return 1;
}

/* Whether an object that Lua has allocated may have a name in a module: quick, and seldom wrong. */
static inline int may_be_named(const moons__encoder *e, const void *object) {
  if (e->names == NULL) return 0;
  if (e->own_start != NULL) {
    const char *at = object;
    if (at < (const char *)e->own_start || at >= (const char *)e->own_end) return 0;
  }
  return !e->names_refreshed || moons__names_may_know(e->names, object);
}

/* The address of the table of globals. */
static inline const void *globals_of(moons__encoder *e) {
  if (e->globals != NULL) return e->globals;
  lua_rawgeti(e->L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  e->globals = lua_topointer(e->L, -1);
  lua_pop(e->L, 1);
  return e->globals;
}

/* {== The stack =============================================================================== */

/* Makes sure of a few free slots above `top`. */
static inline void need_stack(moons__encoder *e, int top) {
  if (top + MOONS__STACK_NEED <= e->stack_limit) return;
  luaL_checkstack(e->L, LUA_MINSTACK, NULL);
  e->stack_limit = lua_gettop(e->L) + LUA_MINSTACK;
}

/* {== Lists =================================================================================== */

static inline int slot(const moons__encoder *e, int which) { return e->base + which; }

/* Appends the value on top, which it pops, to the list of `n` values in a slot; returns its
** number. */
lua_Integer moons__wire_list_add(moons__encoder *e, int which, lua_Integer n);

/* Leaves the content of the object at a stack index for later. */
void moons__wire_defer(moons__encoder *e, int index);

/* Keeps the value on top, which it pops, alive until the message is made: addresses in `seen`
** and in shapes must not be used again. */
void moons__wire_anchor(moons__encoder *e);

/* {== Values ================================================================================== */

/* Each puts the value at a stack index; `depth` is how deep it lies. */
void moons__wire_value(moons__encoder *e, int index, int depth);
void moons__wire_table(moons__encoder *e, int index, int depth, int as_metatable);
void moons__wire_function(moons__encoder *e, int index, int depth);

/* The same where that is how the value travels; returns 0 where it is not. */
int moons__wire_array(moons__encoder *e, int index, int depth);        /* an array, or its rows */
int moons__wire_named(moons__encoder *e, int index, int as_metatable); /* by its name in a module */
int moons__wire_marshalled(moons__encoder *e, int index, int depth);   /* by its __marshal */

/* The content of a table or a function whose tag has been put. */
void moons__wire_table_content(moons__encoder *e, int table, int depth);
void moons__wire_function_content(moons__encoder *e, int function, int depth);

/* Puts the dump of the function at a stack index, and notes what it needs. `is_mapped`: it is the one that a map calls. */
void moons__wire_code(moons__encoder *e, int function, int is_mapped);

/* Puts what comes after the values: content left for later, and globals. */
void moons__wire_later(moons__encoder *e, int depth);

/* Puts the value on top, which it pops, for a place; its name is below it, and is popped too. `what` is there, for
** errors. */
void moons__wire_place(moons__encoder *e, enum wire_place where, const char *what);

/* {== Globals and modules ===================================================================== */

/* Queues the key on top, which it pops, in a slot, unless it was before; `n` have been. Returns how many have been now. */
lua_Integer moons__wire_queue(moons__encoder *e, int which, lua_Integer n);

/* Notes that a function names this global, or requires the module of this name. */
void moons__wire_note_name(moons__encoder *e, const char *name, size_t n_bytes, int is_module);

/* Notes that the values can reach what this standard name reaches. */
void moons__wire_note_library(moons__encoder *e, const char *name, size_t n_bytes);

/* Puts the next of the globals that are queued. */
void moons__wire_global(moons__encoder *e);

/* Notes that a function can reach globals by names that it makes: all of them count then, unless it is a module's. */
void moons__wire_note_dynamic(moons__encoder *e);

/* At the end of a set-up: warns where such a module has globals of the script's to miss. */
void moons__wire_warn_of_globals(moons__encoder *e);

/* Whether the value on top can be sent. Modules in it that cannot go by value are given up for that. Tells whether it
** holds something of one that goes by name; NULL: nobody asks. */
int moons__wire_try(moons__encoder *e, int *holds_by_name);

/* Queues all globals of the script that can be sent: a function may ask for any of them. */
void moons__wire_queue_all_globals(moons__encoder *e);

/* Notes that a function requires the module of this name. */
void moons__wire_require(moons__encoder *e, const char *name, size_t n_bytes);

/* Queues the module at a stack index; and all that are written in Lua. */
void moons__wire_queue_module(moons__encoder *e, int index);
void moons__wire_queue_all_modules(moons__encoder *e);

/* Queues those that must be there before the first value of a set-up; returns whether there are any. */
int moons__wire_queue_first(moons__encoder *e);

/* Puts the next of the modules that are queued. */
void moons__wire_module(moons__encoder *e);

#endif
