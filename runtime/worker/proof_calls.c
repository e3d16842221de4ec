/*
** The proof as a whole: which functions are called, with what, and whether anything is left to be gone through. What memory it
** takes is freed at its end, however that comes; what it leaves in the state is garbage.
**
** Whatever it does not know ends it, for a proof that fails costs time, and one that is wrong costs everything.
*/
#include "base/allocate.h"
#include "worker/proof.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "sizes.h"
#include "worker/proof_inside.h"

typedef struct block {
  struct block *next;
  max_align_t bytes[];
} block;

/* Failing, and memory. */

_Noreturn void moons__proof_fail(prover *x, const char *format, ...) {
  char *reason = x->proof->reason;
  size_t line = x->running != NULL ? moons__prototype_line(x->running->p, x->pc) : 0, length = 0;
  if (line > 0) length = (size_t)snprintf(reason, MOONS__REASON_BYTES, "line %zu ", line);
  va_list values;
  va_start(values, format);
  vsnprintf(reason + length, MOONS__REASON_BYTES - length, format, values);
  va_end(values);
  for (lua_pushnil(x->L);;)
    lua_error(x->L);
}

static _Noreturn void fail_for_memory(prover *x) {
  moons__proof_fail(x, "takes too much memory to be looked at");
}

void *moons__proof_take(prover *x, size_t n_bytes) {
  x->n_bytes += n_bytes;
  block *b = x->n_bytes <= MOONS_PROOF_BYTES
                 ? moons__allocate_zeros(x->models->beside, sizeof *b + n_bytes)
                 : NULL;
  if (b != NULL) {
    b->next = x->blocks;
    x->blocks = b;
    return b->bytes;
  }
  fail_for_memory(x);
}

/* Objects. */

object *moons__object(const prover *x, uint32_t number) { return x->objects[number]; }

/* Numbers begin at 1. */
static uint32_t new_object(prover *x, object_kind kind, const void *made) {
  if (x->n_objects == MAX_OBJECTS - 1)
    moons__proof_fail(x, "leads to too many tables and functions");
  object *o = moons__proof_take(x, sizeof *o);
  o->kind = kind;
  o->made = made;
  x->objects[++x->n_objects] = o;
  return x->n_objects;
}

uint32_t moons__object_for(prover *x, object_kind kind, const void *made) {
  uint64_t number = moons__ptrmap_get(&x->numbers, made);
  if (number != MOONS__PTRMAP_NONE) return (uint32_t)number;
  uint32_t new_number = new_object(x, kind, made);
  if (moons__ptrmap_put(&x->numbers, made, new_number)) fail_for_memory(x);
  return new_number;
}

/* Any address will do that nothing else has. */
uint32_t moons__object_of_model(prover *x, unsigned model) {
  uint32_t number = moons__object_for(x, C_FUNCTION, &x->model_addresses[model]);
  moons__object(x, number)->model = model;
  return number;
}

/* Instances. */

static uint64_t *new_bits(prover *x) {
  return moons__proof_take(x, MAX_INSTANCES / 64 * sizeof(uint64_t));
}

/* A register that a closure shares holds at any time whatever is ever put there. */
static void find_captured(instance *i) {
  for (size_t n = 0; n < i->p->n_inner; n++) {
    const moons__prototype *inner = &i->p->inner[n];
    for (size_t u = 0; u < inner->n_upvalues; u++) {
      moons__upvalue from = moons__prototype_upvalue(inner, u);
      if (from.in_stack && from.index < i->p->n_registers) i->is_captured[from.index] = 1;
    }
  }
}

/* All of it is known to hold nothing yet: what gets there is found by going through it. */
static instance *new_instance(prover *x, const moons__prototype *p, uint32_t number) {
  if (x->n_instances == MAX_INSTANCES) moons__proof_fail(x, "leads to too many functions");
  instance *i = moons__proof_take(x, sizeof *i);
  i->p = p;
  i->number = x->n_instances;
  i->upvalues = moons__proof_take(x, (p->n_upvalues + 1) * sizeof *i->upvalues);
  i->cells = moons__proof_take(x, (p->n_registers + 1u) * sizeof *i->cells);
  i->is_captured = moons__proof_take(x, p->n_registers + 1u);
  i->parameters = moons__proof_take(x, (p->n_parameters + 1u) * sizeof *i->parameters);
  i->states = moons__proof_take(x, (p->n_code + 1) * sizeof(state *));
  i->is_dirty = moons__proof_take(x, p->n_code + 1);
  i->calls = new_bits(x);
  i->calls_by_c = new_bits(x);
  i->seen = UINT64_MAX;
  find_captured(i);
  x->instances[x->n_instances++] = i;
  moons__object(x, number)->instance = i;
  return i;
}

static int write_dump(lua_State *L, const void *bytes, size_t n_bytes, void *out) {
  (void)L;
  return moons__buffer_append(out, bytes, n_bytes);
}

/* Reads the function on top. */
static const moons__prototype *read_function(prover *x) {
  moons__prototype *p = moons__proof_take(x, sizeof *p);
  x->dump.n_bytes = 0;
  if (lua_dump(x->L, write_dump, &x->dump, 0)) fail_for_memory(x);
  char *bytes = moons__proof_take(x, x->dump.n_bytes + 1);
  memcpy(bytes, x->dump.bytes, x->dump.n_bytes);
  if (x->n_prototypes == MAX_INSTANCES) moons__proof_fail(x, "leads to too many functions");
  if (moons__bytecode_read(p, x->models->beside, bytes, x->dump.n_bytes))
    moons__proof_fail(x, "calls a function whose code cannot be read");
  x->prototypes[x->n_prototypes++] = p;
  return p;
}

/* The instance of a function that was there before. What it captures nobody can change, or the proof fails. */
static instance *open_function(prover *x, uint32_t number) {
  lua_State *L = x->L;
  lua_rawgeti(L, x->anchors, moons__object(x, number)->reference);
  int function = lua_gettop(L);
  instance *i = new_instance(x, read_function(x), number);
  for (size_t u = 0; u < i->p->n_upvalues; u++) {
    const char *name = lua_getupvalue(L, function, (int)u + 1);
    if (name == NULL) moons__proof_fail(x, "calls a function whose upvalues cannot be read");
    i->upvalues[u].is = moons__heap_take(x, name);
  }
  lua_settop(L, function - 1);
  return i;
}

/* Variables around the closure are registers of the running function, or its upvalues. */
instance *moons__proof_closure(prover *x, const moons__prototype *p, uint32_t *number) {
  instance *outer = x->running;
  *number = moons__object_for(x, CLOSURE, p);
  instance *i = moons__object(x, *number)->instance;
  if (i != NULL) return i;
  i = new_instance(x, p, *number);
  for (size_t u = 0; u < p->n_upvalues; u++) {
    moons__upvalue from = moons__prototype_upvalue(p, u);
    if (from.in_stack && from.index < outer->p->n_registers)
      i->upvalues[u].cell = &outer->cells[from.index];
    else if (!from.in_stack && from.index < outer->p->n_upvalues)
      i->upvalues[u] = outer->upvalues[from.index];
    else
      moons__proof_fail(x, "has code that cannot be read");
  }
  return i;
}

/* Calls. */

static void note_edge(uint64_t *bits, const instance *to) {
  bits[to->number / 64] |= UINT64_C(1) << to->number % 64;
}

/* Gives an instance more arguments; what it returns is known as far as it has been gone through. */
static void call_instance(prover *x, instance *i, const tuple *arguments, int by_c,
                          tuple *results) {
  unsigned n = i->p->n_parameters;
  for (unsigned k = 0; k < n; k++)
    moons__value_grow(x, &i->parameters[k], moons__tuple_get(x, arguments, k));
  moons__value_grow(x, &i->varargs, moons__tuple_all(x, arguments, n));
  if (x->running != NULL) note_edge(by_c ? x->running->calls_by_c : x->running->calls, i);
  for (unsigned k = 0; k < RETURN_VALUES; k++)
    moons__value_join(x, &results->at[k], i->returns[k]);
  moons__value_join(x, &results->rest, i->more_returns);
}

static void add_results(prover *x, tuple *results, const tuple *more) {
  for (unsigned k = 0; k < RETURN_VALUES; k++)
    moons__value_join(x, &results->at[k], moons__tuple_get(x, more, k));
  moons__value_join(x, &results->rest, moons__tuple_all(x, more, RETURN_VALUES));
}

/* Calls a value that is no function by its __call. */
static void call_other(prover *x, uint32_t number, const tuple *arguments, tuple *results) {
  value self = moons__value_of_object(x, number);
  value callee = moons__heap_metamethod(x, self, "__call");
  if (callee.set == 0) return; /* an error */
  tuple with_self = {0};
  moons__tuple_add(x, &with_self, self);
  for (unsigned k = 0; k < arguments->n; k++)
    moons__tuple_add(x, &with_self, arguments->at[k]);
  moons__value_join(x, &with_self.rest, arguments->rest);
  tuple more = moons__proof_call(x, callee, &with_self, 1);
  add_results(x, results, &more);
}

static void call_object(prover *x, uint32_t number, const tuple *arguments, int by_c,
                        tuple *results) {
  object *o = moons__object(x, number);
  switch (o->kind) {
  case FUNCTION:
  case CLOSURE: /* has its instance since it was made */
    call_instance(x, o->instance != NULL ? o->instance : open_function(x, number), arguments, by_c,
                  results);
    break;
  case C_FUNCTION: {
    if (o->model == MODEL_NONE)
      moons__proof_fail(x, "calls %s%s%s, of which nothing is known", o->name[0] ? "'" : "",
                        o->name[0] ? o->name : "a C function", o->name[0] ? "'" : "");
    tuple more = moons__library_call(x, o->model, arguments);
    add_results(x, results, &more);
    break;
  }
  case WRAPPED: {
    tuple more = moons__library_resume(x, o->function, arguments);
    add_results(x, results, &more);
    break;
  }
  case OPAQUE: moons__proof_fail(x, "calls a userdata"); break;
  default: call_other(x, number, arguments, results);
  }
}

/* A C function may be handed itself to call, and again and again, as pcall(pcall, ...) does. The string metatable has a __call as
** rarely as it has anything but __index, so it is not followed. */
tuple moons__proof_call(prover *x, value callee, const tuple *arguments, int by_c) {
  tuple results = {.n = RETURN_VALUES};
  for (unsigned k = 0; k < RETURN_VALUES; k++)
    results.at[k] = VALUE_SCALAR;
  if ((callee.kinds & STRING) != 0 && moons__heap_strings_have(x, "__call"))
    moons__proof_fail(x, "may call a string");
  moons__proof_enter(x);
  EACH_OBJECT(x, callee, number) { call_object(x, number, arguments, by_c, &results); }
  moons__proof_leave(x);
  return results;
}

/* What must hold in the end. */

static int has_bit(const instance *i, unsigned number) {
  return ((i->calls[number / 64] | i->calls_by_c[number / 64]) >> number % 64 & 1) != 0;
}

/* Whether calls lead from one instance to another. */
static int leads_to(const prover *x, unsigned from, unsigned to, unsigned char *visited) {
  if (from == to) return 1;
  if (visited[from]) return 0;
  visited[from] = 1;
  for (unsigned next = 0; next < x->n_instances; next++)
    if (has_bit(x->instances[from], next) && leads_to(x, next, to, visited)) return 1;
  return 0;
}

/* How deep C calls may nest depends on what lies below the call, and an error that is caught tells. */
static void check_depth(prover *x) {
  unsigned char visited[MAX_INSTANCES];
  if (!x->catches) return;
  for (unsigned from = 0; from < x->n_instances; from++)
    for (unsigned to = 0; to < x->n_instances; to++) {
      const instance *i = x->instances[from];
      if ((i->calls_by_c[to / 64] >> to % 64 & 1) == 0) continue;
      memset(visited, 0, sizeof visited);
      if (leads_to(x, to, from, visited))
        moons__proof_fail(x, "catches errors, and functions call themselves by way of C");
    }
}

/* Where a table made in the call has keys that are hashed by their addresses, its order is another one each time. */
static void check_order(prover *x) {
  for (uint32_t i = 1; i <= x->n_objects; i++)
    if (x->objects[i]->has_addresses && x->objects[i]->is_ordered)
      moons__proof_fail(
          x, "goes through a table whose keys are tables or functions: their order is by address");
}

/* Starting. */

/* Numbers, booleans, strings, nil, threads, light userdata and functions have metatables in common, of which the proof knows but
** that of strings. */
static void check_types(prover *x) {
  lua_State *L = x->L;
  lua_pushnil(L);
  lua_pushboolean(L, 0);
  lua_pushinteger(L, 0);
  lua_pushlightuserdata(L, x);
  lua_pushvalue(L, x->function);
  lua_pushthread(L);
  for (int i = 0; i < 6; i++, lua_pop(L, 1))
    if (lua_getmetatable(L, -1)) moons__proof_fail(x, "a basic type has a metatable");
}

/* All tables among the arguments are one, which may hold itself: so tables of any depth are meant. */
static value argument_value(prover *x) {
  if (x->arguments == MOONS__ARGUMENTS_NUMBERS) return VALUE_SCALAR;
  value v = VALUE_TEXT;
  if (x->arguments == MOONS__ARGUMENTS_STRINGS) return v;
  uint32_t number = moons__object_for(x, TABLE, &x->arguments);
  object *o = moons__object(x, number);
  moons__value_join(x, &v, moons__value_of_object(x, number));
  o->any = v;
  o->keys = VALUE_TEXT;
  o->has_any_string = 1;
  return v;
}

/* Goes through all functions until none has anything new to see. */
static void run_all(prover *x) {
  int is_done;
  do {
    is_done = 1;
    for (unsigned n = 0; n < x->n_instances; n++) {
      instance *i = x->instances[n];
      if (i->seen == x->version) continue;
      i->seen = x->version;
      is_done = 0;
      x->running = i;
      moons__code_run(x, i);
    }
    x->running = NULL;
  } while (!is_done);
}

/* By now calling it once more tells all that it ever gives. */
static void check_results(prover *x, value callee, const tuple *arguments) {
  tuple results = moons__proof_call(x, callee, arguments, 0);
  moons__heap_note_result(x, moons__tuple_all(x, &results, 0));
}

/* Argument: a prover. */
static int prove(lua_State *L) {
  prover *x = lua_touserdata(L, 1);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_newtable(L);
  x->anchors = lua_gettop(L);
  x->function = 2;
  x->randomseed = 3;
  check_types(x);
  lua_pushvalue(L, x->function);
  value callee = moons__heap_take(x, "");
  tuple arguments = {.rest = argument_value(x)};
  moons__proof_call(x, callee, &arguments, 0);
  run_all(x);
  check_results(x, callee, &arguments);
  check_depth(x);
  check_order(x);
  return 0;
}

/* Also after a proof that has failed in its midst. */
static void close_prover(prover *x) {
  for (unsigned i = 0; i < x->n_prototypes; i++)
    moons__prototype_free(x->prototypes[i]);
  while (x->blocks != NULL) {
    block *b = x->blocks;
    x->blocks = b->next;
    moons__free(b);
  }
  moons__free(x->sets);
  moons__buffer_free(&x->dump);
  moons__ptrmap_free(&x->numbers);
  moons__ptrmap_free(&x->crowd);
}

/* Releases of a version have the same instructions, as far as there are any yet. */
static int is_known_release(lua_State *L) {
  return LUA_VERSION_NUM == 504 && LUA_VERSION_RELEASE_NUM <= 50499 && lua_version(L) == 504;
}

void moons__prove(lua_State *L, int function, int randomseed, const moons__models *models,
                  moons__arguments arguments, moons__proof *proof) {
  prover x = {.L = L, .models = models, .arguments = arguments, .proof = proof};
  *proof = (moons__proof){0};
  x.dump.beside = x.numbers.beside = x.crowd.beside = models->beside;
  if (!is_known_release(L)) {
    snprintf(proof->reason, sizeof proof->reason, "this release of Lua is not known");
    return;
  }
  if (!lua_checkstack(L, LUA_MINSTACK)) return;
  function = lua_absindex(L, function);
  randomseed = lua_absindex(L, randomseed);
  lua_pushcfunction(L, prove);
  lua_pushlightuserdata(L, &x);
  lua_pushvalue(L, function);
  lua_pushvalue(L, randomseed);
  int status = lua_pcall(L, 3, 0, 0);
  proof->is_proved = status == LUA_OK;
  if (status != LUA_OK) lua_pop(L, 1);
  if (status != LUA_OK && proof->reason[0] == '\0')
    snprintf(proof->reason, sizeof proof->reason, "not enough memory to look at it");
  close_prover(&x);
}
