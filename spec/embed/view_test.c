/* A host whose scripts read its memory. */
#include "moons.h"

#include <stdatomic.h>

#include "host.h"

enum { N = 1000 };

/* What a host shows; the scripts read it until the terms are gone. */
typedef struct shown {
  double *numbers;
  unsigned char *bytes;
  atomic_int n_opened;
} shown;

static void open_views(lua_State *L, void *data) {
  shown *s = data;
  atomic_fetch_add(&s->n_opened, 1);
  moons_push_floats(L, s->numbers, N);
  lua_setglobal(L, "numbers");
  lua_newtable(L);
  moons_push_bytes(L, s->bytes, N);
  lua_setfield(L, -2, "bytes");
  moons_push_floats(L, NULL, 0);
  lua_setfield(L, -2, "none");
  moons_push_bytes(L, NULL, 0);
  lua_setfield(L, -2, "empty");
  lua_setglobal(L, "host");
}

/* Blocks of their own, which nobody may read once they are free. */
static void free_shown(void *data) {
  shown *s = data;
  free(s->numbers);
  free(s->bytes);
  s->numbers = NULL;
}

static moons_terms terms_showing(shown *s) {
  atomic_init(&s->n_opened, 0);
  s->numbers = malloc(N * sizeof *s->numbers);
  s->bytes = malloc(N);
  CHECK(s->numbers != NULL && s->bytes != NULL);
  for (int i = 0; i < N; i++) {
    s->numbers[i] = (i + 1) / 2.0;
    s->bytes[i] = (unsigned char)(i + 1);
  }
  moons_terms terms = terms_with(open_views, s);
  terms.gone = free_shown;
  return terms;
}

static moons_program *load_showing(moons_runtime *runtime, shown *s, const char *script) {
  moons_terms terms = terms_showing(s);
  return load_under(runtime, script, &terms);
}

static void check_true(moons_program *program, const char *function) {
  moons_call *call = run_with_values(program, function, NULL, 0);
  CHECK(moons_to_boolean(moons_results(call, NULL)));
  moons_call_free(call);
}

/* Runs a function that is told to send a copy. */
static void check_refused(moons_program *program, const char *function) {
  moons_call *call;
  CHECK(moons_run(&call, program, function, NULL, 0) == MOONS_ESCRIPT);
  CHECK(strstr(moons_call_error(call)->message, "send a copy, v:copy()") != NULL);
  moons_call_free(call);
}

/* Runs a script with a function `main` that is to return true 20 times. Returns how many states were built. */
static int count_main(const char *script) {
  shown s;
  moons_runtime *runtime = open_two_workers();
  moons_program *program = load_showing(runtime, &s, script);
  for (int i = 0; i < 20; i++)
    check_true(program, "main");
  close_program(program, runtime);
  CHECK(s.numbers == NULL);
  return atomic_load(&s.n_opened);
}

static void run_main(const char *script) { CHECK(count_main(script) > 0); }

static void reading(void) {
  run_main(
      "function main()\n"
      "  assert(#numbers == 1000 and numbers[1] == 0.5 and numbers[1000] == 500.0)\n"
      "  assert(math.type(numbers[2]) == 'float' and numbers[2.0] == 1.0)\n"
      "  assert(numbers:sum() == 250250.0 and numbers:sum(2, 3) == 2.5 and numbers:sum(1000) == "
      "500)\n"
      "  local part = numbers:copy(2, 4)\n"
      "  assert(#part == 3 and part[1] == 1.0 and part[3] == 2.0 and #numbers:copy() == 1000)\n"
      "  part[1] = 7\n"
      "  local n = 0\n"
      "  for i, x in ipairs(numbers) do n = n + 1 assert(x == i / 2) end\n"
      "  assert(n == 1000 and tostring(numbers) == 'view of 1000 floats')\n"
      "  local bytes = host.bytes\n"
      "  assert(#bytes == 1000 and bytes[255] == 255 and bytes[256] == 0)\n"
      "  assert(math.type(bytes[1]) == 'integer' and bytes:sum(1, 3) == 6)\n"
      "  assert(bytes:copy(65, 67) == 'ABC' and #bytes:copy() == 1000)\n"
      "  return true\n"
      "end");
}

/* Each call has the image of the one before. */
static void in_images(void) {
  CHECK(count_main("function main()\n"
                   "  n = (n or 0) + numbers[2]\n"
                   "  return n == 1.0 and host.bytes[2] == 2\n"
                   "end") < 20);
}

static void places_out_of_range(void) {
  run_main(
      "local function says(text, f, ...)\n"
      "  local ok, message = pcall(f, ...)\n"
      "  assert(not ok and message:find(text, 1, true), message)\n"
      "end\n"
      "function main()\n"
      "  for _, i in ipairs {0, -1, 1001, 1.5, math.maxinteger, math.mininteger} do\n"
      "    assert(numbers[i] == nil and host.bytes[i] == nil)\n"
      "  end\n"
      "  assert(numbers[true] == nil and numbers.none == nil)\n"
      "  says('index 1001 is out of range: the view has 1000 floats', numbers.sum, numbers, 1, "
      "1001)\n"
      "  says('index 0 is out of range: the view has 1000 bytes', host.bytes.copy, host.bytes, 0)\n"
      "  says('out of range', numbers.copy, numbers, math.mininteger, math.maxinteger)\n"
      "  says('number expected', numbers.sum, numbers, 'x')\n"
      "  says('view expected, got table', numbers.sum, {})\n"
      "  says('view expected', numbers.copy, io.stdout)\n"
      "  assert(numbers:sum(3, 2) == 0.0 and #numbers:copy(5, 4) == 0 and host.bytes:copy(2, 1) == "
      "'')\n"
      "  return true\n"
      "end");
}

static void empty_views(void) {
  run_main(
      "function main()\n"
      "  assert(#host.none == 0 and host.none[1] == nil and host.none:sum() == 0.0)\n"
      "  assert(#host.none:copy() == 0 and host.empty:sum() == 0 and host.empty:copy() == '')\n"
      "  assert(not pcall(host.none.sum, host.none, 1, 1))\n"
      "  return tostring(host.empty) == 'view of 0 bytes'\n"
      "end");
}

static void read_only(void) {
  run_main("function main()\n"
           "  for _, view in ipairs {numbers, host.bytes} do\n"
           "    local ok, message = pcall(function() view[1] = 2 end)\n"
           "    assert(not ok and message:find('is read-only: change a copy, v:copy()', 1, true), "
           "message)\n"
           "    assert(not pcall(rawset, view, 1, 2) and getmetatable(view) == false)\n"
           "  end\n"
           "  return numbers[1] == 0.5 and host.bytes[1] == 1\n"
           "end");
}

/* By name, and as what a function has captured. */
static void inner_maps(void) {
  run_main("local captured, bytes = numbers, host.bytes\n"
           "function main()\n"
           "  local xs = parallel.map(function(i) return captured[i] + numbers:sum(1, i) + "
           "bytes[i] end, {1, 2, 3})\n"
           "  local ys = parallel.map(function(view) return view[2] end, {numbers, host.bytes})\n"
           "  return xs[1] == 2.0 and xs[3] == 7.5 and ys[1] == 1.0 and ys[2] == 2\n"
           "end");
}

static void kept_states(void) {
  run_main("function main()\n"
           "  for round = 1, 3 do\n"
           "    local xs = parallel.map(function(i) seen = seen or numbers return seen[i] end, {1, "
           "2, 3}, {fresh = false})\n"
           "    assert(xs[3] == 1.5)\n"
           "  end\n"
           "  return true\n"
           "end");
}

/* Nothing that goes home can point to memory that may be gone. */
static void returned(void) {
  static const char *const FUNCTIONS[] = {"whole", "within", "from_map", "looked_up"};
  shown s;
  moons_runtime *runtime = open_two_workers();
  moons_program *program =
      load_showing(runtime, &s,
                   "function whole() return numbers end\n"
                   "function within() return {host.bytes} end\n"
                   "function from_map()\n"
                   "  return parallel.map(function() return numbers end, {1})\n"
                   "end\n"
                   "function looked_up() return 1, {x = {host.none}} end\n"
                   "function copied() return numbers:copy(1, 3), host.bytes:copy(65, 66) end");
  for (size_t i = 0; i < sizeof FUNCTIONS / sizeof *FUNCTIONS; i++) {
    check_refused(program, FUNCTIONS[i]);
  }
  moons_call *call = run_with_values(program, "copied", NULL, 0);
  size_t n;
  const moons_value *results = moons_results(call, &n);
  CHECK(n == 2 && results[0].type == MOONS_FLOATS && results[0].n == 3);
  CHECK(results[0].as.numbers[2] == 1.5 && strcmp(moons_to_string(&results[1], ""), "AB") == 0);
  close_program(program, runtime);
  CHECK(s.numbers == NULL);
  CHECK(moons_results(call, NULL)[0].as.numbers[0] == 0.5);
  moons_call_free(call);
}

/* In a state of the host's, which has an allocator of its own. */
static void state_of_host(void) {
  shown s;
  moons_terms terms = terms_showing(&s);
  moons_runtime *runtime = open_two_workers();
  lua_State *L = open_state_under(runtime, &terms);
  run(L, "assert(numbers:sum(1, 2) == 1.5 and host.bytes:copy(65, 65) == 'A')\n"
         "local xs = parallel.map(function(i) return numbers[i] end, {1, 2})\n"
         "assert(xs[2] == 1.0)\n"
         "local view = numbers\n"
         "assert(parallel.map(function(i) return view[i] end, {4})[1] == 2.0)");
  close_both(L, runtime);
  CHECK(s.numbers == NULL);
}

static int call_wrong(lua_State *L) {
  moons_push_floats(L, NULL, 3);
  return 1;
}

static int call_huge(lua_State *L) {
  static const double x = 1;
  moons_push_floats(L, &x, SIZE_MAX / 4);
  return 1;
}

static void check_raises(lua_State *L, lua_CFunction function, const char *text) {
  lua_pushcfunction(L, function);
  CHECK(lua_pcall(L, 0, 1, 0) == LUA_ERRRUN && strstr(lua_tostring(L, -1), text) != NULL);
  lua_settop(L, 0);
}

static void wrong_memory(void) {
  lua_State *L = luaL_newstate();
  check_raises(L, call_wrong, "a view of memory at NULL");
  check_raises(L, call_huge, "a view is larger than any memory");
  lua_close(L);
}

/* A view that a call has made, of no name. */
static int call_view(lua_State *L) {
  static const double NUMBERS[] = {1.5, 2.5};
  moons_push_floats(L, NUMBERS, 2);
  return 1;
}

static void offer_view(lua_State *L, void *data) {
  (void)data;
  lua_register(L, "view", call_view);
}

static void without_a_name(void) {
  static const char *const FUNCTIONS[] = {"returned", "captured", "passed"};
  moons_runtime *runtime = open_two_workers();
  moons_terms terms = terms_with(offer_view, NULL);
  moons_program *program =
      load_under(runtime,
                 "function main() return view():sum() == 4.0 end\n"
                 "function returned() return {view()} end\n"
                 "function captured() local v = view() return parallel.map(function(i) return v[i] "
                 "end, {1}) end\n"
                 "function passed() return parallel.map(function(v) return v[1] end, {view()}) end",
                 &terms);
  for (size_t i = 0; i < sizeof FUNCTIONS / sizeof *FUNCTIONS; i++) {
    check_true(program, "main");
    check_refused(program, FUNCTIONS[i]);
  }
  close_program(program, runtime);
}

static const test TESTS[] = {
    {"are read as sequences", reading},
    {"stand in images, which are put back", in_images},
    {"say what is out of range", places_out_of_range},
    {"may be empty", empty_views},
    {"cannot be written to", read_only},
    {"are there in inner maps", inner_maps},
    {"are there in states that are kept", kept_states},
    {"do not go home", returned},
    {"are there in a state of the host's", state_of_host},
    {"refuse memory that cannot be", wrong_memory},
    {"of no name do not travel", without_a_name},
    {NULL, NULL},
};

int main(int argc, char **argv) { return run_tests(TESTS, argc, argv); }
