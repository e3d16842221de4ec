/*
** What instructions do to values: one rule for each of them, in RULES. A rule looks at what registers may hold before its
** instruction, and lets what they may hold afterwards flow to the instructions that may come next. An instruction without a rule
** ends the proof.
*/
#include <string.h>

#include "sizes.h"
#include "worker/proof_inside.h"

/* An instruction at hand. */
typedef struct step {
  prover *x;
  instance *i;
  size_t pc;
  uint32_t code;
  state *s; /* a copy of what is before it; rules change that */
} step;

/* Registers and upvalues. */

static origin *origin_of(const step *t, unsigned r) {
  return (origin *)(void *)&t->s->registers[t->i->p->n_registers] + r;
}

/* What was known of the register, and by it of others, is so no longer. */
static void forget_origins(const step *t, unsigned r) {
  *origin_of(t, r) = (origin){0};
  for (unsigned i = 0; i < t->i->p->n_registers; i++) {
    origin *o = origin_of(t, i);
    if (o->copy_of == r + 1) o->copy_of = 0;
    if (o->type_of == r + 1) o->type_of = 0;
  }
}

static unsigned a(const step *t) { return moons__code_a(t->code); }
static unsigned b(const step *t) { return moons__code_b(t->code); }
static unsigned c(const step *t) { return moons__code_c(t->code); }

static void check_register(const step *t, unsigned r) {
  if (r >= t->i->p->n_registers) moons__proof_fail(t->x, "has code that cannot be read");
}

/* No code of the compiler reads a register that nothing was put into. */
static value get(const step *t, unsigned r) {
  check_register(t, r);
  value v = t->s->registers[r];
  if (t->i->is_captured[r]) moons__value_join(t->x, &v, t->i->cells[r]);
  if (is_nothing(v)) moons__proof_fail(t->x, "reads a register that was not set");
  return v;
}

/* Of a register that closures share, the cell keeps all that is ever put there. */
static void set(const step *t, unsigned r, value v) {
  check_register(t, r);
  if (is_nothing(v)) v = VALUE_SCALAR; /* what gives nothing raises an error */
  t->s->registers[r] = v;
  forget_origins(t, r);
  if (t->i->is_captured[r]) moons__value_grow(t->x, &t->i->cells[r], v);
}

static upvalue *upvalue_at(const step *t, unsigned u) {
  if (u >= t->i->p->n_upvalues) moons__proof_fail(t->x, "has code that cannot be read");
  return &t->i->upvalues[u];
}

static value get_upvalue(const step *t, unsigned u) {
  const upvalue *from = upvalue_at(t, u);
  value v = from->cell != NULL ? *from->cell : from->is;
  return is_nothing(v) ? VALUE_SCALAR : v;
}

static value constant(const step *t, size_t k) {
  if (k >= t->i->p->n_constants) moons__proof_fail(t->x, "has code that cannot be read");
  const moons__constant *is = &t->i->p->constants[k];
  return is->kind == MOONS__CONSTANT_STRING ? moons__value_of_string(t->x, is->bytes, is->n_bytes)
                                            : VALUE_SCALAR;
}

/* Operand C, which is a constant where k is set. */
static value get_or_constant(const step *t) {
  return moons__code_k(t->code) ? constant(t, c(t)) : get(t, c(t));
}

/* Flow. */

static size_t state_bytes(const instance *i) {
  return sizeof(state) + i->p->n_registers * (sizeof(value) + sizeof(origin));
}

/* Of origins only those stay that hold whichever way the instruction is reached. */
static int join_origins(const step *t, const state *before) {
  const unsigned n = t->i->p->n_registers;
  origin *there = (origin *)(uintptr_t)&before->registers[n];
  int has_changed = 0;
  for (unsigned r = 0; r < n; r++) {
    const origin *here = origin_of(t, r);
    int is_copy = there[r].copy_of == here->copy_of, is_type = there[r].type_of == here->type_of;
    has_changed |= !is_copy || !is_type;
    if (!is_copy) there[r].copy_of = 0;
    if (!is_type) there[r].type_of = 0;
  }
  return has_changed;
}

/* What is before another instruction may also be what is now. */
static void flow(const step *t, size_t to) {
  instance *i = t->i;
  if (to >= i->p->n_code) moons__proof_fail(t->x, "has code that cannot be read");
  state *before = i->states[to];
  int is_new = before == NULL;
  if (is_new) {
    before = i->states[to] = moons__proof_take(t->x, state_bytes(i));
    memcpy(before, t->s, state_bytes(i));
  } else {
    for (unsigned r = 0; r < i->p->n_registers; r++)
      is_new |= moons__value_join(t->x, &before->registers[r], t->s->registers[r]);
    is_new |= moons__value_join(t->x, &before->open, t->s->open);
    is_new |= join_origins(t, before);
    if (is_nothing(before->open) || before->open_at < t->s->open_at)
      before->open_at = t->s->open_at;
  }
  if (is_new) i->is_dirty[to] = 1;
}

static void flow_next(const step *t) { flow(t, t->pc + 1); }

/* Of a test, which passes over a jump or takes it. */
static void flow_both(const step *t) {
  flow(t, t->pc + 1);
  flow(t, t->pc + 2);
}

/* Rows of values. */

/* The values from register `first` on: `n` of them; -1: up to the open results. */
static tuple get_row(const step *t, unsigned first, int n) {
  tuple row = {0};
  unsigned end = n >= 0 ? first + (unsigned)n : t->s->open_at;
  for (unsigned r = first; r < end; r++)
    moons__tuple_add(t->x, &row, get(t, r));
  if (n < 0) moons__value_join(t->x, &row.rest, t->s->open);
  return row;
}

/* Puts results from register `first` on: `n` of them; -1: nobody knows how many. */
static void set_row(const step *t, unsigned first, int n, const tuple *row) {
  t->s->open = (value){0};
  t->s->open_at = 0;
  for (int k = 0; k < n; k++)
    set(t, first + (unsigned)k, moons__tuple_get(t->x, row, (unsigned)k));
  if (n >= 0) return;
  t->s->open = VALUE_SCALAR;
  moons__value_join(t->x, &t->s->open, moons__tuple_all(t->x, row, 0));
  t->s->open_at = first;
}

static void note_returned(const step *t, const tuple *row) {
  for (unsigned k = 0; k < RETURN_VALUES; k++)
    moons__value_grow(t->x, &t->i->returns[k], moons__tuple_get(t->x, row, k));
  moons__value_grow(t->x, &t->i->more_returns, moons__tuple_all(t->x, row, RETURN_VALUES));
}

/* {== Loading ================================================================================= */

static void rule_move(step *t) {
  set(t, a(t), get(t, b(t)));
  if (a(t) != b(t) && !t->i->is_captured[a(t)] && !t->i->is_captured[b(t)])
    origin_of(t, a(t))->copy_of = (unsigned char)(b(t) + 1);
  flow_next(t);
}

static void rule_scalar(step *t) {
  set(t, a(t), VALUE_SCALAR);
  flow_next(t);
}

static void rule_loadk(step *t) {
  set(t, a(t), constant(t, moons__code_bx(t->code)));
  flow_next(t);
}

static void rule_loadkx(step *t) {
  set(t, a(t), constant(t, moons__code_ax(moons__prototype_code(t->i->p, t->pc + 1))));
  flow(t, t->pc + 2);
}

static void rule_lfalseskip(step *t) {
  set(t, a(t), VALUE_SCALAR);
  flow(t, t->pc + 2);
}

static void rule_loadnil(step *t) {
  for (unsigned r = a(t); r <= a(t) + b(t); r++)
    set(t, r, VALUE_SCALAR);
  flow_next(t);
}

/* {== Upvalues ================================================================================ */

static void rule_getupval(step *t) {
  set(t, a(t), get_upvalue(t, b(t)));
  flow_next(t);
}

static void rule_setupval(step *t) {
  const upvalue *to = upvalue_at(t, b(t));
  if (to->cell == NULL) {
    moons__constant name = moons__prototype_upvalue_name(t->i->p, b(t));
    moons__proof_fail(t->x, "sets the captured variable '%.*s'",
                      (int)(name.n_bytes < 40 ? name.n_bytes : 40),
                      name.bytes != NULL ? name.bytes : "?");
  }
  moons__value_grow(t->x, to->cell, get(t, a(t)));
  flow_next(t);
}

/* {== Tables ================================================================================== */

static void rule_gettabup(step *t) {
  set(t, a(t), moons__heap_index(t->x, get_upvalue(t, b(t)), constant(t, c(t))));
  flow_next(t);
}

static void rule_gettable(step *t) {
  set(t, a(t), moons__heap_index(t->x, get(t, b(t)), get(t, c(t))));
  flow_next(t);
}

static void rule_geti(step *t) {
  set(t, a(t), moons__heap_index_integer(t->x, get(t, b(t)), (lua_Integer)c(t)));
  flow_next(t);
}

static void rule_getfield(step *t) {
  set(t, a(t), moons__heap_index(t->x, get(t, b(t)), constant(t, c(t))));
  flow_next(t);
}

/* The object goes behind the method: read first, since both may be the same register. */
static void rule_self(step *t) {
  value self = get(t, b(t));
  value method = moons__heap_index(t->x, self, get_or_constant(t));
  set(t, a(t) + 1, self);
  set(t, a(t), method);
  flow_next(t);
}

static void rule_settabup(step *t) {
  moons__heap_store(t->x, get_upvalue(t, a(t)), constant(t, b(t)), get_or_constant(t));
  flow_next(t);
}

static void rule_settable(step *t) {
  moons__heap_store(t->x, get(t, a(t)), get(t, b(t)), get_or_constant(t));
  flow_next(t);
}

static void rule_seti(step *t) {
  moons__heap_store(t->x, get(t, a(t)), VALUE_SCALAR, get_or_constant(t));
  flow_next(t);
}

static void rule_setfield(step *t) {
  moons__heap_store(t->x, get(t, a(t)), constant(t, b(t)), get_or_constant(t));
  flow_next(t);
}

/* An EXTRAARG follows always. */
static void rule_newtable(step *t) {
  uint32_t number = moons__object_for(t->x, TABLE, t->i->p->code + t->pc * sizeof t->code);
  set(t, a(t), moons__value_of_object(t->x, number));
  flow(t, t->pc + 2);
}

/* Sets elements raw; where k is set an EXTRAARG follows. */
static void rule_setlist(step *t) {
  tuple row = get_row(t, a(t) + 1, b(t) > 0 ? (int)b(t) : -1);
  moons__heap_store_raw(t->x, get(t, a(t)), VALUE_SCALAR, moons__tuple_all(t->x, &row, 0));
  flow(t, t->pc + (moons__code_k(t->code) ? 2 : 1));
}

/* {== Operations ============================================================================== */

/* An MMBIN follows, or an MMBINI or MMBINK, over which the instruction passes unless an operand is no number. */
static void flow_arithmetic(step *t, value left, value right) {
  if (!is_scalar(left) || !is_scalar(right)) flow_next(t);
  set(t, a(t), VALUE_SCALAR);
  flow(t, t->pc + 2);
}

static void rule_arithmetic(step *t) { flow_arithmetic(t, get(t, b(t)), get(t, c(t))); }

static void rule_arithmetic_constant(step *t) { flow_arithmetic(t, get(t, b(t)), VALUE_SCALAR); }

/* ltm.h: the events from "__add" on have these numbers. */
static const char *event_name(const step *t) {
  enum { FIRST = 6 };
  static const char *const NAMES[] = {"__add",  "__sub",  "__mul", "__mod",  "__pow", "__div",
                                      "__idiv", "__band", "__bor", "__bxor", "__shl", "__shr"};
  unsigned event = c(t);
  if (event < FIRST || event >= FIRST + sizeof NAMES / sizeof NAMES[0])
    moons__proof_fail(t->x, "has code that cannot be read");
  return NAMES[event - FIRST];
}

/* The result goes where the instruction before wanted it. */
static void metamethod(step *t, value left, value right) {
  value is = VALUE_SCALAR;
  moons__value_join(t->x, &is, moons__heap_event(t->x, left, right, event_name(t)));
  set(t, moons__code_a(moons__prototype_code(t->i->p, t->pc - 1)), is);
  flow_next(t);
}

static void rule_mmbin(step *t) { metamethod(t, get(t, a(t)), get(t, b(t))); }

static void rule_mmbin_constant(step *t) { metamethod(t, get(t, a(t)), VALUE_SCALAR); }

static void unary(step *t, const char *event) {
  value operand = get(t, b(t)), is = VALUE_SCALAR;
  moons__value_join(t->x, &is, moons__heap_event(t->x, operand, operand, event));
  set(t, a(t), is);
  flow_next(t);
}

static void rule_unm(step *t) { unary(t, "__unm"); }

static void rule_bnot(step *t) { unary(t, "__bnot"); }

static void rule_len(step *t) {
  set(t, a(t), moons__heap_length(t->x, get(t, b(t))));
  flow_next(t);
}

/* From right to left: what a __concat has given is an operand of the next. */
static void rule_concat(step *t) {
  if (b(t) == 0) moons__proof_fail(t->x, "has code that cannot be read");
  value is = get(t, a(t) + b(t) - 1);
  for (unsigned r = a(t) + b(t) - 1; r-- > a(t);) {
    value event = moons__heap_event(t->x, get(t, r), is, "__concat");
    is = (value){.kinds = STRING};
    moons__value_join(t->x, &is, event);
  }
  set(t, a(t), is);
  flow_next(t);
}

/* {== Tests and jumps ========================================================================= */

static void compare(step *t, value left, value right, const char *event) {
  (void)moons__heap_event(t->x, left, right, event);
  flow_both(t);
}

static void rule_eq(step *t) { compare(t, get(t, a(t)), get(t, b(t)), "__eq"); }

static void rule_lt(step *t) { compare(t, get(t, a(t)), get(t, b(t)), "__lt"); }

static void rule_le(step *t) { compare(t, get(t, a(t)), get(t, b(t)), "__le"); }

static void rule_lt_constant(step *t) { compare(t, get(t, a(t)), VALUE_SCALAR, "__lt"); }

static void rule_le_constant(step *t) { compare(t, get(t, a(t)), VALUE_SCALAR, "__le"); }

static void rule_test(step *t) { flow_both(t); }

/* The part of a value that is of the type of this name, or that is not. Types that scalars have are not told apart. */
static value typed(const step *t, value v, value name, int is_it) {
  enum { TABLES = 1 << TABLE | 1 << OUTSIDE | 1 << CROWD };
  enum { FUNCTIONS = 1 << FUNCTION | 1 << CLOSURE | 1 << C_FUNCTION | 1 << WRAPPED };
  size_t n_bytes;
  const char *bytes = name.key != 0 ? moons__key_bytes(t->x, name.key, &n_bytes) : "";
  unsigned objects = 0;
  uint32_t kinds = 0;
  if (strcmp(bytes, "table") == 0)
    objects = TABLES;
  else if (strcmp(bytes, "function") == 0)
    objects = FUNCTIONS;
  else if (strcmp(bytes, "string") == 0)
    kinds = STRING;
  else if (is_it && (strcmp(bytes, "number") == 0 || strcmp(bytes, "boolean") == 0))
    kinds = SCALAR;
  else
    return v;
  return is_it ? moons__value_part(t->x, v, objects, kinds)
               : moons__value_part(t->x, v, ~objects, ~kinds);
}

/* Of a test whether the register has this type: what it can be where the test gives that, which may be nothing. */
static void flow_typed(const step *t, size_t to, unsigned r, value name, int is_it) {
  value before = t->s->registers[r], part = typed(t, before, name, is_it);
  t->s->registers[r] = part;
  if (!is_nothing(part)) flow(t, to);
  t->s->registers[r] = before;
}

/* Where it compares the name of a type, `type(v) == "table"`, the value is of that type or is not. */
static void rule_eqk(step *t) {
  unsigned type_of = origin_of(t, a(t))->type_of;
  int is_it = (int)moons__code_k(t->code);
  if (type_of == 0) {
    flow_both(t);
    return;
  }
  flow_typed(t, t->pc + 1, type_of - 1, constant(t, b(t)), is_it);
  flow_typed(t, t->pc + 2, type_of - 1, constant(t, b(t)), !is_it);
}

/* Sets the register where it does not pass over the jump. */
static void rule_testset(step *t) {
  flow(t, t->pc + 2);
  set(t, a(t), get(t, b(t)));
  flow_next(t);
}

static void rule_jmp(step *t) { flow(t, (size_t)((long)t->pc + 1 + moons__code_sj(t->code))); }

static void rule_next(step *t) { flow_next(t); }

/* {== Calls =================================================================================== */

/* The register, and 1, of which `type(v)` gives the type; 0: it is another call. */
static unsigned asks_type_of(const step *t) {
  value callee = get(t, a(t));
  unsigned at = 0;
  uint32_t number = moons__set_next(t->x, callee.set, &at);
  if (b(t) != 2 || c(t) != 2 || callee.kinds != 0 || number == 0) return 0;
  int is_only = moons__set_next(t->x, callee.set, &at) == 0;
  const object *o = moons__object(t->x, number);
  if (!is_only || o->kind != C_FUNCTION || o->model != MODEL_TYPE) return 0;
  return origin_of(t, a(t) + 1)->copy_of;
}

/* A call of `type` is noted, so that a test of what it gives tells the value's kinds apart. */
static void rule_call(step *t) {
  tuple arguments = get_row(t, a(t) + 1, (int)b(t) - 1);
  unsigned type_of = asks_type_of(t);
  tuple results = moons__proof_call(t->x, get(t, a(t)), &arguments, 0);
  set_row(t, a(t), (int)c(t) - 1, &results);
  if (type_of != 0 && type_of - 1 < a(t) && !t->i->is_captured[a(t)])
    origin_of(t, a(t))->type_of = (unsigned char)type_of;
  flow_next(t);
}

/* Nothing comes after it, but where a C function is called, a return of its results. */
static void rule_tailcall(step *t) {
  tuple arguments = get_row(t, a(t) + 1, (int)b(t) - 1);
  tuple results = moons__proof_call(t->x, get(t, a(t)), &arguments, 0);
  note_returned(t, &results);
}

static void rule_return(step *t) {
  tuple row = get_row(t, a(t), (int)b(t) - 1);
  note_returned(t, &row);
}

static void rule_return0(step *t) {
  tuple row = {0};
  note_returned(t, &row);
}

static void rule_return1(step *t) {
  tuple row = {.n = 1, .at = {get(t, a(t))}};
  note_returned(t, &row);
}

/* What the closure shares with this function is the cell of the register from here on, for both. */
static void rule_closure(step *t) {
  uint32_t number;
  unsigned n = moons__code_bx(t->code);
  if (n >= t->i->p->n_inner) moons__proof_fail(t->x, "has code that cannot be read");
  const moons__prototype *p = &t->i->p->inner[n];
  (void)moons__proof_closure(t->x, p, &number);
  for (size_t u = 0; u < p->n_upvalues; u++) { /* what variables hold by now */
    moons__upvalue from = moons__prototype_upvalue(p, u);
    if (from.in_stack && from.index < t->i->p->n_registers)
      moons__value_grow(t->x, &t->i->cells[from.index], t->s->registers[from.index]);
  }
  set(t, a(t), moons__value_of_object(t->x, number));
  flow_next(t);
}

static void rule_vararg(step *t) {
  tuple row = {.rest = t->i->varargs};
  set_row(t, a(t), (int)c(t) - 1, &row);
  flow_next(t);
}

/* {== Loops =================================================================================== */

/* The loop's three numbers, and the variable; the loop may be passed over. */
static void rule_forprep(step *t) {
  for (unsigned r = a(t); r < a(t) + 4; r++)
    set(t, r, VALUE_SCALAR);
  flow_next(t);
  flow(t, t->pc + moons__code_bx(t->code) + 2);
}

/* Back to the body, or on. */
static void rule_forloop(step *t) {
  for (unsigned r = a(t); r < a(t) + 4; r++)
    set(t, r, VALUE_SCALAR);
  flow(t, t->pc + 1 - moons__code_bx(t->code));
  flow_next(t);
}

static void check_closing(const step *t, unsigned r) {
  if (!is_scalar(get(t, r))) moons__proof_fail(t->x, "has a variable that is to be closed");
}

static void rule_tbc(step *t) {
  check_closing(t, a(t));
  flow_next(t);
}

/* The fourth value is to be closed. */
static void rule_tforprep(step *t) {
  check_closing(t, a(t) + 3);
  flow(t, t->pc + 1 + moons__code_bx(t->code));
}

/* The iterator may be any function, and may go on as often as it likes. */
static void rule_tforcall(step *t) {
  tuple arguments = get_row(t, a(t) + 1, 2);
  tuple results = moons__proof_call(t->x, get(t, a(t)), &arguments, 0);
  set_row(t, a(t) + 4, (int)c(t), &results);
  flow_next(t);
}

static void rule_tforloop(step *t) {
  flow_next(t);
  set(t, a(t) + 2, get(t, a(t) + 4));
  flow(t, t->pc + 1 - moons__code_bx(t->code));
}

/* {== All of them ============================================================================= */

typedef void rule(step *t);

static rule *const RULES[MOONS__N_OPCODES] = {
    [MOONS__OP_MOVE] = rule_move,
    [MOONS__OP_LOADI] = rule_scalar,
    [MOONS__OP_LOADF] = rule_scalar,
    [MOONS__OP_LOADK] = rule_loadk,
    [MOONS__OP_LOADKX] = rule_loadkx,
    [MOONS__OP_LOADFALSE] = rule_scalar,
    [MOONS__OP_LFALSESKIP] = rule_lfalseskip,
    [MOONS__OP_LOADTRUE] = rule_scalar,
    [MOONS__OP_LOADNIL] = rule_loadnil,
    [MOONS__OP_GETUPVAL] = rule_getupval,
    [MOONS__OP_SETUPVAL] = rule_setupval,
    [MOONS__OP_GETTABUP] = rule_gettabup,
    [MOONS__OP_GETTABLE] = rule_gettable,
    [MOONS__OP_GETI] = rule_geti,
    [MOONS__OP_GETFIELD] = rule_getfield,
    [MOONS__OP_SETTABUP] = rule_settabup,
    [MOONS__OP_SETTABLE] = rule_settable,
    [MOONS__OP_SETI] = rule_seti,
    [MOONS__OP_SETFIELD] = rule_setfield,
    [MOONS__OP_NEWTABLE] = rule_newtable,
    [MOONS__OP_SELF] = rule_self,
    [MOONS__OP_ADDI] = rule_arithmetic_constant,
    [MOONS__OP_ADDK] = rule_arithmetic_constant,
    [MOONS__OP_SUBK] = rule_arithmetic_constant,
    [MOONS__OP_MULK] = rule_arithmetic_constant,
    [MOONS__OP_MODK] = rule_arithmetic_constant,
    [MOONS__OP_POWK] = rule_arithmetic_constant,
    [MOONS__OP_DIVK] = rule_arithmetic_constant,
    [MOONS__OP_IDIVK] = rule_arithmetic_constant,
    [MOONS__OP_BANDK] = rule_arithmetic_constant,
    [MOONS__OP_BORK] = rule_arithmetic_constant,
    [MOONS__OP_BXORK] = rule_arithmetic_constant,
    [MOONS__OP_SHRI] = rule_arithmetic_constant,
    [MOONS__OP_SHLI] = rule_arithmetic_constant,
    [MOONS__OP_ADD] = rule_arithmetic,
    [MOONS__OP_SUB] = rule_arithmetic,
    [MOONS__OP_MUL] = rule_arithmetic,
    [MOONS__OP_MOD] = rule_arithmetic,
    [MOONS__OP_POW] = rule_arithmetic,
    [MOONS__OP_DIV] = rule_arithmetic,
    [MOONS__OP_IDIV] = rule_arithmetic,
    [MOONS__OP_BAND] = rule_arithmetic,
    [MOONS__OP_BOR] = rule_arithmetic,
    [MOONS__OP_BXOR] = rule_arithmetic,
    [MOONS__OP_SHL] = rule_arithmetic,
    [MOONS__OP_SHR] = rule_arithmetic,
    [MOONS__OP_MMBIN] = rule_mmbin,
    [MOONS__OP_MMBINI] = rule_mmbin_constant,
    [MOONS__OP_MMBINK] = rule_mmbin_constant,
    [MOONS__OP_UNM] = rule_unm,
    [MOONS__OP_BNOT] = rule_bnot,
    [MOONS__OP_NOT] = rule_scalar,
    [MOONS__OP_LEN] = rule_len,
    [MOONS__OP_CONCAT] = rule_concat,
    [MOONS__OP_CLOSE] = rule_next,
    [MOONS__OP_TBC] = rule_tbc,
    [MOONS__OP_JMP] = rule_jmp,
    [MOONS__OP_EQ] = rule_eq,
    [MOONS__OP_LT] = rule_lt,
    [MOONS__OP_LE] = rule_le,
    [MOONS__OP_EQK] = rule_eqk,
    [MOONS__OP_EQI] = rule_test,
    [MOONS__OP_LTI] = rule_lt_constant,
    [MOONS__OP_LEI] = rule_le_constant,
    [MOONS__OP_GTI] = rule_lt_constant,
    [MOONS__OP_GEI] = rule_le_constant,
    [MOONS__OP_TEST] = rule_test,
    [MOONS__OP_TESTSET] = rule_testset,
    [MOONS__OP_CALL] = rule_call,
    [MOONS__OP_TAILCALL] = rule_tailcall,
    [MOONS__OP_RETURN] = rule_return,
    [MOONS__OP_RETURN0] = rule_return0,
    [MOONS__OP_RETURN1] = rule_return1,
    [MOONS__OP_FORLOOP] = rule_forloop,
    [MOONS__OP_FORPREP] = rule_forprep,
    [MOONS__OP_TFORPREP] = rule_tforprep,
    [MOONS__OP_TFORCALL] = rule_tforcall,
    [MOONS__OP_TFORLOOP] = rule_tforloop,
    [MOONS__OP_SETLIST] = rule_setlist,
    [MOONS__OP_CLOSURE] = rule_closure,
    [MOONS__OP_VARARG] = rule_vararg,
    [MOONS__OP_VARARGPREP] = rule_next,
    [MOONS__OP_EXTRAARG] = NULL, /* the instruction before passes over it */
};

static void make_step(prover *x, instance *i, state *scratch, size_t pc) {
  step t = {.x = x, .i = i, .pc = pc, .code = moons__prototype_code(i->p, pc), .s = scratch};
  unsigned op = moons__code_op(t.code);
  moons__proof_step(x);
  x->pc = pc;
  memcpy(scratch, i->states[pc], state_bytes(i));
  if (op >= MOONS__N_OPCODES || RULES[op] == NULL)
    moons__proof_fail(x, "has an instruction that is not known");
  RULES[op](&t);
}

/* Where a function begins its arguments are in registers, and nothing else is. */
static void begin(prover *x, instance *i, state *scratch) {
  step t = {.x = x, .i = i, .s = scratch};
  memset(scratch, 0, state_bytes(i));
  for (unsigned r = 0; r < i->p->n_parameters; r++)
    set(&t, r, i->parameters[r]);
  flow(&t, 0);
}

/* All that has been reached is gone through, for what it reads elsewhere may have grown; and then what that leads to. */
void moons__code_run(prover *x, instance *i) {
  if (i->scratch == NULL) i->scratch = moons__proof_take(x, state_bytes(i));
  state *scratch = i->scratch;
  begin(x, i, scratch);
  for (size_t pc = 0; pc < i->p->n_code; pc++)
    i->is_dirty[pc] = i->states[pc] != NULL;
  int is_done;
  do {
    is_done = 1;
    for (size_t pc = 0; pc < i->p->n_code; pc++) {
      if (!i->is_dirty[pc]) continue;
      i->is_dirty[pc] = 0;
      is_done = 0;
      make_step(x, i, scratch, pc);
    }
  } while (!is_done);
}
