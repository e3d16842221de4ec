/* A host that submits calls and takes them when they have finished. */
#include "moons.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

static const char SCRIPT[] = "function same(x) return x end\n"
                             "function fail(x) error({code = x}) end\n"
                             "function hang() while true do end end\n"
                             "function wait() parallel.sleep(60) end\n"
                             "function twice(x)\n"
                             "  return parallel.map(function(y) return 2 * y end, {x})[1] end\n";

/* Calls are ended often here, so by a signal: SECURITY.md says what may happen without. */
static moons_runtime *open_runtime_of_two(void) {
  moons_options options = usual_options(2);
  options.stop_signal = SIGURG;
  return open_runtime(&options);
}

static moons_queue *open_queue(moons_runtime *runtime) {
  moons_queue *queue;
  CHECK(moons_queue_new(&queue, runtime, NULL, NULL) == 0 && queue != NULL);
  return queue;
}

/* The data of the i-th call. */
static void *data_of(int64_t i) { return (void *)(intptr_t)(i + 1); }

static moons_call *submit(moons_queue *queue, moons_program *program, const char *function,
                          int64_t i) {
  moons_value value = moons_integer(i);
  moons_call *call;
  CHECK(moons_submit(queue, program, function, &value, 1, data_of(i), &call) == 0 && call != NULL);
  return call;
}

static moons_call *next(moons_queue *queue) {
  moons_call *call;
  CHECK(moons_next(queue, -1, &call) == 0 && call != NULL);
  return call;
}

static void check_end(moons_queue *queue, int64_t timeout_ns) {
  moons_call *call = (moons_call *)&queue;
  CHECK(moons_next(queue, timeout_ns, &call) == MOONS_EEND && call == NULL);
}

/* The number that a call was made for, which it has returned, `times` as much. */
static int64_t number_of(const moons_call *call, int64_t times) {
  int64_t i = (int64_t)(intptr_t)moons_call_data(call) - 1;
  size_t n;
  const moons_value *results = moons_results(call, &n);
  CHECK(moons_call_error(call) == NULL && n == 1);
  CHECK(moons_to_integer(results, -1) == times * i);
  return i;
}

static int is_cancelled(const moons_call *call) {
  const moons_error *error = moons_call_error(call);
  CHECK(error == NULL || (error->kind == MOONS_KIND_CANCELLED && *error->message != '\0'));
  return error != NULL;
}

static void close_all(moons_queue *queue, moons_program *program, moons_runtime *runtime) {
  moons_queue_free(queue);
  close_program(program, runtime);
}

/* Submits n calls, takes them, and checks that each comes home once. */
static void go_and_come(moons_queue *queue, moons_program *program, int n) {
  char *has_come = calloc((size_t)n, 1);
  CHECK(has_come != NULL);
  for (int i = 0; i < n; i++)
    submit(queue, program, "same", i);
  for (int k = 0; k < n; k++) {
    moons_call *call = next(queue);
    int64_t i = number_of(call, 1);
    CHECK(i >= 0 && i < n && !has_come[i]);
    has_come[i] = 1;
    moons_call_free(call);
  }
  free(has_come);
}

static void each_comes_home_once(void) {
  moons_runtime *runtime = open_runtime_of_two();
  moons_program *program = load(runtime, SCRIPT);
  moons_queue *queue = open_queue(runtime);
  check_end(queue, -1);
  go_and_come(queue, program, 2000);
  check_end(queue, 0);
  submit(queue, program, "twice", 21);
  moons_call *call = next(queue);
  CHECK(number_of(call, 2) == 21 && moons_call_ns(call) > 0);
  moons_call_free(call);
  close_all(queue, program, runtime);
}

static void errors_come_with_the_call(void) {
  moons_runtime *runtime = open_runtime_of_two();
  moons_program *program = load(runtime, SCRIPT);
  moons_queue *queue = open_queue(runtime);
  submit(queue, program, "fail", 7);
  moons_call *call = next(queue);
  const moons_error *error = moons_call_error(call);
  size_t n = 1;
  CHECK(error != NULL && error->kind == MOONS_KIND_ERROR);
  CHECK(moons_to_integer(moons_field(&error->value, "code"), 0) == 7);
  CHECK(moons_results(call, &n) == NULL && n == 0 && moons_call_data(call) == data_of(7));
  moons_call_free(call);
  close_all(queue, program, runtime);
}

static void waits_are_bounded(void) {
  moons_runtime *runtime = open_runtime_of_two();
  moons_program *program = load(runtime, SCRIPT);
  moons_queue *queue = open_queue(runtime);
  moons_call *call, *waiting = submit(queue, program, "wait", 1);
  CHECK(moons_next(queue, 0, &call) == MOONS_ETIMEDOUT && call == NULL);
  CHECK(moons_next(queue, 1000000, &call) == MOONS_ETIMEDOUT && call == NULL);
  CHECK(moons_results(waiting, NULL) == NULL && moons_call_error(waiting) == NULL);
  CHECK(moons_call_ns(waiting) == 0 && moons_call_data(waiting) == data_of(1));
  moons_call_free(waiting); /* it is the queue's still */
  moons_call_cancel(waiting);
  call = next(queue);
  CHECK(call == waiting && is_cancelled(call));
  moons_call_cancel(call);
  moons_call_free(call);
  close_all(queue, program, runtime);
}

/* {== Maps ==================================================================================== */

static moons_call *map(moons_queue *queue, moons_program *program, const char *function,
                       const moons_value *items, uint32_t chunk) {
  moons_call *call;
  CHECK(moons_submit_map(queue, program, function, items, chunk, data_of(3), NULL) == 0);
  call = next(queue);
  CHECK(moons_call_data(call) == data_of(3));
  return call;
}

/* The one value that a map has brought. */
static const moons_value *sequence_of(const moons_call *call, moons_type type, size_t n_items) {
  size_t n;
  const moons_error *error = moons_call_error(call);
  if (error != NULL) fprintf(stderr, "%s\n", error->message);
  const moons_value *results = moons_results(call, &n);
  CHECK(error == NULL && results != NULL && n == 1);
  CHECK(results->type == type && results->n == n_items);
  return results;
}

static void maps_numbers(moons_queue *queue, moons_program *program) {
  enum { N = 5000 };
  static int64_t numbers[N];
  for (int64_t i = 0; i < N; i++)
    numbers[i] = i;
  for (uint32_t chunk = 0; chunk < 300; chunk += 123) {
    moons_value items = moons_integers(numbers, N);
    moons_call *call = map(queue, program, "same", &items, chunk);
    const moons_value *results = sequence_of(call, MOONS_INTEGERS, N);
    CHECK(memcmp(results->as.integers, numbers, sizeof numbers) == 0);
    CHECK(moons_call_ns(call) > 0);
    moons_call_free(call);
    call = map(queue, program, "half", &items, chunk);
    results = sequence_of(call, MOONS_FLOATS, N);
    for (int i = 0; i < N; i++)
      CHECK(results->as.numbers[i] == i / 2.0);
    moons_call_free(call);
  }
}

/* Larger chunks than there are become the largest. */
static void maps_in_large_chunks(moons_queue *queue, moons_program *program) {
  static const int64_t NUMBERS[] = {1, 2, 3};
  moons_value items = moons_integers(NUMBERS, 3);
  moons_call *call = map(queue, program, "same", &items, UINT32_MAX);
  sequence_of(call, MOONS_INTEGERS, 3);
  moons_call_free(call);
}

static void maps_values(moons_queue *queue, moons_program *program) {
  moons_value pair[] = {moons_string("k"), moons_string("v")};
  moons_value list[] = {moons_integer(7),       moons_number(0.5),  moons_boolean(1),
                        moons_bytes("a\0b", 3), moons_nil(),        moons_table(pair, 1),
                        moons_string(""),       moons_list(pair, 2)};
  moons_value items = moons_list(list, 8);
  moons_call *call = map(queue, program, "same", &items, 0);
  const moons_value *results = sequence_of(call, MOONS_LIST, 8), *at = results->as.values;
  CHECK(at[0].as.integer == 7 && at[1].as.number == 0.5);
  CHECK(at[2].type == MOONS_BOOLEAN && at[2].as.integer == 1);
  CHECK(at[3].n == 3 && memcmp(at[3].as.string, "a\0b", 4) == 0 && at[4].type == MOONS_NIL);
  CHECK(strcmp(moons_to_string(moons_field(&at[5], "k"), ""), "v") == 0);
  CHECK(at[6].type == MOONS_STRING && at[6].n == 0 && *at[6].as.string == '\0');
  CHECK(at[7].type == MOONS_LIST && at[7].n == 2);
  moons_call_free(call);
  items = moons_list(NULL, 0);
  call = map(queue, program, "same", &items, 0);
  sequence_of(call, MOONS_LIST, 0);
  moons_call_free(call);
}

/* The error of a map, whose item failed. */
static void check_map_fails(moons_queue *queue, moons_program *program, const moons_value *items,
                            uint32_t chunk, uint64_t index) {
  moons_call *call = map(queue, program, "fail_at_77", items, chunk);
  const moons_error *error = moons_call_error(call);
  CHECK(error != NULL && error->kind == MOONS_KIND_ERROR && error->index == index);
  CHECK(moons_to_integer(&error->value, 0) == 77 && moons_results(call, NULL) == NULL);
  moons_call_free(call);
}

static void maps_fail(moons_queue *queue, moons_program *program) {
  int64_t numbers[400];
  for (int64_t i = 0; i < 400; i++)
    numbers[i] = i;
  moons_value items = moons_integers(numbers, 400);
  check_map_fails(queue, program, &items, 0, 78);
  check_map_fails(queue, program, &items, 100, 78);
  check_map_fails(queue, program, &items, 1, 78);
  moons_call *call = map(queue, program, "cycle", &items, 50);
  CHECK(moons_call_error(call)->kind == MOONS_KIND_MARSHAL && moons_call_error(call)->index == 1);
  moons_call_free(call);
}

static void maps_end(moons_queue *queue, moons_program *program) {
  double numbers[100] = {0};
  moons_value items = moons_floats(numbers, 100);
  moons_call *call, *hanging;
  for (uint32_t chunk = 0; chunk < 40; chunk += 13) {
    CHECK(moons_submit_map(queue, program, "hang", &items, chunk, NULL, &hanging) == 0);
    CHECK(moons_next(queue, 1000000, &call) == MOONS_ETIMEDOUT);
    moons_call_cancel(hanging);
    call = next(queue);
    CHECK(call == hanging && is_cancelled(call));
    moons_call_free(call);
  }
  CHECK(moons_submit_map(queue, program, "hang", &items, 1, NULL, NULL) == 0); /* goes with it */
}

static const char MAP_SCRIPT[] = "function same(x) return x end\n"
                                 "function half(x) return x / 2 end\n"
                                 "function hang() while true do end end\n"
                                 "function cycle() local t = {} t.t = t return t end\n"
                                 "function fail_at_77(x) if x == 77 then error(x) end end";

static void maps_on(moons_backend backend, const moons_terms *terms) {
  moons_options options = usual_options(backend == MOONS_INLINE ? 1 : 2);
  options.stop_signal = SIGURG;
  options.backend = backend;
  moons_runtime *runtime = open_runtime(&options);
  moons_program *program = load_under(runtime, MAP_SCRIPT, terms);
  moons_queue *queue = open_queue(runtime);
  maps_numbers(queue, program);
  maps_in_large_chunks(queue, program);
  maps_values(queue, program);
  maps_fail(queue, program);
  if (backend != MOONS_INLINE) maps_end(queue, program);
  close_all(queue, program, runtime);
}

static void maps(void) { maps_on(MOONS_THREADS, NULL); }

static void maps_inline(void) { maps_on(MOONS_INLINE, NULL); }

static void maps_one_by_one(void) {
  moons_terms terms;
  moons_terms_init(&terms);
  terms.max_running = terms.max_waiting = 1;
  maps_on(MOONS_THREADS, &terms);
}

static void maps_of_bad_items(void) {
  moons_runtime *runtime = open_runtime_of_two();
  moons_program *program = load(runtime, SCRIPT);
  moons_queue *queue = open_queue(runtime);
  moons_value seven = moons_integer(7), list = moons_list(&seven, 1);
  moons_value none = moons_list(NULL, 1), odd = {.type = MOONS_OTHER}, bad = moons_list(&odd, 1);
  moons_call *call = (moons_call *)&list;
  CHECK(moons_submit_map(queue, program, "same", &seven, 0, NULL, &call) == MOONS_EINVAL);
  CHECK(call == NULL);
  CHECK(moons_submit_map(queue, program, "same", NULL, 0, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_submit_map(queue, program, "same", &none, 0, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_submit_map(queue, program, "same", &bad, 0, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_submit_map(queue, program, "other", &list, 0, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_submit_map(NULL, program, "same", &list, 0, NULL, NULL) == MOONS_EINVAL);
  check_end(queue, -1);
  close_all(queue, program, runtime);
}

/* {== Telling ================================================================================= */

static void count(void *data) { atomic_fetch_add((atomic_int *)data, 1); }

static void wait_for(atomic_int *n, int least) {
  while (atomic_load(n) < least)
    usleep(1000);
}

static void tells_when_there_is_something(void) {
  atomic_int n_told = 0;
  moons_runtime *runtime = open_runtime_of_two();
  moons_program *program = load(runtime, SCRIPT);
  moons_queue *queue;
  moons_call *call;
  CHECK(moons_queue_new(&queue, runtime, count, &n_told) == 0);
  for (int i = 1; i <= 20; i++) {
    submit(queue, program, "same", i);
    wait_for(&n_told, i);
    CHECK(moons_next(queue, 0, &call) == 0 && number_of(call, 1) == i);
    moons_call_free(call);
  }
  for (int i = 0; i < 50; i++)
    submit(queue, program, "same", i);
  wait_for(&n_told, 21);
  for (int i = 0; i < 50; i++)
    moons_call_free(next(queue));
  CHECK(atomic_load(&n_told) <= 20 + 50);
  close_all(queue, program, runtime);
}

static int is_readable(int descriptor, int timeout_ms) {
  struct pollfd waits = {.fd = descriptor, .events = POLLIN};
  return poll(&waits, 1, timeout_ms) == 1;
}

static void has_a_descriptor(void) {
  moons_runtime *runtime = open_runtime_of_two();
  moons_program *program = load(runtime, SCRIPT);
  moons_queue *queue = open_queue(runtime);
  int descriptor = moons_queue_fd(queue);
  CHECK(descriptor >= 0 && moons_queue_fd(queue) == descriptor);
  CHECK(!is_readable(descriptor, 0));
  for (int round = 0; round < 20; round++) {
    submit(queue, program, "same", 1);
    submit(queue, program, "same", 1);
    CHECK(is_readable(descriptor, -1));
    moons_call_free(next(queue));
    CHECK(is_readable(descriptor, -1));
    moons_call_free(next(queue));
    CHECK(!is_readable(descriptor, 0));
  }
  moons_queue *late = open_queue(runtime);
  submit(late, program, "same", 1);
  moons_call *call;
  while (moons_next(late, 0, &call) == MOONS_ETIMEDOUT)
    ;
  submit(late, program, "same", 1);
  CHECK(is_readable(moons_queue_fd(late), -1));
  moons_call_free(call);
  submit(late, program, "wait", 1);
  descriptor = moons_queue_fd(late);
  moons_queue_free(late);
  CHECK(fcntl(descriptor, F_GETFD) == -1); /* though a call runs */
  close_all(queue, program, runtime);
}

/* {== Ending ================================================================================== */

static void cancelled_calls_come_home(void) {
  enum { N = 20 };
  moons_runtime *runtime = open_runtime_of_two();
  moons_program *program = load(runtime, SCRIPT);
  moons_queue *queue = open_queue(runtime);
  moons_call *calls[N];
  for (int i = 0; i < N; i++)
    calls[i] = submit(queue, program, i % 2 ? "hang" : "wait", i);
  moons_call_cancel(calls[N - 1]); /* has not begun */
  CHECK(next(queue) == calls[N - 1] && is_cancelled(calls[N - 1]));
  moons_call_free(calls[N - 1]);
  for (int i = 0; i < N - 1; i++)
    moons_call_cancel(calls[i]);
  for (int i = 0; i < N - 1; i++) {
    moons_call *call = next(queue);
    CHECK(is_cancelled(call));
    moons_call_free(call);
  }
  check_end(queue, -1);
  go_and_come(queue, program, 10);
  close_all(queue, program, runtime);
}

/* block(): a function in C that does not return until the host lets it. */
typedef struct gate {
  pthread_mutex_t mutex; /* held while it is closed */
  atomic_int n_before;   /* calls that have come to it */
} gate;

static int call_block(lua_State *L) {
  gate *g = lua_touserdata(L, lua_upvalueindex(1));
  atomic_fetch_add(&g->n_before, 1);
  pthread_mutex_lock(&g->mutex);
  pthread_mutex_unlock(&g->mutex);
  return 0;
}

static void open_gate(lua_State *L, void *data) {
  lua_pushlightuserdata(L, data);
  lua_pushcclosure(L, call_block, 1);
  lua_setglobal(L, "block");
}

/* Calls that do not end though they must are given up: they come home, single ones and one of a map, and others go on. */
static void calls_are_given_up(void) {
  static gate g = {.mutex = PTHREAD_MUTEX_INITIALIZER}; /* stays: what was given up goes on */
  moons_runtime *runtime = open_runtime_of_two();
  moons_terms terms = terms_with(open_gate, &g);
  moons_program *program =
      load_under(runtime, "function stuck() block() end function same(x) return x end", &terms);
  moons_queue *queue = open_queue(runtime);
  moons_value items = moons_bytes("x", 1), list = moons_list(&items, 1);
  moons_call *call, *map;
  CHECK(pthread_mutex_lock(&g.mutex) == 0);
  call = submit(queue, program, "stuck", 1);
  CHECK(moons_submit_map(queue, program, "stuck", &list, 0, NULL, &map) == 0);
  wait_for(&g.n_before, 2);
  moons_call_cancel(call);
  moons_call_cancel(map);
  for (int i = 0; i < 2; i++) {
    call = next(queue);
    CHECK(is_cancelled(call));
    moons_call_free(call);
  }
  go_and_come(queue, program, 20);
  CHECK(pthread_mutex_unlock(&g.mutex) == 0);
  close_all(queue, program, runtime);
}

/* A call that another thread is to cancel; NULL: it has. */
typedef struct victim {
  _Atomic(moons_call *) call;
  atomic_int is_over;
} victim;

static void *cancel_often(void *data) {
  victim *v = data;
  moons_call *call;
  while (!atomic_load(&v->is_over)) {
    if ((call = atomic_load(&v->call)) == NULL) continue;
    moons_call_cancel(call);
    atomic_store(&v->call, NULL);
  }
  return NULL;
}

static void cancels_meet_ends(void) {
  moons_runtime *runtime = open_runtime_of_two();
  moons_program *program = load(runtime, SCRIPT);
  moons_queue *queue = open_queue(runtime);
  victim v = {.call = NULL};
  pthread_t canceller;
  CHECK(pthread_create(&canceller, NULL, cancel_often, &v) == 0);
  for (int i = 0; i < 500; i++) {
    atomic_store(&v.call, submit(queue, program, "same", i));
    while (atomic_load(&v.call) != NULL)
      sched_yield();
    moons_call *call = next(queue);
    if (!is_cancelled(call)) CHECK(number_of(call, 1) == i);
    moons_call_free(call);
  }
  atomic_store(&v.is_over, 1);
  CHECK(pthread_join(canceller, NULL) == 0);
  close_all(queue, program, runtime);
}

/* Each order of freeing three objects while calls wait, run, and have finished. */
static void objects_go_in_any_order(void) {
  static const char *const ORDERS[] = {"qpr", "qrp", "pqr", "prq", "rpq", "rqp"};
  for (int i = 0; i < 6; i++) {
    moons_runtime *runtime = open_runtime_of_two();
    moons_program *program = load(runtime, SCRIPT);
    moons_queue *queue = open_queue(runtime);
    submit(queue, program, "same", 1);
    submit(queue, program, "same", 2);
    moons_call *call = next(queue);
    for (int k = 0; k < 10; k++)
      submit(queue, program, k % 3 == 1 ? "hang" : "same", k);
    for (const char *at = ORDERS[i]; *at != '\0'; at++) {
      if (*at == 'q') moons_queue_free(queue);
      if (*at == 'p') moons_program_free(program);
      if (*at == 'r') moons_runtime_free(runtime);
    }
    number_of(call, 1);
    moons_call_free(call);
  }
}

/* Calls that run come home when the queue has gone. */
static void queues_go_while_calls_run(void) {
  moons_runtime *runtime = open_runtime_of_two();
  moons_program *program =
      load(runtime, "function same(x) local s = 0 for i = 1, 20000 do s = s + i end return x end");
  for (int round = 0; round < 600; round++) {
    moons_queue *queue = open_queue(runtime);
    for (int i = 0; i < 200; i++)
      submit(queue, program, "same", i);
    for (int i = 0; i < 10; i++)
      moons_call_free(next(queue));
    moons_queue_free(queue);
  }
  close_program(program, runtime);
}

static void programs_outlive_their_hold(void) {
  moons_runtime *runtime = open_runtime_of_two();
  moons_program *program = load(runtime, SCRIPT);
  moons_queue *queue = open_queue(runtime);
  moons_runtime_free(runtime);
  for (int i = 0; i < 10; i++)
    submit(queue, program, "same", i);
  moons_program_free(program);
  for (int i = 0; i < 10; i++) {
    moons_call *call = next(queue);
    number_of(call, 1);
    moons_call_free(call);
  }
  check_end(queue, -1);
  moons_queue_free(queue);
}

/* A host that is told late, after the queue has gone, would crash. */
static void frees_do_not_overtake_notify(void) {
  moons_runtime *runtime = open_runtime_of_two();
  moons_program *program = load(runtime, SCRIPT);
  for (int i = 0; i < 200; i++) {
    atomic_int *n_told = calloc(1, sizeof *n_told);
    moons_queue *queue;
    CHECK(n_told != NULL && moons_queue_new(&queue, runtime, count, n_told) == 0);
    submit(queue, program, "same", i);
    if (i % 2) moons_call_free(next(queue));
    moons_queue_free(queue);
    free(n_told);
  }
  close_program(program, runtime);
}

/* {== Fairness ================================================================================ */

static void programs_take_turns(void) {
  moons_options options = usual_options(1);
  moons_runtime *runtime = open_runtime(&options);
  moons_program *flood = load(runtime, "function same(x) for i = 1, 1e5 do end return x end");
  moons_program *other = load(runtime, SCRIPT);
  moons_queue *queue = open_queue(runtime);
  for (int i = 0; i < 300; i++)
    submit(queue, flood, "same", i);
  for (int i = 1000; i < 1010; i++)
    submit(queue, other, "same", i);
  int n_before = 0;
  for (int n_others = 0; n_others < 10;) {
    moons_call *call = next(queue);
    int is_other = number_of(call, 1) >= 1000;
    n_others += is_other;
    n_before += !is_other;
    moons_call_free(call);
  }
  CHECK(n_before < 100); /* in the order in which they came it would be 300 */
  moons_queue_free(queue);
  moons_program_free(other);
  close_program(flood, runtime);
}

/* One of its calls at a time, and two that wait: another program has the other worker. */
static void programs_have_their_share(void) {
  moons_runtime *runtime = open_runtime_of_two();
  moons_terms terms;
  moons_terms_init(&terms);
  terms.max_running = 1;
  terms.max_waiting = 2;
  moons_program *flood = load_under(runtime, SCRIPT, &terms), *other = load(runtime, SCRIPT);
  moons_queue *queue = open_queue(runtime);
  moons_call *calls[3], *call = (moons_call *)&terms;
  for (int i = 0; i < 3; i++)
    calls[i] = submit(queue, flood, "hang", i);
  CHECK(moons_submit(queue, flood, "same", NULL, 0, NULL, &call) == MOONS_EBUSY && call == NULL);
  CHECK(moons_run(&call, flood, "same", NULL, 0) == MOONS_EBUSY && call == NULL);
  go_and_come(queue, other, 20);
  moons_call_cancel(calls[1]);
  CHECK(next(queue) == calls[1] && is_cancelled(calls[1]));
  moons_call_free(calls[1]);
  submit(queue, flood, "same", 4);
  moons_call_cancel(calls[0]);
  moons_call_cancel(calls[2]);
  for (int i = 0; i < 3; i++) {
    call = next(queue);
    if (!is_cancelled(call)) CHECK(number_of(call, 1) == 4);
    moons_call_free(call);
  }
  check_end(queue, -1);
  moons_queue_free(queue);
  moons_program_free(flood);
  close_program(other, runtime);
}

/* {== Threads and processes =================================================================== */

typedef struct shared {
  moons_runtime *runtime;
  moons_program *program;
  moons_queue *queue; /* NULL: each thread has one of its own */
} shared;

static void *go_and_come_often(void *data) {
  shared *s = data;
  moons_program *own = load(s->runtime, SCRIPT);
  moons_queue *queue = open_queue(s->runtime);
  for (int i = 0; i < 5; i++) {
    go_and_come(queue, s->program, 50);
    go_and_come(queue, own, 50);
    moons_call_cancel(submit(queue, own, "hang", i));
    moons_call_free(next(queue));
  }
  submit(queue, own, "same", 1);
  moons_program_free(own);
  moons_queue_free(queue);
  return NULL;
}

static void *submit_often(void *data) {
  const shared *s = data;
  for (int i = 0; i < 200; i++)
    submit(s->queue, s->program, "same", i);
  return NULL;
}

static void on_threads(void *(*body)(void *data), shared *s, int n_taken) {
  pthread_t threads[4];
  for (int i = 0; i < 4; i++)
    CHECK(pthread_create(&threads[i], NULL, body, s) == 0);
  for (int i = 0; i < 4; i++)
    CHECK(pthread_join(threads[i], NULL) == 0);
  for (int i = 0; i < n_taken; i++)
    moons_call_free(next(s->queue));
}

static void many_threads(void) {
  shared s = {.runtime = open_runtime_of_two()};
  s.program = load(s.runtime, SCRIPT);
  on_threads(go_and_come_often, &s, 0);
  s.queue = open_queue(s.runtime);
  on_threads(submit_often, &s, 800);
  check_end(s.queue, -1);
  close_all(s.queue, s.program, s.runtime);
}

static void the_backend_inline(void) {
  moons_options options = usual_options(1);
  options.stop_signal = SIGURG;
  options.backend = MOONS_INLINE;
  atomic_int n_told = 0;
  moons_runtime *runtime = open_runtime(&options);
  moons_program *program = load(runtime, SCRIPT);
  moons_queue *queue;
  moons_call *call;
  CHECK(moons_queue_new(&queue, runtime, count, &n_told) == 0);
  int descriptor = moons_queue_fd(queue);
  submit(queue, program, "same", 1);
  CHECK(atomic_load(&n_told) == 1 && is_readable(descriptor, 0));
  submit(queue, program, "same", 2);
  CHECK(moons_next(queue, 0, &call) == 0 && number_of(call, 1) == 1);
  moons_call_free(call);
  CHECK(is_readable(descriptor, 0));
  CHECK(moons_next(queue, 0, &call) == 0 && number_of(call, 1) == 2);
  moons_call_free(call);
  CHECK(!is_readable(descriptor, 0));
  check_end(queue, -1);
  moons_call_cancel(submit(queue, program, "hang", 3));
  call = next(queue);
  CHECK(is_cancelled(call));
  moons_call_free(call);
  go_and_come(queue, program, 100);
  submit(queue, program, "hang", 4);
  close_all(queue, program, runtime);
}

static void after_a_fork(void) {
  moons_runtime *runtime = open_runtime_of_two();
  moons_program *program = load(runtime, SCRIPT);
  moons_queue *queue = open_queue(runtime), *none = queue;
  moons_call *waiting = submit(queue, program, "wait", 1), *call;
  pid_t child = fork();
  if (child == 0) {
    int fails = moons_next(queue, -1, &call) != MOONS_EFORKED || call != NULL ||
                moons_queue_fd(queue) != MOONS_EFORKED ||
                moons_submit(queue, program, "same", NULL, 0, NULL, NULL) != MOONS_EFORKED ||
                moons_queue_new(&none, runtime, NULL, NULL) != MOONS_EFORKED || none != NULL;
    moons_call_cancel(waiting);
    moons_program_free(program);
    moons_queue_free(queue);
    moons_runtime_free(runtime);
    _exit(fails);
  }
  int status = -1;
  CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
  moons_call_cancel(waiting);
  moons_call_free(next(queue));
  close_all(queue, program, runtime);
}

static void bad_uses(void) {
  moons_runtime *runtime = open_runtime_of_two(), *another = open_runtime_of_two();
  moons_program *program = load(runtime, SCRIPT);
  moons_queue *queue = open_queue(another), *none = queue;
  moons_call *call = (moons_call *)&runtime;
  CHECK(moons_queue_new(NULL, runtime, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_queue_new(&none, NULL, NULL, NULL) == MOONS_EINVAL && none == NULL);
  CHECK(moons_submit(queue, program, "same", NULL, 0, NULL, &call) == MOONS_EINVAL);
  CHECK(call == NULL);
  moons_queue_free(queue);
  queue = open_queue(runtime);
  CHECK(moons_submit(NULL, program, "same", NULL, 0, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_submit(queue, NULL, "same", NULL, 0, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_submit(queue, program, NULL, NULL, 0, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_submit(queue, program, "other", NULL, 0, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_submit(queue, program, "same", NULL, 1, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_next(queue, -1, NULL) == MOONS_EINVAL);
  CHECK(moons_next(NULL, -1, &call) == MOONS_EINVAL && call == NULL);
  CHECK(moons_queue_fd(NULL) == MOONS_EINVAL);
  CHECK(moons_call_data(NULL) == NULL);
  check_end(queue, INT64_MAX);
  moons_queue_free(NULL);
  moons_call_cancel(NULL);
  moons_runtime_free(another);
  close_all(queue, program, runtime);
}

static const test TESTS[] = {
    {"brings each call home once", each_comes_home_once},
    {"tells errors with the call", errors_come_with_the_call},
    {"waits as long as it is asked to", waits_are_bounded},
    {"makes maps #threads", maps},
    {"makes maps on the thread that takes them", maps_inline},
    {"makes maps under bounds", maps_one_by_one},
    {"refuses maps of bad items", maps_of_bad_items},
    {"tells the host when there is something #threads", tells_when_there_is_something},
    {"has a descriptor that is readable then", has_a_descriptor},
    {"brings cancelled calls home", cancelled_calls_come_home},
    {"gives up calls that do not end #threads", calls_are_given_up},
    {"cancels calls that end just then #threads", cancels_meet_ends},
    {"frees objects in any order #threads", objects_go_in_any_order},
    {"frees queues while calls run #threads", queues_go_while_calls_run},
    {"makes calls of a program that the host has freed", programs_outlive_their_hold},
    {"does not tell a host whose queue has gone #threads", frees_do_not_overtake_notify},
    {"lets programs take turns", programs_take_turns},
    {"gives a program its share of workers, and of places", programs_have_their_share},
    {"is used by many threads #threads", many_threads},
    {"makes calls on the thread that takes them", the_backend_inline},
    {"is refused in the child of a fork #unsanitized", after_a_fork},
    {"refuses bad uses", bad_uses},
    {NULL, NULL},
};

int main(int argc, char **argv) { return run_tests(TESTS, argc, argv); }
