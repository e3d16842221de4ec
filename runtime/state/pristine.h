/*
** What a state had before the script changed anything: its globals and their metatable, the standard
** libraries' fields, the metatables of basic types, package.searchers. What differs from that must travel; what was
** replaced is still found.
*/
#ifndef MOONS_STATE_PRISTINE_H
#define MOONS_STATE_PRISTINE_H

#include <lauxlib.h>
#include <lua.h>

#include "state/libraries.h"

/* Takes note of what the state has now, unless that was done before. With `all` every global counts,
** otherwise the standard ones. May raise a memory error. */
void moons__pristine_note(lua_State *L, int all);

/* Takes note of all that the state has now, in place of an earlier note: the host has added to it. */
void moons__pristine_note_anew(lua_State *L);

/* Takes note, unless that was done before, of what the state had before its script changed any of the standard
** things, which may have been long ago. May raise a memory error. */
void moons__pristine_note_standard(lua_State *L);

/* Whether two values are the same: 1 and 1.0 are not. */
int moons__pristine_is_same(lua_State *L, int a, int b);

/* Pushes the table of globals as noted: name -> value. Empty where nothing was noted. */
void moons__pristine_push_globals(lua_State *L);

/* Whether the globals have another metatable than was noted. */
int moons__pristine_has_new_metatable(lua_State *L);

/* Tables that are known by a name though no library is: the metatables of strings and of files, package.searchers. */
#define MOONS__STRING_METATABLE "metatable of strings"
#define MOONS__FILE_METATABLE LUA_FILEHANDLE
#define MOONS__SEARCHERS "searchers"

/* Pushes the table of a library, or one of those above, as it is now. Returns 0, and pushes nothing, where there is none. */
int moons__pristine_push_present(lua_State *L, const char *name);

/* Pushes a copy of it as it was noted: all but that of files are. Returns 0, and pushes nothing, where there is none. */
int moons__pristine_push_library(lua_State *L, const char *name);

/* The basic types whose values share a metatable, but strings, from 0; pushes that of the n-th, or nil. Returns n, -1 at the
** end with nothing pushed. */
int moons__pristine_push_type_metatable(lua_State *L, int n);

/* Whether any of them has a metatable, which is seldom. */
int moons__pristine_have_type_metatables(lua_State *L);

/* Gives the n-th basic type the metatable on top, or nil, which it pops; does nothing else where there is no such type. */
void moons__pristine_set_type_metatable(lua_State *L, lua_Integer n);

/* Whether the metatable on top was that of the n-th basic type when that was noted. */
int moons__pristine_had_type_metatable(lua_State *L, int n);

/* Pushes a table of globals for code that must not be touched by what a script does to its own. */
void moons__pristine_push_environment(lua_State *L);

/* The n-th of the tables of which fields are noted, from 0; NULL at the end. `libraries` gets the bit
** of a library, all for the metatable of strings. */
const char *moons__pristine_table(unsigned n, moons__libraries *libraries);

/* Whether that table, whose name it is, may have other fields than were noted: quick, and seldom wrong. */
int moons__pristine_may_have_changed(lua_State *L, unsigned n, const char *name);

#endif
