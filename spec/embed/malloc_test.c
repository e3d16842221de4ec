/* Where a host gives the memory, the library has none from elsewhere. Linked with --wrap, so that its calls of malloc and its kin
** come here. */
#include <stdatomic.h>

#include "host.h"

void *__real_malloc(size_t n_bytes);
void *__real_calloc(size_t n, size_t n_bytes);
void *__real_realloc(void *old, size_t n_bytes);
void *__wrap_malloc(size_t n_bytes);
void *__wrap_calloc(size_t n, size_t n_bytes);
void *__wrap_realloc(void *old, size_t n_bytes);

static atomic_long n_had;

void *__wrap_malloc(size_t n_bytes) {
  atomic_fetch_add(&n_had, 1);
  return __real_malloc(n_bytes);
}

void *__wrap_calloc(size_t n, size_t n_bytes) {
  atomic_fetch_add(&n_had, 1);
  return __real_calloc(n, n_bytes);
}

void *__wrap_realloc(void *old, size_t n_bytes) {
  atomic_fetch_add(&n_had, 1);
  return __real_realloc(old, n_bytes);
}

static void *host_alloc(void *data, void *old, size_t old_bytes, size_t new_bytes) {
  (void)data;
  (void)old_bytes;
  if (new_bytes > 0) return __real_realloc(old, new_bytes);
  free(old);
  return NULL;
}

static const char SCRIPT[] =
    "local t = {} for i = 1, 2000 do t[i] = {i, name = ('x'):rep(i % 50)} end\n"
    "function f(...) return t, parallel.array {1.5, 2.5}:copy(), ... end\n"
    "function g() error({code = 7}) end\n"
    "function within(x)\n"
    "  local pool <close> = parallel.pool(1)\n"
    "  pool:map(function(y) return {y, t} end, {x, 4.0}, {fresh = false})\n"
    "  return parallel.map(function(y) return y .. x end, {'a', x})[1]\n"
    "end";

static void submit_and_take(moons_runtime *runtime, moons_program *program) {
  moons_value items[] = {moons_integer(1), moons_string("abc")}, list = moons_list(items, 2);
  moons_queue *queue;
  moons_call *call;
  CHECK(moons_queue_new(&queue, runtime, NULL, NULL) == 0);
  CHECK(moons_submit(queue, program, "f", &list, 1, NULL, NULL) == 0);
  CHECK(moons_submit_map(queue, program, "f", &list, 0, NULL, NULL) == 0);
  CHECK(moons_submit_map(queue, program, "g", &list, 0, NULL, NULL) == 0);
  while (moons_next(queue, -1, &call) == 0)
    moons_call_free(call);
  moons_queue_free(queue);
}

static void use(const moons_options *options) {
  moons_runtime *runtime = open_runtime(options);
  moons_program *program = load(runtime, SCRIPT);
  moons_value x = moons_string("b");
  moons_call *call = run_with_values(program, "within", &x, 1);
  CHECK(strcmp(moons_to_string(moons_results(call, NULL), ""), "ab") == 0);
  moons_call_free(call);
  CHECK(moons_run(&call, program, "g", NULL, 0) == MOONS_ESCRIPT);
  moons_call_free(call);
  submit_and_take(runtime, program);
  close_program(program, runtime);
}

static void on(moons_backend backend) {
  moons_options options = usual_options(2);
  options.backend = backend;
  atomic_store(&n_had, 0);
  use(&options);
  CHECK(atomic_load(&n_had) > 50); /* it would be seen */
  options.alloc = host_alloc;
  atomic_store(&n_had, 0);
  use(&options);
  if (atomic_load(&n_had) > 0) fprintf(stderr, "%ld times\n", atomic_load(&n_had));
  CHECK(atomic_load(&n_had) == 0);
}

static void threads(void) { on(MOONS_THREADS); }

static void inline_calls(void) { on(MOONS_INLINE); }

static void lent_threads(void) { on(MOONS_LENT); }

static const test TESTS[] = {
    {"threads have no memory from malloc", threads},
    {"calls on the thread that waits have no memory from malloc", inline_calls},
    {"threads of the host have no memory from malloc", lent_threads},
    {NULL, NULL},
};

int main(int argc, char **argv) { return run_tests(TESTS, argc, argv); }
