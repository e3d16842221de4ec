/*
** What every call of a map starts from: the function with all that it captures, `init`, the modules in Lua that these
** hold or require, what the script has changed in the standard libraries and in the metatables of basic types, and
** where modules are found. To bytes on the caller's side, from bytes into a new state on the worker's.
**
** setup = libraries:u32 allowed:u32 changes_standard:u32 is_source:u32, then two messages, each after its length:u64. The first has
**         the function and init, with all else in the places where it lies (format.h): it is one message, so what one
**         thing shares with another they share on the other side too. The second has package.path and package.cpath,
**         and is applied first
**
** The set-up of a script (worker/script.h) has no messages, but a name that ends with a zero byte, and then its text.
*/
#ifndef MOONS_WIRE_SETUP_H
#define MOONS_WIRE_SETUP_H

#include <lua.h>
#include <stddef.h>

#include "base/buffer.h"
#include "wire/wire.h"

/* Appends the set-up of a function to encoder->out. `function` and `init` (nil: none) are stack indexes.
** The encoder has been begun, and the state's pristine things have been noted (pristine.h). `modules`, a table or nil,
** has modules as keys that go along. Afterwards the encoder's `needs` are the libraries for which the set-up is
** complete. */
void moons__setup_encode(moons__encoder *encoder, int function, int init, int modules);

/* Whether a set-up that was made without regard to these libraries will do for them too, since nothing in
** them was changed. */
int moons__setup_covers(lua_State *L, moons__libraries libraries);

/* The libraries that a set-up needs; none where it can meet no string but in arguments. */
moons__libraries moons__setup_libraries(const void *bytes, size_t n_bytes);

/* The libraries that calls may have at all. */
moons__libraries moons__setup_allowed(const void *bytes, size_t n_bytes);

/* A script as text. */
typedef struct moons__source {
  const char *name; /* as Lua wants one of a chunk: "=rules"; ends with a zero byte */
  const char *bytes;
  size_t n_bytes;
} moons__source;

/* Appends the set-up that a script is. Returns 0 or MOONS_ENOMEM, with `out` as it was. */
int moons__setup_write_source(moons__buffer *out, moons__libraries libraries,
                              moons__libraries allowed, const moons__source *source);

/* Whether a set-up is a script; points into the bytes. */
int moons__setup_is_source(const void *bytes, size_t n_bytes, moons__source *source);

/* Brings a state, in which those libraries are open, to the set-up, and pushes the function and
** `init` or nil. May raise any error. */
void moons__setup_apply(moons__decoder *decoder, const void *bytes, size_t n_bytes);

#endif
