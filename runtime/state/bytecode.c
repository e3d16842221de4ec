/*
** Everything is checked against the bytes that are left, and depth against a limit, so that any bytes give a prototype or a
** refusal. Nothing is copied: prototypes point into the dump. Line numbers are kept as Lua keeps them, as differences with some
** absolute ones among them, since nobody asks but for an error.
*/
#include "state/bytecode.h"

#include <stdlib.h>

#include "base/allocate.h"

enum { /* lobject.h: the tags of constants */
       TAG_NIL = 0x00,
       TAG_FALSE = 0x01,
       TAG_TRUE = 0x11,
       TAG_INTEGER = 0x03,
       TAG_FLOAT = 0x13,
       TAG_SHORT_STRING = 0x04,
       TAG_LONG_STRING = 0x14
};

enum { MAX_DEPTH = 250, INSTRUCTION_BYTES = 4, UPVALUE_BYTES = 3 };
enum { NO_DIFFERENCE = -0x80 }; /* ldebug.h: the line is among the absolute ones */

_Static_assert(MOONS__N_OPCODES == 83, "lopcodes.h of Lua 5.4 has so many");

typedef struct reader {
  const void *beside; /* a block, beside which what is read lies (allocate.h) */
  const unsigned char *at, *end;
  int malformed;
} reader;

/* The next bytes. Where fewer are left the dump is malformed, which the end of reading tells: what takes them goes on. */
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

/* Its length and 1 stands before it; 0 stands for none. */
static moons__constant take_string(reader *r) {
  size_t size = take_size(r);
  if (size == 0) return (moons__constant){0};
  return (moons__constant){.kind = MOONS__CONSTANT_STRING,
                           .bytes = (const char *)take(r, size - 1),
                           .n_bytes = size - 1};
}

/* A count of things of at least `item_bytes` each. */
static size_t take_count(reader *r, size_t item_bytes) {
  size_t count = take_size(r);
  if (count > (size_t)(r->end - r->at) / item_bytes) r->malformed = 1;
  return r->malformed ? 0 : count;
}

static moons__constant take_constant(reader *r) {
  switch (take_byte(r)) {
  case TAG_NIL: return (moons__constant){.kind = MOONS__CONSTANT_NIL};
  case TAG_FALSE:
  case TAG_TRUE: return (moons__constant){.kind = MOONS__CONSTANT_BOOLEAN};
  case TAG_INTEGER:
  case TAG_FLOAT: take(r, 8); return (moons__constant){.kind = MOONS__CONSTANT_NUMBER};
  case TAG_SHORT_STRING:
  case TAG_LONG_STRING: return take_string(r);
  default: r->malformed = 1; return (moons__constant){0};
  }
}

static void take_code(reader *r, moons__prototype *p) {
  p->n_code = take_count(r, INSTRUCTION_BYTES);
  p->code = take(r, p->n_code * INSTRUCTION_BYTES);
}

/* Makes room for `n` things that are owned. */
static void *make(reader *r, size_t n, size_t n_bytes) {
  void *made = r->malformed ? NULL : moons__allocate_zeros(r->beside, n * n_bytes);
  if (made == NULL) r->malformed = 1;
  return made;
}

static void take_constants(reader *r, moons__prototype *p) {
  size_t n = take_count(r, 1);
  p->constants = make(r, n, sizeof *p->constants);
  for (; p->n_constants < n && !r->malformed; p->n_constants++)
    p->constants[p->n_constants] = take_constant(r);
}

static void take_upvalues(reader *r, moons__prototype *p) {
  p->n_upvalues = take_count(r, UPVALUE_BYTES);
  p->upvalues = take(r, p->n_upvalues * UPVALUE_BYTES);
}

/* A difference to the line before for each instruction, and every so often a line as it is. */
static void take_lines(reader *r, moons__prototype *p) {
  p->lines.n = take_count(r, 1);
  p->lines.at = take(r, p->lines.n);
  p->lines.end = r->at;
  p->absolute_lines.n = take_count(r, 2);
  p->absolute_lines.at = r->at;
  for (size_t n = p->absolute_lines.n; n > 0; n--) {
    take_size(r); /* instruction */
    take_size(r); /* line */
  }
  p->absolute_lines.end = r->at;
}

/* Of local variables, which are passed over, and of upvalues. */
static void take_names(reader *r, moons__prototype *p) {
  for (size_t n = take_count(r, 3); n > 0; n--) { /* local variables */
    take_string(r);
    take_size(r);
    take_size(r);
  }
  p->upvalue_names.n = take_count(r, 1);
  p->upvalue_names.at = r->at;
  for (size_t n = p->upvalue_names.n; n > 0; n--)
    take_string(r);
  p->upvalue_names.end = r->at;
}

static void take_function(reader *r, moons__prototype *p, int depth);

/* The depth is limited, for the bytes may come from anywhere. */
static void take_inner(reader *r, moons__prototype *p, int depth) {
  size_t n = take_count(r, 1);
  if (n > 0) p->inner = make(r, n, sizeof *p->inner);
  for (; p->n_inner < n && !r->malformed; p->n_inner++)
    take_function(r, &p->inner[p->n_inner], depth + 1);
}

static void take_function(reader *r, moons__prototype *p, int depth) {
  if (depth > MAX_DEPTH) r->malformed = 1;
  take_string(r); /* source */
  p->first_line = take_size(r);
  take_size(r); /* last line */
  p->n_parameters = take_byte(r);
  p->is_vararg = take_byte(r);
  p->n_registers = take_byte(r);
  take_code(r, p);
  take_constants(r, p);
  take_upvalues(r, p);
  take_inner(r, p, depth);
  take_lines(r, p);
  take_names(r, p);
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

int moons__bytecode_read(moons__prototype *p, const void *beside, const void *dump,
                         size_t n_bytes) {
  reader r = {.beside = beside, .at = dump};
  r.end = r.at + n_bytes;
  *p = (moons__prototype){0};
  if (!header_is_known(&r)) return -1;
  take_function(&r, p, 0);
  if (!r.malformed) return 0;
  moons__prototype_free(p);
  return -1;
}

void moons__prototype_free(moons__prototype *p) {
  for (size_t i = 0; i < p->n_inner; i++)
    moons__prototype_free(&p->inner[i]);
  moons__free(p->inner);
  moons__free(p->constants);
  *p = (moons__prototype){0};
}

/* The last absolute line at or before an instruction, and which instruction has it; the first line of the function, and -1,
** where there is none. */
static size_t base_line(const moons__prototype *p, size_t instruction, ptrdiff_t *of) {
  reader r = {.at = p->absolute_lines.at, .end = p->absolute_lines.end};
  size_t line = p->first_line;
  *of = -1;
  for (size_t n = p->absolute_lines.n; n > 0; n--) {
    size_t at = take_size(&r), here = take_size(&r);
    if (at > instruction) break;
    *of = (ptrdiff_t)at;
    line = here;
  }
  return line;
}

/* Counted from the last line that stands there as it is. */
size_t moons__prototype_line(const moons__prototype *p, size_t instruction) {
  if (instruction >= p->lines.n) return 0;
  ptrdiff_t i;
  size_t line = base_line(p, instruction, &i);
  while (i++ < (ptrdiff_t)instruction) {
    unsigned byte = (unsigned char)p->lines.at[i];
    int difference = byte < 0x80 ? (int)byte : (int)byte - 0x100;
    if (difference != NO_DIFFERENCE) line = (size_t)((ptrdiff_t)line + difference);
  }
  return line;
}

moons__constant moons__prototype_upvalue_name(const moons__prototype *p, size_t upvalue) {
  reader r = {.at = p->upvalue_names.at, .end = p->upvalue_names.end};
  moons__constant name = {0};
  if (upvalue >= p->upvalue_names.n) return name;
  for (size_t i = 0; i <= upvalue; i++)
    name = take_string(&r);
  return name;
}
