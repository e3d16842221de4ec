/*
** What is known of C functions: a model says what one reads, calls, stores and gives, for any arguments. A function without a
** model may do anything. None has one that reaches out of the state (print, io, os.execute, load), tells where objects lie, asks
** the collector, or changes what calls share: what is proved may be made again.
**
** Functions are known by their addresses, as the libraries have them before a script has changed anything; so it does not matter
** under which name one is found.
*/
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "state/array_type.h"
#include "state/pristine.h"
#include "worker/proof_inside.h"

typedef tuple model(prover *x, const tuple *arguments);

static value first(prover *x, const tuple *arguments) { return moons__tuple_get(x, arguments, 0); }

static value second(prover *x, const tuple *arguments) { return moons__tuple_get(x, arguments, 1); }

static tuple one(value v) { return (tuple){.n = 1, .at = {v}}; }

/* The arguments from the n-th on, from 0. */
static tuple from(prover *x, const tuple *arguments, unsigned n) {
  tuple some = {.rest = arguments->rest};
  for (unsigned i = n; i < arguments->n; i++)
    some.at[some.n++] = arguments->at[i];
  (void)x;
  return some;
}

/* What the running instruction makes; `which` of the things that it may make. */
static uint32_t made_here(prover *x, object_kind kind, unsigned which) {
  const unsigned char *here =
      x->running == NULL ? (const unsigned char *)&x->pc : x->running->p->code + x->pc * 4;
  return moons__object_for(x, kind, here + which);
}

/* {== Functions that take and give plain values =============================================== */

/* Reads its arguments by lua_tonumber and its kin, which call nothing. */
static tuple scalars(prover *x, const tuple *arguments) {
  (void)x;
  (void)arguments;
  return (tuple){.rest = VALUE_SCALAR};
}

/* The same, and gives strings. */
static tuple texts(prover *x, const tuple *arguments) {
  (void)x;
  (void)arguments;
  return (tuple){.rest = VALUE_TEXT};
}

/* An operator of strings calls the metamethod of the other operand, which heap_event has called too. */
static tuple string_operator(prover *x, const tuple *arguments) { return scalars(x, arguments); }

/* Draws from the generator that each call seeds: allowed where it is seeded. */
static tuple draw(prover *x, const tuple *arguments) {
  x->proof->draws = 1;
  return scalars(x, arguments);
}

/* A table that os.time gets is set to what it means. */
static tuple os_time(prover *x, const tuple *arguments) {
  value t = first(x, arguments), name = {.kinds = STRING};
  if (t.set != 0) {
    (void)moons__heap_index(x, t, name);
    moons__heap_store(x, t, name, VALUE_SCALAR);
  }
  return scalars(x, arguments);
}

/* A table, with the format "*t". */
static tuple os_date(prover *x, const tuple *arguments) {
  (void)arguments;
  uint32_t number = made_here(x, TABLE, 0);
  value is = moons__value_of_object(x, number), name = {.kinds = STRING};
  moons__heap_store_raw(x, is, name, VALUE_SCALAR);
  moons__value_join(x, &is, VALUE_TEXT);
  return one(is);
}

/* {== Texts =================================================================================== */

static tuple to_string(prover *x, const tuple *arguments) {
  moons__heap_to_text(x, first(x, arguments));
  return one((value){.kinds = STRING});
}

/* %p tells an address, also of a string. */
static void check_conversion(prover *x, char conversion, value v) {
  if (conversion == 's') moons__heap_to_text(x, v);
  if (conversion == 'p' && !is_scalar(v)) moons__proof_fail(x, "makes a text of an address");
}

/* Goes by the format where that is known, and otherwise takes it for the worst. */
static tuple format(prover *x, const tuple *arguments) {
  value how = first(x, arguments);
  size_t n_bytes = 0;
  const char *bytes = how.key != 0 ? moons__key_bytes(x, how.key, &n_bytes) : NULL;
  unsigned n = 1;
  for (size_t i = 0; i < n_bytes; i++) {
    if (bytes[i] != '%') continue;
    i++;
    while (i < n_bytes && strchr("-+ #0123456789.", bytes[i]) != NULL && bytes[i] != '\0')
      i++;
    if (i < n_bytes && bytes[i] != '%')
      check_conversion(x, bytes[i], moons__tuple_get(x, arguments, n++));
  }
  if (bytes == NULL) {
    check_conversion(x, 'p', moons__tuple_all(x, arguments, 1));
    check_conversion(x, 's', moons__tuple_all(x, arguments, 1));
  }
  return one((value){.kinds = STRING});
}

/* string.gsub: the third argument is a text, a table that is asked for the match, or a function that gets it. */
static tuple gsub(prover *x, const tuple *arguments) {
  value by = moons__tuple_get(x, arguments, 2);
  tuple match = {.rest = VALUE_TEXT};
  EACH_OBJECT(x, by, number) {
    value it = moons__value_of_object(x, number);
    object_kind kind = moons__object(x, number)->kind;
    if (kind == TABLE || kind == OUTSIDE || kind == CROWD)
      (void)moons__heap_index(x, it, VALUE_TEXT);
    else
      (void)moons__proof_call(x, it, &match, 1);
  }
  return texts(x, arguments);
}

static tuple gmatch(prover *x, const tuple *arguments) {
  (void)arguments;
  return one(moons__value_of_object(x, moons__object_of_model(x, MODEL_TEXTS)));
}

/* utf8.codes: an iterator, the string, 0. */
static tuple codes(prover *x, const tuple *arguments) {
  tuple results = gmatch(x, arguments);
  results.rest = VALUE_TEXT;
  return results;
}

/* {== The base library ======================================================================== */

static tuple base_assert(prover *x, const tuple *arguments) {
  moons__value_grow(x, &x->thrown, moons__tuple_all(x, arguments, 1));
  return *arguments;
}

static tuple base_error(prover *x, const tuple *arguments) {
  moons__value_grow(x, &x->thrown, first(x, arguments));
  return (tuple){0};
}

/* What a protected call gives: whether it has come to its end, and its results or the error. */
static tuple protected(prover *x, const tuple *results, value error) {
  tuple given = {.n = 1, .at = {VALUE_SCALAR}};
  x->catches = 1;
  for (unsigned i = 0; i < RETURN_VALUES; i++) {
    value v = moons__tuple_get(x, results, i);
    if (i == 0) moons__value_join(x, &v, error);
    moons__tuple_add(x, &given, v);
  }
  moons__value_join(x, &given.rest, moons__tuple_all(x, results, RETURN_VALUES));
  return given;
}

/* Any error value of the script, or a message of Lua's. */
static value any_error(prover *x) {
  value error = {.kinds = STRING};
  moons__value_join(x, &error, x->thrown);
  return error;
}

static tuple base_pcall(prover *x, const tuple *arguments) {
  tuple passed = from(x, arguments, 1);
  tuple results = moons__proof_call(x, first(x, arguments), &passed, 1);
  return protected(x, &results, any_error(x));
}

/* The handler is called with any error, below the function that has raised it. */
static tuple base_xpcall(prover *x, const tuple *arguments) {
  tuple passed = from(x, arguments, 2), error = one(any_error(x));
  tuple results = moons__proof_call(x, first(x, arguments), &passed, 1);
  tuple handled = moons__proof_call(x, second(x, arguments), &error, 1);
  value v = any_error(x);
  moons__value_join(x, &v, moons__tuple_all(x, &handled, 0));
  tuple given = protected(x, &results, v);
  moons__value_join(x, &given.rest, moons__tuple_all(x, &handled, 0));
  return given;
}

static tuple base_select(prover *x, const tuple *arguments) {
  tuple results = {.rest = VALUE_SCALAR};
  moons__value_join(x, &results.rest, moons__tuple_all(x, arguments, 1));
  return results;
}

/* Raw, as next is. */
static tuple base_next(prover *x, const tuple *arguments) {
  tuple results = {.n = 2};
  moons__heap_next(x, first(x, arguments), &results.at[0], &results.at[1]);
  return results;
}

/* __pairs gives three values of its own. */
static tuple base_pairs(prover *x, const tuple *arguments) {
  value t = first(x, arguments);
  value next = moons__value_of_object(x, moons__object_of_model(x, MODEL_NEXT));
  tuple results = {.n = 3, .at = {next, t, VALUE_SCALAR}};
  value by = moons__heap_metamethod(x, t, "__pairs");
  if (by.set == 0) return results;
  tuple passed = one(t), own = moons__proof_call(x, by, &passed, 1);
  for (unsigned i = 0; i < 3; i++)
    moons__value_join(x, &results.at[i], moons__tuple_get(x, &own, i));
  return results;
}

/* Its step indexes with metamethods. */
static tuple base_ipairs(prover *x, const tuple *arguments) {
  value step = moons__value_of_object(x, moons__object_of_model(x, MODEL_IPAIRS_STEP));
  return (tuple){.n = 3, .at = {step, first(x, arguments), VALUE_SCALAR}};
}

static tuple ipairs_step(prover *x, const tuple *arguments) {
  value element = moons__heap_index(x, first(x, arguments), VALUE_SCALAR);
  return (tuple){.n = 2, .at = {VALUE_SCALAR, element}};
}

static tuple base_rawget(prover *x, const tuple *arguments) {
  return one(moons__heap_contents(x, first(x, arguments)));
}

static tuple base_rawset(prover *x, const tuple *arguments) {
  value t = first(x, arguments);
  moons__heap_store_raw(x, t, second(x, arguments), moons__tuple_get(x, arguments, 2));
  return one(t);
}

static tuple base_rawlen(prover *x, const tuple *arguments) {
  moons__heap_note_length(x, first(x, arguments));
  return scalars(x, arguments);
}

static tuple base_getmetatable(prover *x, const tuple *arguments) {
  return one(moons__heap_metatables(x, first(x, arguments)));
}

static tuple base_setmetatable(prover *x, const tuple *arguments) {
  return one(moons__heap_set_metatable(x, first(x, arguments), second(x, arguments)));
}

/* {== Lists =================================================================================== */

/* Reads and writes elements as t[i] does, and asks for #t. */
static value elements(prover *x, value t) {
  (void)moons__heap_length(x, t);
  return moons__heap_index(x, t, VALUE_SCALAR);
}

/* Moves elements about, and puts others in. */
static value shuffle(prover *x, value t, value more) {
  value is = elements(x, t);
  moons__heap_store(x, t, VALUE_SCALAR, is);
  moons__heap_store(x, t, VALUE_SCALAR, more);
  return is;
}

/* With two arguments or three: the position may be any. */
static tuple table_insert(prover *x, const tuple *arguments) {
  value more = VALUE_SCALAR;
  moons__value_join(x, &more, moons__tuple_all(x, arguments, 1));
  (void)shuffle(x, first(x, arguments), more);
  return (tuple){0};
}

static tuple table_remove(prover *x, const tuple *arguments) {
  return one(shuffle(x, first(x, arguments), VALUE_SCALAR));
}

/* The order function may be called with any two elements, in any order, and so may __lt. */
static tuple table_sort(prover *x, const tuple *arguments) {
  value is = shuffle(x, first(x, arguments), VALUE_SCALAR);
  tuple passed = {.n = 2, .at = {is, is}};
  (void)moons__proof_call(x, second(x, arguments), &passed, 1);
  (void)moons__heap_event(x, is, is, "__lt");
  return (tuple){0};
}

static tuple table_concat(prover *x, const tuple *arguments) {
  (void)elements(x, first(x, arguments));
  return one((value){.kinds = STRING});
}

static tuple table_unpack(prover *x, const tuple *arguments) {
  tuple results = {.rest = VALUE_SCALAR};
  moons__value_join(x, &results.rest, elements(x, first(x, arguments)));
  return results;
}

/* The table is made here, as by a constructor. */
static tuple table_pack(prover *x, const tuple *arguments) {
  value is = moons__value_of_object(x, made_here(x, TABLE, 0));
  value all = VALUE_SCALAR;
  moons__value_join(x, &all, moons__tuple_all(x, arguments, 0));
  moons__heap_store_raw(x, is, VALUE_SCALAR, all);
  moons__heap_store_raw(x, is, moons__value_of_string(x, "n", 1), VALUE_SCALAR);
  return one(is);
}

/* table.move(from, first, last, to [, table]). Where the places overlap, it compares the tables with __eq to see in which order to go. */
static tuple table_move(prover *x, const tuple *arguments) {
  value source = first(x, arguments), to = moons__tuple_get(x, arguments, 4);
  if ((to.kinds & SCALAR) != 0) moons__value_join(x, &to, source); /* it may be left out */
  moons__heap_store(x, to, VALUE_SCALAR, elements(x, source));
  (void)moons__heap_event(x, source, to, "__eq");
  return one(to);
}

/* {== Coroutines ============================================================================== */

/* What goes from one coroutine to another may go to any. */
tuple moons__library_resume(prover *x, value functions, const tuple *arguments) {
  value passed = VALUE_SCALAR;
  moons__value_join(x, &passed, moons__tuple_all(x, arguments, 0));
  moons__value_grow(x, &x->resumed, passed);
  tuple results = moons__proof_call(x, functions, arguments, 1);
  for (unsigned i = 0; i < results.n; i++)
    moons__value_join(x, &results.at[i], x->yielded);
  moons__value_join(x, &results.rest, x->yielded);
  return results;
}

static tuple make_coroutine(prover *x, object_kind kind, unsigned which, const tuple *arguments) {
  uint32_t number = made_here(x, kind, which);
  moons__value_grow(x, &moons__object(x, number)->function, first(x, arguments));
  return one(moons__value_of_object(x, number));
}

static tuple coroutine_create(prover *x, const tuple *arguments) {
  return make_coroutine(x, COROUTINE, 1, arguments);
}

static tuple coroutine_wrap(prover *x, const tuple *arguments) {
  return make_coroutine(x, WRAPPED, 2, arguments);
}

/* As a protected call: it gives whether the coroutine has come to its yield or end. */
static tuple coroutine_resume(prover *x, const tuple *arguments) {
  value coroutines = first(x, arguments), functions = {0};
  EACH_OBJECT(x, coroutines, number) {
    const object *o = moons__object(x, number);
    if (o->kind == OPAQUE) moons__proof_fail(x, "resumes a coroutine that it has not made");
    if (o->kind == COROUTINE) moons__value_join(x, &functions, o->function);
  }
  tuple passed = from(x, arguments, 1);
  tuple results = moons__library_resume(x, functions, &passed);
  return protected(x, &results, any_error(x));
}

/* What it gives is what any coroutine is resumed with. */
static tuple coroutine_yield(prover *x, const tuple *arguments) {
  moons__value_grow(x, &x->yielded, moons__tuple_all(x, arguments, 0));
  tuple results = {.rest = VALUE_SCALAR};
  moons__value_join(x, &results.rest, x->resumed);
  return results;
}

/* {== Arrays ================================================================================== */

/* Only what nothing can be written to has these functions called: others may wait for maps, and collect garbage. */
static void check_arrays(prover *x, const tuple *arguments) {
  value all = moons__tuple_all(x, arguments, 0);
  EACH_OBJECT(x, all, number) {
    if (moons__object(x, number)->kind == OPAQUE) moons__proof_fail(x, "uses a userdata");
  }
}

/* Numbers of arrays. */
static tuple array_numbers(prover *x, const tuple *arguments) {
  check_arrays(x, arguments);
  return scalars(x, arguments);
}

/* A new list of numbers. */
static value new_numbers(prover *x, unsigned which) {
  value is = moons__value_of_object(x, made_here(x, TABLE, which));
  moons__heap_store_raw(x, is, VALUE_SCALAR, VALUE_SCALAR);
  return is;
}

static tuple array_row(prover *x, const tuple *arguments) {
  check_arrays(x, arguments);
  return one(new_numbers(x, 0));
}

/* A matrix gives a list of rows. */
static tuple array_totable(prover *x, const tuple *arguments) {
  tuple results = array_row(x, arguments);
  moons__heap_store_raw(x, results.at[0], VALUE_SCALAR, new_numbers(x, 1));
  return results;
}

/* a[i], a.type, a.shape, a.method */
static tuple array_index(prover *x, const tuple *arguments) {
  value is = VALUE_TEXT, key = second(x, arguments);
  check_arrays(x, arguments);
  if ((key.kinds & STRING) == 0) return scalars(x, arguments);
  moons__value_join(x, &is, new_numbers(x, 0));
  moons__value_join(x, &is, moons__heap_array_methods(x, first(x, arguments), key));
  return one(is);
}

/* {== All of them ============================================================================= */

/* Stands for a library: functions of arrays, which are known where a state has no array yet. */
static const char ARRAYS[] = "array";

static const struct {
  const char *library, *name;
  model *is;
} MODELS[] = {
    [MODEL_NEXT] = {LUA_GNAME, "next", base_next},
    [MODEL_IPAIRS_STEP] = {NULL, NULL, ipairs_step}, /* what ipairs gives */
    [MODEL_TEXTS] = {NULL, NULL, texts},             /* what string.gmatch and utf8.codes give */
    [MODEL_TYPE] = {LUA_GNAME, "type", texts},
    {LUA_GNAME, "assert", base_assert},
    {LUA_GNAME, "error", base_error},
    {LUA_GNAME, "getmetatable", base_getmetatable},
    {LUA_GNAME, "ipairs", base_ipairs},
    {LUA_GNAME, "pairs", base_pairs},
    {LUA_GNAME, "pcall", base_pcall},
    {LUA_GNAME, "rawequal", scalars},
    {LUA_GNAME, "rawget", base_rawget},
    {LUA_GNAME, "rawlen", base_rawlen},
    {LUA_GNAME, "rawset", base_rawset},
    {LUA_GNAME, "select", base_select},
    {LUA_GNAME, "setmetatable", base_setmetatable},
    {LUA_GNAME, "tonumber", scalars},
    {LUA_GNAME, "tostring", to_string},
    {LUA_GNAME, "xpcall", base_xpcall},
    {LUA_STRLIBNAME, "byte", scalars},
    {LUA_STRLIBNAME, "char", texts},
    {LUA_STRLIBNAME, "find", texts},
    {LUA_STRLIBNAME, "format", format},
    {LUA_STRLIBNAME, "gmatch", gmatch},
    {LUA_STRLIBNAME, "gsub", gsub},
    {LUA_STRLIBNAME, "len", scalars},
    {LUA_STRLIBNAME, "lower", texts},
    {LUA_STRLIBNAME, "match", texts},
    {LUA_STRLIBNAME, "pack", texts},
    {LUA_STRLIBNAME, "packsize", scalars},
    {LUA_STRLIBNAME, "rep", texts},
    {LUA_STRLIBNAME, "reverse", texts},
    {LUA_STRLIBNAME, "sub", texts},
    {LUA_STRLIBNAME, "unpack", texts},
    {LUA_STRLIBNAME, "upper", texts},
    {MOONS__STRING_METATABLE, "__add", string_operator},
    {MOONS__STRING_METATABLE, "__div", string_operator},
    {MOONS__STRING_METATABLE, "__idiv", string_operator},
    {MOONS__STRING_METATABLE, "__mod", string_operator},
    {MOONS__STRING_METATABLE, "__mul", string_operator},
    {MOONS__STRING_METATABLE, "__pow", string_operator},
    {MOONS__STRING_METATABLE, "__sub", string_operator},
    {MOONS__STRING_METATABLE, "__unm", string_operator},
    {LUA_UTF8LIBNAME, "char", texts},
    {LUA_UTF8LIBNAME, "codepoint", scalars},
    {LUA_UTF8LIBNAME, "codes", codes},
    {LUA_UTF8LIBNAME, "len", scalars},
    {LUA_UTF8LIBNAME, "offset", scalars},
    {LUA_TABLIBNAME, "concat", table_concat},
    {LUA_TABLIBNAME, "insert", table_insert},
    {LUA_TABLIBNAME, "move", table_move},
    {LUA_TABLIBNAME, "pack", table_pack},
    {LUA_TABLIBNAME, "remove", table_remove},
    {LUA_TABLIBNAME, "sort", table_sort},
    {LUA_TABLIBNAME, "unpack", table_unpack},
    {LUA_MATHLIBNAME, "abs", scalars},
    {LUA_MATHLIBNAME, "acos", scalars},
    {LUA_MATHLIBNAME, "asin", scalars},
    {LUA_MATHLIBNAME, "atan", scalars},
    {LUA_MATHLIBNAME, "ceil", scalars},
    {LUA_MATHLIBNAME, "cos", scalars},
    {LUA_MATHLIBNAME, "deg", scalars},
    {LUA_MATHLIBNAME, "exp", scalars},
    {LUA_MATHLIBNAME, "floor", scalars},
    {LUA_MATHLIBNAME, "fmod", scalars},
    {LUA_MATHLIBNAME, "log", scalars},
    {LUA_MATHLIBNAME, "max", scalars},
    {LUA_MATHLIBNAME, "min", scalars},
    {LUA_MATHLIBNAME, "modf", scalars},
    {LUA_MATHLIBNAME, "rad", scalars},
    {LUA_MATHLIBNAME, "random", draw},
    {LUA_MATHLIBNAME, "randomseed", draw},
    {LUA_MATHLIBNAME, "sin", scalars},
    {LUA_MATHLIBNAME, "sqrt", scalars},
    {LUA_MATHLIBNAME, "tan", scalars},
    {LUA_MATHLIBNAME, "tointeger", texts},
    {LUA_MATHLIBNAME, "type", texts},
    {LUA_MATHLIBNAME, "ult", scalars},
    {LUA_OSLIBNAME, "clock", scalars},
    {LUA_OSLIBNAME, "date", os_date},
    {LUA_OSLIBNAME, "difftime", scalars},
    {LUA_OSLIBNAME, "getenv", texts},
    {LUA_OSLIBNAME, "time", os_time},
    {LUA_COLIBNAME, "create", coroutine_create},
    {LUA_COLIBNAME, "isyieldable", scalars},
    {LUA_COLIBNAME, "resume", coroutine_resume},
    {LUA_COLIBNAME, "status", texts},
    {LUA_COLIBNAME, "wrap", coroutine_wrap},
    {LUA_COLIBNAME, "yield", coroutine_yield},
    {ARRAYS, "__index", array_index},
    {ARRAYS, "__len", array_numbers},
    {ARRAYS, "column", array_row},
    {ARRAYS, "dot", array_numbers},
    {ARRAYS, "get", array_numbers},
    {ARRAYS, "max", array_numbers},
    {ARRAYS, "mean", array_numbers},
    {ARRAYS, "min", array_numbers},
    {ARRAYS, "row", array_row},
    {ARRAYS, "sum", array_numbers},
    {ARRAYS, "totable", array_totable},
    {ARRAYS, "unpack", array_numbers},
};

enum { N_MODELS = sizeof MODELS / sizeof MODELS[0] };
_Static_assert(N_MODELS <= sizeof((prover *)NULL)->model_addresses, "each has an address");

tuple moons__library_call(prover *x, unsigned number, const tuple *arguments) {
  return MODELS[number].is(x, arguments);
}

/* Known functions. */

static const void *address_of(lua_CFunction function) { return (const void *)(uintptr_t)function; }

/* The function that the C function on top stands for, as its first upvalue; NULL: none. */
static const void *inner_function(lua_State *L) {
  if (lua_getupvalue(L, -1, 1) == NULL) return NULL;
  const void *inner = lua_iscfunction(L, -1) ? address_of(lua_tocfunction(L, -1)) : NULL;
  lua_pop(L, 1);
  return inner;
}

/* Pushes a function as a library has it; returns whether it is one in C. */
static int push_function(lua_State *L, const char *library, const char *name) {
  int top = lua_gettop(L);
  lua_pushnil(L);
  if (!moons__pristine_push_present(L, library)) return 0;
  lua_pushstring(L, name);
  lua_rawget(L, -2);
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  return lua_iscfunction(L, -1);
}

/* Pushes the function that a model is of; returns whether it is there. */
static int push_modelled(lua_State *L, unsigned number) {
  const char *library = MODELS[number].library, *name = MODELS[number].name;
  if (name == NULL) return 0;
  if (library != ARRAYS) return push_function(L, library, name);
  lua_pushcfunction(L, moons__array_function(name));
  return 1;
}

static void note_model(moons__models *models, lua_State *L, unsigned number) {
  const void *address = address_of(lua_tocfunction(L, -1)), *inner = inner_function(L);
  if (inner != NULL && moons__ptrmap_put(&models->inner, address, (uintptr_t)inner)) return;
  (void)moons__ptrmap_put(&models->numbers, address, number);
}

/* Libraries that are opened later are noted then. */
void moons__models_note(moons__models *models, lua_State *L, moons__libraries libraries) {
  if ((libraries & MOONS__LIBRARIES_ALL & ~models->noted) == 0) return;
  for (unsigned number = 1; number < N_MODELS; number++) {
    int top = lua_gettop(L);
    if (push_modelled(L, number)) note_model(models, L, number);
    lua_settop(L, top);
  }
  models->noted |= libraries;
}

void moons__models_free(moons__models *models) {
  moons__ptrmap_free(&models->numbers);
  moons__ptrmap_free(&models->inner);
  models->noted = 0;
}

/* The state of the random numbers that the function on top draws from or seeds: its first upvalue, or that of the function that it
** stands for. */
static const void *generator_of(lua_State *L) {
  int top = lua_gettop(L);
  const void *generator = NULL;
  if (lua_getupvalue(L, top, 1) != NULL && lua_iscfunction(L, -1)) lua_getupvalue(L, -1, 1);
  if (lua_gettop(L) > top && lua_type(L, -1) == LUA_TUSERDATA) generator = lua_touserdata(L, -1);
  lua_settop(L, top);
  return generator;
}

/* Whether the random numbers of the function on top are those that calls are seeded for. */
static int is_seeded(const prover *x) {
  lua_State *L = x->L;
  const void *generator = generator_of(L);
  lua_pushvalue(L, x->randomseed);
  const void *seeded = lua_iscfunction(L, -1) ? generator_of(L) : NULL;
  lua_pop(L, 1);
  return generator != NULL && generator == seeded;
}

/* A function that stands for another one is known where that is still the same. */
unsigned moons__library_model(const prover *x) {
  lua_State *L = x->L;
  if (!lua_checkstack(L, LUA_MINSTACK)) return MODEL_NONE;
  const void *address = address_of(lua_tocfunction(L, -1));
  uint64_t number = moons__ptrmap_get(&x->models->numbers, address);
  if (number == MOONS__PTRMAP_NONE) return MODEL_NONE;
  uint64_t inner = moons__ptrmap_get(&x->models->inner, address);
  if (inner != MOONS__PTRMAP_NONE && inner != (uintptr_t)inner_function(L)) return MODEL_NONE;
  if (MODELS[number].is == draw && !is_seeded(x)) return MODEL_NONE;
  return (unsigned)number;
}
