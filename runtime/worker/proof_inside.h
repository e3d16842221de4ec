/*
** What the files of the proof share: proof_calls.c, proof_values.c, proof_heap.c, proof_code.c and proof_library.c. Private to these.
**
** Values are sets of what a register, an upvalue or a field may hold whenever the function is called. Sets only grow, and all
** functions are gone through again until none does.
*/
#ifndef MOONS_WORKER_PROOF_INSIDE_H
#define MOONS_WORKER_PROOF_INSIDE_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "sizes.h"
#include "state/bytecode.h"
#include "worker/proof.h"

typedef struct prover prover;
typedef struct instance instance;

/* {== Values ================================================================================== */

enum { SCALAR = 1, STRING = 2 }; /* nil, booleans and numbers are scalars */

/* Zero-initialised: nothing is known to get there. */
typedef struct value {
  uint32_t kinds; /* SCALAR, STRING */
  uint32_t set;   /* of objects; 0: none */
  uint32_t key;   /* number of the only string that it can be; 0: it can be others */
} value;

#define VALUE_SCALAR ((value){.kinds = SCALAR})
#define VALUE_TEXT ((value){.kinds = SCALAR | STRING})

static inline int is_nothing(value v) { return v.kinds == 0 && v.set == 0; }

/* Whether it can be only nil, a boolean or a number. */
static inline int is_scalar(value v) { return (v.kinds & STRING) == 0 && v.set == 0; }

/* Adds `more` to *v; returns whether that changes it. */
int moons__value_join(prover *x, value *v, value more);

/* The same for what others may have read, so that they are gone through again. */
void moons__value_grow(prover *x, value *v, value more);

value moons__value_of_object(prover *x, uint32_t number);

/* The part of a value that is of one of these kinds of objects, each a bit; and of `kinds`. */
value moons__value_part(prover *x, value v, unsigned object_kinds, uint32_t kinds);

/* The string with these bytes. */
value moons__value_of_string(prover *x, const char *bytes, size_t n_bytes);

/* The number of a string, from 1; 0: there are too many. Bytes of a number, which are those that were given. */
uint32_t moons__key_of(prover *x, const char *bytes, size_t n_bytes);
const char *moons__key_bytes(const prover *x, uint32_t number, size_t *n_bytes);

/* The next object of a set after `*at`, which begins at 0; 0 at the end. */
uint32_t moons__set_next(const prover *x, uint32_t set, unsigned *at);

/* NOLINTBEGIN(bugprone-macro-parentheses): it declares `number` */
#define EACH_OBJECT(x, v, number)                                                                  \
  for (unsigned at_ = 0, number = moons__set_next(x, (v).set, &at_); (number) != 0;                \
       (number) = moons__set_next(x, (v).set, &at_))
/* NOLINTEND(bugprone-macro-parentheses) */

/* Values in a row: arguments, or results. Beyond the first `n` come any number of `rest`. */
enum { TUPLE_VALUES = 16, RETURN_VALUES = 4 };
typedef struct tuple {
  unsigned n;
  value at[TUPLE_VALUES];
  value rest; /* nothing: none come */
} tuple;

void moons__tuple_add(prover *x, tuple *t, value v);
value moons__tuple_get(prover *x, const tuple *t,
                       unsigned i); /* nil is part of it where it may be missing */
value moons__tuple_all(prover *x, const tuple *t, unsigned from);

/* {== Objects ================================================================================= */

typedef enum object_kind {
  TABLE,    /* made in the call: all tables that one instruction makes */
  OUTSIDE,  /* a table that was there before */
  CROWD,    /* all of many tables that were there before */
  FUNCTION, /* a Lua function that was there before */
  CLOSURE,  /* made in the call: all closures of one prototype */
  C_FUNCTION,
  COROUTINE, /* made in the call */
  WRAPPED,   /* what coroutine.wrap gives */
  ARRAY,     /* the caller's, which calls can only read */
  OPAQUE     /* a userdata or a coroutine that was there before */
} object_kind;

typedef struct field {
  uint32_t key;
  value is;
} field;

typedef struct object {
  object_kind kind;
  int reference;    /* where it is among the anchors of the state, if it was there before */
  const void *made; /* by which code or instruction, or its address */
  char name[48];    /* "cfg.cache"; empty: not known */

  /* Of tables. Those made in the call: what was stored. Others: what was found so far. */
  value any, keys, metatables;
  field *fields;
  unsigned n_fields;
  unsigned char is_met;            /* `metatables` is known */
  unsigned char is_looked_through; /* all that it holds is in `any` and `keys` */
  unsigned char
      has_any_string; /* `any` is also what is under strings, of which some are no fields */
  unsigned char has_addresses;      /* a key may be hashed by its address */
  unsigned char is_ordered;         /* its order or size is asked for */
  unsigned char is_measured;        /* of those that were there before: its length is asked for */
  unsigned char has_holes;          /* and it may have several */
  unsigned char is_result;          /* it goes home */
  unsigned char is_metatable;       /* of a table made in the call */
  unsigned char may_lose_metatable; /* or be given none */
  uint32_t with_metatable;          /* what stands for it once it has a metatable; 0: nothing yet */
  uint32_t
      same_as; /* the table that this one is, once it has a metatable; 0: it stands for itself */

  instance *instance; /* of functions; NULL: not called yet */
  value function;     /* of coroutines */
  unsigned model;     /* of C functions; 0: none */
} object;

object *moons__object(const prover *x, uint32_t number);

/* The object of this kind that was made by, or is, `made`: a new one where there is none. Where there are too many the proof
** fails. */
uint32_t moons__object_for(prover *x, object_kind kind, const void *made);

/* The object of a C function with this model. */
uint32_t moons__object_of_model(prover *x, unsigned model);

/* {== Functions =============================================================================== */

typedef struct upvalue {
  value *cell; /* a variable of a function of the call; NULL: it was there before */
  value is;    /* then what it holds */
} upvalue;

/* What else is known of a register, as another one's number and 1; 0: nothing. It holds the same value as that one, or the name of
** its type. */
typedef struct origin {
  unsigned char copy_of, type_of;
} origin;

/* What registers may hold before an instruction. After the registers there is an origin for each. */
typedef struct state {
  value open; /* results of which nobody knows how many there are; from register open_at on */
  unsigned open_at;
  value registers[];
} state;

/* A function as it is called from anywhere. */
struct instance {
  const moons__prototype *p;
  unsigned number;
  upvalue *upvalues;
  value *cells;               /* of each register that closures share, all that it ever holds */
  unsigned char *is_captured; /* whether closures share it */
  value *parameters, varargs, returns[RETURN_VALUES], more_returns;
  state *scratch;          /* after the instruction at hand */
  state **states;          /* before each instruction; NULL: it is not reached */
  unsigned char *is_dirty; /* must be gone through */
  uint64_t seen;           /* the version at which it was gone through last */
  uint64_t *calls;         /* bits of instances that it calls */
  uint64_t *calls_by_c;    /* the same, with a C function or a metamethod between */
};

enum { MAX_DEPTH = 40, MAX_INSTANCES = 256, MAX_OBJECTS = 1024, SET_WORDS = MAX_OBJECTS / 64 };

/* {== The prover ============================================================================== */

struct prover {
  lua_State *L;
  int anchors; /* stack index of a table of what was there before */
  int n_anchors;
  int function, randomseed; /* stack indices */
  const moons__models *models;
  moons__arguments arguments;
  moons__proof *proof;
  struct block *blocks; /* of memory, freed at the end */
  size_t n_bytes;
  moons__buffer dump;                          /* of the function that was read last */
  moons__prototype *prototypes[MAX_INSTANCES]; /* to be freed */
  unsigned n_prototypes;
  instance *instances[MAX_INSTANCES];
  unsigned n_instances;
  object *objects[MAX_OBJECTS];
  uint32_t n_objects;
  uint64_t *sets; /* SET_WORDS each; the first is empty */
  uint32_t n_sets, n_sets_room;
  uint32_t *set_table; /* numbers of sets by hash */
  struct key *keys;
  uint32_t n_keys;
  uint32_t *key_table;
  moons__ptrmap numbers; /* address of what was there before -> object */
  moons__ptrmap crowd;   /* addresses of its members */
  uint32_t crowd_object;
  char model_addresses[256]; /* of functions that are known by their model alone */
  value thrown;              /* all error values */
  value yielded, resumed;    /* all values that go from and to coroutines */
  int catches;               /* errors are caught */
  uint64_t version;          /* grows as any value does */
  size_t n_steps, n_looked;
  int depth;         /* of calls and metamethods that are looked at within each other */
  instance *running; /* the instance and the instruction at hand */
  size_t pc;
};

/* Ends the proof: `format` says why, as in "line 12 FORMAT". Does not return. */
_Noreturn void moons__proof_fail(prover *x, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Counts what takes time; fails the proof where it is too much. */
static inline void moons__proof_step(prover *x) {
  if (++x->n_steps > MOONS_PROOF_STEPS) moons__proof_fail(x, "takes too long to be looked at");
}

/* From enter to leave something is looked at within something else, which may lead to itself without end. */
static inline void moons__proof_enter(prover *x) {
  moons__proof_step(x);
  if (++x->depth > MAX_DEPTH) moons__proof_fail(x, "calls functions nested too deeply");
}
static inline void moons__proof_leave(prover *x) { x->depth--; }

/* Memory that stays until the end, zeroed. Fails the proof where there is none, or too much was taken. */
void *moons__proof_take(prover *x, size_t n_bytes);

/* {== Tables (proof_heap.c) =================================================================== */

/* What the value on top of L, which it pops, is. `name` names it where it holds others. */
value moons__heap_take(prover *x, const char *name);

/* v[key], v[key] = is, and #v, with metamethods. */
value moons__heap_index(prover *x, value v, value key);
void moons__heap_store(prover *x, value v, value key, value is);
value moons__heap_length(prover *x, value v);

/* v[i] with a constant number. */
value moons__heap_index_integer(prover *x, value v, lua_Integer i);

/* The keys and the values that next gives. */
void moons__heap_next(prover *x, value v, value *keys, value *values);

/* All values that are found without metamethods, nil among them. */
value moons__heap_contents(prover *x, value v);
void moons__heap_store_raw(prover *x, value v, value key, value is);

/* The metamethods of this name that a value may have. */
value moons__heap_metamethod(prover *x, value v, const char *name);

int moons__heap_strings_have(prover *x, const char *name);

/* The methods of arrays with this name. */
value moons__heap_array_methods(prover *x, value v, value key);

/* The metatables that getmetatable gives. */
value moons__heap_metatables(prover *x, value v);

/* Returns the tables with the metatable. */
value moons__heap_set_metatable(prover *x, value v, value metatable);

/* Calls the metamethods of this name of both values; returns what they give. */
value moons__heap_event(prover *x, value a, value b, const char *name);

/* Fails where a value may have no text but its address. */
void moons__heap_to_text(prover *x, value v);

/* Notes that order or size of tables is asked for; that their length is. */
void moons__heap_note_order(prover *x, value v);
void moons__heap_note_length(prover *x, value v);

/* Notes that a result goes home, which asks for the length of all tables in it. */
void moons__heap_note_result(prover *x, value v);

/* {== Code (proof_code.c) ===================================================================== */

/* Goes through the instructions of an instance that must be. */
void moons__code_run(prover *x, instance *i);

/* {== Calls (proof_calls.c) ========================================================================= */

/* Calls everything in `callee`; by_c: there is a C function between. */
tuple moons__proof_call(prover *x, value callee, const tuple *arguments, int by_c);

/* The instance of a closure that the running function makes. */
instance *moons__proof_closure(prover *x, const moons__prototype *p, uint32_t *number);

/* {== C functions (proof_library.c) =========================================================== */

/* Models that others make values of. */
enum { MODEL_NONE, MODEL_NEXT, MODEL_IPAIRS_STEP, MODEL_TEXTS, MODEL_TYPE };

/* What a C function gives; and what resuming a coroutine of these functions does. */
tuple moons__library_call(prover *x, unsigned number, const tuple *arguments);
tuple moons__library_resume(prover *x, value functions, const tuple *arguments);

/* The model of the C function on top of L; MODEL_NONE: it has none. */
unsigned moons__library_model(const prover *x);

#endif
