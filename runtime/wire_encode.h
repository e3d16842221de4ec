/*
** What the files of the encoder share. Private to wire_encode.c, wire_encode_table.c,
** wire_encode_function.c and wire_path.c.
*/
#ifndef MOONS_WIRE_ENCODE_H
#define MOONS_WIRE_ENCODE_H

#include <lua.h>
#include <string.h>

#include "buffer.h"
#include "ptrmap.h"
#include "raise.h"
#include "wire.h"
#include "wire_format.h"

/* Stack slots from encoder->base on. Each is nil until it is needed. */
enum {
  MOONS__SLOT_DEFERRED, /* list of objects whose content comes later */
  MOONS__SLOT_GLOBALS,  /* list and set of names of globals to send */
  MOONS__SLOT_ANCHORS,  /* list of what __marshal returned: must live while the message is made */
  MOONS__N_SLOTS
};

/* In place of a place: an object is within its own __marshal. */
#define MOONS__IN_PROGRESS (UINT64_C(1) << 63)

/* {== Where in the value we are =============================================================== */

/* One step on the way from the message's root to the value at hand. */
typedef struct moons__wire_frame {
  struct moons__wire_frame *up;
  enum { AT_INDEX, AT_KEY, AT_METATABLE, AT_UPVALUE, AT_GLOBAL, AT_MARSHAL, AT_DEFERRED } kind;
  lua_Integer index; /* AT_INDEX; otherwise a stack index of the key */
  const char *name;  /* AT_UPVALUE, AT_GLOBAL */
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

static inline uint64_t place(const moons__encoder *e) { return e->out->n_bytes - e->start; }

static inline char *byte_at(moons__encoder *e, uint64_t at) {
  return e->out->bytes + e->start + at;
}

/* {== Objects met before ====================================================================== */

static inline void remember(moons__encoder *e, const void *object, uint64_t at) {
  moons__check(e->L, moons__ptrmap_put(&e->seen, object, at));
}

/* Puts a reference to an object that has been sent; returns 0 where it has not. */
static inline int put_reference(moons__encoder *e, const void *object) {
  uint64_t at = moons__ptrmap_get(&e->seen, object);
  if (at == MOONS__PTRMAP_NONE) return 0;
  if (at & MOONS__IN_PROGRESS)
    moons__wire_refuse(e, "cannot send a value whose __marshal returns itself");
  *byte_at(e, at) |= (char)WIRE_SHARED;
  put_byte(e, WIRE_REF);
  put_varint(e, at);
  return 1;
}

/* {== Lists =================================================================================== */

static inline int slot(const moons__encoder *e, int which) { return e->base + which; }

/* Appends the value on top, which it pops, to the list of `n` values in a slot; returns its number. */
lua_Integer moons__wire_list_add(moons__encoder *e, int which, lua_Integer n);

/* Leaves the content of the object at a stack index for later. */
void moons__wire_defer(moons__encoder *e, int index);

/* {== Values ================================================================================== */

/* Each puts the value at a stack index; `depth` is how deep it lies. */
void moons__wire_value(moons__encoder *e, int index, int depth);
void moons__wire_string(moons__encoder *e, int index);
void moons__wire_table(moons__encoder *e, int index, int depth, int as_metatable);
void moons__wire_function(moons__encoder *e, int index, int depth);

/* The same where that is how the value travels; returns 0 where it is not. */
int moons__wire_named(moons__encoder *e, int index);                 /* by its name in a module */
int moons__wire_marshalled(moons__encoder *e, int index, int depth); /* by its __marshal */

/* The content of a table or a function whose tag has been put. */
void moons__wire_table_content(moons__encoder *e, int table, int depth, int as_metatable);
void moons__wire_function_content(moons__encoder *e, int function, int depth);

/* Puts what comes after the values: content left for later, and globals. */
void moons__wire_later(moons__encoder *e, int depth);

/* {== Globals ================================================================================= */

/* Notes that the values can reach what this standard name reaches. */
void moons__wire_note_library(moons__encoder *e, const char *name, size_t n_bytes);

/* Puts the next of the globals that are queued. */
void moons__wire_global(moons__encoder *e, int depth);

/* Queues all globals of the script that can be sent: a function may ask for any of them. */
void moons__wire_queue_all_globals(moons__encoder *e);

#endif
