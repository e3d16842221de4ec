/*
** Only two instructions can name a global: GETTABUP and SETTABUP index an upvalue with a constant string; an environment that
** is read by any other way is "used as a value".
*/
#include "wire/capture.h"

#include <string.h>

#include "state/bytecode.h"

enum { MAX_UPVALUES = 64 };

typedef moons__constant constant;

/* What is found out of a function, and of those in it. */
typedef struct finder {
  int failed; /* no memory */
  int dynamic;
  moons__capture_uses uses;
  moons__buffer *names;
} finder;

/* A function, and which of its upvalues are environments. */
typedef struct prototype {
  const moons__prototype *is;
  uint64_t environments;
} prototype;

static uint32_t instruction_at(const prototype *p, size_t i) {
  return moons__prototype_code(p->is, i);
}

static int is_environment(const prototype *p, unsigned upvalue) {
  return upvalue < MAX_UPVALUES && (p->environments >> upvalue & 1) != 0;
}

/* The mark of a constant. */
enum { IS_NAME = 1 /* of a global */ };

/* The constant with this number where it is a string, or NULL. */
static constant *string_constant(const prototype *p, size_t index) {
  if (index >= p->is->n_constants || p->is->constants[index].bytes == NULL) return NULL;
  return &p->is->constants[index];
}

static void put_name(finder *f, const prototype *p, size_t index, int is_module) {
  constant *c = string_constant(p, index);
  if (c == NULL) return;
  if (!is_module) c->mark = IS_NAME;
  moons__capture_name name = {c->bytes, c->n_bytes, is_module};
  if (moons__buffer_append(f->names, &name, sizeof name)) f->failed = 1;
}

/* Functions with more constants than an instruction can number read a global in three steps:
** GETUPVAL r env; LOADK k name; GETTABLE r r k. The environment is gone after the third. */
static int is_wide_read(const prototype *p, size_t i) {
  unsigned r = moons__code_a(instruction_at(p, i));
  uint32_t load = instruction_at(p, i + 1), get = instruction_at(p, i + 2);
  return moons__code_op(load) == MOONS__OP_LOADK && moons__code_op(get) == MOONS__OP_GETTABLE &&
         moons__code_a(get) == r && moons__code_b(get) == r &&
         moons__code_c(get) == moons__code_a(load);
}

static int is_string(const constant *c, const char *text) {
  return c != NULL && c->bytes != NULL && c->n_bytes == strlen(text) &&
         memcmp(c->bytes, text, c->n_bytes) == 0;
}

static int is_global(const prototype *p, size_t index, const char *name) {
  return is_string(string_constant(p, index), name);
}

/* Whether the library that instruction `i` reads is gone after the next one, which takes a field of it. */
static int is_field_read(const prototype *p, size_t i) {
  unsigned r = moons__code_a(instruction_at(p, i));
  uint32_t get = instruction_at(p, i + 1);
  return moons__code_op(get) == MOONS__OP_GETFIELD && moons__code_a(get) == r &&
         moons__code_b(get) == r;
}

/* The global `require` is read by instruction `i`. Where the next ones call it, or pcall with it, and a constant is
** the only argument, that names the module: GETTABUP r; LOADK r+1; CALL r 2, or CALL r-1 3. */
static void note_require(finder *f, const prototype *p, size_t i) {
  uint32_t load = instruction_at(p, i + 1), call = instruction_at(p, i + 2);
  unsigned at = moons__code_a(instruction_at(p, i));
  int is_call =
      moons__code_op(call) == MOONS__OP_CALL || moons__code_op(call) == MOONS__OP_TAILCALL;
  int is_direct = moons__code_a(call) == at && moons__code_b(call) == 2;
  int is_protected = moons__code_a(call) + 1 == at && moons__code_b(call) == 3;
  if (is_call && (is_direct || is_protected) && moons__code_op(load) == MOONS__OP_LOADK &&
      moons__code_a(load) == at + 1 && string_constant(p, moons__code_bx(load)) != NULL)
    put_name(f, p, moons__code_bx(load), 1);
  else
  f->uses.requires = 1;
}

/* Instruction `i` reads a global. */
static void note_read(finder *f, const prototype *p, size_t i) {
  unsigned name = moons__code_c(instruction_at(p, i));
  put_name(f, p, name, 0);
  if (is_global(p, name, "require")) note_require(f, p, i);
  if (is_global(p, name, "math") && !is_field_read(p, i)) f->uses.has_random = 1;
}

/* The same in a function that has too many constants for one instruction: it takes three. */
static void note_wide_read(finder *f, const prototype *p, size_t i) {
  unsigned name = moons__code_bx(instruction_at(p, i + 1));
  put_name(f, p, name, 0);
  if (is_global(p, name, "require")) f->uses.requires = 1;
  if (is_global(p, name, "math")) f->uses.has_random = 1;
}

/* Whether a constant is used other than as the name of a global. */
static int uses_constant(uint32_t i, size_t k) {
  switch (moons__code_op(i)) {
  case MOONS__OP_LOADK: return moons__code_bx(i) == k;
  case MOONS__OP_LOADKX: return 1; /* the next instruction says which */
  case MOONS__OP_EQK: return moons__code_b(i) == k;
  case MOONS__OP_GETFIELD: return moons__code_c(i) == k;
  case MOONS__OP_SETFIELD:
    return moons__code_b(i) == k || (moons__code_k(i) && moons__code_c(i) == k);
  case MOONS__OP_SELF:
  case MOONS__OP_SETTABUP:
  case MOONS__OP_SETTABLE:
  case MOONS__OP_SETI: return moons__code_k(i) && moons__code_c(i) == k;
  default: return 0;
  }
}

static int has_constant(const prototype *p, const char *text) {
  for (size_t k = 0; k < p->is->n_constants; k++)
    if (is_string(&p->is->constants[k], text)) return 1;
  return 0;
}

/* Strings come from constants, and from joining values. */
static int makes_strings(const prototype *p) {
  for (size_t i = 0; i < p->is->n_code; i++)
    if (moons__code_op(instruction_at(p, i)) == MOONS__OP_CONCAT) return 1;
  for (size_t k = 0; k < p->is->n_constants; k++) {
    if (p->is->constants[k].bytes == NULL) continue;
    if (p->is->constants[k].mark != IS_NAME) return 1;
    for (size_t i = 0; i < p->is->n_code; i++)
      if (uses_constant(instruction_at(p, i), k)) return 1;
  }
  return 0;
}

static void scan_code(finder *f, const prototype *p) {
  for (size_t i = 0; i < p->is->n_code; i++) {
    uint32_t instruction = instruction_at(p, i);
    switch (moons__code_op(instruction)) {
    case MOONS__OP_GETTABUP:
      if (is_environment(p, moons__code_b(instruction))) note_read(f, p, i);
      break;
    case MOONS__OP_SETTABUP:
      if (is_environment(p, moons__code_a(instruction)))
        put_name(f, p, moons__code_b(instruction), 0);
      break;
    case MOONS__OP_GETUPVAL:
      if (!is_environment(p, moons__code_b(instruction))) break;
      if (is_wide_read(p, i))
        note_wide_read(f, p, i);
      else
        f->dynamic = 1;
      break;
    default: break;
    }
  }
}

/* An inner function's environment is its parent's: an upvalue of the parent, not a local of it. */
static uint64_t inner_environments(finder *f, const moons__prototype *p, uint64_t parent) {
  uint64_t own = 0;
  if (p->n_upvalues > MAX_UPVALUES) f->dynamic = 1; /* an environment may be among those beyond */
  for (size_t i = 0; i < p->n_upvalues && i < MAX_UPVALUES; i++) {
    moons__upvalue upvalue = moons__prototype_upvalue(p, i);
    if (!upvalue.in_stack && upvalue.index < MAX_UPVALUES)
      own |= (parent >> upvalue.index & 1) << i;
  }
  return own;
}

static void scan_function(finder *f, const moons__prototype *is, uint64_t environments) {
  prototype p = {is, environments};
  scan_code(f, &p);
  f->uses.has_strings |= makes_strings(&p);
  f->uses.has_clock |= has_constant(&p, "clock");
  f->uses.has_random |= has_constant(&p, "random") || has_constant(&p, "randomseed");
  for (size_t i = 0; i < is->n_inner; i++) {
    const moons__prototype *inner = &is->inner[i];
    scan_function(f, inner, inner_environments(f, inner, environments));
  }
}

moons__capture_result moons__capture(const void *dump, size_t n_bytes, uint64_t environments,
                                     moons__buffer *names, moons__capture_uses *uses) {
  moons__prototype main;
  finder f = {.names = names};
  if (moons__bytecode_read(&main, names->beside, dump, n_bytes)) return MOONS__CAPTURE_FOREIGN;
  if (main.n_upvalues > MAX_UPVALUES) f.dynamic = 1;
  scan_function(&f, &main, environments);
  moons__prototype_free(&main);
  if (f.failed) return MOONS__CAPTURE_FOREIGN;
  if (uses != NULL) *uses = f.uses;
  return f.dynamic ? MOONS__CAPTURE_DYNAMIC : MOONS__CAPTURE_EXACT;
}
