/*
** An array goes by its block: the message has the block's place in a list beside it, and its id, so that messages are equal only
** where they speak of the same memory. What a call has made for itself is copied when it is returned, for a state that is kept
** could write to it afterwards.
*/
#include "wire/encode.h"

typedef moons__encoder encoder;

/* Adds a block to the list; returns its place there. */
static unsigned add_block(encoder *e, moons__shared *block) {
  unsigned n = e->shared != NULL ? e->shared->n : 0;
  moons__check(e->L, moons__shared_list_add(&e->shared, block));
  return e->n_shared_before + n;
}

/* The same for a copy, which is the list's alone; *block becomes that. */
static unsigned add_copy(encoder *e, moons__shared **block) {
  moons__shared *copy = moons__shared_new(*block, (*block)->n_bytes);
  if (copy == NULL) {
    moons__check(e->L, MOONS_ENOMEM);
    return 0;
  }
  if (copy->n_bytes > 0) memcpy(copy->bytes, (*block)->bytes, copy->n_bytes);
  unsigned n = e->shared != NULL ? e->shared->n : 0;
  int error = moons__shared_list_add(&e->shared, copy);
  moons__shared_release(copy);
  moons__check(e->L, error);
  *block = copy;
  return e->n_shared_before + n;
}

/* Counts the array at a stack index as read by the job, and keeps it for that. */
static void note_read(encoder *e, int index, moons__array *a) {
  lua_State *L = e->L;
  if (e->arrays == NULL) return;
  lua_pushvalue(L, index);
  int is_new = lua_rawget(L, e->class_index) == LUA_TNIL;
  lua_pop(L, 1);
  if (!is_new) return;
  lua_pushvalue(L, index);
  lua_pushboolean(L, 1);
  lua_rawset(L, e->class_index);
  moons__check(L, moons__buffer_append(e->arrays, &a, sizeof a));
  a->n_reading++;
}

static const char *why_not_send(const encoder *e, moons__array *a) {
  if (e->goes_alone)
    return "an array cannot be sent with an error of 'init'; send its numbers in a table";
  if (a != e->sink) return moons__array_why_not_read(e->L, a);
  return "the array is that of the option 'into': what calls found in it would depend on which "
         "others "
         "have ended; send a copy, or have the results put into another one";
}

/* The block goes beside the message: its place there, and its id, by which the other side sees that it is the one that is meant. */
static void put_array(encoder *e, int index, moons__array *a) {
  const char *why = why_not_send(e, a);
  if (why != NULL) moons__wire_refuse(e, why);
  moons__shared *block = a->block;
  int is_given = e->gives_away && a->may_write;
  unsigned place = is_given ? add_copy(e, &block) : add_block(e, block);
  note_read(e, index, a);
  put_byte(e, WIRE_NUMBERS);
  put_varint(e, place);
  put_bytes(e, &block->id, sizeof block->id);
  put_byte(e, (unsigned)a->extent.type);
  put_byte(e, (a->extent.is_matrix ? WIRE_IS_MATRIX : 0u) | (is_given ? WIRE_IS_OWN : 0u));
  put_varint(e, a->extent.rows);
  put_varint(e, a->extent.columns);
  e->needs |= MOONS__LIBRARIES_ARRAYS | MOONS__LIBRARIES_LEAST;
}

int moons__wire_array(encoder *e, int index, int depth) {
  int how;
  need_stack(e, index);
  moons__array *a = moons__array_at(e->L, index, &how);
  if (how == MOONS__NO_ARRAY) return 0;
  if (how == MOONS__IS_ARRAY) {
    put_array(e, index, a);
    return 1;
  }
  put_byte(e, WIRE_ROWS);
  lua_getiuservalue(e->L, index, 1);
  moons__wire_value(e, lua_gettop(e->L), depth + 1);
  lua_pop(e->L, 1);
  return 1;
}
