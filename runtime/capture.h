/*
** Which globals a Lua function names, and so what must travel with it. Reads the function's dump
** (lua_dump, Lua 5.4 format); knows no wire.
*/
#ifndef MOONS_CAPTURE_H
#define MOONS_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

/* Called for each name that is used as a global: a constant key of an environment. The bytes are
** followed by a zero. */
typedef void moons__capture_name(void *data, const char *name, size_t n_bytes);

typedef enum moons__capture_result {
  MOONS__CAPTURE_EXACT,   /* the names that were told are all it can reach */
  MOONS__CAPTURE_DYNAMIC, /* it uses an environment as a value: names may be made while it runs */
  MOONS__CAPTURE_FOREIGN  /* not a dump this reader knows: nothing is known */
} moons__capture_result;

/* Reads a dump. `environments` has bit i set where upvalue i of the function is an environment;
** upvalues beyond 63 are taken not to be. Sets *has_strings where the result is EXACT and a string
** could turn up in the function that is neither passed to it nor captured; NULL: nobody asks. */
moons__capture_result moons__capture(const void *dump, size_t n_bytes, uint64_t environments,
                                     moons__capture_name *name, void *data, int *has_strings);

#endif
