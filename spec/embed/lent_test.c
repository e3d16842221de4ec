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

static void bad_uses(void) {
  moons_runtime *runtime = open_two_workers();
  CHECK(moons_lend(NULL) == MOONS_EINVAL && moons_lend(runtime) == MOONS_EINVAL);
  moons_runtime_free(runtime);
}

static const test TESTS[] = {
    {"makes calls on threads of its own #threads", runs_on_lent_threads},
    {"ends calls there #threads", ends_calls},
    {"makes calls on the thread that waits", runs_on_the_thread_that_waits},
    {"is refused where nothing can be lent", bad_uses},
    {NULL, NULL},
};

int main(int argc, char **argv) { return run_tests(TESTS, argc, argv); }
