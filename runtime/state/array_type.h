/*
** Arrays as values of a state: how they are made there, and what the script may ask of them. A state has one userdata for each
** block, so an array that comes home is the one that was sent.
*/
#ifndef MOONS_STATE_ARRAY_TYPE_H
#define MOONS_STATE_ARRAY_TYPE_H

#include "state/array.h"

/* What a state gets when an array arrives. */
typedef enum moons__arrival {
  MOONS__AS_VIEW, /* holds nothing, and leaves no mark in the arena: for a state that is put back by its bytes */
  MOONS__AS_HELD_VIEW, /* for a state that is kept */
  MOONS__AS_HANDLE     /* for one that may write to it */
} moons__arrival;

/* Makes the metatables in a state that has none yet. Raises memory errors, as the functions below do. */
void moons__array_open(lua_State *L);

/* Pushes the array of this block: the one that the state has, or a new one, which shares the block unless it holds nothing. */
moons__array *moons__array_push(lua_State *L, moons__shared *block, const moons__extent *extent,
                                moons__arrival arrival);

/* Pushes a new array of zeros that the state may write to. Collects garbage first where dropped arrays may have piled up, or there
** is no memory. Returns NULL, with a text on top that says why, where it cannot be had. */
moons__array *moons__array_push_new(lua_State *L, const moons__extent *extent);

/* The function of arrays with this name: a method, or a metamethod that reads. NULL: there is none. */
lua_CFunction moons__array_function(const char *name);

/* Pushes the sequence of the rows of the array at a stack index. */
void moons__array_push_rows(lua_State *L, int index);

#endif
