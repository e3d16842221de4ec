/* A host that gives the memory itself (`alloc` of the options): all of it comes from there and goes back, and where each allocation in
** turn fails that is told, nothing is lost, and it goes on afterwards. */
#include <stdatomic.h>
#include <unistd.h>

#include "host.h"

/* {== The allocator of the host =============================================================== */

/* Before each block, for the host to check what it is told later. */
typedef struct head {
  _Alignas(max_align_t) size_t n_bytes;
} head;

typedef struct memory {
  atomic_long n_blocks, n_bytes; /* given, and not given back */
  atomic_long n_left;            /* until one fails; negative: none does */
  atomic_int everywhere;         /* not on the thread of the host alone */
  atomic_int is_wrong;           /* a block came back with another size */
} memory;

static _Thread_local int is_host;

static int fails(memory *m) {
  if (!is_host && !atomic_load(&m->everywhere)) return 0;
  return atomic_load(&m->n_left) >= 0 && atomic_fetch_sub(&m->n_left, 1) == 0;
}

static void count(memory *m, long n_blocks, long n_bytes) {
  atomic_fetch_add(&m->n_blocks, n_blocks);
  atomic_fetch_add(&m->n_bytes, n_bytes);
}

/* Moved each time, so that whoever keeps an old address is found. */
static void *make(const void *old, size_t old_bytes, size_t n_bytes) {
  head *h = malloc(sizeof *h + n_bytes);
  if (h == NULL) return NULL;
  h->n_bytes = n_bytes;
  if (old != NULL) memcpy(h + 1, old, old_bytes < n_bytes ? old_bytes : n_bytes);
  return h + 1;
}

static void *host_alloc(void *data, void *old, size_t old_bytes, size_t new_bytes) {
  memory *m = data;
  if (old != NULL && ((head *)old - 1)->n_bytes != old_bytes) atomic_store(&m->is_wrong, 1);
  if (new_bytes > 0 && fails(m)) return NULL;
  void *made = new_bytes > 0 ? make(old, old_bytes, new_bytes) : NULL;
  if (made != NULL) count(m, 1, (long)new_bytes);
  if (old == NULL || (made == NULL && new_bytes > 0)) return made;
  count(m, -1, -(long)old_bytes);
  free((head *)old - 1);
  return made;
}

static memory new_memory(void) { return (memory){.n_left = -1}; }

static moons_options options_of(memory *m, moons_backend backend) {
  moons_options options = usual_options(1);
  options.backend = backend;
  options.alloc = host_alloc;
  options.alloc_data = m;
  return options;
}

/* A thread that has ended may just be giving back what it had. */
static void check_all_is_back(memory *m) {
  for (int i = 0; i < 5000 && atomic_load(&m->n_blocks) > 0; i++)
    usleep(1000);
  CHECK(atomic_load(&m->n_blocks) == 0 && atomic_load(&m->n_bytes) == 0);
  CHECK(!atomic_load(&m->is_wrong));
}

/* {== What a host does ======================================================================== */

static const char SCRIPT[] = "local t = {} for i = 1, 50 do t[i] = {i, name = ('x'):rep(i)} end\n"
                             "function f(...) return t, {0.5, 1.5}, ... end\n"
                             "function g() error({code = 7}) end\n"
                             "function within(x) return parallel.map(math.sqrt, {x, 4.0}) end";

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

/* A call that makes a map: within a call want of memory is an error of Lua's. */
static void call_within(moons_program *program) {
  moons_value x = moons_number(2.25);
  moons_call *call;
  int error = moons_run(&call, program, "within", &x, 1);
  CHECK(error == 0 || error == MOONS_ESCRIPT || error == MOONS_ENOMEM);
  CHECK(error == 0 || call == NULL || strstr(moons_call_error(call)->message, "memory") != NULL);
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
  CHECK(moons_queue_fd(queue) >= 0);
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

/* All that a host without a Lua state does, on a runtime. */
static void use_program(moons_runtime *runtime) {
  moons_program *program;
  moons_stats stats;
  atomic_int n_gone = 0;
  moons_terms terms = terms_with(NULL, &n_gone);
  terms.gone = note_gone;
  int error = moons_program_load(&program, runtime, SCRIPT, sizeof SCRIPT - 1, "=s", &terms);
  if (error) {
    check_memory(error, moons_program_error(program));
  } else {
    call_f(program);
    call_g(program);
    call_within(program);
    submit_both(runtime, program);
    CHECK(moons_stats_of(runtime, program, &stats) == 0);
  }
  moons_program_free(program);
  while (atomic_load(&n_gone) == 0) /* a worker may be the last */
    usleep(1000);
  CHECK(atomic_load(&n_gone) == 1);
}

static const char MAPS[] =
    "local parallel = require 'parallel'\n"
    "local t = parallel.map(function(x) return {x, tostring(x)} end, {1, 2, 3})\n"
    "assert(t[3][2] == '3')\n"
    "local a = parallel.array {1.5, 2.5}\n"
    "parallel.map(function(i) return a[i] end, parallel.range(1, 2))\n"
    "local s = parallel.map(function(x) n = (n or 0) + x return n end, {1, 2}, {fresh = false})\n"
    "assert(parallel.submit(math.sqrt, 4):get() == 2)\n"
    "local pool <close> = parallel.pool(1)\n"
    "assert(pool:map(math.sqrt, {9.0})[1] == 3)\n";

/* The same of one with a Lua state, whose own memory is not the library's. */
static void use_state(moons_runtime *runtime) {
  moons_terms terms = terms_with(NULL, NULL);
  lua_State *L = luaL_newstate();
  CHECK(L != NULL);
  luaL_openlibs(L);
  int error = moons_open(L, runtime, &terms);
  if (error) check_memory(error, NULL);
  if (!error && luaL_dostring(L, MAPS) != LUA_OK) {
    const char *message = luaL_tolstring(L, -1, NULL);
    if (strstr(message, "memory") == NULL && strstr(message, "could not be started") == NULL)
      FAIL(message);
  }
  lua_close(L);
}

/* {== Tests =================================================================================== */

/* Lets the first allocation fail, then the second, until there are no more. */
static void fail_in_turn(moons_backend backend, int on_all_threads, void (*use)(moons_runtime *)) {
  memory m = new_memory();
  moons_options options = options_of(&m, backend);
  moons_runtime *runtime = open_runtime(&options);
  use(runtime);
  is_host = 1;
  atomic_store(&m.everywhere, on_all_threads);
  long n = 0;
  do {
    atomic_store(&m.n_left, n++);
    use(runtime);
  } while (atomic_load(&m.n_left) < 0 && n < 5000);
  CHECK(n > 20 && n < 5000);
  atomic_store(&m.n_left, -1);
  use(runtime);
  moons_runtime_free(runtime);
  check_all_is_back(&m);
}

static void of_a_program(void) { fail_in_turn(MOONS_THREADS, 0, use_program); }

static void of_a_program_everywhere(void) { fail_in_turn(MOONS_THREADS, 1, use_program); }

static void of_a_program_inline(void) { fail_in_turn(MOONS_INLINE, 1, use_program); }

static void of_a_state(void) { fail_in_turn(MOONS_THREADS, 0, use_state); }

static void of_a_state_everywhere(void) { fail_in_turn(MOONS_THREADS, 1, use_state); }

static void while_a_runtime_is_made(void) {
  static const moons_backend BACKENDS[] = {MOONS_THREADS, MOONS_INLINE, MOONS_LENT,
                                           MOONS_PROCESSES};
  is_host = 1;
  for (size_t i = 0; i < sizeof BACKENDS / sizeof BACKENDS[0]; i++) {
    memory m = new_memory();
    moons_options options = options_of(&m, BACKENDS[i]);
    moons_runtime *runtime = NULL;
    options.thread_name = "host";
    for (long n = 0; runtime == NULL && n < 1000; n++) {
      atomic_store(&m.n_left, n);
      int error = moons_runtime_new(&runtime, &options);
      CHECK(error == 0 || (error == MOONS_ENOMEM && runtime == NULL));
      if (error) check_all_is_back(&m);
    }
    CHECK(runtime != NULL);
    moons_runtime_free(runtime);
    check_all_is_back(&m);
  }
}

static void results_stay(void) {
  memory m = new_memory();
  moons_options options = options_of(&m, MOONS_THREADS);
  moons_runtime *runtime = open_runtime(&options);
  moons_program *program = load(runtime, SCRIPT);
  moons_call *call = run_with_values(program, "f", NULL, 0);
  close_program(program, runtime);
  CHECK(atomic_load(&m.n_blocks) > 0);
  CHECK(moons_results(call, NULL)[0].n == 50);
  moons_call_free(call);
  check_all_is_back(&m);
}

static void two_runtimes(void) {
  memory first = new_memory(), second = new_memory();
  moons_options options = options_of(&first, MOONS_THREADS);
  moons_runtime *runtime = open_runtime(&options);
  options.alloc_data = &second;
  moons_runtime *other = open_runtime(&options);
  long n_of_other = atomic_load(&second.n_bytes);
  use_program(runtime);
  CHECK(atomic_load(&second.n_bytes) == n_of_other);
  moons_runtime_free(runtime);
  check_all_is_back(&first);
  moons_runtime_free(other);
  check_all_is_back(&second);
}

/* Programs that need far more than their images may hold: what is held beside these is counted too. Some give a table, so that the
** names of libraries are looked at. */
static long bytes_of_programs(const char *script, size_t images_bytes) {
  enum { N_PROGRAMS = 300 };
  static moons_program *programs[N_PROGRAMS];
  char source[256];
  memory m = new_memory();
  moons_options options = options_of(&m, MOONS_THREADS);
  options.images_bytes = images_bytes;
  moons_runtime *runtime = open_runtime(&options);
  for (int i = 0; i < N_PROGRAMS; i++) {
    snprintf(source, sizeof source, script, i);
    programs[i] = load(runtime, source);
  }
  for (int i = 0; i < 2 * N_PROGRAMS; i++) {
    moons_call *call;
    CHECK(moons_run(&call, programs[i % N_PROGRAMS], "f", NULL, 0) == 0);
    moons_call_free(call);
  }
  long n_bytes = atomic_load(&m.n_bytes);
  for (int i = 0; i < N_PROGRAMS; i++)
    moons_program_free(programs[i]);
  moons_runtime_free(runtime);
  check_all_is_back(&m);
  return n_bytes;
}

static void images_hold_what_they_may(void) {
  static const char LARGE[] =
      "local t = {} for i = 1, 2000 do t[i] = %d end function f() return #t end";
  static const char NAMES[] = "local x = %d function f() return string, {x} end";
  enum { IMAGES_BYTES = 4 << 20, MOST_BYTES = IMAGES_BYTES + IMAGES_BYTES / 5 + (1 << 20) };
  CHECK(bytes_of_programs(LARGE, IMAGES_BYTES) < MOST_BYTES);
  CHECK(bytes_of_programs(NAMES, IMAGES_BYTES) < MOST_BYTES);
}

static const test TESTS[] = {
    {"no memory for a runtime is told", while_a_runtime_is_made},
    {"no memory on the thread of a host with a program is told", of_a_program},
    {"no memory anywhere is told to a host with a program", of_a_program_everywhere},
    {"no memory is told where calls run inline", of_a_program_inline},
    {"no memory on the thread of a host with a Lua state is told", of_a_state},
    {"no memory anywhere is told to a host with a Lua state", of_a_state_everywhere},
    {"results stay when the runtime has given back its memory", results_stay},
    {"images hold no more than they may, with what is beside them", images_hold_what_they_may},
    {"two runtimes have their memory from two allocators", two_runtimes},
    {NULL, NULL},
};

int main(int argc, char **argv) { return run_tests(TESTS, argc, argv); }
