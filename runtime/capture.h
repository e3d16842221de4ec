/*
** Which globals a Lua function names, and so what must travel with it. Reads the function's dump
** (lua_dump, Lua 5.4 format); knows no wire.
*/
#ifndef MOONS_CAPTURE_H
#define MOONS_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

/* A name that is used as a global: a constant key of an environment. */
typedef struct moons__capture_name {
  const char *bytes; /* in the dump */
  size_t n_bytes;
} moons__capture_name;

typedef enum moons__capture_result {
  MOONS__CAPTURE_EXACT,   /* the names are all that it can reach */
  MOONS__CAPTURE_DYNAMIC, /* it uses an environment as a value: names may be made while it runs */
  MOONS__CAPTURE_FOREIGN  /* not a dump this reader knows: nothing is known */
} moons__capture_result;

/* Reads a dump, and appends a moons__capture_name to `names` for each time that a global is named.
** `environments` has bit i set where upvalue i of the function is an environment; upvalues beyond 63 are
** taken not to be. Sets *has_strings where the result is EXACT and a string could turn up in the function
** that is neither passed to it nor captured; NULL: nobody asks. Without memory the result is FOREIGN. */
moons__capture_result moons__capture(const void *dump, size_t n_bytes, uint64_t environments,
                                     moons__buffer *names, int *has_strings);

#endif
