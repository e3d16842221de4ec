/* A host that has no Lua state: programs, calls, plain values. */
#include "moons.h"

#include <math.h>
#include <pthread.h>

#include "host.h"

/* The integer that a function returns. */
static int64_t integer_of(moons_program *program, const char *function, int64_t argument) {
  moons_value value = moons_integer(argument);
  moons_call *call = run_with_values(program, function, &value, 1);
  size_t n;
  const moons_value *results = moons_results(call, &n);
  CHECK(n == 1);
  int64_t result = moons_to_integer(results, INT64_MIN);
  moons_call_free(call);
  return result;
}

/* Runs a function that fails so. */
static moons_call *run_failing(moons_program *program, const char *function, moons_kind kind) {
  moons_call *call;
  size_t n = 7;
  CHECK(moons_run(&call, program, function, NULL, 0) == MOONS_ESCRIPT);
  CHECK(moons_results(call, &n) == NULL && n == 0);
  const moons_error *error = moons_call_error(call);
  CHECK(error != NULL && error->message != NULL && error->traceback != NULL);
  if (error->kind != kind) fprintf(stderr, "%s: %s\n", error->kind_name, error->message);
  CHECK(error->kind == kind);
  return call;
}

static void calls_functions(void) {
  moons_runtime *runtime = open_two_workers();
  moons_program *program = load(runtime, "local limit = 10\n"
                                         "function total(n) return n + limit end\n"
                                         "rules = {deep = {twice = function(n) return 2 * n end}}\n"
                                         "function other() return 'global' end\n"
                                         "return {other = function() return 'returned' end,\n"
                                         "        tax = function(n) return n * 2 end}");
  CHECK(integer_of(program, "total", 32) == 42);
  CHECK(integer_of(program, "rules.deep.twice", 4) == 8);
  CHECK(integer_of(program, "tax", 4) == 8);
  moons_call *call = run_with_values(program, "other", NULL, 0);
  CHECK(strcmp(moons_to_string(moons_results(call, NULL), ""), "returned") == 0);
  CHECK(moons_call_ns(call) > 0);
  moons_call_free(call);
  close_program(program, runtime);
}

static void calls_begin_as_the_script_left_it(void) {
  moons_runtime *runtime = open_two_workers();
  moons_program *program = load(runtime, "n = 5 function count() n = n + 1 return n end");
  for (int i = 0; i < 20; i++)
    CHECK(integer_of(program, "count", 0) == 6);
  close_program(program, runtime);
}

static void values_go_and_come(void) {
  moons_runtime *runtime = open_two_workers();
  moons_program *program = load(runtime, "function echo(...) return ... end");
  double floats[] = {0.5, 1};
  int handle;
  moons_value pairs[] = {moons_string("prices"), moons_floats(floats, 2), moons_string("name"),
                         moons_bytes("a\0b", 3)};
  moons_value sent[] = {moons_table(pairs, 2), moons_nil(), moons_pointer(&handle), moons_nil()};
  moons_call *call = run_with_values(program, "echo", sent, 4);
  size_t n;
  const moons_value *got = moons_results(call, &n);
  CHECK(n == 4 && got[1].type == MOONS_NIL && got[3].type == MOONS_NIL);
  CHECK(moons_field(&got[0], "prices")->type == MOONS_FLOATS);
  CHECK(moons_field(&got[0], "prices")->as.numbers[0] == 0.5);
  CHECK(moons_field(&got[0], "name")->n == 3);
  CHECK(got[2].type == MOONS_POINTER && got[2].as.pointer == &handle);
  moons_call_free(call);
  call = run_with_values(program, "echo", NULL, 0);
  CHECK(moons_results(call, &n) != NULL && n == 0);
  moons_call_free(call);
  close_program(program, runtime);
}

static void errors_say_what_was_thrown(void) {
  moons_runtime *runtime = open_two_workers();
  moons_program *program =
      load(runtime, "function text() error 'no such order' end\n"
                    "function thrown() error {code = 7, why = 'late'} end\n"
                    "function cycle() local t = {} t.t = t return t end\n"
                    "function thrown_cycle() local t = {} t.t = t error(t) end\n"
                    "function thread() return coroutine.create(print) end");
  moons_call *call = run_failing(program, "text", MOONS_KIND_ERROR);
  const moons_error *error = moons_call_error(call);
  CHECK(strcmp(error->message, "rules:1: no such order") == 0);
  CHECK(strcmp(error->kind_name, "error") == 0 && error->index == 0);
  CHECK(strstr(error->traceback, "rules:1:") != NULL);
  CHECK(strcmp(moons_to_string(&error->value, ""), "rules:1: no such order") == 0);
  moons_call_free(call);
  call = run_failing(program, "thrown", MOONS_KIND_ERROR);
  CHECK(moons_to_integer(moons_field(&moons_call_error(call)->value, "code"), 0) == 7);
  moons_call_free(call);
  call = run_failing(program, "cycle", MOONS_KIND_MARSHAL);
  CHECK(strstr(moons_call_error(call)->message, "contains itself") != NULL);
  moons_call_free(call);
  call = run_failing(program, "thrown_cycle", MOONS_KIND_ERROR);
  CHECK(moons_call_error(call)->value.type == MOONS_OTHER);
  moons_call_free(call);
  call = run_failing(program, "thread", MOONS_KIND_MARSHAL);
  CHECK(strcmp(moons_call_error(call)->message, "result 1: cannot send a coroutine") == 0);
  moons_call_free(call);
  close_program(program, runtime);
}

/* Loads a script that fails so. */
static void fails_to_load(moons_runtime *runtime, const char *source, moons_kind kind,
                          const char *message, const moons_terms *terms) {
  moons_program *program;
  moons_call *call;
  CHECK(moons_program_load(&program, runtime, source, strlen(source), "=rules", terms) ==
        MOONS_ESCRIPT);
  const moons_error *error = moons_program_error(program);
  if (error->kind != kind || strstr(error->message, message) == NULL)
    fprintf(stderr, "%s: %s\n", error->kind_name, error->message);
  CHECK(error->kind == kind && strstr(error->message, message) != NULL);
  CHECK(moons_run(&call, program, "f", NULL, 0) == MOONS_EINVAL && call == NULL);
  moons_program_free(program);
}

static void scripts_fail_to_load(void) {
  moons_runtime *runtime = open_two_workers();
  moons_terms terms;
  moons_terms_init(&terms);
  terms.memory_bytes = 4 << 20;
  fails_to_load(runtime, "function f(", MOONS_KIND_LOAD, "rules:1:", NULL);
  fails_to_load(runtime, "function f() end error('not today')", MOONS_KIND_ERROR,
                "rules:1: not today", NULL);
  fails_to_load(runtime, "\33Lua", MOONS_KIND_LOAD, "binary chunk", NULL);
  fails_to_load(runtime, "t = {} for i = 1, 1e9 do t[i] = i end", MOONS_KIND_MEMORY, "memory",
                &terms);
  terms.timeout_ns = 100000000;
  fails_to_load(runtime, "while true do end", MOONS_KIND_TIMEOUT, "timed out", &terms);
  moons_runtime_free(runtime);
}

static void terms_hold(void) {
  moons_runtime *runtime = open_two_workers();
  moons_terms terms;
  moons_terms_init(&terms);
  CHECK(terms.struct_bytes == sizeof terms && terms.rights == MOONS_MAY_ALL);
  terms.timeout_ns = UINT64_C(60000000000); /* no matter how slow memory is */
  terms.memory_bytes = 8 << 20;
  terms.result_bytes = 1000;
  terms.seed = 42;
  moons_program *program = load_under(
      runtime,
      "function grow() local t = {} for i = 1, 1e9 do t[i] = i end end\n"
      "function more() local p = parallel.map(function() local t = {} for i = 1, 1e9 do t[i] = i"
      " end end, {1}, {memory = 1 << 40}) end\n"
      "function much() return ('x'):rep(2000) end\n"
      "function random() return math.random(1 << 60) end\n"
      "function fine() return 1 end",
      &terms);
  moons_call_free(run_failing(program, "grow", MOONS_KIND_MEMORY));
  moons_call_free(run_failing(program, "more", MOONS_KIND_ERROR));
  moons_call_free(run_failing(program, "much", MOONS_KIND_MEMORY));
  CHECK(integer_of(program, "fine", 0) == 1);
  int64_t first = integer_of(program, "random", 0), second = integer_of(program, "random", 0);
  CHECK(first != second);
  moons_program_free(program);
  terms.seed = 43;
  program = load_under(runtime, "function random() return math.random(1 << 60) end", &terms);
  CHECK(integer_of(program, "random", 0) != first);
  moons_program_free(program);
  terms.seed = 42;
  program = load_under(runtime,
                       "function random() return math.random(1 << 60) end\n"
                       "function fine() return 1 end",
                       &terms);
  for (int i = 0; i < 4; i++)
    CHECK(integer_of(program, "fine", 0) == 1); /* as many as before */
  CHECK(integer_of(program, "random", 0) == first);
  CHECK(integer_of(program, "random", 0) == second);
  close_program(program, runtime);
}

static void calls_time_out(void) {
  moons_runtime *runtime = open_two_workers();
  moons_terms terms;
  moons_terms_init(&terms);
  terms.timeout_ns = 500000000;
  moons_program *program = load_under(runtime, "function hang() while true do end end", &terms);
  moons_call_free(run_failing(program, "hang", MOONS_KIND_TIMEOUT));
  close_program(program, runtime);
}

static void maps_within_calls(void) {
  moons_runtime *runtime = open_two_workers();
  moons_program *program = load(
      runtime, "local scale = 3\n"
               "function sum(n) local t = parallel.map(function(x) return scale * x end,\n"
               "  parallel.range(1, n)) local s = 0 for i = 1, n do s = s + t[i] end return s end");
  CHECK(integer_of(program, "sum", 100) == 3 * 5050);
  close_program(program, runtime);
}

static void objects_go_in_any_order(void) {
  moons_runtime *runtime = open_two_workers();
  moons_program *program = load(runtime, "function f(x) return x end");
  moons_program *another = load(runtime, "function f(x) return x + 1 end");
  moons_value seven = moons_integer(7);
  moons_call *call = run_with_values(program, "f", &seven, 1);
  moons_runtime_free(runtime);
  moons_program_free(program);
  CHECK(integer_of(another, "f", 7) == 8);
  moons_program_free(another);
  CHECK(moons_to_integer(moons_results(call, NULL), 0) == 7);
  moons_call_free(call);
}

static void bad_uses(void) {
  moons_runtime *runtime = open_two_workers();
  moons_program *program = (moons_program *)&runtime, *good = load(runtime, "function f() end");
  moons_call *call = (moons_call *)&runtime;
  moons_value nan[] = {moons_number(NAN), moons_nil()}, bad = moons_table(nan, 1);
  moons_terms terms;
  CHECK(moons_program_load(NULL, runtime, "", 0, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_program_load(&program, NULL, "", 0, NULL, NULL) == MOONS_EINVAL && program == NULL);
  CHECK(moons_program_load(&program, runtime, NULL, 1, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_program_load(&program, runtime, NULL, 0, NULL, NULL) == 0);
  CHECK(moons_run(&call, program, "f", NULL, 0) == MOONS_EINVAL && call == NULL);
  moons_program_free(program);
  CHECK(moons_run(NULL, good, "f", NULL, 0) == MOONS_EINVAL);
  CHECK(moons_run(&call, NULL, "f", NULL, 0) == MOONS_EINVAL);
  CHECK(moons_run(&call, good, NULL, NULL, 0) == MOONS_EINVAL);
  CHECK(moons_run(&call, good, "", NULL, 0) == MOONS_EINVAL);
  CHECK(moons_run(&call, good, "g", NULL, 0) == MOONS_EINVAL);
  CHECK(moons_run(&call, good, "string.format", NULL, 0) == MOONS_EINVAL);
  CHECK(moons_run(&call, good, "f", NULL, 1) == MOONS_EINVAL);
  CHECK(moons_run(&call, good, "f", &bad, 1) == MOONS_EINVAL && call == NULL);
  moons_terms_init(&terms);
  terms.struct_bytes = 0;
  CHECK(moons_program_load(&program, runtime, "", 0, NULL, &terms) == MOONS_EINVAL);
  moons_terms_init(&terms);
  terms.rights = ~0u;
  CHECK(moons_program_load(&program, runtime, "", 0, NULL, &terms) == MOONS_EINVAL);
  struct {
    moons_terms terms;
    int more;
  } newer = {.more = 1};
  moons_terms_init_sized(&newer.terms, sizeof newer);
  CHECK(newer.more == 0 && newer.terms.struct_bytes == sizeof newer);
  CHECK(moons_program_load(&program, runtime, "", 0, NULL, &newer.terms) == 0);
  moons_program_free(program);
  newer.more = 1;
  CHECK(moons_program_load(&program, runtime, "", 0, NULL, &newer.terms) == MOONS_EUNSUPPORTED);
  moons_terms_init_sized(NULL, 10);
  moons_program_free(NULL);
  moons_call_free(NULL);
  CHECK(moons_program_error(NULL) == NULL && moons_call_error(NULL) == NULL);
  CHECK(moons_results(NULL, NULL) == NULL && moons_call_ns(NULL) == 0);
  CHECK(moons_version_number() == MOONS_VERSION_NUMBER);
  close_program(good, runtime);
}

/* What a thread of the host's works with. */
typedef struct shared {
  moons_runtime *runtime;
  moons_program *program;
} shared;

static void *call_often(void *data) {
  shared *s = data;
  moons_program *own = load(s->runtime, "function f(x) return -x end");
  for (int64_t i = 0; i < 200; i++) {
    CHECK(integer_of(s->program, "f", i) == i + 1);
    CHECK(integer_of(own, "f", i) == -i);
  }
  moons_program_free(own);
  return NULL;
}

static void many_threads(void) {
  shared s = {.runtime = open_two_workers()};
  pthread_t threads[4];
  s.program = load(s.runtime, "function f(x) return x + 1 end");
  for (int i = 0; i < 4; i++)
    CHECK(pthread_create(&threads[i], NULL, call_often, &s) == 0);
  for (int i = 0; i < 4; i++)
    CHECK(pthread_join(threads[i], NULL) == 0);
  close_program(s.program, s.runtime);
}

static void many_programs_on(moons_runtime *runtime) {
  enum { N_PROGRAMS = 100 };
  moons_program *programs[N_PROGRAMS];
  char source[100];
  for (int i = 0; i < N_PROGRAMS; i++) {
    snprintf(source, sizeof source, "function f(x) return %d * x end", i);
    programs[i] = load(runtime, source);
  }
  for (int round = 0; round < 3; round++)
    for (int i = 0; i < N_PROGRAMS; i++)
      CHECK(integer_of(programs[i], "f", 2) == 2 * i);
  for (int i = 0; i < N_PROGRAMS; i++)
    moons_program_free(programs[i]);
  moons_runtime_free(runtime);
}

/* However few images are kept. */
static void many_programs(void) {
  moons_options options = usual_options(2);
  many_programs_on(open_runtime(&options));
  options.images_bytes = 1;
  many_programs_on(open_runtime(&options));
}

static void the_backend_inline(void) {
  moons_options options = usual_options(1);
  options.backend = MOONS_INLINE;
  moons_runtime *runtime = open_runtime(&options);
  moons_program *program = load(runtime, "function f(x) return x + 1 end");
  CHECK(integer_of(program, "f", 41) == 42);
  close_program(program, runtime);
}

static const test TESTS[] = {
    {"calls functions by their names", calls_functions},
    {"makes each call in the state that the script left", calls_begin_as_the_script_left_it},
    {"sends and receives values", values_go_and_come},
    {"tells what was thrown", errors_say_what_was_thrown},
    {"tells why a script does not load", scripts_fail_to_load},
    {"keeps to the terms", terms_hold},
    {"ends calls that take too long", calls_time_out},
    {"makes maps within calls", maps_within_calls},
    {"frees objects in any order", objects_go_in_any_order},
    {"refuses bad uses", bad_uses},
    {"is used by many threads #threads", many_threads},
    {"has many programs", many_programs},
    {"calls on the thread that waits", the_backend_inline},
    {NULL, NULL},
};

int main(int argc, char **argv) { return run_tests(TESTS, argc, argv); }
