/*
** The Lua half of the module, compiled in: made from lua/parallel/ by runtime/module/embed.sh.
*/
#ifndef MOONS_BASE_LUA_SOURCES_H
#define MOONS_BASE_LUA_SOURCES_H

#include <stddef.h>

typedef struct moons__lua_source {
  const char *name; /* of the module: "parallel", "parallel.range", ... */
  const unsigned char *bytes;
  size_t n_bytes;
} moons__lua_source;

/* Ends with a NULL name. */
extern const moons__lua_source moons__lua_sources[];

#endif
