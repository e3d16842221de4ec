/*
** The standard libraries: which there are, which globals they set, and opening some of them.
*/
#ifndef MOONS_STATE_LIBRARIES_H
#define MOONS_STATE_LIBRARIES_H

#include <lua.h>
#include <stddef.h>

/* A set of libraries: one bit each. */
typedef unsigned moons__libraries;

/* What every state has that may hold a string: base and string. */
#define MOONS__LIBRARIES_LEAST ((moons__libraries)3)
#define MOONS__LIBRARIES_MATH ((moons__libraries)1 << 4)
#define MOONS__LIBRARIES_OS ((moons__libraries)1 << 6)
#define MOONS__LIBRARIES_IO ((moons__libraries)1 << 7)
#define MOONS__LIBRARIES_DEBUG ((moons__libraries)1 << 8)
#define MOONS__LIBRARIES_PACKAGE ((moons__libraries)1 << 9)
#define MOONS__LIBRARIES_ALL ((moons__libraries)0x3FF)

/* Through which calls reach what is not Lua's own: files, programs, C libraries, other states. */
#define MOONS__LIBRARIES_OUTSIDE                                                                   \
  (MOONS__LIBRARIES_OS | MOONS__LIBRARIES_IO | MOONS__LIBRARIES_DEBUG | MOONS__LIBRARIES_PACKAGE | \
   MOONS__LIBRARIES_PARALLEL)

/* Not a standard library, and not opened here: calls of the module `parallel` will be made. */
#define MOONS__LIBRARIES_PARALLEL ((moons__libraries)1 << 10)

/* Nor this: a program names a field or a global `clock`, which may be os.clock. */
#define MOONS__LIBRARIES_CLOCK ((moons__libraries)1 << 11)

/* Nor this: a program may draw random numbers with math.random, so each call has to be seeded. */
#define MOONS__LIBRARIES_RANDOM ((moons__libraries)1 << 12)

/* Nor this: arrays come to the state. */
#define MOONS__LIBRARIES_ARRAYS ((moons__libraries)1 << 13)

/* The libraries that a program needs which names this global; all of them where the global can
** reach anything (require, load, _G, debug, ...). 0: no standard name. */
moons__libraries moons__libraries_of_global(const char *name, size_t n_bytes);

/* Whether a program that names this global can reach globals that it does not name. */
int moons__libraries_reaches_globals(const char *name, size_t n_bytes);

/* The library (string, math, ...) with this bit; NULL for a bit without one, and for base, whose
** table is the globals'. */
const char *moons__libraries_name(moons__libraries bit);

/* The standard library of this name (_G is base), as a constant; NULL where there is none. */
const char *moons__libraries_find(const char *name);

/* Pushes package.loaded[name], nil where there is none, without asking metatables. Returns its type. */
int moons__libraries_push_loaded(lua_State *L, const char *name);

/* The libraries that the calls of this state may have: those that were noted, all where none were. Notes them: those
** that are loaded in the state now, or these. May raise a memory error. */
moons__libraries moons__libraries_allowed(lua_State *L);
void moons__libraries_note_loaded(lua_State *L);
void moons__libraries_allow(lua_State *L, moons__libraries libraries);

/* Opens the libraries as luaL_openlibs does, but just those of the set. May raise a Lua error. */
void moons__libraries_open(lua_State *L, moons__libraries libraries);

#endif
