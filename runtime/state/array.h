/*
** An array in a state: a userdata that knows where in a block outside all states its numbers lie. The state that made the array
** has a handle, which holds the block and may write; a state to which it was sent has a view, which may not. In a state that is
** put back by its bytes a view holds nothing: whoever runs the call holds the block for it, so that neither copying the
** bytes back nor leaving them can leak or free. In a state that is kept it holds the block as a handle does.
**
** An array that maps read cannot be written to, and one that a map writes to cannot be read, but by that map.
*/
#ifndef MOONS_STATE_ARRAY_H
#define MOONS_STATE_ARRAY_H

#include <lua.h>

#include "base/element.h"
#include "system/shared.h"

/* Key in the registry: a light userdata, the block beside which arrays that the state makes have their memory (allocate.h). */
#define MOONS__KEY_BESIDE "moons.beside"

/* What an array is beside its numbers, which lie row by row. */
typedef struct moons__extent {
  moons__element type;
  int is_matrix; /* otherwise it is a list, and counts as rows of one number */
  uint64_t rows, columns;
} moons__extent;

/* How many numbers there are, and how many bytes they take. Returns 0 where that is more than any memory can have. */
int moons__extent_measure(const moons__extent *extent, size_t *n, size_t *n_bytes);

typedef struct moons__array {
  moons__shared *block;
  char *data; /* of the block */
  size_t n;   /* numbers; 0 once it was collected */
  moons__extent extent;
  int holds;                     /* it is a user of the block */
  int may_write;                 /* its state has made it, or got it for its own */
  unsigned n_reading, n_writing; /* open jobs of its state that read it, and that write to it */
} moons__array;

/* Bytes from one row to the next. */
static inline size_t moons__array_row_bytes(const moons__array *a) {
  return (size_t)a->extent.columns * moons__element_bytes(a->extent.type);
}

/* {== In a state ============================================================================== */

/* The metatables of arrays, and of what `rows` gives, have a field with this key: one of the numbers below. */
extern const char moons__array_mark;
enum { MOONS__NO_ARRAY, MOONS__IS_ARRAY, MOONS__IS_ROWS };

/* The array at a stack index, and how it is there: by itself, or as the sequence of its rows. NULL: it is none. */
moons__array *moons__array_at(lua_State *L, int index, int *how);

/* Push a number; a table of `n` numbers; those one by one, for which there must be room. */
void moons__array_push_number(lua_State *L, moons__element type, const char *at);
void moons__array_push_row(lua_State *L, moons__element type, const char *at, size_t n);
void moons__array_push_numbers(lua_State *L, moons__element type, const char *at, size_t n);

/* Writes the value at a stack index. Returns NULL, or why the type cannot hold it, with nothing written: "has a fraction", ... */
const char *moons__array_put(lua_State *L, int index, moons__element type, char *at);

/* Pushes a text for such a value: "2.5", "a string". Returns it. */
const char *moons__array_describe(lua_State *L, int index);

/* Why the array cannot be read, or written to, now; NULL: it can. They wait for calls of maps that have ended, which end soon. */
const char *moons__array_why_not_read(lua_State *L, moons__array *array);
const char *moons__array_why_not_write(lua_State *L, moons__array *array);

/* Raise that as an error at the script's line. */
void moons__array_refuse_reading(lua_State *L, moons__array *array);
void moons__array_refuse_writing(lua_State *L, moons__array *array);

/* Do the same where there is any need to look: a script asks for many numbers. Acquire: what maps have written is there. */
static inline void moons__array_check_reading(lua_State *L, moons__array *a) {
  int is_written = atomic_load_explicit(&a->block->n_writers, memory_order_acquire) > 0;
  if (is_written ||
      (!a->may_write && atomic_load_explicit(&a->block->n_readers, memory_order_relaxed) == 0))
    moons__array_refuse_reading(L, a);
}

static inline void moons__array_check_writing(lua_State *L, moons__array *a) {
  if (!a->may_write || atomic_load_explicit(&a->block->n_writers, memory_order_acquire) > 0 ||
      atomic_load_explicit(&a->block->n_readers, memory_order_acquire) > 0)
    moons__array_refuse_writing(L, a);
  moons__shared_change(a->block);
}

/* Frees what the array holds, and leaves an empty one. */
void moons__array_drop(moons__array *array);

#endif
