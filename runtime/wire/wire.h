/*
** Lua values <-> bytes, functions with their captures among them. How the bytes look is in
** format.h.
**
** A message holds some values, and keeps what they share: tables and upvalues that they have in
** common are one again on the other side. Functions bring the script's globals that they name, and in a set-up the
** modules written in Lua that they hold or require, as these are now. What standard libraries, modules in C and the
** host hold goes by name.
** Arrays are not copied: both sides see the same memory, which whoever has the bytes holds in a list of blocks beside them.
** Classes (tables with metamethods, and metatables) that came from the caller are known by number
** on both sides, so that an object is of the same class again when it comes home.
**
** Depth and size are limited by memory alone. Errors are Lua errors; messages say where in the
** value they arose: "argument 1: .jobs[3].handle: cannot send a userdata (FILE*)".
*/
#ifndef MOONS_WIRE_WIRE_H
#define MOONS_WIRE_WIRE_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/ptrmap.h"
#include "state/array_type.h"
#include "state/libraries.h"
#include "wire/names.h"

/* The classes that two sides know by number, as one side has them. Zero-initialised: none. */
typedef struct moons__classes {
  moons__ptrmap numbers;              /* table -> number */
  const struct moons__classes *outer; /* more of them, or NULL */
  uint32_t n_numbers;                 /* the number of the next new class */
  uint32_t n_known;                   /* the other side knows those with a lower number */
} moons__classes;

/* Frees what it holds, and leaves it empty. */
void moons__classes_free(moons__classes *classes);

/* {== Encoding ================================================================================ */

typedef struct moons__encoder moons__encoder;

struct moons__encoder {
  /* Set by the user, before begin. */
  lua_State *L;
  moons__buffer *out;
  moons__names *names;     /* of L */
  moons__classes *classes; /* NULL: none */
  int class_index;         /* stack index of a table number -> class for new ones; 0: take no new */
  int sent_index; /* stack index of what the other side has got: names of globals -> true, and modules ->
                              true, or 1 for those that it must get before the message; 0: functions do not bring
                              globals */
  int pristine_index;        /* stack index of the globals of pristine.h, which need no sending */
  int is_kept;               /* in a set-up: of a state that others are set up in */
  int is_setup;              /* marks what is sent in that table; modules in Lua go by value */
  int may_want;              /* no set-up: the other side can get more modules */
  int is_data;               /* functions, and what has a __marshal, are refused */
  int leaves_process;        /* the other side is another process */
  int has_stopped_collector; /* that of the state is stopped, but while a __marshal runs */

  /* Of a set-up. `put_first` puts what must be there before the first value. `put_more` puts or queues more that goes along
  ** at the end, and returns 0 when nothing is left. */
  void (*put_first)(moons__encoder *encoder);
  int (*put_more)(moons__encoder *encoder);
  const void *own_start, *own_end; /* only objects in between can be of a module; NULL: all can */

  /* Arrays travel as places in a list of blocks beside the message. */
  int goes_alone;           /* there is no such list: they are refused */
  unsigned n_shared_before; /* blocks in that list, before those below */
  moons__buffer *
      arrays; /* gets the address of each array that is sent, once: it counts as read by a job from then on,
                               and is kept in the table of classes; NULL: nobody asks */
  const moons__array *sink; /* takes what calls return, so none may get it; NULL: there is none */
  int gives_away; /* results: arrays that may be written to are copied, and are the other side's own; views of a host's memory are
                  ** refused, though they have a name */

  /* Told to the user. */
  moons__shared_list *
      shared; /* blocks that messages speak of; the user takes it, or end releases it; NULL: none */
  moons__libraries needs; /* what the values can reach on the other side */
  int changes_standard;   /* a standard global was replaced, and is sent */
  int wants_modules;      /* some were marked with 1 */
  size_t refused_module; /* after an error: the module, counted from 1, in which something cannot be
                             sent; 0: in none */

  /* Private. */
  int base;        /* first of the stack slots in use */
  int stack_limit; /* stack slots up to this one are free to use */
  size_t start;    /* of the message, in out */
  int names_refreshed;
  int needs_lists;              /* to decode the message */
  moons__seen seen;             /* object, upvalue or long string -> offset */
  moons__ptrmap first_keys;     /* string that is the first key of tables -> their shape */
  struct moons__shapes *shapes; /* that the message has; NULL: none yet; owned */
  lua_Integer n_deferred, n_done;
  lua_Integer n_globals, n_globals_done;
  lua_Integer n_modules, n_modules_done;
  moons__buffer owners;  /* of the deferred objects: `owner` of each */
  size_t owner;          /* the module that holds the value at hand, counted from 1; 0: none */
  int is_foreign;        /* the function at hand is a module's, not the script's */
  size_t dynamic_module; /* one that may reach any global, counted from 1; 0: none */
  const char *source;    /* of the first function: the script's */
  int holds_by_name;     /* something of a module that cannot go by value was put by its name */
  int requires_any;      /* a function may require any module; 2: and all are queued */
  unsigned extras;       /* for put_more: what it has dealt with */
  int modules_index; /* for put_more: stack index of a table of modules that go along, or of nil */
  moons__buffer captured;          /* names of globals in the function at hand (capture.h) */
  int dynamic;                     /* a function may reach any global; 2: and all are queued */
  struct moons__wire_frame *frame; /* where in the value we are, for errors */
  const char *what;                /* "argument", "result", ...: the root of paths */
  int number;                      /* which of them */
  const void *globals;             /* the table of globals, once it was needed */
};

/* Reserves a few stack slots of L until end. */
void moons__encoder_begin(moons__encoder *encoder);

/* Frees what the encoder holds. Also right after an error. */
void moons__encoder_end(moons__encoder *encoder);

/* After an error of encode that is on top: where something in a module cannot be sent, pops the error, and returns 1: from
** then on that module goes by name. Tells about it with lua_warning, once for each module. Otherwise returns 0. */
int moons__wire_give_up_module(moons__encoder *encoder);

/* Appends a message with the `n_values` values from stack index `first`. `what` names them in
** errors: "argument" for "argument 2"; NULL: "function", then "init" (a set-up). After an error the
** user cuts `out` to the length it had. */
void moons__encode(moons__encoder *encoder, int first, int n_values, const char *what);

/* Whether the first value of a message is true. */
int moons__wire_is_true(const char *bytes, size_t n_bytes);

/* {== Decoding ================================================================================ */

typedef struct moons__decoder {
  /* Set by the user. */
  lua_State *L;
  moons__classes *classes; /* where received classes are noted; NULL: nowhere */
  int class_index;         /* stack index of a table number -> class; 0: none */
  int trusted;             /* the bytes come from this process: functions may be loaded */
  int is_data; /* refuses what is more than data: functions, metatables, classes, names, calls, places; and keys that
                              are tables */
  int has_no_tables;                /* refuses tables */
  const moons__shared_list *shared; /* the blocks beside the message; NULL: none */
  moons__arrival arrival;           /* how arrays come into the state */

  /* Told to the user. */
  int made_finalizer; /* a metatable with __gc was given to a table */
  int places_index;   /* stack index of a table that notes what is placed (places.h), or 0 */

  /* Private. */
  const char *at, *end, *start;
  size_t n_room;   /* entries that tables may still be made for */
  int base;        /* first of the stack slots in use; 0: there are none */
  int stack_limit; /* stack slots up to this one are free to use */
  int depth;
  unsigned n_keys, n_shapes; /* keys that the shapes have in all; shapes that have come */
  unsigned char *shape_ends; /* of each shape, the number of the key after its last */
  lua_Integer n_deferred, n_done, n_late, n_places, n_placed;
} moons__decoder;

/* Reads one message of `n_bytes` and pushes its values; returns how many. Globals and modules are set in L.
** Any bytes give values or a Lua error, in time and memory bounded by their length, except that
** `trusted` bytes with functions must be the encoder's own. */
int moons__decode(moons__decoder *decoder, const void *bytes, size_t n_bytes);

#endif
