/*
** Tables, as far as the proof must know them. Of a table made in the call: what is ever stored, under each string that the code
** names and under all other keys together. Of one that was there before: what lies in it, since nobody may write to it. Where such
** a table holds many others, these and all below them become one, the crowd, of which all is known that any of them holds.
**
** What was there before is read raw, never through its metamethods; these are followed as the call would.
*/
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "sizes.h"
#include "state/array.h"
#include "worker/proof_inside.h"

enum { FEW_TABLES = 8, MOST_FIELDS = 64, MAX_OUTSIDE = MAX_OBJECTS / 2, LONGEST_KEY = 64 };

/* Pushes what was there before. */
static void push_object(prover *x, const object *o) {
  if (!lua_checkstack(x->L, LUA_MINSTACK)) moons__proof_fail(x, "is nested too deeply");
  lua_rawgeti(x->L, x->anchors, o->reference);
}

/* The table that an object is, which may be known as two: with its metatable, and before it had it. */
static object *table_of(const prover *x, uint32_t number) {
  object *o = moons__object(x, number);
  return o->same_as != 0 ? moons__object(x, o->same_as) : o;
}

/* Notes that not all strings under which something is stored are fields. */
static void note_any_string(prover *x, object *o) {
  if (o->has_any_string) return;
  o->has_any_string = 1;
  x->version++;
}

static int is_function(const object *o) {
  return o->kind == FUNCTION || o->kind == CLOSURE || o->kind == C_FUNCTION || o->kind == WRAPPED;
}

/* Fields: what is under a string that the code names. */

static field *find_field(const object *o, uint32_t key) {
  for (unsigned i = 0; i < o->n_fields; i++)
    if (o->fields[i].key == key) return &o->fields[i];
  return NULL;
}

/* The field under this string; NULL: there are too many, and all others are one. */
static field *need_field(prover *x, object *o, uint32_t key) {
  field *f = find_field(o, key);
  if (f != NULL || o->n_fields == MOST_FIELDS) return f;
  if (o->fields == NULL) o->fields = moons__proof_take(x, MOST_FIELDS * sizeof *o->fields);
  o->fields[o->n_fields].key = key;
  x->version++;
  return &o->fields[o->n_fields++];
}

/* {== What was there before =================================================================== */

static void look(prover *x) {
  if (++x->n_looked > MOONS_PROOF_ENTRIES)
    moons__proof_fail(x, "reads captured tables that are too large to be looked through");
}

static object *the_crowd(prover *x) {
  x->crowd_object = moons__object_for(x, CROWD, &x->crowd_object);
  return moons__object(x, x->crowd_object);
}

/* The metatable of the table on top, if any. Entries of weak tables go when garbage is collected, at any time. */
static value take_metatable(prover *x, const char *name) {
  lua_State *L = x->L;
  if (!lua_getmetatable(L, -1)) return (value){0};
  lua_pushliteral(L, "__mode");
  if (lua_rawget(L, -2) != LUA_TNIL) moons__proof_fail(x, "reads a weak table");
  lua_pop(L, 1);
  char of[sizeof((object *)NULL)->name];
  snprintf(of, sizeof of, "metatable of %s", name);
  return moons__heap_take(x, of);
}

/* Whether the table on top has elements beyond its first n. Then it has more than one length, and Lua gives one or the other by
** what was read last: it keeps a hint in the table. */
static int has_holes(lua_State *L) {
  lua_Unsigned n = 0, last = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1) continue;
    lua_Unsigned i = (lua_Unsigned)lua_tointeger(L, -2);
    if (i > last) last = i;
    n++;
  }
  return n != last;
}

static void check_holes(prover *x, const object *o) {
  if (o->is_measured && o->has_holes)
    moons__proof_fail(x, "asks for the length of %s%s%s, which has holes",
                      o->name[0] ? "the captured table '" : "a captured table", o->name,
                      o->name[0] ? "'" : "");
}

/* Makes the table on top a member of the crowd; returns 0 where it was one. */
static int enter_crowd(prover *x) {
  object *crowd = the_crowd(x);
  uint64_t *is_member = moons__ptrmap_at(&x->crowd, lua_topointer(x->L, -1));
  if (is_member == NULL) moons__proof_fail(x, "takes too much memory to be looked at");
  if (*is_member != MOONS__PTRMAP_NONE) return 0;
  *is_member = 1;
  look(x);
  if (!lua_checkstack(x->L, LUA_MINSTACK))
    moons__proof_fail(x, "reads captured tables that are nested too deeply");
  moons__value_grow(x, &crowd->metatables, take_metatable(x, "a captured table"));
  crowd->has_holes |= (unsigned char)has_holes(x->L);
  check_holes(x, crowd);
  return 1;
}

/* Where what the crowd has under the key on top, which it pops, is noted. */
static value *crowd_place(prover *x, object *crowd) {
  value key = {.kinds = lua_type(x->L, -1) == LUA_TSTRING ? STRING : SCALAR};
  field *f = NULL;
  if (key.kinds == STRING) {
    size_t n_bytes;
    const char *bytes = lua_tolstring(x->L, -1, &n_bytes);
    uint32_t number = crowd->has_any_string ? 0 : moons__key_of(x, bytes, n_bytes);
    if (number != 0) f = need_field(x, crowd, number);
    if (f == NULL) note_any_string(x, crowd);
    lua_pop(x->L, 1);
  } else {
    key = moons__heap_take(x, "");
  }
  moons__value_grow(x, &crowd->keys, key);
  return f != NULL ? &f->is : &crowd->any;
}

/* Takes the pair on top, key and value, and pops the value; or where that is a new member, puts nil on it, to begin with it. */
static void take_pair(prover *x) {
  lua_State *L = x->L;
  object *crowd = the_crowd(x);
  look(x);
  lua_pushvalue(L, -2);
  value *place = crowd_place(x, crowd);
  if (lua_istable(L, -1)) {
    moons__value_grow(x, place, moons__value_of_object(x, x->crowd_object));
    if (enter_crowd(x))
      lua_pushnil(L);
    else
      lua_pop(L, 1);
  } else if (lua_type(L, -1) == LUA_TSTRING) {
    moons__value_grow(x, place, (value){.kinds = STRING});
    lua_pop(L, 1);
  } else {
    moons__value_grow(x, place, moons__heap_take(x, ""));
  }
}

/* Makes the table on top, which it pops, and all below it members of the crowd. The stack holds a table and a key for each that
** has been begun. */
static value take_crowd(prover *x) {
  lua_State *L = x->L;
  int first = lua_gettop(L);
  if (enter_crowd(x))
    lua_pushnil(L);
  else
    lua_pop(L, 1);
  while (lua_gettop(L) > first)
    if (lua_next(L, -2))
      take_pair(x);
    else
      lua_pop(L, 1);
  return moons__value_of_object(x, x->crowd_object);
}

/* The object on top, which it pops: the same number whenever it is met. It is anchored, since proving makes garbage. */
static value take_object(prover *x, object_kind kind, const void *address, const char *name) {
  lua_State *L = x->L;
  uint32_t number = moons__object_for(x, kind, address);
  object *o = moons__object(x, number);
  if (o->reference == 0) {
    o->reference = ++x->n_anchors;
    snprintf(o->name, sizeof o->name, "%s", strcmp(name, "_ENV") == 0 ? "_G" : name);
    if (kind == C_FUNCTION) o->model = moons__library_model(x);
    lua_pushvalue(L, -1);
    lua_rawseti(L, x->anchors, o->reference);
  }
  lua_pop(L, 1);
  return moons__value_of_object(x, number);
}

/* Long strings are known as strings alone: keys of tables are short. */
static value take_string(prover *x) {
  size_t n_bytes;
  const char *bytes = lua_tolstring(x->L, -1, &n_bytes);
  value v = {.kinds = STRING};
  if (n_bytes <= LONGEST_KEY) v = moons__value_of_string(x, bytes, n_bytes);
  lua_pop(x->L, 1);
  return v;
}

/* Whether the userdata on top is an array that its state can neither write to nor free. */
static int is_view(lua_State *L) {
  int how;
  const moons__array *a = moons__array_at(L, -1, &how);
  return how == MOONS__IS_ARRAY && !a->may_write && !a->holds;
}

value moons__heap_take(prover *x, const char *name) {
  lua_State *L = x->L;
  const void *address = lua_topointer(L, -1);
  switch (lua_type(L, -1)) {
  case LUA_TNIL:
  case LUA_TBOOLEAN:
  case LUA_TNUMBER: lua_pop(L, 1); return VALUE_SCALAR;
  case LUA_TSTRING: return take_string(x);
  case LUA_TTABLE:
    if (x->n_objects >= MAX_OUTSIDE &&
        moons__ptrmap_get(&x->numbers, address) == MOONS__PTRMAP_NONE)
      return take_crowd(x);
    return take_object(x, OUTSIDE, address, name);
  case LUA_TFUNCTION:
    return take_object(x, lua_iscfunction(L, -1) ? C_FUNCTION : FUNCTION, address, name);
  default:
    if (is_view(L)) return take_object(x, ARRAY, address, name);
    return take_object(x, OPAQUE, &x->proof, name);
  }
}

/* It is met first as the upvalue _ENV. */
static int is_globals(const object *o) { return strcmp(o->name, "_G") == 0; }

/* The name of a field of a table; what is in _G has its own. */
static void name_field(char *to, const object *o, const char *key) {
  if (o->name[0] == '\0' || is_globals(o))
    snprintf(to, sizeof o->name, "%s", is_globals(o) ? key : "");
  else
    snprintf(to, sizeof o->name, "%.20s.%.20s", o->name, key);
}

/* The metatables of a table. */
static value metatables_of(prover *x, object *o) {
  if ((o->kind != OUTSIDE && o->kind != ARRAY) || o->is_met) return o->metatables;
  o->is_met = 1;
  push_object(x, o);
  o->metatables = take_metatable(x, o->name);
  lua_pop(x->L, 1);
  return o->metatables;
}

/* How many tables lie in the table on top: of few, each is known by itself. */
static size_t count_tables(lua_State *L) {
  size_t n = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
    n += lua_istable(L, -1);
  return n;
}

/* Finds out what all keys and values of a table are. */
static void look_through(prover *x, object *o) {
  lua_State *L = x->L;
  if (o->kind != OUTSIDE || o->is_looked_through) return;
  o->is_looked_through = 1;
  push_object(x, o);
  int is_many = count_tables(L) > FEW_TABLES;
  for (lua_pushnil(L); lua_next(L, -2);) {
    char name[sizeof o->name];
    look(x);
    name_field(name, o, lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "[]");
    value is = is_many && lua_istable(L, -1) ? take_crowd(x) : moons__heap_take(x, name);
    moons__value_join(x, &o->any, is);
    lua_pushvalue(L, -1);
    moons__value_join(x, &o->keys, moons__heap_take(x, ""));
  }
  lua_pop(L, 1);
}

/* What a table that was there before has under a string; nothing where that is nil. */
static value outside_field(prover *x, const object *o, const char *key, size_t n_bytes) {
  char name[sizeof o->name];
  push_object(x, o);
  lua_pushlstring(x->L, key, n_bytes);
  int type = lua_rawget(x->L, -2);
  name_field(name, o, key);
  value is = {0};
  if (type != LUA_TNIL)
    is = moons__heap_take(x, name);
  else
    lua_pop(x->L, 1);
  lua_pop(x->L, 1);
  return is;
}

/* {== Tables made in the call ================================================================= */

/* Whatever is under any name. */
static void read_fields(prover *x, const object *o, value *to) {
  for (unsigned i = 0; i < o->n_fields; i++)
    moons__value_join(x, to, o->fields[i].is);
}

/* What a table made in the call has under a key. No string is equal to a scalar, and strings that the code does not name count
** among all other keys. */
static value made_field(prover *x, const object *o, value key) {
  value is = {0};
  const field *f = key.key != 0 ? find_field(o, key.key) : NULL;
  if (f != NULL) moons__value_join(x, &is, f->is);
  if (key.key == 0 || o->has_any_string) moons__value_join(x, &is, o->any);
  if (key.key == 0 && !is_scalar(key)) read_fields(x, o, &is);
  return is;
}

/* Whether the key can only be this name. */
static int is_name(prover *x, value key, const char *name) {
  return key.key != 0 && key.key == moons__key_of(x, name, strlen(name));
}

/* Fails where a metatable made in the call may get what the collector goes by. */
static void check_metatable_key(prover *x, value key) {
  int may_be_any = (key.kinds & STRING) != 0 && key.key == 0;
  if (may_be_any || is_name(x, key, "__gc") || is_name(x, key, "__mode"))
    moons__proof_fail(x, "makes a metatable with __gc or __mode, or with names that are not known");
}

/* Sets of values only grow, so an earlier value of the field is not forgotten. */
static void store_made(prover *x, object *o, value key, value is) {
  if (is_nothing(key)) key = VALUE_SCALAR;
  if (o->is_metatable) check_metatable_key(x, key);
  if (key.set != 0) o->has_addresses = 1;
  moons__value_grow(x, &o->keys, key);
  field *f = key.key != 0 ? need_field(x, o, key.key) : NULL;
  if ((key.kinds & STRING) != 0 && f == NULL) note_any_string(x, o);
  moons__value_grow(x, f != NULL ? &f->is : &o->any, is);
}

/* {== Metatables ============================================================================== */

/* What a metatable has under the name of a metamethod; nothing where it has none. */
static value metamethod_in(prover *x, uint32_t metatable, const char *name) {
  object *m = table_of(x, metatable);
  value is = {0};
  switch (m->kind) {
  case TABLE:
  case CROWD: {
    const field *f = find_field(m, moons__key_of(x, name, strlen(name)));
    if (f != NULL) moons__value_join(x, &is, f->is);
    if (m->has_any_string) moons__value_join(x, &is, m->any);
    return is;
  }
  case OUTSIDE: return outside_field(x, m, name, strlen(name));
  default: return is;
  }
}

/* The metamethods of this name that a table may have, by any of its metatables. */
static value metamethod_of(prover *x, uint32_t number, const char *name) {
  value is = {0};
  value metatables = metatables_of(x, table_of(x, number));
  EACH_OBJECT(x, metatables, m) { moons__value_join(x, &is, metamethod_in(x, m, name)); }
  return is;
}

/* The metatable of strings. */
static value string_metatable(prover *x) {
  lua_pushliteral(x->L, "");
  if (!lua_getmetatable(x->L, -1)) lua_pushnil(x->L);
  value is = moons__heap_take(x, "metatable of strings");
  lua_pop(x->L, 1);
  return is;
}

/* Strings share theirs, which `init` may have changed: so it is looked at as it is. */
static value string_metamethod(prover *x, const char *name) {
  value is = {0};
  value metatable = string_metatable(x);
  EACH_OBJECT(x, metatable, m) { moons__value_join(x, &is, metamethod_in(x, m, name)); }
  return is;
}

int moons__heap_strings_have(prover *x, const char *name) {
  return !is_nothing(string_metamethod(x, name));
}

value moons__heap_metamethod(prover *x, value v, const char *name) {
  value is = {0};
  EACH_OBJECT(x, v, number) {
    if (moons__object(x, number)->kind == OPAQUE) moons__proof_fail(x, "uses a userdata");
    moons__value_join(x, &is, metamethod_of(x, number, name));
  }
  if ((v.kinds & STRING) != 0) moons__value_join(x, &is, string_metamethod(x, name));
  return is;
}

/* __metatable stands for a metatable where there is one. */
value moons__heap_metatables(prover *x, value v) {
  value is = moons__heap_metamethod(x, v, "__metatable");
  EACH_OBJECT(x, v, number) { moons__value_join(x, &is, metatables_of(x, table_of(x, number))); }
  if ((v.kinds & STRING) != 0) moons__value_join(x, &is, string_metatable(x));
  moons__value_join(x, &is, VALUE_SCALAR);
  return is;
}

/* Fails where tables that are made in the call may get a finalizer, or become weak. */
static void check_metatable(prover *x, uint32_t number) {
  object *m = table_of(x, number);
  if (m->kind == CROWD) moons__proof_fail(x, "gives tables one of many metatables");
  if (m->kind == TABLE) {
    m->is_metatable = 1;
    if (m->has_any_string) check_metatable_key(x, (value){.kinds = STRING});
    for (unsigned i = 0; i < m->n_fields; i++)
      check_metatable_key(x, (value){.kinds = STRING, .key = m->fields[i].key});
  } else if (m->kind == OUTSIDE) {
    if (!is_nothing(metamethod_in(x, number, "__gc")) ||
        !is_nothing(metamethod_in(x, number, "__mode")))
      moons__proof_fail(x, "gives tables a metatable with __gc or __mode");
  }
}

/* The table as it is once it has a metatable. */
static uint32_t with_metatable(prover *x, uint32_t number) {
  object *o = moons__object(x, number);
  if (o->same_as != 0) return number;
  if (o->with_metatable == 0) {
    o->with_metatable = moons__object_for(x, TABLE, &o->with_metatable);
    moons__object(x, o->with_metatable)->same_as = number;
  }
  return o->with_metatable;
}

value moons__heap_set_metatable(prover *x, value v, value metatable) {
  value is = {0};
  EACH_OBJECT(x, metatable, m) { check_metatable(x, m); }
  EACH_OBJECT(x, v, number) {
    object *o = table_of(x, number);
    if (o->kind == OUTSIDE || o->kind == CROWD)
      moons__proof_fail(x, "changes the metatable of the captured table '%s'", o->name);
    if (o->kind != TABLE) continue;
    if (metatable.kinds != 0 && !o->may_lose_metatable) {
      o->may_lose_metatable = 1;
      x->version++;
    }
    moons__value_grow(x, &o->metatables, (value){.set = metatable.set});
    moons__value_join(x, &is, moons__value_of_object(x, with_metatable(x, number)));
  }
  return is;
}

/* {== Access ================================================================================== */

/* Calls what is found as a metamethod: that gives one value. */
static value first_result(prover *x, value callee, const tuple *arguments) {
  tuple results = moons__proof_call(x, callee, arguments, 1);
  return moons__tuple_get(x, &results, 0);
}

/* v[key] by an __index of it. */
static value index_by(prover *x, value v, value by, value key) {
  value is = {0};
  tuple arguments = {.n = 2, .at = {v, key}};
  EACH_OBJECT(x, by, number) {
    value one = moons__value_of_object(x, number);
    if (is_function(moons__object(x, number))) {
      moons__value_join(x, &is, first_result(x, one, &arguments));
    } else {
      moons__proof_enter(x);
      moons__value_join(x, &is, moons__heap_index(x, one, key));
      moons__proof_leave(x);
    }
  }
  if ((by.kinds & STRING) != 0) moons__proof_fail(x, "has a string as an __index");
  return is;
}

/* What is under a key of a table, raw; *may_lack: whether that can be nil. */
static value raw_field(prover *x, object *o, value key, int *may_lack) {
  size_t n_bytes;
  *may_lack = 1;
  switch (o->kind) {
  case TABLE: return made_field(x, o, key);
  case OUTSIDE:
    (void)metatables_of(x, o); /* a weak table fails */
    if (key.key != 0) {
      const char *bytes = moons__key_bytes(x, key.key, &n_bytes);
      value is = outside_field(x, o, bytes, n_bytes);
      *may_lack = is_nothing(is);
      return is;
    }
    look_through(x, o);
    return o->any;
  case CROWD: return made_field(x, o, key);
  case OPAQUE: moons__proof_fail(x, "uses a userdata"); return (value){0};
  default: return (value){0};
  }
}

value moons__heap_index(prover *x, value v, value key) {
  value is = {0};
  EACH_OBJECT(x, v, number) {
    int may_lack;
    moons__value_join(x, &is, raw_field(x, table_of(x, number), key, &may_lack));
    if (!may_lack) continue;
    value one = moons__value_of_object(x, number);
    moons__value_join(x, &is, VALUE_SCALAR);
    moons__value_join(x, &is, index_by(x, one, metamethod_of(x, number, "__index"), key));
  }
  if ((v.kinds & STRING) != 0) {
    value text = {.kinds = STRING};
    moons__value_join(x, &is, index_by(x, text, string_metamethod(x, "__index"), key));
  }
  if (is_nothing(is)) is = VALUE_SCALAR; /* an error */
  return is;
}

/* They lie where the array's __index keeps them. */
value moons__heap_array_methods(prover *x, value v, value key) {
  value is = {0};
  EACH_OBJECT(x, v, number) {
    object *o = moons__object(x, number);
    if (o->kind != ARRAY) continue;
    int top = lua_gettop(x->L);
    push_object(x, o);
    if (luaL_getmetafield(x->L, -1, "__index") == LUA_TNIL || lua_getupvalue(x->L, -1, 1) == NULL)
      lua_pushnil(x->L);
    value methods = moons__heap_take(x, "methods of arrays");
    lua_settop(x->L, top);
    moons__value_join(x, &is, moons__heap_index(x, methods, key));
  }
  return is;
}

value moons__heap_contents(prover *x, value v) {
  value is = VALUE_SCALAR;
  EACH_OBJECT(x, v, number) {
    int may_lack;
    moons__value_join(x, &is,
                      raw_field(x, table_of(x, number), (value){.kinds = STRING}, &may_lack));
  }
  return is;
}

/* An element of a list that was there before is known as it is. */
value moons__heap_index_integer(prover *x, value v, lua_Integer i) {
  unsigned at = 0, after = 0;
  uint32_t number = moons__set_next(x, v.set, &at);
  after = at;
  object *o = number != 0 ? table_of(x, number) : NULL;
  if (o == NULL || v.kinds != 0 || o->kind != OUTSIDE || moons__set_next(x, v.set, &after) != 0)
    return moons__heap_index(x, v, VALUE_SCALAR);
  char name[sizeof o->name];
  (void)metatables_of(x, o);
  push_object(x, o);
  snprintf(name, sizeof name, "%.30s[%d]", o->name, (int)i);
  if (lua_rawgeti(x->L, -1, i) == LUA_TNIL) {
    lua_pop(x->L, 2);
    return moons__heap_index(x, v, VALUE_SCALAR);
  }
  value is = moons__heap_take(x, name);
  lua_pop(x->L, 1);
  return is;
}

/* Says what would be written to, as the script knows it. */
static _Noreturn void refuse_store(prover *x, const object *o, value key) {
  size_t n_bytes;
  if (is_globals(o) && key.key != 0)
    moons__proof_fail(x, "sets the global '%s'", moons__key_bytes(x, key.key, &n_bytes));
  const char *what = o->kind == ARRAY ? "array" : "table";
  if (o->name[0] != '\0') moons__proof_fail(x, "writes to the captured %s '%s'", what, o->name);
  moons__proof_fail(x, "writes to a captured %s", what);
}

/* v[key] = is by a __newindex of it. */
static void store_by(prover *x, value v, value by, value key, value is) {
  tuple arguments = {.n = 3, .at = {v, key, is}};
  EACH_OBJECT(x, by, number) {
    value one = moons__value_of_object(x, number);
    if (is_function(moons__object(x, number))) {
      (void)first_result(x, one, &arguments);
    } else {
      moons__proof_enter(x);
      moons__heap_store(x, one, key, is);
      moons__proof_leave(x);
    }
  }
}

/* Stores into each table that it may be; one that was there before ends the proof here. */
static void store_raw(prover *x, uint32_t number, value key, value is) {
  object *o = table_of(x, number);
  if (o->kind == OUTSIDE || o->kind == CROWD || o->kind == ARRAY) refuse_store(x, o, key);
  if (o->kind == OPAQUE) moons__proof_fail(x, "writes to a userdata");
  if (o->kind == TABLE) store_made(x, o, key, is);
}

void moons__heap_store_raw(prover *x, value v, value key, value is) {
  EACH_OBJECT(x, v, number) { store_raw(x, number, key, is); }
}

void moons__heap_store(prover *x, value v, value key, value is) {
  if ((v.kinds & STRING) != 0 && moons__heap_strings_have(x, "__newindex"))
    moons__proof_fail(x, "may write to a string");
  EACH_OBJECT(x, v, number) {
    store_raw(x, number, key, is);
    value one = moons__value_of_object(x, number);
    store_by(x, one, metamethod_of(x, number, "__newindex"), key, is);
  }
}

/* {== Operations ============================================================================== */

value moons__heap_event(prover *x, value a, value b, const char *name) {
  value callee = moons__heap_metamethod(x, a, name);
  moons__value_join(x, &callee, moons__heap_metamethod(x, b, name));
  if (callee.set == 0) return (value){0};
  tuple arguments = {.n = 2, .at = {a, b}};
  return first_result(x, callee, &arguments);
}

void moons__heap_note_order(prover *x, value v) {
  EACH_OBJECT(x, v, number) { table_of(x, number)->is_ordered = 1; }
}

/* Looks once whether a table has holes: then Lua keeps a hint of its length, which reading moves. */
static void measure(prover *x, object *o) {
  if (o->is_measured) return;
  o->is_measured = 1;
  if (o->kind == OUTSIDE) {
    push_object(x, o);
    o->has_holes = (unsigned char)has_holes(x->L);
    lua_pop(x->L, 1);
  }
  check_holes(x, o);
}

void moons__heap_note_length(prover *x, value v) {
  moons__heap_note_order(x, v);
  EACH_OBJECT(x, v, number) {
    object *o = table_of(x, number);
    if (o->kind == OUTSIDE || o->kind == CROWD) measure(x, o);
  }
}

/* All that lies below a table that was there before goes home with it. */
static void note_outside(prover *x, object *o) {
  if (o->kind != OUTSIDE || o->is_result) return;
  o->is_result = 1;
  push_object(x, o);
  (void)take_crowd(x);
  measure(x, the_crowd(x));
}

static void note_made(prover *x, object *o) {
  if (o->is_result) return;
  o->is_result = 1;
  moons__heap_note_result(x, o->any);
  moons__heap_note_result(x, o->keys);
  for (unsigned i = 0; i < o->n_fields; i++)
    moons__heap_note_result(x, o->fields[i].is);
}

void moons__heap_note_result(prover *x, value v) {
  EACH_OBJECT(x, v, number) {
    object *o = table_of(x, number);
    if (o->kind == CROWD) measure(x, o);
    note_outside(x, o);
    if (o->kind == TABLE) note_made(x, o);
  }
}

value moons__heap_length(prover *x, value v) {
  value is = VALUE_SCALAR;
  moons__heap_note_length(x, v);
  moons__value_join(x, &is, moons__heap_event(x, v, v, "__len"));
  return is;
}

void moons__heap_next(prover *x, value v, value *keys, value *values) {
  *keys = *values = VALUE_SCALAR;
  moons__heap_note_order(x, v);
  EACH_OBJECT(x, v, number) {
    object *o = table_of(x, number);
    (void)metatables_of(x, o);
    look_through(x, o);
    moons__value_join(x, keys, o->keys);
    moons__value_join(x, values, o->any);
    read_fields(x, o, values);
  }
}

/* A table made in the call has its text for certain once it has its metatable, and where that cannot change. */
static int has_text(prover *x, uint32_t number) {
  const object *as = moons__object(x, number);
  object *o = table_of(x, number);
  if (o->kind != OUTSIDE && (o->kind != TABLE || as->same_as == 0 || o->may_lose_metatable))
    return 0;
  value metatables = metatables_of(x, o);
  if (metatables.set == 0) return 0;
  EACH_OBJECT(x, metatables, m) {
    if (table_of(x, m)->kind != OUTSIDE || is_nothing(metamethod_in(x, m, "__tostring"))) return 0;
  }
  return 1;
}

void moons__heap_to_text(prover *x, value v) {
  EACH_OBJECT(x, v, number) {
    if (!has_text(x, number)) moons__proof_fail(x, "makes a text of an address");
  }
  value callee = moons__heap_metamethod(x, (value){.set = v.set}, "__tostring");
  if ((v.kinds & STRING) != 0) moons__value_join(x, &callee, string_metamethod(x, "__tostring"));
  tuple arguments = {.n = 1, .at = {v}};
  if (callee.set != 0) (void)first_result(x, callee, &arguments);
}
