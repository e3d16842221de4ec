/* A host that closes a runtime while others hold it. */
#include "moons.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "host.h"

static const char SCRIPT[] = "function same(x) return x end\n"
                             "function hang() while true do end end\n"
                             "function wait() parallel.sleep(0.2) return 1 end\n";

static moons_runtime *open_runtime_on(moons_backend backend) {
  moons_options options = usual_options(2);
  options.backend = backend;
  options.stop_signal = SIGURG; /* calls are ended here: SECURITY.md says what may happen without */
  return open_runtime(&options);
}

static moons_queue *open_queue(moons_runtime *runtime) {
  moons_queue *queue;
  CHECK(moons_queue_new(&queue, runtime, NULL, NULL) == 0);
  return queue;
}

static void submit(moons_queue *queue, moons_program *program, const char *function, int n) {
  moons_value value = moons_integer(1);
  for (int i = 0; i < n; i++)
    CHECK(moons_submit(queue, program, function, &value, 1, NULL, NULL) == 0);
}

/* Takes all there is without waiting, and returns how many were cancelled. */
static int take_all(moons_queue *queue, int n) {
  int n_cancelled = 0;
  moons_call *call;
  for (int i = 0; i < n; i++) {
    CHECK(moons_next(queue, 0, &call) == 0);
    const moons_error *error = moons_call_error(call);
    CHECK(error == NULL || error->kind == MOONS_KIND_CANCELLED);
    n_cancelled += error != NULL;
    moons_call_free(call);
  }
  CHECK(moons_next(queue, -1, &call) == MOONS_ECLOSED && call == NULL);
  return n_cancelled;
}

static void check_closed(moons_runtime *runtime, moons_program *program, moons_queue *queue) {
  moons_value items = moons_list(NULL, 0);
  moons_call *call = (moons_call *)&items;
  moons_program *other = program;
  moons_queue *new_queue = queue;
  lua_State *L = luaL_newstate();
  CHECK(moons_run(&call, program, "same", NULL, 0) == MOONS_ECLOSED && call == NULL);
  call = (moons_call *)&items;
  CHECK(moons_submit(queue, program, "same", NULL, 0, NULL, &call) == MOONS_ECLOSED);
  CHECK(call == NULL);
  CHECK(moons_submit_map(queue, program, "same", &items, 0, NULL, NULL) == MOONS_ECLOSED);
  CHECK(moons_program_load(&other, runtime, "", 0, NULL, NULL) == MOONS_ECLOSED && other == NULL);
  CHECK(moons_queue_new(&new_queue, runtime, NULL, NULL) == MOONS_ECLOSED && new_queue == NULL);
  CHECK(moons_open(L, runtime, NULL) == MOONS_ECLOSED);
  CHECK(moons_runtime_close(runtime, 0) == 0 && moons_runtime_close(runtime, -1) == 0);
  lua_close(L);
}

static void end(moons_runtime *runtime, moons_program *program, moons_queue *queue) {
  moons_queue_free(queue);
  close_program(program, runtime);
}

static void close_refuses_what_is_wrong(void) {
  CHECK(moons_runtime_close(NULL, 0) == MOONS_EINVAL);
}

static void close_waits_for_calls_that_run_and_wait(void) {
  moons_runtime *runtime = open_runtime_on(MOONS_THREADS);
  moons_program *program = load(runtime, SCRIPT);
  moons_queue *queue = open_queue(runtime);
  submit(queue, program, "wait", 5);
  CHECK(moons_runtime_close(runtime, -1) == 0);
  check_closed(runtime, program, queue);
  CHECK(take_all(queue, 5) == 0);
  end(runtime, program, queue);
}

static void close_cancels_calls_that_run_and_wait(void) {
  static const int64_t NUMBERS[] = {1, 2, 3};
  moons_value items = moons_integers(NUMBERS, 3);
  moons_runtime *runtime = open_runtime_on(MOONS_THREADS);
  moons_program *program = load(runtime, SCRIPT);
  moons_queue *queue = open_queue(runtime), *other = open_queue(runtime);
  submit(queue, program, "hang", 5);
  CHECK(moons_submit_map(other, program, "hang", &items, 1, NULL, NULL) == 0);
  CHECK(moons_runtime_close(runtime, 20000000) == 0);
  check_closed(runtime, program, queue);
  CHECK(take_all(queue, 5) == 5);
  CHECK(take_all(other, 1) == 1);
  moons_queue_free(other);
  end(runtime, program, queue);
}

/* Inline calls run in the close; what has no time left is cancelled. */
static void close_runs_inline_calls(void) {
  for (int is_late = 0; is_late < 2; is_late++) {
    moons_runtime *runtime = open_runtime_on(MOONS_INLINE);
    moons_program *program = load(runtime, SCRIPT);
    moons_queue *queue = open_queue(runtime);
    submit(queue, program, "same", 3);
    CHECK(moons_runtime_close(runtime, is_late ? 0 : -1) == 0);
    check_closed(runtime, program, queue);
    CHECK(take_all(queue, 3) == (is_late ? 3 : 0));
    end(runtime, program, queue);
  }
}

static void close_lends_its_thread(void) {
  moons_runtime *runtime = open_runtime_on(MOONS_LENT);
  moons_program *program = load(runtime, SCRIPT);
  moons_queue *queue = open_queue(runtime);
  submit(queue, program, "same", 3);
  CHECK(moons_runtime_close(runtime, -1) == 0);
  check_closed(runtime, program, queue);
  CHECK(moons_lend(runtime) == MOONS_ECLOSED);
  CHECK(take_all(queue, 3) == 0);
  end(runtime, program, queue);
}

/* {== Calls that do not end =================================================================== */

static atomic_int is_inside, may_end, n_wrong;

static int call_stay(lua_State *L) {
  atomic_store(&is_inside, 1);
  while (!atomic_load(&may_end))
    sched_yield();
  (void)L;
  return 0;
}

/* close(): on a worker that is wrong. */
static int call_close(lua_State *L) {
  lua_pushinteger(L, moons_runtime_close(moons_data(L), 0));
  return 1;
}

static int call_begin(lua_State *L) {
  (void)L;
  atomic_store(&is_inside, 1);
  return 0;
}

static void open_functions(lua_State *L, void *data) {
  (void)data;
  lua_register(L, "stay", call_stay);
  lua_register(L, "close", call_close);
  lua_register(L, "begin", call_begin);
}

static void close_counts_calls_that_were_given_up(void) {
  moons_runtime *runtime = open_runtime_on(MOONS_THREADS);
  moons_terms terms = terms_with(open_functions, runtime);
  moons_program *program =
      load_under(runtime, "function f() stay() end function g() return close() end", &terms);
  moons_queue *queue = open_queue(runtime);
  moons_call *call = run_with_values(program, "g", NULL, 0);
  CHECK(moons_to_integer(moons_results(call, NULL), 0) == MOONS_EINVAL);
  moons_call_free(call);
  submit(queue, program, "f", 1);
  while (!atomic_load(&is_inside))
    sched_yield();
  CHECK(moons_runtime_close(runtime, 0) == 1);
  CHECK(moons_next(queue, 0, &call) == 0 && moons_call_error(call) != NULL);
  moons_call_free(call);
  CHECK(moons_next(queue, 0, &call) == MOONS_ECLOSED);
  atomic_store(&may_end, 1);
  while (moons_runtime_close(runtime, 0) != 0)
    sched_yield();
  end(runtime, program, queue);
}

/* {== Lua states ============================================================================== */

static void maps_of_a_closed_runtime_say_so(void) {
  moons_runtime *runtime = open_runtime_on(MOONS_THREADS);
  lua_State *L = open_state(runtime);
  run(L,
      "pool = parallel.pool {workers = 1}  assert(#pool:map(function(x) return x end, {1, 2}) == 2)"
      "items = parallel.imap(function() while true do end end, {1, 2, 3})");
  CHECK(moons_runtime_close(runtime, 0) == 0);
  run(L, "for _, f in ipairs {function() for _ in items do end end,\n"
         "  function() parallel.map(function(x) return x end, {1}) end,\n"
         "  function() pool:map(function(x) return x end, {1}) end,\n"
         "  function() parallel.pool {workers = 1} end} do\n"
         "  local ok, message = pcall(f)\n"
         "  assert(not ok and tostring(message):find('the runtime is closed', 1, true), message)\n"
         "end");
  close_both(L, runtime);
}

static void close_counts_those_of_pools(void) {
  moons_options options = usual_options(1);
  atomic_store(&may_end, 0);
  options.max_lost = 1;
  options.stop_signal = SIGURG;
  moons_runtime *runtime = open_runtime(&options);
  moons_terms terms = terms_with(open_functions, runtime);
  lua_State *L = open_state_under(runtime, &terms);
  run(L, "pool = parallel.pool(1)\n"
         "local function gives_up(maps)\n"
         "  local ok, e = pcall(maps, function() stay() end, {1}, {timeout = 0.05})\n"
         "  assert(not ok and e.kind == 'timeout', tostring(e))\n"
         "end\n"
         "local function pool_map(...) return pool:map(...) end\n"
         "gives_up(parallel.map)\n"
         "assert(pool_map(math.sqrt, {4})[1] == 2)\n"
         "gives_up(pool_map)\n"
         "local ok, e = pcall(pool_map, math.sqrt, {4})\n"
         "assert(not ok and e.kind == 'lost', tostring(e))");
  CHECK(moons_runtime_close(runtime, 0) == 2);
  atomic_store(&may_end, 1);
  while (moons_runtime_close(runtime, 0) != 0)
    sched_yield();
  close_both(L, runtime);
}

static void refuses_to_close_on_a_worker_of_a_pool(void) {
  moons_runtime *runtime = open_runtime_on(MOONS_THREADS);
  moons_terms terms = terms_with(open_functions, runtime);
  lua_State *L = open_state_under(runtime, &terms);
  lua_pushinteger(L, MOONS_EINVAL);
  lua_setglobal(L, "EINVAL");
  run(L, "for _, backend in ipairs {'threads', 'inline'} do\n"
         "  pool = parallel.pool {workers = 1, backend = backend}\n"
         "  assert(pool:map(function() return close() end, {1})[1] == EINVAL)\n"
         "end");
  close_both(L, runtime);
}

/* Threads that have begun, and not ended. */
static atomic_int n_threads;

static void count_thread(void *data, unsigned worker, int begins) {
  (void)data;
  (void)worker;
  atomic_fetch_add(&n_threads, begins ? 1 : -1);
}

static void close_ends_the_workers(void) {
  moons_options options = usual_options(2);
  options.thread = count_thread;
  moons_runtime *runtime = open_runtime(&options);
  lua_State *L = open_state(runtime);
  run(L, "pool = parallel.pool(2)\n"
         "pool:map(math.sqrt, parallel.range(1, 1000))\n"
         "parallel.map(math.sqrt, parallel.range(1, 1000), {fresh = false})");
  CHECK(atomic_load(&n_threads) >= 2);
  CHECK(moons_runtime_close(runtime, -1) == 0);
  CHECK(atomic_load(&n_threads) == 0);
  CHECK(moons_runtime_close(runtime, -1) == 0);
  run(L, "pool:close()");
  close_both(L, runtime);
}

/* {== Several threads ========================================================================= */

static void *run_until_closed(void *data) {
  moons_value value = moons_integer(1);
  moons_program *program = data;
  moons_call *call;
  int error;
  while ((error = moons_run(&call, program, "same", &value, 1)) != MOONS_ECLOSED) {
    if (error == MOONS_ESCRIPT && moons_call_error(call)->kind != MOONS_KIND_CANCELLED)
      atomic_fetch_add(&n_wrong, 1);
    if (error != 0 && error != MOONS_ESCRIPT) atomic_fetch_add(&n_wrong, 1);
    moons_call_free(call);
  }
  return NULL;
}

static void *close_it(void *data) {
  if (moons_runtime_close(data, 1000000) != 0) atomic_fetch_add(&n_wrong, 1);
  return NULL;
}

static void *load_without_end(void *data) {
  static const char HANGS[] = "begin() while true do end";
  moons_program *program;
  moons_terms terms = terms_with(open_functions, data);
  int error = moons_program_load(&program, data, HANGS, sizeof HANGS - 1, "=hangs", &terms);
  if (error != MOONS_ECLOSED || program != NULL) atomic_fetch_add(&n_wrong, 1);
  return NULL;
}

static void close_ends_loading(void) {
  moons_runtime *runtime = open_runtime_on(MOONS_THREADS);
  pthread_t loader;
  CHECK(pthread_create(&loader, NULL, load_without_end, runtime) == 0);
  while (!atomic_load(&is_inside))
    sched_yield();
  CHECK(moons_runtime_close(runtime, 0) == 0);
  pthread_join(loader, NULL);
  moons_runtime_free(runtime);
  CHECK(atomic_load(&n_wrong) == 0);
}

static void threads_close_while_others_call(void) {
  for (int i = 0; i < 10; i++) {
    moons_runtime *runtime = open_runtime_on(MOONS_THREADS);
    moons_program *program = load(runtime, SCRIPT);
    pthread_t threads[4];
    for (int k = 0; k < 2; k++)
      CHECK(pthread_create(&threads[k], NULL, run_until_closed, program) == 0);
    usleep(1000);
    for (int k = 2; k < 4; k++)
      CHECK(pthread_create(&threads[k], NULL, close_it, runtime) == 0);
    for (int k = 0; k < 4; k++)
      pthread_join(threads[k], NULL);
    close_program(program, runtime);
  }
  CHECK(atomic_load(&n_wrong) == 0);
}

/* {== While calls use inline pools ============================================================ */

/* A pool that a call makes is inline where its terms bound how many workers it may have. */
static void close_ends_calls_in_inline_pools(void) {
  static const char CODE[] =
      "function f(backend)\n"
      "  local pool <close> = parallel.pool {workers = 2, backend = backend}\n"
      "  pool:map(function() begin() while true do end end, {1, 2})\n"
      "end";
  for (int is_bounded = 0; is_bounded <= 1; is_bounded++) {
    moons_runtime *runtime = open_runtime_on(MOONS_THREADS);
    moons_terms terms = terms_with(open_functions, runtime);
    terms.max_running = (unsigned)is_bounded;
    moons_program *program = load_under(runtime, CODE, &terms);
    moons_queue *queue = open_queue(runtime);
    moons_value backend = is_bounded ? moons_nil() : moons_string("inline");
    atomic_store(&is_inside, 0);
    CHECK(moons_submit(queue, program, "f", &backend, 1, NULL, NULL) == 0);
    while (!atomic_load(&is_inside))
      sched_yield();
    CHECK(moons_runtime_close(runtime, 0) == 0);
    CHECK(take_all(queue, 1) == 1);
    end(runtime, program, queue);
  }
}

static void *use_inline_pool(void *data) {
  run(data,
      "local ok, e = pcall(function()\n"
      "  local pool <close> = parallel.pool {workers = 4, backend = 'inline'}\n"
      "  while true do\n"
      "    local future = pool:map_async(function(x) return x end, {1, 2, 3, 4}, {chunk = 1})\n"
      "    future:get()\n"
      "  end\n"
      "end)\n"
      "assert(not ok)\n"
      "assert(tostring(e):find 'the runtime is closed' or e.kind == 'cancelled', tostring(e))");
  return NULL;
}

static void close_meets_inline_pools(void) {
  for (int i = 0; i < 20; i++) {
    moons_runtime *runtime = open_runtime_on(MOONS_THREADS);
    lua_State *L = open_state(runtime);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, use_inline_pool, L) == 0);
    usleep((useconds_t)(300 + 200 * i));
    CHECK(moons_runtime_close(runtime, 0) == 0);
    pthread_join(thread, NULL);
    close_both(L, runtime);
  }
}

static const test TESTS[] = {
    {"refuses to close nothing", close_refuses_what_is_wrong},
    {"waits for calls that run and wait #threads", close_waits_for_calls_that_run_and_wait},
    {"cancels calls that run and wait #threads", close_cancels_calls_that_run_and_wait},
    {"runs calls on the thread that closes", close_runs_inline_calls},
    {"lends the thread that closes #threads", close_lends_its_thread},
    {"counts calls that were given up #threads", close_counts_calls_that_were_given_up},
    {"has maps of Lua states say that it is closed #threads", maps_of_a_closed_runtime_say_so},
    {"counts calls of pools that were given up #threads", close_counts_those_of_pools},
    {"is refused on a worker of a pool #threads", refuses_to_close_on_a_worker_of_a_pool},
    {"ends the workers, those of pools too #threads", close_ends_the_workers},
    {"ends the loading of a program #threads", close_ends_loading},
    {"closes by several threads while others call #threads", threads_close_while_others_call},
    {"ends calls that use inline pools #threads", close_ends_calls_in_inline_pools},
    {"meets a script that uses an inline pool #threads", close_meets_inline_pools},
    {NULL, NULL},
};

int main(int argc, char **argv) { return run_tests(TESTS, argc, argv); }
