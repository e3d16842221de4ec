/*
** Lua functions as lua_dump writes them: their prototypes, each with instructions, constants, upvalues and lines. The format is
** that of ldump.c and lundump.c, the instructions are those of lopcodes.h, both of Lua 5.4. Needs no Lua state; bytes that it
** does not know cannot be read.
*/
#ifndef MOONS_STATE_BYTECODE_H
#define MOONS_STATE_BYTECODE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Every instruction of Lua 5.4, in the order of its numbers. */
typedef enum moons__opcode {
  MOONS__OP_MOVE,
  MOONS__OP_LOADI,
  MOONS__OP_LOADF,
  MOONS__OP_LOADK,
  MOONS__OP_LOADKX,
  MOONS__OP_LOADFALSE,
  MOONS__OP_LFALSESKIP,
  MOONS__OP_LOADTRUE,
  MOONS__OP_LOADNIL,
  MOONS__OP_GETUPVAL,
  MOONS__OP_SETUPVAL,
  MOONS__OP_GETTABUP,
  MOONS__OP_GETTABLE,
  MOONS__OP_GETI,
  MOONS__OP_GETFIELD,
  MOONS__OP_SETTABUP,
  MOONS__OP_SETTABLE,
  MOONS__OP_SETI,
  MOONS__OP_SETFIELD,
  MOONS__OP_NEWTABLE,
  MOONS__OP_SELF,
  MOONS__OP_ADDI,
  MOONS__OP_ADDK,
  MOONS__OP_SUBK,
  MOONS__OP_MULK,
  MOONS__OP_MODK,
  MOONS__OP_POWK,
  MOONS__OP_DIVK,
  MOONS__OP_IDIVK,
  MOONS__OP_BANDK,
  MOONS__OP_BORK,
  MOONS__OP_BXORK,
  MOONS__OP_SHRI,
  MOONS__OP_SHLI,
  MOONS__OP_ADD,
  MOONS__OP_SUB,
  MOONS__OP_MUL,
  MOONS__OP_MOD,
  MOONS__OP_POW,
  MOONS__OP_DIV,
  MOONS__OP_IDIV,
  MOONS__OP_BAND,
  MOONS__OP_BOR,
  MOONS__OP_BXOR,
  MOONS__OP_SHL,
  MOONS__OP_SHR,
  MOONS__OP_MMBIN,
  MOONS__OP_MMBINI,
  MOONS__OP_MMBINK,
  MOONS__OP_UNM,
  MOONS__OP_BNOT,
  MOONS__OP_NOT,
  MOONS__OP_LEN,
  MOONS__OP_CONCAT,
  MOONS__OP_CLOSE,
  MOONS__OP_TBC,
  MOONS__OP_JMP,
  MOONS__OP_EQ,
  MOONS__OP_LT,
  MOONS__OP_LE,
  MOONS__OP_EQK,
  MOONS__OP_EQI,
  MOONS__OP_LTI,
  MOONS__OP_LEI,
  MOONS__OP_GTI,
  MOONS__OP_GEI,
  MOONS__OP_TEST,
  MOONS__OP_TESTSET,
  MOONS__OP_CALL,
  MOONS__OP_TAILCALL,
  MOONS__OP_RETURN,
  MOONS__OP_RETURN0,
  MOONS__OP_RETURN1,
  MOONS__OP_FORLOOP,
  MOONS__OP_FORPREP,
  MOONS__OP_TFORPREP,
  MOONS__OP_TFORCALL,
  MOONS__OP_TFORLOOP,
  MOONS__OP_SETLIST,
  MOONS__OP_CLOSURE,
  MOONS__OP_VARARG,
  MOONS__OP_VARARGPREP,
  MOONS__OP_EXTRAARG,
  MOONS__N_OPCODES
} moons__opcode;

typedef enum moons__constant_kind {
  MOONS__CONSTANT_NIL,
  MOONS__CONSTANT_BOOLEAN,
  MOONS__CONSTANT_NUMBER,
  MOONS__CONSTANT_STRING
} moons__constant_kind;

typedef struct moons__constant {
  moons__constant_kind kind;
  int mark;          /* for the user; 0 at first */
  const char *bytes; /* of a string, in the dump; NULL for all others */
  size_t n_bytes;
} moons__constant;

/* Where a closure finds an upvalue when it is made. */
typedef struct moons__upvalue {
  unsigned in_stack; /* in a register of the function around it; otherwise among its upvalues */
  unsigned index;
} moons__upvalue;

/* A stretch of the dump that only few look into. */
typedef struct moons__stretch {
  const unsigned char *at, *end;
  size_t n; /* how many entries it has */
} moons__stretch;

/* A function. What it points to lies in the dump, but for what is said to be owned. */
typedef struct moons__prototype {
  size_t first_line; /* 0: a main chunk */
  unsigned n_parameters, is_vararg, n_registers;
  const unsigned char *code;
  size_t n_code;
  moons__constant *constants; /* owned */
  size_t n_constants;
  const unsigned char *upvalues;
  size_t n_upvalues;
  struct moons__prototype *inner; /* the functions written in it; owned */
  size_t n_inner;
  moons__stretch lines, absolute_lines, upvalue_names; /* empty where they were stripped */
} moons__prototype;

/* Reads a dump, which must stay as long as the prototype. Returns 0; or -1 with an empty prototype where the bytes are none
** that it knows, or there is no memory. */
int moons__bytecode_read(moons__prototype *prototype, const void *beside, const void *dump,
                         size_t n_bytes);

/* Frees what it owns. */
void moons__prototype_free(moons__prototype *prototype);

/* The line of an instruction; 0: not known. */
size_t moons__prototype_line(const moons__prototype *prototype, size_t instruction);

/* The name of an upvalue; bytes NULL: not known. */
moons__constant moons__prototype_upvalue_name(const moons__prototype *prototype, size_t upvalue);

/* {== Instructions ============================================================================ */

/* The instruction with this number; 0 beyond the last. */
static inline uint32_t moons__prototype_code(const moons__prototype *p, size_t i) {
  uint32_t instruction = 0;
  if (i < p->n_code) memcpy(&instruction, p->code + i * sizeof instruction, sizeof instruction);
  return instruction;
}

static inline moons__upvalue moons__prototype_upvalue(const moons__prototype *p, size_t i) {
  const unsigned char *at = p->upvalues + 3 * i; /* the third is its kind */
  return (moons__upvalue){.in_stack = at[0], .index = at[1]};
}

static inline unsigned moons__code_op(uint32_t i) { return i & 0x7F; }
static inline unsigned moons__code_a(uint32_t i) { return i >> 7 & 0xFF; }
static inline unsigned moons__code_b(uint32_t i) { return i >> 16 & 0xFF; }
static inline unsigned moons__code_c(uint32_t i) { return i >> 24; }
static inline unsigned moons__code_k(uint32_t i) { return i >> 15 & 1; }
static inline unsigned moons__code_bx(uint32_t i) { return i >> 15; }
static inline unsigned moons__code_ax(uint32_t i) { return i >> 7; }

/* How far a jump goes. */
static inline long moons__code_sj(uint32_t i) { return (long)(i >> 7) - 0xFFFFFF; }

#endif
