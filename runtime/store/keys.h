/*
** The keys of a table in an order that depends on the keys alone: not on the seed of hashes, nor on how the table came about.
*/
#ifndef MOONS_STORE_KEYS_H
#define MOONS_STORE_KEYS_H

#include <lua.h>

#include "base/buffer.h"

/* In this order. */
typedef enum moons__key_kind {
  MOONS__KEY_INTEGER,
  MOONS__KEY_FLOAT,
  MOONS__KEY_STRING,
  MOONS__KEY_BOOLEAN,
  MOONS__KEY_OBJECT
} moons__key_kind;

typedef struct moons__key {
  moons__key_kind kind;
  union {
    lua_Integer integer; /* a boolean too; of an object its place in the table of objects */
    lua_Number number;
  } is;
  const char *
      bytes; /* of a string; of an object what it is ordered by. The table, or that of objects, holds them */
  size_t n_bytes;
} moons__key;

/* How many fields a table at a stack index has from 1 on, none of them nil. */
lua_Integer moons__keys_length(lua_State *L, int table);

/* Pushes a string to order an object by: the key at -2, with its value at -1. Those that are alike stay in any order. */
typedef void moons__key_order(lua_State *L, void *data);

/* Appends the keys of the table at stack index `table` but those from 1 to `n`, sorted, to `keys`, and pushes a table of those
** that are objects, or nil. Returns how many keys. Raises errors; `keys` must be owned by what survives them. */
size_t moons__keys_collect(lua_State *L, int table, lua_Integer n, moons__buffer *keys,
                           moons__key_order *order, void *data);

/* Pushes a key; `objects` is the stack index of the table of objects. */
void moons__key_push(lua_State *L, const moons__key *key, int objects);

#endif
