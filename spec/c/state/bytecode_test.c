#include "state/bytecode.h"

#include <lauxlib.h>

#include "base/buffer.h"
#include "check.h"

static int write_dump(lua_State *L, const void *bytes, size_t n_bytes, void *out) {
  (void)L;
  return moons__buffer_append(out, bytes, n_bytes);
}

static moons__buffer dump_of(const char *code, int strip) {
  moons__buffer out = {0};
  lua_State *L = luaL_newstate();
  CHECK(L != NULL);
  CHECK(luaL_loadstring(L, code) == LUA_OK);
  CHECK(lua_dump(L, write_dump, &out, strip) == 0);
  lua_close(L);
  return out;
}

static const char CODE[] = "local a = 1\n"
                           "local function f(x, y, ...)\n"
                           "  return a + x, 'text', 2.5\n"
                           "end\n"
                           "return f";

static void reads_functions(void) {
  moons__buffer dump = dump_of(CODE, 0);
  moons__prototype main;
  CHECK(moons__bytecode_read(&main, NULL, dump.bytes, dump.n_bytes) == 0);
  CHECK(main.n_inner == 1 && main.is_vararg && main.n_upvalues == 1);
  const moons__prototype *f = &main.inner[0];
  CHECK(f->n_parameters == 2 && f->is_vararg && f->n_upvalues == 1 && f->first_line == 2);
  CHECK(moons__prototype_upvalue(f, 0).in_stack && moons__prototype_upvalue(f, 0).index == 0);
  CHECK(moons__code_op(moons__prototype_code(f, 0)) == MOONS__OP_VARARGPREP);
  CHECK(moons__code_op(moons__prototype_code(f, f->n_code - 1)) == MOONS__OP_RETURN);
  CHECK(moons__prototype_code(f, f->n_code) == 0);
  moons__prototype_free(&main);
  moons__buffer_free(&dump);
}

static void reads_constants(void) {
  moons__buffer dump = dump_of(CODE, 0);
  moons__prototype main;
  CHECK(moons__bytecode_read(&main, NULL, dump.bytes, dump.n_bytes) == 0);
  int n_strings = 0, n_numbers = 0;
  const moons__prototype *f = &main.inner[0];
  for (size_t i = 0; i < f->n_constants; i++) {
    const moons__constant *k = &f->constants[i];
    if (k->kind == MOONS__CONSTANT_STRING)
      n_strings += k->n_bytes == 4 && memcmp(k->bytes, "text", 4) == 0;
    n_numbers += k->kind == MOONS__CONSTANT_NUMBER;
  }
  CHECK(n_strings == 1 && n_numbers == 1);
  moons__prototype_free(&main);
  moons__buffer_free(&dump);
}

static void tells_lines_and_names(void) {
  moons__buffer dump = dump_of(CODE, 0);
  moons__prototype main;
  CHECK(moons__bytecode_read(&main, NULL, dump.bytes, dump.n_bytes) == 0);
  const moons__prototype *f = &main.inner[0];
  CHECK(moons__prototype_line(f, 1) == 3);
  CHECK(moons__prototype_line(f, f->n_code - 1) == 4);
  CHECK(moons__prototype_line(f, f->n_code) == 0);
  moons__constant name = moons__prototype_upvalue_name(f, 0);
  CHECK(name.n_bytes == 1 && *name.bytes == 'a');
  CHECK(moons__prototype_upvalue_name(f, 1).bytes == NULL);
  moons__prototype_free(&main);
  moons__buffer_free(&dump);
}

/* Beyond 128 instructions, and where a line is far from the one before, Lua keeps lines of their own. */
static void tells_lines_of_long_functions(void) {
  char code[20000], *at;
  strcpy(code, "local a\n");
  at = code + strlen(code);
  for (int i = 0; i < 300; i++)
    at = stpcpy(at, "a = a + 1000\n");
  memset(at, '\n', 500);
  strcpy(at + 500, "a = nil");
  moons__buffer dump = dump_of(code, 0);
  moons__prototype main;
  CHECK(moons__bytecode_read(&main, NULL, dump.bytes, dump.n_bytes) == 0);
  size_t n_adds = 0;
  for (size_t i = 0; i < main.n_code; i++)
    if (moons__code_op(moons__prototype_code(&main, i)) == MOONS__OP_ADDK)
      CHECK(moons__prototype_line(&main, i) == 2 + n_adds++);
  CHECK(n_adds == 300);
  CHECK(moons__prototype_line(&main, main.n_code - 2) == 802);
  moons__prototype_free(&main);
  moons__buffer_free(&dump);
}

static void reads_what_was_stripped(void) {
  moons__buffer dump = dump_of(CODE, 1);
  moons__prototype main;
  CHECK(moons__bytecode_read(&main, NULL, dump.bytes, dump.n_bytes) == 0);
  CHECK(moons__prototype_line(&main.inner[0], 1) == 0);
  CHECK(moons__prototype_upvalue_name(&main.inner[0], 0).bytes == NULL);
  moons__prototype_free(&main);
  moons__buffer_free(&dump);
}

static void refuses_what_is_cut_short(void) {
  moons__buffer dump = dump_of(CODE, 0);
  moons__prototype main;
  for (size_t n = 0; n < dump.n_bytes; n++) {
    CHECK(moons__bytecode_read(&main, NULL, dump.bytes, n) != 0);
    CHECK(main.constants == NULL && main.inner == NULL);
  }
  moons__buffer_free(&dump);
}

static void refuses_other_formats(void) {
  moons__buffer dump = dump_of(CODE, 0);
  moons__prototype main;
  for (size_t i = 0; i < 15; i++) {
    dump.bytes[i]++;
    CHECK(moons__bytecode_read(&main, NULL, dump.bytes, dump.n_bytes) != 0);
    dump.bytes[i]--;
  }
  moons__buffer_free(&dump);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"reads functions, and those in them", reads_functions},
      {"reads constants", reads_constants},
      {"tells lines and names of upvalues", tells_lines_and_names},
      {"tells the lines of long functions", tells_lines_of_long_functions},
      {"reads what was stripped", reads_what_was_stripped},
      {"refuses what is cut short", refuses_what_is_cut_short},
      {"refuses other formats", refuses_other_formats},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
