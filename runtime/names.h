/*
** What the loaded modules of a state hold, by name: `math.floor`, `require "json"`, `json.encode`.
** Such values travel as their names and are looked up on the other side.
*/
#ifndef MOONS_NAMES_H
#define MOONS_NAMES_H

#include <lua.h>
#include <stddef.h>

#include "buffer.h"
#include "ptrmap.h"

/* All zero has not looked yet. Belongs to one state. */
typedef struct moons__names {
  moons__ptrmap known;      /* object -> where its path begins in `paths` */
  moons__buffer paths;      /* owned */
  const char *first, *last; /* the lowest and the highest address known of what Lua allocates */
  size_t n_modules;         /* loaded at the last look, and a sum over which they were */
  size_t fingerprint;
} moons__names;

void moons__names_free(moons__names *names);

/* Looks again where other modules are loaded than last time. May raise a memory error. */
void moons__names_refresh(moons__names *names, lua_State *L);

/* Whether a table, userdata or Lua function at this address may be known: quick, and seldom
** wrong. */
static inline int moons__names_may_know(const moons__names *names, const void *object) {
  return (const char *)object >= names->first && (const char *)object <= names->last;
}

/* The path by which the value at `index` can be reached in a loaded module, or NULL. It is
** checked: following it gives that very value. Valid until the next call. Refresh first. May
** raise a memory error. */
const char *moons__names_find(moons__names *names, lua_State *L, int index, size_t *n_bytes);

/* Pushes the value with this path; requires the module where it is not loaded, if that is allowed.
** Raises an error that names the module, or the field that is not there. */
void moons__names_push(lua_State *L, const char *path, size_t n_bytes, int may_require);

/* Whether a path begins at the module `parallel` or one of its parts. */
int moons__names_is_parallel(const char *path, size_t n_bytes);

/* The standard global at which a path begins: "math" for math.floor, "print" for print. NULL
** where it begins at another module. Points into the path. */
const char *moons__names_global(const char *path, size_t n_bytes, size_t *n_name_bytes);

#endif
