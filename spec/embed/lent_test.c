/* A host whose own threads run the calls. */
#include "moons.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

#include "host.h"

enum { N_THREADS = 3 };

/* The host's pool: a thread comes for each time that one is wanted. */
typedef struct pool {
  pthread_t threads[N_THREADS];
  sem_t wanted;
  moons_runtime *runtime;
  atomic_int is_over, n_wanted, n_run, n_inside, most_inside;
  atomic_int n_come[2], n_gone[2]; /* threads, by the worker that they were */
} pool;

static void *lend_often(void *data) {
  pool *p = data;
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, NULL); /* as libuv's threads may */
  while (sem_wait(&p->wanted) == 0 && !atomic_load(&p->is_over)) {
    int n = moons_lend(p->runtime);
    CHECK(n >= 0);
    atomic_fetch_add(&p->n_run, n);
  }
  return NULL;
}

static void note_wanted(void *data) {
  pool *p = data;
  atomic_fetch_add(&p->n_wanted, 1);
  sem_post(&p->wanted);
}

static void note_thread(void *data, unsigned worker, int begins) {
  pool *p = data;
  CHECK(worker < 2);
  atomic_fetch_add(begins ? &p->n_come[worker] : &p->n_gone[worker], 1);
}

/* inside(): runs for a moment, and notes how many do at once. */
static int call_inside(lua_State *L) {
  pool *p = lua_touserdata(L, lua_upvalueindex(1));
  int n = atomic_fetch_add(&p->n_inside, 1) + 1;
  int most = atomic_load(&p->most_inside);
  while (n > most && !atomic_compare_exchange_weak(&p->most_inside, &most, n))
    ;
  usleep(200);
  atomic_fetch_sub(&p->n_inside, 1);
  return 0;
}

static void offer(lua_State *L, void *data) {
  lua_pushlightuserdata(L, data);
  lua_pushcclosure(L, call_inside, 1);
  lua_setglobal(L, "inside");
}

static const char SCRIPT[] = "function same(x) return x end\n"
                             "function busy(x) inside() return x end\n"
                             "function hang() while true do end end\n"
                             "function sum(n) local s = 0\n"
                             "  for _, y in ipairs(parallel.map(function(x) return 2 * x end,\n"
                             "    parallel.range(1, n))) do s = s + y end return s end\n";

static void open_pool(pool *p, unsigned n_workers) {
  moons_options options = usual_options(n_workers);
  *p = (pool){.runtime = NULL};
  CHECK(sem_init(&p->wanted, 0, 0) == 0);
  options.backend = MOONS_LENT;
  options.wanted = note_wanted;
  options.wanted_data = p;
  options.thread = note_thread;
  options.thread_data = p;
  options.stop_signal = SIGURG;
  p->runtime = open_runtime(&options);
}

static void start_threads(pool *p) {
  for (int i = 0; i < N_THREADS; i++)
    CHECK(pthread_create(&p->threads[i], NULL, lend_often, p) == 0);
}

/* Threads that lend end before the runtime. */
static void end_threads(pool *p) {
  atomic_store(&p->is_over, 1);
  for (int i = 0; i < N_THREADS; i++)
    sem_post(&p->wanted);
  for (int i = 0; i < N_THREADS; i++)
    CHECK(pthread_join(p->threads[i], NULL) == 0);
  CHECK(sem_destroy(&p->wanted) == 0);
}

static moons_program *load_for(pool *p, uint64_t timeout_ns) {
  moons_terms terms = terms_with(offer, p);
  terms.timeout_ns = timeout_ns;
  return load_under(p->runtime, SCRIPT, &terms);
}

static void submit(moons_queue *queue, moons_program *program, const char *function, int64_t i,
                   moons_call **call) {
  moons_value value = moons_integer(i);
  CHECK(moons_submit(queue, program, function, &value, 1, NULL, call) == 0);
}

/* Takes n calls with a timeout, so that this thread lends nothing; returns the sum of what they gave, where none may fail but so. */
static int64_t take(moons_queue *queue, int n, moons_kind kind) {
  int64_t sum = 0;
  for (int i = 0; i < n; i++) {
    moons_call *call;
    CHECK(moons_next(queue, INT64_C(200000000000), &call) == 0);
    const moons_error *error = moons_call_error(call);
    CHECK(error == NULL || error->kind == kind);
    sum += moons_to_integer(moons_results(call, NULL), 0);
    moons_call_free(call);
  }
  return sum;
}

static void runs_on_lent_threads(void) {
  pool p;
  open_pool(&p, 2);
  moons_program *program = load_for(&p, 0); /* which this thread runs */
  start_threads(&p);
  moons_queue *queue;
  CHECK(moons_queue_new(&queue, p.runtime, NULL, NULL) == 0);
  for (int i = 1; i <= 300; i++)
    submit(queue, program, i % 3 ? "same" : "busy", i, NULL);
  CHECK(take(queue, 300, MOONS_KIND_ERROR) == 300 * 301 / 2);
  submit(queue, program, "sum", 1000, NULL);
  CHECK(take(queue, 1, MOONS_KIND_ERROR) == 1000 * 1001);
  CHECK(atomic_load(&p.most_inside) <= 2 && atomic_load(&p.n_wanted) > 0);
  moons_queue_free(queue);
  end_threads(&p);
  CHECK(atomic_load(&p.n_run) >= 301);
  for (int i = 0; i < 2; i++)
    CHECK(atomic_load(&p.n_come[i]) == atomic_load(&p.n_gone[i]));
  CHECK(atomic_load(&p.n_come[0]) > 0);
  close_program(program, p.runtime);
}

static void ends_calls(void) {
  pool p;
  open_pool(&p, 2);
  moons_program *program = load_for(&p, 0), *limited = load_for(&p, 50000000);
  start_threads(&p);
  moons_queue *queue;
  moons_call *calls[6];
  CHECK(moons_queue_new(&queue, p.runtime, NULL, NULL) == 0);
  for (int i = 0; i < 6; i++)
    submit(queue, program, "hang", i, &calls[i]);
  for (int i = 0; i < 6; i++)
    moons_call_cancel(calls[i]);
  take(queue, 6, MOONS_KIND_CANCELLED);
  for (int i = 0; i < 3; i++)
    submit(queue, limited, "hang", i, NULL);
  take(queue, 3, MOONS_KIND_TIMEOUT);
  submit(queue, program, "hang", 1, NULL);
  moons_queue_free(queue);
  end_threads(&p);
  moons_program_free(limited);
  close_program(program, p.runtime);
}

/* Nobody lends: the thread that waits runs the calls, also those of maps of a Lua state. */
static void runs_on_the_thread_that_waits(void) {
  moons_options options = usual_options(2);
  options.backend = MOONS_LENT;
  moons_runtime *runtime = open_runtime(&options);
  moons_program *program = load(runtime, SCRIPT);
  moons_value value = moons_integer(100);
  moons_call *call;
  CHECK(moons_run(&call, program, "sum", &value, 1) == 0);
  CHECK(moons_to_integer(moons_results(call, NULL), 0) == 100 * 101);
  moons_call_free(call);
  moons_queue *queue;
  CHECK(moons_queue_new(&queue, runtime, NULL, NULL) == 0);
  submit(queue, program, "same", 7, NULL);
  CHECK(moons_next(queue, 0, &call) == MOONS_ETIMEDOUT); /* waits not at all */
  CHECK(moons_lend(runtime) == 1 && moons_lend(runtime) == 0);
  CHECK(moons_next(queue, 0, &call) == 0);
  moons_call_free(call);
  lua_State *L = open_state(runtime);
  run(L, "local t = parallel.map(function(x) return x + 1 end, parallel.range(1, 500))\n"
         "for i = 1, 500 do assert(t[i] == i + 1) end\n"
         "local pool <close> = parallel.pool(2)\n"
         "assert(pool:map(tostring, {1})[1] == '1')\n"
         "assert(not pcall(parallel.pool, {backend = 'lent'}))");
  lua_close(L);
  moons_queue_free(queue);
  close_program(program, runtime);
}

/* A runtime with one worker, on which a thread makes a call that ends when another one waits for the worker, and then goes. */
typedef struct guests {
  moons_runtime *runtime;
  moons_program *program;
  atomic_int is_held; /* the call has begun */
  atomic_int is_over; /* it may end */
} guests;

static int call_hold(lua_State *L) {
  guests *g = lua_touserdata(L, lua_upvalueindex(1));
  moons_stats stats = {.n_waiting = 0};
  atomic_store(&g->is_held, 1);
  while (stats.n_waiting == 0)
    CHECK(moons_stats_of(g->runtime, NULL, &stats) == 0);
  usleep(20000); /* whoever waits sleeps by now */
  return 0;
}

static void offer_hold(lua_State *L, void *data) {
  lua_pushlightuserdata(L, data);
  lua_pushcclosure(L, call_hold, 1);
  lua_setglobal(L, "hold");
}

static void *hold_desk(void *data) {
  guests *g = data;
  moons_call_free(run_with_values(g->program, "held", NULL, 0));
  return NULL;
}

static void never_come(void *data) { (void)data; }

/* Waits in `wait` while another thread has the only desk; nobody comes who is wanted. */
static void wait_for_desk(void (*wait)(guests *), void (*wanted)(void *)) {
  guests g = {.runtime = NULL};
  moons_options options = usual_options(1);
  moons_terms terms = terms_with(offer_hold, &g);
  pthread_t holder;
  options.backend = MOONS_LENT;
  options.wanted = wanted;
  g.runtime = open_runtime(&options);
  g.program =
      load_under(g.runtime, "function held() hold() end function same(x) return x end", &terms);
  CHECK(pthread_create(&holder, NULL, hold_desk, &g) == 0);
  while (!atomic_load(&g.is_held))
    usleep(100);
  wait(&g);
  CHECK(pthread_join(holder, NULL) == 0);
  close_program(g.program, g.runtime);
}

static void wait_in_run(guests *g) {
  moons_value value = moons_integer(7);
  moons_call *call = run_with_values(g->program, "same", &value, 1);
  CHECK(moons_to_integer(moons_results(call, NULL), 0) == 7);
  moons_call_free(call);
}

static void wait_in_next(guests *g) {
  moons_queue *queue;
  moons_call *call;
  CHECK(moons_queue_new(&queue, g->runtime, NULL, NULL) == 0);
  submit(queue, g->program, "same", 7, NULL);
  CHECK(moons_next(queue, -1, &call) == 0);
  moons_call_free(call);
  moons_queue_free(queue);
}

static void wait_in_load(guests *g) { moons_program_free(load(g->runtime, "x = 1")); }

static void wait_in_map(guests *g) {
  lua_State *L = open_state(g->runtime);
  run(L, "assert(#parallel.map(function(x) return x end, {1, 2, 3}) == 3)");
  lua_close(L);
}

static void wait_in_each(guests *g) {
  lua_State *L = open_state(g->runtime);
  run(L, "local n = 0\n"
         "for _ in parallel.imap(function(x) return x end, {1, 2, 3}) do n = n + 1 end\n"
         "assert(n == 3)");
  lua_close(L);
}

static void runs_when_a_desk_comes_free(void) {
  void (*const WAITS[])(guests *) = {wait_in_run, wait_in_next, wait_in_load, wait_in_map,
                                     wait_in_each};
  for (unsigned i = 0; i < sizeof WAITS / sizeof *WAITS; i++) {
    wait_for_desk(WAITS[i], NULL);
    wait_for_desk(WAITS[i], never_come);
  }
}

static int call_wait_for_end(lua_State *L) {
  guests *g = lua_touserdata(L, lua_upvalueindex(1));
  atomic_store(&g->is_held, 1);
  while (!atomic_load(&g->is_over))
    usleep(100);
  return 0;
}

static void offer_wait_for_end(lua_State *L, void *data) {
  lua_pushlightuserdata(L, data);
  lua_pushcclosure(L, call_wait_for_end, 1);
  lua_setglobal(L, "wait_for_end");
}

/* What waits is for the first worker alone, which is busy: threads that come would go again without having done anything. */
static void asks_for_no_thread_in_vain(void) {
  pool p;
  guests g = {.runtime = NULL};
  moons_terms terms = terms_with(offer_wait_for_end, &g);
  open_pool(&p, 2);
  start_threads(&p);
  lua_State *L = open_state_under(p.runtime, &terms);
  run(L, "held = parallel.submit(function() wait_for_end() return 1 end)");
  while (!atomic_load(&g.is_held))
    usleep(100);
  run(L, "one = parallel.map_async(function(x) return x end, {1, 2, 3}, {workers = 1, chunk = 1})");
  usleep(50000);
  CHECK(atomic_load(&p.n_wanted) <= 4); /* once for each chunk, at most */
  run(L, "assert(parallel.submit(function() return 2 end):get() == 2)");
  atomic_store(&g.is_over, 1);
  run(L, "assert(held:get() == 1 and #one:get() == 3)");
  lua_close(L);
  end_threads(&p);
  moons_runtime_free(p.runtime);
}

static void bad_uses(void) {
  moons_runtime *runtime = open_two_workers();
  CHECK(moons_lend(NULL) == MOONS_EINVAL && moons_lend(runtime) == MOONS_EINVAL);
  moons_runtime_free(runtime);
}

static const test TESTS[] = {
    {"makes calls on threads of its own #threads", runs_on_lent_threads},
    {"ends calls there #threads", ends_calls},
    {"makes calls on the thread that waits", runs_on_the_thread_that_waits},
    {"makes calls on the thread that waits once a worker is free #threads",
     runs_when_a_desk_comes_free},
    {"asks for no thread that could run nothing #threads", asks_for_no_thread_in_vain},
    {"is refused where nothing can be lent", bad_uses},
    {NULL, NULL},
};

int main(int argc, char **argv) { return run_tests(TESTS, argc, argv); }
