/*
** Which globals a Lua function names, and so what must travel with it. Reads the function's dump
** (lua_dump, Lua 5.4 format); knows no wire.
*/
#ifndef MOONS_WIRE_CAPTURE_H
#define MOONS_WIRE_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* A name that is used as a global: a constant key of an environment; or that of a module which the function
** requires: the constant argument of a call of the global `require`. */
typedef struct moons__capture_name {
  const char *bytes; /* in the dump */
  size_t n_bytes;
  int is_module;
} moons__capture_name;

/* What a function does besides naming globals. */
typedef struct moons__capture_uses {
  int has_clock; /* the constant "clock" is in it */
  int has_random; /* it may draw random numbers: "random" is in it, or the library `math` other than `math.NAME` */
  int has_strings; /* a string could turn up in it that is neither passed to it nor captured */
  int requires; /* it uses `require` in another way than to call it with a constant: names are not known */
} moons__capture_uses;

typedef enum moons__capture_result {
  MOONS__CAPTURE_EXACT,   /* the names are all that it can reach */
  MOONS__CAPTURE_DYNAMIC, /* it uses an environment as a value: names may be made while it runs */
  MOONS__CAPTURE_FOREIGN  /* not a dump this reader knows: nothing is known */
} moons__capture_result;

/* Reads a dump, and appends a moons__capture_name to `names` for each time that a global is named.
** `environments` has bit i set where upvalue i of the function is an environment; upvalues beyond 63 are
** taken not to be. Fills in *uses where the result is not FOREIGN; NULL: nobody asks. Without memory the result is
** FOREIGN. */
moons__capture_result moons__capture(const void *dump, size_t n_bytes, uint64_t environments,
                                     moons__buffer *names, moons__capture_uses *uses);

#endif
