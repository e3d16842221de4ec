/* What terms give out in a measure, where calls are made by maps of a host's Lua state, and within calls. */
#include "host.h"

static void run_bounded(const moons_terms *terms, const char *code) {
  static const moons_backend BACKENDS[] = {MOONS_THREADS, MOONS_INLINE};
  for (size_t i = 0; i < sizeof BACKENDS / sizeof BACKENDS[0]; i++) {
    moons_options options = usual_options(2);
    options.backend = BACKENDS[i];
    run_under(&options, terms, code);
  }
}

static void results_of_maps(void) {
  moons_terms terms = terms_with(NULL, NULL);
  terms.result_bytes = 1000;
  run_bounded(
      &terms,
      "local function fails(f, ...)\n"
      "  local ok, e = pcall(parallel.map, f, {1, 2, 3}, ...)\n"
      "  assert(not ok and e.kind == 'memory', tostring(e))\n"
      "  assert(tostring(e):find('result_bytes of the terms', 1, true), tostring(e))\n"
      "end\n"
      "local function much(i) return ('x'):rep(i == 3 and 2000 or 1) end\n"
      "fails(much)\n"
      "fails(much, {fresh = false})\n"
      "fails(function() return parallel.array(1000) end)\n"
      "fails(function() local t = {} for i = 1, 2000 do t[i] = i end return t end)\n"
      "local r = parallel.map(function(i) return ('x'):rep(900) end, parallel.range(1, 300))\n"
      "assert(#r == 300 and #r[300] == 900)\n"
      "local _, errors = parallel.map(much, {1, 2, 3, 4}, {errors = 'collect'})\n"
      "assert(errors.n == 1 and errors[3].kind == 'memory')\n");
}

static void thrown_values(void) {
  moons_terms terms = terms_with(NULL, NULL);
  terms.result_bytes = 1000;
  run_bounded(&terms, "local function throws(n) error({code = 7, text = ('x'):rep(n)}) end\n"
                      "local ok, e = pcall(parallel.map, throws, {10})\n"
                      "assert(not ok and e.value.code == 7)\n"
                      "ok, e = pcall(parallel.map, throws, {2000})\n"
                      "assert(not ok and e.value == nil and e.kind == 'error')\n"
                      "assert(e.unsent:find('result_bytes', 1, true), e.unsent)\n");
}

static void results_within_a_call(void) {
  moons_terms terms = terms_with(NULL, NULL);
  terms.result_bytes = 1000;
  run_bounded(&terms, "local r = parallel.map(function(x)\n"
                      "  return #parallel.map(function(y) return ('x'):rep(5000) end, {x})[1]\n"
                      "end, {1})\n"
                      "assert(r[1] == 5000)\n");
}

static void results_of_a_program(void) {
  moons_runtime *runtime = open_two_workers();
  moons_terms terms = terms_with(NULL, NULL);
  terms.result_bytes = 1000;
  moons_program *program = load_under(runtime,
                                      "function array() return parallel.array(1000) end\n"
                                      "function throw() error({('x'):rep(2000)}) end\n"
                                      "function one() return ('x'):rep(400) end",
                                      &terms);
  moons_call *call;
  CHECK(moons_run(&call, program, "array", NULL, 0) == MOONS_ESCRIPT);
  CHECK(moons_call_error(call)->kind == MOONS_KIND_MEMORY);
  moons_call_free(call);
  CHECK(moons_run(&call, program, "throw", NULL, 0) == MOONS_ESCRIPT);
  CHECK(moons_call_error(call)->kind == MOONS_KIND_ERROR);
  CHECK(moons_call_error(call)->value.type == MOONS_OTHER);
  moons_call_free(call);
  moons_call_free(run_with_values(program, "one", NULL, 0));
  close_program(program, runtime);
}

/* The numbers that calls of a state draw. */
static void draw(const moons_options *options, uint64_t seed, char text[400]) {
  moons_runtime *runtime = open_runtime(options);
  moons_terms terms = terms_with(NULL, NULL);
  terms.seed = seed;
  lua_State *L = open_state_under(runtime, &terms);
  run(L, "local function draw() return math.random(1 << 30) end\n"
         "local a = parallel.map(draw, {1, 2, 3})\n"
         "local b = parallel.map(draw, {1, 2})\n"
         "local c = parallel.apply(draw)\n"
         "local p <close> = parallel.pool(1)\n"
         "local d = p:map(draw, {1, 2})\n"
         "local q <close> = parallel.pool(1)\n"
         "local e = q:map(draw, {1, 2})\n"
         "local seen = {}\n"
         "for _, t in ipairs {a, b, {c}, d, e} do\n"
         "  for _, x in ipairs(t) do assert(not seen[x]) seen[x] = true end\n"
         "end\n"
         "text = table.concat(a, ' ') .. ' ' .. table.concat(b, ' ') .. ' ' .. c .. ' ' ..\n"
         "  table.concat(d, ' ') .. ' ' .. table.concat(e, ' ')\n"
         "local one = parallel.map(draw, {1}, {seed = 5})\n"
         "assert(parallel.map(draw, {1}, {seed = 5})[1] == one[1])");
  lua_getglobal(L, "text");
  snprintf(text, 400, "%s", lua_tostring(L, -1));
  close_both(L, runtime);
}

static void seeds_of_states(void) {
  char first[400], second[400];
  moons_options options = usual_options(2);
  draw(&options, 42, first);
  options.n_workers = 1;
  draw(&options, 42, second);
  CHECK(strcmp(first, second) == 0);
  draw(&options, 43, second);
  CHECK(strcmp(first, second) != 0);
}

static void seeds_of_iterations(void) {
  moons_terms terms = terms_with(NULL, NULL);
  terms.seed = 42;
  run_bounded(&terms, "local function draw() return math.random(1 << 30) end\n"
                      "local function items(n) local i = 0 return function() i = i + 1 return i <= "
                      "n and i or nil end end\n"
                      "local seen, n = {}, 0\n"
                      "for _ = 1, 2 do\n"
                      "  for _, x in parallel.imap(draw, items(3)) do\n"
                      "    assert(not seen[x]) seen[x] = true n = n + 1\n"
                      "  end\n"
                      "end\n"
                      "assert(n == 6)\n"
                      "local x = parallel.map(draw, {1})[1]\n"
                      "assert(not seen[x])\n");
}

/* A time that is never over. */
static void endless_times(void) {
  static const uint64_t TIMES[] = {UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63};
  static const char CODE[] = "function f(x) return x end\n"
                             "function g() return parallel.map(f, {1, 2})[2] end";
  moons_terms terms = terms_with(NULL, NULL);
  for (size_t i = 0; i < sizeof TIMES / sizeof TIMES[0]; i++) {
    moons_runtime *runtime = open_two_workers();
    terms.timeout_ns = TIMES[i];
    moons_program *program = load_under(runtime, CODE, &terms);
    moons_call_free(run_with_values(program, "g", NULL, 0));
    close_program(program, runtime);
    run_bounded(&terms, "parallel.map(math.sqrt, {1, 2}, {workers = 2})");
  }
}

static const test TESTS[] = {
    {"results of a state's calls are bounded", results_of_maps},
    {"what is thrown is bounded", thrown_values},
    {"results stay unbounded within a call", results_within_a_call},
    {"arrays and what is thrown count for a program", results_of_a_program},
    {"calls of a state draw from the seed of the terms", seeds_of_states},
    {"iterations of a state draw from the seed of the terms", seeds_of_iterations},
    {"a time may be as long as can be", endless_times},
    {NULL, NULL},
};

int main(int argc, char **argv) { return run_tests(TESTS, argc, argv); }
