/* Calls that end by a limit of their own: what runs after that is bounded too. */
#include <string.h>

#include "host.h"

/* Everything here has no other limits, no timeout above all. */
static const char SOURCE[] =
    "local ends = {\n"
    "  output = function() print(('x'):rep(1000)) print 'more' end,\n"
    "  error = function() os.exit(3) end,\n"
    "}\n"
    "local function forever() while true do end end\n"
    "local function pattern() (('a'):rep(200000)):find(('.-'):rep(20) .. 'b') end\n"
    "function loop(how) KEPT = setmetatable({}, {__gc = forever}) ends[how]() end\n"
    "function match(how) KEPT = setmetatable({}, {__gc = pattern}) ends[how]() end\n"
    "function within(how) parallel.map(loop, {how}) end\n"
    "function prints() setmetatable({}, {__gc = function() while true do print 'x' end end})\n"
    "  collectgarbage() end\n"
    "function late() KEPT = setmetatable({}, {__gc = function() while true do print 'x' end end}) "
    "end\n"
    "function some() KEPT = setmetatable({}, {__gc = function() print(('x'):rep(1000)) end}) end\n"
    "function fine() KEPT = setmetatable({}, {__gc = function() print 'x' end}) return 7 end\n";

static void take_nothing(void *data, void *call_data, int stream, const char *bytes, size_t n) {
  (void)data, (void)call_data, (void)stream, (void)bytes, (void)n;
}

static moons_terms usual_terms(void) {
  moons_terms terms;
  moons_terms_init(&terms);
  terms.output_bytes = 100;
  terms.write = take_nothing;
  return terms;
}

static void fails(moons_program *program, const char *function, const char *how, moons_kind kind) {
  moons_call *call;
  moons_value value = moons_string(how);
  CHECK(moons_run(&call, program, function, &value, 1) == MOONS_ESCRIPT);
  const moons_error *error = moons_call_error(call);
  if (error->kind != kind) fprintf(stderr, "%s %s: %s\n", function, how, error->message);
  CHECK(error->kind == kind);
  moons_call_free(call);
}

static void is_fine(moons_program *program) {
  moons_call *call = run_with_values(program, "fine", NULL, 0);
  CHECK(moons_to_integer(moons_results(call, NULL), 0) == 7);
  moons_call_free(call);
}

static unsigned lost_of(moons_runtime *runtime) {
  moons_stats stats;
  CHECK(moons_stats_of(runtime, NULL, &stats) == 0);
  return stats.n_lost;
}

/* A thread that is given up goes on, so each case has its own process. `n_lost` calls are given up. */
static void check_on(moons_backend backend, const char *function, const char *how, moons_kind kind,
                     unsigned n_lost) {
  moons_options options = usual_options(1);
  options.backend = backend;
  options.program = getenv("MOONS");
  moons_runtime *runtime = open_runtime(&options);
  moons_terms terms = usual_terms();
  moons_program *program = load_under(runtime, SOURCE, &terms);
  is_fine(program);
  fails(program, function, how, kind);
  is_fine(program);
  CHECK(lost_of(runtime) == n_lost);
  moons_program_free(program);
  moons_runtime_free(runtime);
}

#define CASE(name, backend, function, how, kind, n_lost)                                           \
  static void name(void) { check_on(backend, function, how, kind, n_lost); }

CASE(a_finalizer_after_output, MOONS_THREADS, "loop", "output", MOONS_KIND_OUTPUT, 1)
CASE(a_finalizer_after_exit, MOONS_THREADS, "loop", "error", MOONS_KIND_ERROR, 1)
CASE(a_finalizer_in_c, MOONS_THREADS, "match", "output", MOONS_KIND_OUTPUT, 1)
/* What is in use in a state that a lost thread has, the leak sanitizer does not see. */
CASE(a_finalizer_within, MOONS_THREADS, "within", "output", MOONS_KIND_LOST, 2)
CASE(a_finalizer_that_prints, MOONS_THREADS, "prints", "", MOONS_KIND_OUTPUT, 1)
CASE(a_finalizer_that_prints_late, MOONS_THREADS, "late", "", MOONS_KIND_OUTPUT, 1)
CASE(a_finalizer_that_prints_much, MOONS_THREADS, "some", "", MOONS_KIND_OUTPUT, 0)
CASE(of_a_process_after_output, MOONS_PROCESSES, "loop", "output", MOONS_KIND_OUTPUT, 1)
CASE(of_a_process_after_exit, MOONS_PROCESSES, "match", "error", MOONS_KIND_ERROR, 1)
CASE(of_a_process_within, MOONS_PROCESSES, "within", "output", MOONS_KIND_LOST, 1)
CASE(of_a_process_that_prints, MOONS_PROCESSES, "prints", "", MOONS_KIND_OUTPUT, 1)
CASE(of_a_process_that_prints_much, MOONS_PROCESSES, "some", "", MOONS_KIND_OUTPUT, 0)

/* The thread that waits cannot be given up; what only prints too much comes to its end. */
static void inline_that_prints_much(void) {
  check_on(MOONS_INLINE, "some", "", MOONS_KIND_OUTPUT, 0);
}

static void a_script_that_is_loaded(void) {
  static const char LOADED[] = "setmetatable({}, {__gc = function() while true do end end})\n"
                               "print(('x'):rep(1000))";
  moons_runtime *runtime = open_two_workers();
  moons_terms terms = usual_terms();
  moons_program *program;
  CHECK(moons_program_load(&program, runtime, LOADED, strlen(LOADED), "=x", &terms) ==
        MOONS_ESCRIPT);
  CHECK(moons_program_error(program)->kind == MOONS_KIND_OUTPUT);
  close_program(program, runtime);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"ends a finalizer without end after a call printed too much", a_finalizer_after_output},
      {"ends a finalizer without end after os.exit", a_finalizer_after_exit},
      {"ends a finalizer in a function in C", a_finalizer_in_c},
      {"ends a finalizer of a call within #unsanitized", a_finalizer_within},
      {"ends a finalizer that prints without end", a_finalizer_that_prints},
      {"ends a finalizer that prints without end when its state is closed",
       a_finalizer_that_prints_late},
      {"fails a call whose finalizers print too much", a_finalizer_that_prints_much},
      {"ends a script that is loaded", a_script_that_is_loaded},
      {"ends a finalizer in a process after a call printed too much", of_a_process_after_output},
      {"ends a finalizer in a process after os.exit", of_a_process_after_exit},
      {"ends a finalizer in a process of a call within", of_a_process_within},
      {"ends a finalizer in a process that prints without end", of_a_process_that_prints},
      {"fails a call whose finalizers print too much in a process", of_a_process_that_prints_much},
      {"fails a call whose finalizers print too much inline", inline_that_prints_much},
      {NULL, NULL}};
  return run_tests(TESTS, argc, argv);
}
