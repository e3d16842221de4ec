/* Each allocation in turn fails, in what a host without a Lua state does: nothing is lost, and it goes on afterwards. Linked with
** --wrap, so that the library's allocations come here. */
#include <stdatomic.h>
#include <unistd.h>

#include "host.h"

void *__real_malloc(size_t n_bytes);
void *__real_calloc(size_t n, size_t n_bytes);
void *__real_realloc(void *old, size_t n_bytes);
void *__wrap_malloc(size_t n_bytes);
void *__wrap_calloc(size_t n, size_t n_bytes);
void *__wrap_realloc(void *old, size_t n_bytes);

static atomic_long n_left = -1; /* until one fails; negative: none does */
static atomic_int everywhere;   /* not on the thread of the host alone */
static _Thread_local int is_host;

static int fails(void) {
  if (!is_host && !atomic_load(&everywhere)) return 0;
  return atomic_load(&n_left) >= 0 && atomic_fetch_sub(&n_left, 1) == 0;
}

void *__wrap_malloc(size_t n_bytes) { return fails() ? NULL : __real_malloc(n_bytes); }

void *__wrap_calloc(size_t n, size_t n_bytes) { return fails() ? NULL : __real_calloc(n, n_bytes); }

void *__wrap_realloc(void *old, size_t n_bytes) {
  return fails() ? NULL : __real_realloc(old, n_bytes);
}

static const char SCRIPT[] = "local t = {} for i = 1, 50 do t[i] = {i, name = ('x'):rep(i)} end\n"
                             "function f(...) return t, {0.5, 1.5}, ... end\n"
                             "function g() error({code = 7}) end";

static void check_memory(int error, const moons_error *failure) {
  if (error == MOONS_ENOMEM) return;
  CHECK(error == MOONS_ESCRIPT && failure != NULL);
  if (failure->kind != MOONS_KIND_MEMORY)
    fprintf(stderr, "%s: %s\n", failure->kind_name, failure->message);
  CHECK(failure->kind == MOONS_KIND_MEMORY);
}

/* Calls f, which gives three values and more. */
static void call_f(moons_program *program) {
  moons_value items[] = {moons_integer(1), moons_string("abc")}, list = moons_list(items, 2);
  moons_call *call;
  size_t n;
  int error = moons_run(&call, program, "f", &list, 1);
  if (error)
    check_memory(error, moons_call_error(call));
  else
    CHECK(moons_results(call, &n) != NULL && n == 3 && moons_results(call, &n)[2].n == 2);
  moons_call_free(call);
}

/* Calls g, which fails. */
static void call_g(moons_program *program) {
  moons_call *call;
  int error = moons_run(&call, program, "g", NULL, 0);
  CHECK(error != 0);
  const moons_error *failure = moons_call_error(call);
  if (failure == NULL || failure->kind != MOONS_KIND_ERROR) check_memory(error, failure);
  moons_call_free(call);
}

/* Submits two calls and two maps, one of each fails, and takes them: what has been submitted comes home. */
static void submit_both(moons_runtime *runtime, moons_program *program) {
  moons_value text = moons_string("abc");
  moons_queue *queue;
  moons_call *call;
  int error = moons_queue_new(&queue, runtime, NULL, NULL), n = 0;
  if (error) check_memory(error, NULL);
  if (error) return;
  moons_value items[] = {text, text, text}, list = moons_list(items, 3);
  for (int i = 0; i < 4; i++) {
    const char *function = i % 2 == 0 ? "f" : "g";
    error = i < 2 ? moons_submit(queue, program, function, &text, 1, &n, &call)
                  : moons_submit_map(queue, program, function, &list, 0, &n, &call);
    if (error) check_memory(error, NULL);
    n += error == 0;
    CHECK((call == NULL) == (error != 0));
  }
  while ((error = moons_next(queue, -1, &call)) == 0) {
    const moons_error *failure = moons_call_error(call);
    CHECK(moons_call_data(call) == &n);
    if (failure != NULL && failure->kind != MOONS_KIND_ERROR) check_memory(MOONS_ESCRIPT, failure);
    moons_call_free(call);
    n--;
  }
  CHECK(n == 0);
  if (error != MOONS_EEND) check_memory(error, NULL);
  moons_queue_free(queue);
}

static void note_gone(void *data) { atomic_fetch_add((atomic_int *)data, 1); }

/* All that a host does, on a runtime of its own or of its own making. */
static void do_all(moons_runtime *runtime) {
  moons_program *program;
  moons_terms terms;
  atomic_int n_gone = 0;
  moons_terms_init(&terms);
  terms.gone = note_gone;
  terms.data = &n_gone;
  int error = moons_program_load(&program, runtime, SCRIPT, sizeof SCRIPT - 1, "=s", &terms);
  if (error) {
    check_memory(error, moons_program_error(program));
  } else {
    call_f(program);
    call_g(program);
    submit_both(runtime, program);
  }
  moons_program_free(program);
  while (atomic_load(&n_gone) == 0) /* a worker may be the last */
    usleep(1000);
  CHECK(atomic_load(&n_gone) == 1);
}

/* Lets the first allocation fail, then the second, until there are no more. */
static void fail_in_turn(int on_all_threads) {
  moons_options options = usual_options(1);
  moons_runtime *runtime = open_runtime(&options);
  do_all(runtime);
  is_host = 1;
  atomic_store(&everywhere, on_all_threads);
  long n = 0;
  do {
    atomic_store(&n_left, n++);
    do_all(runtime);
  } while (atomic_load(&n_left) < 0 && n < 5000);
  CHECK(n > 20 && n < 5000);
  atomic_store(&n_left, -1);
  do_all(runtime);
  moons_runtime_free(runtime);
}

static void on_the_host(void) { fail_in_turn(0); }

static void everywhere_else_too(void) { fail_in_turn(1); }

static void while_a_runtime_is_made(void) {
  moons_options options = usual_options(1);
  moons_runtime *runtime = NULL;
  is_host = 1;
  for (long n = 0; runtime == NULL && n < 1000; n++) {
    atomic_store(&n_left, n);
    int error = moons_runtime_new(&runtime, &options);
    CHECK(error == 0 || (error == MOONS_ENOMEM && runtime == NULL));
  }
  atomic_store(&n_left, -1);
  CHECK(runtime != NULL);
  do_all(runtime);
  moons_runtime_free(runtime);
}

static const test TESTS[] = {
    {"no memory for a runtime is told", while_a_runtime_is_made},
    {"no memory on the thread of the host is told", on_the_host},
    {"no memory anywhere is told", everywhere_else_too},
    {NULL, NULL},
};

int main(int argc, char **argv) { return run_tests(TESTS, argc, argv); }
