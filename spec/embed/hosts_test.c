/* A host whose calls are made by agents on other machines, for which this one stands. */
#include <stdlib.h>

#include "host.h"

static moons_options options_of_hosts(const char *hosts) {
  static char launch[4096];
  const char *moons = getenv("MOONS");
  CHECK(moons != NULL);
  snprintf(launch, sizeof launch, "exec %.*s{moons}", (int)(strlen(moons) - strlen("moons")),
           moons);
  moons_options options;
  moons_options_init(&options);
  options.backend = MOONS_HOSTS;
  options.hosts = hosts;
  options.launch = launch;
  return options;
}

static char written[200];

static void take_written(void *data, void *call_data, int stream, const char *bytes,
                         size_t n_bytes) {
  CHECK(data == written && stream == 1);
  strncat(written, call_data, 20);
  strncat(written, bytes, n_bytes);
}

static void calls(void) {
  moons_options options = options_of_hosts("one:2,two:1");
  moons_runtime *runtime = open_runtime(&options);
  CHECK(workers_of(runtime) == 3);
  moons_program *program = load(runtime, "function f(x) return 3 * x end");
  moons_value seven = moons_integer(7);
  moons_call *call;
  CHECK(moons_run(&call, program, "f", &seven, 1) == 0);
  CHECK(moons_to_integer(moons_results(call, NULL), 0) == 21);
  moons_call_free(call);
  close_program(program, runtime);
}

/* One call after the other: those of several hosts print at once. */
static void prints(void) {
  moons_options options = options_of_hosts("one:2");
  moons_terms terms = terms_with(NULL, written);
  terms.write = take_written;
  moons_runtime *runtime = open_runtime(&options);
  moons_program *program = load_under(runtime, "function f(x) print(x) end", &terms);
  moons_queue *queue;
  moons_call *call;
  CHECK(moons_queue_new(&queue, runtime, NULL, NULL) == 0);
  static char first[] = "first: ", second[] = "second: ";
  for (int i = 0; i < 2; i++) {
    moons_value number = moons_integer(i);
    CHECK(moons_submit(queue, program, "f", &number, 1, i == 0 ? first : second, NULL) == 0);
    CHECK(moons_next(queue, -1, &call) == 0 && moons_call_error(call) == NULL);
    moons_call_free(call);
  }
  moons_queue_free(queue);
  close_program(program, runtime);
  CHECK(strcmp(written, "first: 0\nsecond: 1\n") == 0);
}

static void offer(lua_State *L, void *data) {
  (void)data;
  lua_pushboolean(L, 1);
  lua_setglobal(L, "offered");
}

static void offers_nothing(void) {
  moons_options options = options_of_hosts("one:1");
  moons_runtime *runtime = open_runtime(&options);
  moons_terms terms = terms_with(offer, NULL);
  moons_program *program;
  const char *source = "function f() return offered end";
  CHECK(moons_program_load(&program, runtime, source, strlen(source), "=rules", &terms) ==
        MOONS_EUNSUPPORTED);
  moons_program_free(program);
  moons_runtime_free(runtime);
}

static void refuses_lists(void) {
  static const char *const BAD[] = {"", "a:0", "a;b", "-a", "@/nowhere", "n[2-1]"};
  moons_runtime *runtime;
  for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
    moons_options options = options_of_hosts(BAD[i]);
    CHECK(moons_runtime_new(&runtime, &options) == MOONS_EINVAL && runtime == NULL);
  }
  moons_options options = options_of_hosts(NULL);
  CHECK(moons_runtime_new(&runtime, &options) == MOONS_EINVAL);
  options.backend = MOONS_MPI; /* which only the command has */
  CHECK(moons_runtime_new(&runtime, &options) == MOONS_EINVAL && runtime == NULL);
}

static const test TESTS[] = {
    {"makes calls there", calls},
    {"takes what each call prints there", prints},
    {"is refused terms whose functions are not there", offers_nothing},
    {"is refused what is no list of hosts", refuses_lists},
    {NULL, NULL},
};

int main(int argc, char **argv) { return run_tests(TESTS, argc, argv); }
