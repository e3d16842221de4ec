/* Functions of a script are proved one by one: calls of those that leave no trace do not have their state put back. Nobody can tell
** but by the counts. */
#include "moons.h"

#include <stdint.h>

#include "host.h"

enum { N = 1000 }; /* calls, of which the first few hundred come before a proof */

static const char SCRIPT[] =
    "local rules, cache = {inner = {}}, {}\n"
    "function more(x) return x + 1 end\n"
    "function addto(x, y) return x + y end\n"
    "function count(x) total = (total or x) + 1 return total end\n"
    "function see() return total, cache[1] end\n"
    "function note(x) cache[#cache + 1] = x return #cache end\n"
    "function half(x) if x == 7 then error('seven') end return x / 2 end\n"
    "function draw() return math.random(1 << 40) end\n"
    "function draw_and_note() drawn = true return math.random(1 << 40) end\n"
    "function rules.add(x) return x + 10 end\n"
    "function rules.inner.add(x) cache.n = (cache.n or x) + 100\n"
    "  return cache.n end\n"
    "return rules";

/* One worker, so that one state makes all calls. */
static moons_program *open_program(moons_runtime **runtime, const char *script,
                                   const moons_terms *terms) {
  moons_options options = usual_options(1);
  *runtime = open_runtime(&options);
  return load_under(*runtime, script, terms);
}

static int64_t integer_of(moons_program *program, const char *function, int64_t x) {
  moons_value value = moons_integer(x);
  moons_call *call = run_with_values(program, function, &value, 1);
  size_t n;
  const moons_value *results = moons_results(call, &n);
  CHECK(n == 1 && results->type == MOONS_INTEGER);
  int64_t result = results->as.integer;
  moons_call_free(call);
  return result;
}

static moons_stats stats_of(moons_program *program, moons_runtime *runtime) {
  moons_stats stats;
  CHECK(moons_stats_of(runtime, program, &stats) == 0);
  return stats;
}

static void each_by_itself(void) {
  moons_runtime *runtime;
  moons_program *program = open_program(&runtime, SCRIPT, NULL);
  for (int i = 0; i < N; i++) {
    CHECK(integer_of(program, "more", i) == i + 1);
    CHECK(integer_of(program, "add", i) == i + 10);
  }
  moons_stats pure = stats_of(program, runtime);
  CHECK(pure.n_proved >= N && pure.n_proved + pure.n_restored == 2 * N + 1);
  for (int i = 0; i < N; i++) {
    CHECK(integer_of(program, "count", i) == i + 1);
    CHECK(integer_of(program, "inner.add", i) == i + 100);
  }
  moons_stats all = stats_of(program, runtime);
  CHECK(all.n_proved == pure.n_proved && all.n_restored == pure.n_restored + 2 * N);
  close_program(program, runtime);
}

static void check_untouched(moons_program *program) {
  moons_call *call = run_with_values(program, "see", NULL, 0);
  size_t n;
  const moons_value *results = moons_results(call, &n);
  CHECK(n == 2 && results[0].type == MOONS_NIL && results[1].type == MOONS_NIL);
  moons_call_free(call);
}

static void in_turn(void) {
  moons_runtime *runtime;
  moons_program *program = open_program(&runtime, SCRIPT, NULL);
  for (int i = 0; i < N; i++) {
    CHECK(integer_of(program, "more", i) == i + 1);
    CHECK(integer_of(program, "note", i) == 1);
    check_untouched(program);
    CHECK(integer_of(program, "count", i) == i + 1);
    check_untouched(program);
  }
  CHECK(stats_of(program, runtime).n_proved >= N);
  close_program(program, runtime);
}

static void check_failure(moons_program *program) {
  moons_value seven = moons_integer(7);
  moons_call *call;
  CHECK(moons_run(&call, program, "half", &seven, 1) == MOONS_ESCRIPT);
  const moons_error *error = moons_call_error(call);
  CHECK(error->kind == MOONS_KIND_ERROR && strcmp(error->message, "rules:7: seven") == 0);
  CHECK(strstr(error->traceback, "rules:7") != NULL);
  moons_call_free(call);
}

static void failures(void) {
  moons_runtime *runtime;
  moons_program *program = open_program(&runtime, SCRIPT, NULL);
  moons_value values[] = {moons_integer(20), moons_integer(22)};
  check_failure(program);
  for (int i = 0; i < N; i++)
    moons_call_free(run_with_values(program, "half", values, 1));
  for (int i = 0; i < 3; i++)
    check_failure(program);
  CHECK(stats_of(program, runtime).n_proved >= N / 2);
  moons_call_free(run_with_values(program, "addto", values, 2));
  close_program(program, runtime);
}

/* Numbers of calls are the same in both programs. Calls in between that draw none, as is proved, are not seeded. */
static void random_numbers(void) {
  moons_runtime *runtime, *other_runtime;
  moons_terms terms = terms_with(NULL, NULL);
  terms.seed = 42;
  moons_program *program = open_program(&runtime, SCRIPT, &terms);
  moons_program *other = open_program(&other_runtime, SCRIPT, &terms);
  for (int i = 0; i < N; i++) {
    CHECK(integer_of(program, "draw", 0) == integer_of(other, "draw_and_note", 0));
    CHECK(integer_of(program, "more", i) == integer_of(other, "more", i));
  }
  CHECK(stats_of(program, runtime).n_proved >= N + N / 2);
  CHECK(stats_of(other, other_runtime).n_proved <= N);
  close_program(program, runtime);
  close_program(other, other_runtime);
}

/* More than a session has lanes for: calls of those that come late are as before. */
static void many_functions(void) {
  enum { N_FUNCTIONS = 400, N_EACH = 4 };
  moons_runtime *runtime;
  moons_program *program = open_program(
      &runtime,
      "for i = 1, 400 do _G['f' .. i] = function(x) seen = (seen or x) + i return seen end end\n"
      "function last(x) return x end",
      NULL);
  char name[16];
  for (int i = 0; i < N_FUNCTIONS * N_EACH; i++) {
    int number = i % N_FUNCTIONS + 1;
    snprintf(name, sizeof name, "f%d", number);
    CHECK(integer_of(program, name, i) == i + number);
  }
  for (int i = 0; i < N; i++)
    CHECK(integer_of(program, "last", i) == i);
  CHECK(stats_of(program, runtime).n_proved == 0);
  close_program(program, runtime);
}

/* What loading asks for has no function's name. With one seed all have one state. */
static void loading(void) {
  moons_runtime *runtime;
  moons_terms terms = terms_with(NULL, NULL);
  terms.seed = 42;
  moons_program *program = open_program(&runtime, SCRIPT, &terms);
  for (int i = 0; i < N; i++) {
    moons_program *same = load_under(runtime, SCRIPT, &terms);
    moons_program_free(same);
  }
  moons_stats stats = stats_of(NULL, runtime);
  CHECK(stats.n_proved == 0 && stats.n_restored == N + 1);
  close_program(program, runtime);
}

static void maps(void) {
  moons_runtime *runtime;
  moons_program *program = open_program(&runtime, SCRIPT, NULL);
  static int64_t numbers[N];
  moons_value items = moons_integers(numbers, N);
  moons_queue *queue;
  moons_call *map;
  CHECK(moons_queue_new(&queue, runtime, NULL, NULL) == 0);
  for (int i = 0; i < 2; i++) {
    const char *function = i == 0 ? "more" : "count";
    CHECK(moons_submit_map(queue, program, function, &items, 0, NULL, NULL) == 0);
    CHECK(moons_next(queue, -1, &map) == 0 && moons_call_error(map) == NULL);
    const moons_value *results = moons_results(map, NULL);
    CHECK(results->type == MOONS_INTEGERS && results->n == N);
    for (int k = 0; k < N; k++)
      CHECK(results->as.integers[k] == 1);
    moons_call_free(map);
    moons_stats stats = stats_of(program, runtime);
    CHECK(stats.n_proved >= N / 2 && stats.n_proved < N);
  }
  moons_queue_free(queue);
  close_program(program, runtime);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"each is proved by itself", each_by_itself},
      {"those that leave traces see none, in turn with others", in_turn},
      {"their errors are those of calls that are not proved", failures},
      {"they draw the same random numbers", random_numbers},
      {"a script may have more than are noted", many_functions},
      {"those of a host's map are proved too", maps},
      {"nothing is proved of loading", loading},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
