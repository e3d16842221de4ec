/*
** The format of a dump is that of ldump.c and lundump.c, the instructions those of lopcodes.h, both
** of Lua 5.4. Only two instructions can name a global: GETTABUP and SETTABUP index an upvalue with
** a constant string; an environment that is read by any other way is "used as a value".
*/
#include "wire/capture.h"

#include <stdlib.h>
#include <string.h>

enum { /* lopcodes.h */
       OP_LOADK = 3,
       OP_LOADKX = 4,
       OP_GETUPVAL = 9,
       OP_GETTABUP = 11,
       OP_GETTABLE = 12,
       OP_GETFIELD = 14,
       OP_SETTABUP = 15,
       OP_SETTABLE = 16,
       OP_SETI = 17,
       OP_SETFIELD = 18,
       OP_SELF = 20,
       OP_CONCAT = 53,
       OP_EQK = 60,
       OP_CALL = 68,
       OP_TAILCALL = 69
};

enum { /* lobject.h: the tags of constants */
       TAG_NIL = 0x00,
       TAG_FALSE = 0x01,
       TAG_TRUE = 0x11,
       TAG_INTEGER = 0x03,
       TAG_FLOAT = 0x13,
       TAG_SHORT_STRING = 0x04,
       TAG_LONG_STRING = 0x14
};

enum { MAX_DEPTH = 250, MAX_UPVALUES = 64, INSTRUCTION_BYTES = 4 };

typedef struct reader {
  const unsigned char *at, *end;
  int malformed;
  int dynamic;
  moons__capture_uses uses;
  moons__buffer *names;
} reader;

/* A constant that is a string; bytes NULL for all others. */
typedef struct constant {
  const char *bytes;
  size_t n_bytes;
  int is_name; /* of a global */
} constant;

typedef struct prototype {
  const unsigned char *code;
  size_t n_code;
  constant *constants;
  size_t n_constants;
  uint64_t environments;
} prototype;

static const unsigned char *take(reader *r, size_t n_bytes) {
  if (n_bytes > (size_t)(r->end - r->at)) {
    r->malformed = 1;
    return r->end;
  }
  const unsigned char *taken = r->at;
  r->at += n_bytes;
  return taken;
}

static unsigned take_byte(reader *r) {
  const unsigned char *byte = take(r, 1);
  return r->malformed ? 0 : *byte;
}

/* Seven bits a byte, the highest first; the last byte has its high bit set. */
static size_t take_size(reader *r) {
  size_t size = 0;
  for (int i = 0; i < 10 && !r->malformed; i++) {
    unsigned byte = take_byte(r);
    size = size << 7 | (byte & 0x7F);
    if (byte & 0x80) return size;
  }
  r->malformed = 1;
  return 0;
}

static constant take_string(reader *r) {
  size_t size = take_size(r);
  if (size == 0) return (constant){0};
  return (constant){.bytes = (const char *)take(r, size - 1), .n_bytes = size - 1};
}

/* A count of things of at least `item_bytes` each. */
static size_t take_count(reader *r, size_t item_bytes) {
  size_t count = take_size(r);
  if (count > (size_t)(r->end - r->at) / item_bytes) r->malformed = 1;
  return r->malformed ? 0 : count;
}

static constant take_constant(reader *r) {
  switch (take_byte(r)) {
  case TAG_NIL:
  case TAG_FALSE:
  case TAG_TRUE: break;
  case TAG_INTEGER:
  case TAG_FLOAT: take(r, 8); break;
  case TAG_SHORT_STRING:
  case TAG_LONG_STRING: return take_string(r);
  default: r->malformed = 1;
  }
  return (constant){0};
}

static uint32_t instruction_at(const prototype *p, size_t i) {
  uint32_t instruction = 0;
  if (i < p->n_code) memcpy(&instruction, p->code + i * INSTRUCTION_BYTES, INSTRUCTION_BYTES);
  return instruction;
}

static unsigned opcode(uint32_t i) { return i & 0x7F; }
static unsigned arg_a(uint32_t i) { return i >> 7 & 0xFF; }
static unsigned arg_b(uint32_t i) { return i >> 16 & 0xFF; }
static unsigned arg_c(uint32_t i) { return i >> 24; }
static unsigned arg_bx(uint32_t i) { return i >> 15; }
static unsigned flag_k(uint32_t i) { return i >> 15 & 1; }

static int is_environment(const prototype *p, unsigned upvalue) {
  return upvalue < MAX_UPVALUES && (p->environments >> upvalue & 1) != 0;
}

/* The constant with this number where it is a string, or NULL. */
static constant *string_constant(const prototype *p, size_t index) {
  if (index >= p->n_constants || p->constants[index].bytes == NULL) return NULL;
  return &p->constants[index];
}

static void put_name(reader *r, const prototype *p, size_t index, int is_module) {
  constant *c = string_constant(p, index);
  if (c == NULL) return;
  if (!is_module) c->is_name = 1;
  moons__capture_name name = {c->bytes, c->n_bytes, is_module};
  if (moons__buffer_append(r->names, &name, sizeof name)) r->malformed = 1;
}

/* Functions with more constants than an instruction can number read a global in three steps:
** GETUPVAL r env; LOADK k name; GETTABLE r r k. The environment is gone after the third. */
static int is_wide_read(const prototype *p, size_t i) {
  unsigned r = arg_a(instruction_at(p, i));
  uint32_t load = instruction_at(p, i + 1), get = instruction_at(p, i + 2);
  return opcode(load) == OP_LOADK && opcode(get) == OP_GETTABLE && arg_a(get) == r &&
         arg_b(get) == r && arg_c(get) == arg_a(load);
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
  unsigned r = arg_a(instruction_at(p, i));
  uint32_t get = instruction_at(p, i + 1);
  return opcode(get) == OP_GETFIELD && arg_a(get) == r && arg_b(get) == r;
}

/* The global `require` is read by instruction `i`. Where the next ones call it, or pcall with it, and a constant is
** the only argument, that names the module: GETTABUP r; LOADK r+1; CALL r 2, or CALL r-1 3. */
static void note_require(reader *r, const prototype *p, size_t i) {
  uint32_t load = instruction_at(p, i + 1), call = instruction_at(p, i + 2);
  unsigned at = arg_a(instruction_at(p, i));
  int is_call = opcode(call) == OP_CALL || opcode(call) == OP_TAILCALL;
  int is_direct = arg_a(call) == at && arg_b(call) == 2;
  int is_protected = arg_a(call) + 1 == at && arg_b(call) == 3;
  if (is_call && (is_direct || is_protected) && opcode(load) == OP_LOADK && arg_a(load) == at + 1 &&
      string_constant(p, arg_bx(load)) != NULL)
    put_name(r, p, arg_bx(load), 1);
  else
  r->uses.requires = 1;
}

/* Instruction `i` reads a global. */
static void note_read(reader *r, const prototype *p, size_t i) {
  unsigned name = arg_c(instruction_at(p, i));
  put_name(r, p, name, 0);
  if (is_global(p, name, "require")) note_require(r, p, i);
  if (is_global(p, name, "math") && !is_field_read(p, i)) r->uses.has_random = 1;
}

/* The same in a function that has too many constants for one instruction: it takes three. */
static void note_wide_read(reader *r, const prototype *p, size_t i) {
  unsigned name = arg_bx(instruction_at(p, i + 1));
  put_name(r, p, name, 0);
  if (is_global(p, name, "require")) r->uses.requires = 1;
  if (is_global(p, name, "math")) r->uses.has_random = 1;
}

/* Whether a constant is used other than as the name of a global. */
static int uses_constant(uint32_t i, size_t k) {
  switch (opcode(i)) {
  case OP_LOADK: return arg_bx(i) == k;
  case OP_LOADKX: return 1; /* the next instruction says which */
  case OP_EQK: return arg_b(i) == k;
  case OP_GETFIELD: return arg_c(i) == k;
  case OP_SETFIELD: return arg_b(i) == k || (flag_k(i) && arg_c(i) == k);
  case OP_SELF:
  case OP_SETTABUP:
  case OP_SETTABLE:
  case OP_SETI: return flag_k(i) && arg_c(i) == k;
  default: return 0;
  }
}

static int has_constant(const prototype *p, const char *text) {
  for (size_t k = 0; k < p->n_constants; k++)
    if (is_string(&p->constants[k], text)) return 1;
  return 0;
}

/* Strings come from constants, and from joining values. */
static int makes_strings(const prototype *p) {
  for (size_t i = 0; i < p->n_code; i++)
    if (opcode(instruction_at(p, i)) == OP_CONCAT) return 1;
  for (size_t k = 0; k < p->n_constants; k++) {
    if (p->constants[k].bytes == NULL) continue;
    if (!p->constants[k].is_name) return 1;
    for (size_t i = 0; i < p->n_code; i++)
      if (uses_constant(instruction_at(p, i), k)) return 1;
  }
  return 0;
}

static void scan_code(reader *r, const prototype *p) {
  for (size_t i = 0; i < p->n_code; i++) {
    uint32_t instruction = instruction_at(p, i);
    switch (opcode(instruction)) {
    case OP_GETTABUP:
      if (is_environment(p, arg_b(instruction))) note_read(r, p, i);
      break;
    case OP_SETTABUP:
      if (is_environment(p, arg_a(instruction))) put_name(r, p, arg_b(instruction), 0);
      break;
    case OP_GETUPVAL:
      if (!is_environment(p, arg_b(instruction))) break;
      if (is_wide_read(p, i))
        note_wide_read(r, p, i);
      else
        r->dynamic = 1;
      break;
    default: break;
    }
  }
}

/* A nested function's environment is its parent's: an upvalue of the parent, not a local of it. */
static uint64_t take_upvalues(reader *r, uint64_t parent, int is_main, uint64_t environments) {
  size_t n_upvalues = take_count(r, 3);
  uint64_t own = 0;
  if (n_upvalues > MAX_UPVALUES) r->dynamic = 1; /* an environment may be among those beyond */
  for (size_t i = 0; i < n_upvalues; i++) {
    unsigned in_stack = take_byte(r), index = take_byte(r);
    take_byte(r); /* kind */
    if (!in_stack && index < MAX_UPVALUES && i < MAX_UPVALUES) own |= (parent >> index & 1) << i;
  }
  return is_main ? environments : own;
}

static void skip_debug(reader *r) {
  take(r, take_count(r, 1)); /* line of each instruction */
  for (size_t n = take_count(r, 2); n > 0; n--) {
    take_size(r); /* instruction */
    take_size(r); /* line */
  }
  for (size_t n = take_count(r, 3); n > 0; n--) { /* local variables */
    take_string(r);
    take_size(r);
    take_size(r);
  }
  for (size_t n = take_count(r, 1); n > 0; n--)
    take_string(r); /* names of upvalues */
}

static void take_function(reader *r, uint64_t parent, int depth, uint64_t environments);

static void take_nested(reader *r, uint64_t environments, int depth) {
  for (size_t n = take_count(r, 1); n > 0 && !r->malformed; n--)
    take_function(r, environments, depth + 1, 0);
}

static void take_function(reader *r, uint64_t parent, int depth, uint64_t environments) {
  if (depth > MAX_DEPTH) r->malformed = 1;
  take_string(r); /* source */
  take_size(r);   /* first line */
  take_size(r);   /* last line */
  take(r, 3);     /* parameters, vararg, stack */
  prototype p = {0};
  p.n_code = take_count(r, INSTRUCTION_BYTES);
  p.code = take(r, p.n_code * INSTRUCTION_BYTES);
  p.n_constants = take_count(r, 1);
  if (r->malformed) return;
  p.constants = calloc(p.n_constants + 1, sizeof(constant));
  if (p.constants == NULL) {
    r->malformed = 1;
    return;
  }
  for (size_t i = 0; i < p.n_constants && !r->malformed; i++)
    p.constants[i] = take_constant(r);
  p.environments = take_upvalues(r, parent, depth == 0, environments);
  if (!r->malformed) {
    scan_code(r, &p);
    r->uses.has_strings |= makes_strings(&p);
    r->uses.has_clock |= has_constant(&p, "clock");
    r->uses.has_random |= has_constant(&p, "random") || has_constant(&p, "randomseed");
  }
  free(p.constants);
  take_nested(r, p.environments, depth);
  if (!r->malformed) skip_debug(r);
}

/* What lundump.c checks: signature, version, format, conversions, sizes, and two numbers. */
static int header_is_known(reader *r) {
  static const unsigned char HEADER[] = {0x1B, 'L',  'u',  'a',  0x54, 0, 0x19, 0x93,
                                         '\r', '\n', 0x1A, '\n', 4,    8, 8};
  const unsigned char *header = take(r, sizeof HEADER);
  if (r->malformed || memcmp(header, HEADER, sizeof HEADER) != 0) return 0;
  take(r, 8 + 8); /* an integer and a float */
  take_byte(r);   /* upvalues */
  return !r->malformed;
}

moons__capture_result moons__capture(const void *dump, size_t n_bytes, uint64_t environments,
                                     moons__buffer *names, moons__capture_uses *uses) {
  const unsigned char *bytes = dump;
  reader r = {.at = bytes, .end = bytes + n_bytes, .names = names};
  if (!header_is_known(&r)) return MOONS__CAPTURE_FOREIGN;
  take_function(&r, 0, 0, environments);
  if (r.malformed) return MOONS__CAPTURE_FOREIGN;
  if (uses != NULL) *uses = r.uses;
  return r.dynamic ? MOONS__CAPTURE_DYNAMIC : MOONS__CAPTURE_EXACT;
}
