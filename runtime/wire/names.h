/*
** What the loaded modules of a state hold, by name: `math.floor`, `lpeg.match`, `shapes.Square`; and of what kind
** each module is. Values that both sides have travel as their names and are looked up on the other side.
*/
#ifndef MOONS_WIRE_NAMES_H
#define MOONS_WIRE_NAMES_H

#include <lua.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/ptrmap.h"

/* What a loaded module is. */
typedef enum moons__module_kind {
  MOONS__MODULE_STANDARD, /* a standard library, or the globals */
  MOONS__MODULE_SHARED,   /* each state has its own: `parallel`, and what the host has loaded */
  MOONS__MODULE_LIBRARY,  /* written in C, though it may hold more */
  MOONS__MODULE_LUA       /* written in Lua */
} moons__module_kind;

typedef struct moons__module {
  moons__module_kind kind;
  size_t path;       /* where in `paths` the path of the module itself begins */
  int goes_by_name;  /* of kind LUA or LIBRARY: something in it cannot travel by value */
  int holds_others;  /* in a set-up that is made: it holds something of such a module */
  int came_by_value; /* of kind LUA: it came with a set-up */
} moons__module;

/* Zero-initialised: has not looked yet. Belongs to one state. */
typedef struct moons__names {
  moons__ptrmap known;      /* object -> where its path begins in `paths` */
  moons__buffer paths;      /* owned */
  moons__buffer modules;    /* of moons__module; owned */
  const char *first, *last; /* the lowest and the highest address known of what Lua allocates */
  int n_by_name;            /* modules that were noted to go by name */
  int has_looked;
  lua_Integer sum; /* of package.loaded at the last look (fields.h) */
} moons__names;

/* A value that is known. */
typedef struct moons__name {
  const char *
      path; /* the module's name, and then a zero byte and a key for each step down; ends with a zero byte that
                       is not counted. Valid until the next look */
  size_t n_bytes;
  size_t module; /* the number of the one that holds it */
  int is_module; /* it is the module itself */
} moons__name;

/* From now on memory for them is made beside this block (allocate.h). */
void moons__names_use(moons__names *names, const void *beside);

void moons__names_free(moons__names *names);

/* What they hold: a few ten KB where the standard libraries are loaded, once they were needed. */
size_t moons__names_bytes(const moons__names *names);

/* Looks again where other modules are loaded than last time. May raise a memory error. */
void moons__names_refresh(moons__names *names, lua_State *L);

/* Whether a table, userdata or Lua function at this address may be known: quick, and seldom
** wrong. */
static inline int moons__names_may_know(const moons__names *names, const void *object) {
  return (const char *)object >= names->first && (const char *)object <= names->last;
}

/* Finds the name by which the value at `index` can be reached in a loaded module; returns 0 where there is none. It is
** checked: following its path gives that very value. Refresh first. May raise a memory error. */
int moons__names_find(moons__names *names, lua_State *L, int index, moons__name *name);

/* The n-th module, from 0; NULL where there is none. */
moons__module *moons__names_module(const moons__names *names, size_t n);

/* The number of the module with this name, counted from 1; 0: there is none. */
size_t moons__names_number(const moons__names *names, const char *name, size_t n_bytes);

/* Its name in package.loaded. Valid until the next look. */
const char *moons__names_of_module(const moons__names *names, const moons__module *module);

/* Pushes the value with this path; requires the module where it is not loaded, if that is allowed.
** Raises an error that names the module, or the field that is not there. */
void moons__names_push(lua_State *L, const char *path, size_t n_bytes, int may_require);

/* Takes note that the modules which are loaded now are the host's: states on the other side have them too. */
void moons__names_note_host(lua_State *L);

/* Takes note that the module came by value: its name and the module itself are on top, and are popped. */
void moons__names_note_received(lua_State *L);

/* Takes note that a module goes by name, until that is forgotten of all. */
void moons__names_note_by_name(moons__names *names, lua_State *L, moons__module *module);
void moons__names_forget_by_name(moons__names *names, lua_State *L);

/* Whether a name begins at the module `parallel` or one of its parts. */
int moons__names_is_parallel(const char *name);

/* The standard global at which a name begins: "math" for math.floor, "print" for print. NULL where it begins at another
** module. Points into the path. */
const char *moons__names_global(const moons__name *name);

#endif
