/* What a program starts within its calls has its share of the workers, and its turns, together with the calls. */
#include <pthread.h>
#include <stdatomic.h>

#include "host.h"

typedef struct tenant {
  unsigned share;
  atomic_uint n_busy, most_busy, n_over;
  atomic_uint n_leaves, n_on_worker[64]; /* workers of pools are counted with the others */
} tenant;

static void begin_leaf(tenant *t, unsigned worker) {
  unsigned n = atomic_fetch_add(&t->n_busy, 1) + 1, most = atomic_load(&t->most_busy);
  while (most < n && !atomic_compare_exchange_weak(&t->most_busy, &most, n))
    continue;
  if (t->share > 0 && n > t->share) atomic_fetch_add(&t->n_over, 1);
  atomic_fetch_add(&t->n_leaves, 1);
  CHECK(worker < sizeof t->n_on_worker / sizeof t->n_on_worker[0]);
  atomic_fetch_add(&t->n_on_worker[worker], 1);
}

/* busy(n): takes a worker for so many microseconds. */
static int busy(lua_State *L) {
  tenant *t = moons_data(L);
  begin_leaf(t, moons_worker(L));
  usleep((useconds_t)luaL_checkinteger(L, 1));
  atomic_fetch_sub(&t->n_busy, 1);
  return 0;
}

/* meet(n): waits until so many are there, or the call must end; returns whether they are. */
static int meet(lua_State *L) {
  tenant *t = moons_data(L);
  unsigned n = (unsigned)luaL_checkinteger(L, 1);
  begin_leaf(t, moons_worker(L));
  while (atomic_load(&t->most_busy) < n && !moons_is_ending(L))
    usleep(100);
  atomic_fetch_sub(&t->n_busy, 1);
  lua_pushboolean(L, atomic_load(&t->most_busy) >= n);
  return 1;
}

static void add_functions(lua_State *L, void *data) {
  (void)data;
  lua_register(L, "busy", busy);
  lua_register(L, "meet", meet);
}

static moons_terms share_of(tenant *t, unsigned share) {
  moons_terms terms = terms_with(add_functions, t);
  *t = (tenant){.share = share};
  terms.max_running = share;
  return terms;
}

/* A C function that a busy machine keeps from returning for half a second after its call was told to end is given up, and goes on
** beside the others. */
static void check_share(moons_runtime *runtime, tenant *t) {
  moons_stats stats;
  CHECK(moons_stats_of(runtime, NULL, &stats) == 0);
  CHECK(atomic_load(&t->n_over) == 0 || stats.n_lost > 0);
}

static int64_t integer_of(moons_call *call) {
  size_t n;
  const moons_value *results = moons_results(call, &n);
  CHECK(n == 1);
  int64_t value = moons_to_integer(results, -1);
  moons_call_free(call);
  return value;
}

static int64_t ask(moons_program *program, const char *function, int64_t x) {
  moons_value value = moons_integer(x);
  return integer_of(run_with_values(program, function, &value, 1));
}

/* {== Some of each kind ======================================================================= */

static const char KINDS[] =
    "local function leaf(x) busy(300) return 1 end\n"
    "local xs = {1, 2, 3, 4, 5, 6, 7, 8}\n"
    "local function sum(t) local s = 0 for _, x in ipairs(t) do s = s + x end return s end\n"
    "function map() return sum(parallel.map(leaf, xs, {chunk = 1})) end\n"
    "function imap()\n"
    "  local s = 0\n"
    "  for _, x in parallel.imap(leaf, xs, {chunk = 1}) do busy(300) s = s + x end\n"
    "  return s\n"
    "end\n"
    "function futures()\n"
    "  local fs, s = {}, 0\n"
    "  for i = 1, 8 do fs[i] = parallel.submit(leaf, i) busy(100) end\n"
    "  for i = 8, 1, -1 do s = s + fs[i]:get() busy(100) end\n"
    "  return s\n"
    "end\n"
    "function polled()\n"
    "  local fs, s = {}, 0\n"
    "  for i = 1, 8 do fs[i] = parallel.submit(leaf, i) end\n"
    "  for i = 1, 8 do while not fs[i]:done() do busy(10) end s = s + fs[i]:get() end\n"
    "  return s\n"
    "end\n"
    "function told()\n"
    "  local s, f = 0, parallel.submit(leaf, 1)\n"
    "  for i = 1, 7 do parallel.submit(leaf, i):on_done(function(f) s = s + f:get() end) end\n"
    "  f:get()\n"
    "  while s < 7 do f:wait() busy(10) end\n"
    "  return s + f:get()\n"
    "end\n"
    "function nested()\n"
    "  return sum(parallel.map(function(x)\n"
    "    busy(100)\n"
    "    return sum(parallel.map(leaf, {x, x, x}, {chunk = 1}))\n"
    "  end, {1, 2, 3}, {chunk = 1})) - 1\n"
    "end\n"
    "function pool()\n"
    "  local own <close> = parallel.pool(3)\n"
    "  local future = own:submit(leaf, 1)\n"
    "  return sum(own:map(leaf, {2, 3, 4}, {chunk = 1})) + sum(parallel.map(leaf, {5, 6, 7, 8})) + "
    "future:get()\n"
    "end\n"
    "function left()\n"
    "  for _ in parallel.imap(leaf, xs, {chunk = 1}) do break end\n"
    "  for i = 1, 4 do parallel.submit(leaf, i) end\n"
    "  pcall(parallel.map, function(x) busy(100) error 'no' end, xs, {chunk = 1})\n"
    "  return (parallel.first(function(x) return leaf(x) + 7 end, xs))\n"
    "end\n";

static const char *const NAMES[] = {"map",  "imap",   "futures", "polled",
                                    "told", "nested", "pool",    "left"};
enum { N_NAMES = sizeof NAMES / sizeof NAMES[0] };

static void each_kind_on(unsigned n_workers, unsigned share) {
  tenant t;
  moons_terms terms = share_of(&t, share);
  moons_options options = usual_options(n_workers);
  moons_runtime *runtime = open_runtime(&options);
  moons_program *program = load_under(runtime, KINDS, &terms);
  for (int round = 0; round < 3; round++)
    for (int i = 0; i < N_NAMES; i++)
      CHECK(ask(program, NAMES[i], 0) == 8);
  check_share(runtime, &t);
  close_program(program, runtime);
}

static void each_kind(void) {
  for (unsigned n_workers = 1; n_workers <= 8; n_workers *= 2)
    for (unsigned share = 1; share <= 3; share++)
      each_kind_on(n_workers, share);
}

/* The same functions called at once: of each program as many as there may be, however they are nested. */
static void many_at_once(void) {
  tenant t[3];
  moons_program *programs[3];
  moons_options options = usual_options(8);
  moons_runtime *runtime = open_runtime(&options);
  moons_queue *queue;
  moons_call *call;
  CHECK(moons_queue_new(&queue, runtime, NULL, NULL) == 0);
  for (unsigned k = 0; k < 3; k++) {
    moons_terms terms = share_of(&t[k], k + 1);
    programs[k] = load_under(runtime, KINDS, &terms);
    for (int i = 0; i < 4 * N_NAMES; i++)
      CHECK(moons_submit(queue, programs[k], NAMES[i % N_NAMES], NULL, 0, NULL, NULL) == 0);
  }
  while (moons_next(queue, -1, &call) == 0)
    CHECK(integer_of(call) == 8);
  for (unsigned k = 0; k < 3; k++) {
    check_share(runtime, &t[k]);
    moons_program_free(programs[k]);
  }
  moons_queue_free(queue);
  moons_runtime_free(runtime);
}

/* {== At random =============================================================================== */

static const char RANDOM[] =
    "local function draw(x) return (x * 1103515245 + 12345) % 2147483648 end\n"
    "local function items(x)\n"
    "  local xs = {}\n"
    "  for i = 1, 1 + x // 8 % 6 do x = draw(x) xs[i] = x end\n"
    "  return xs\n"
    "end\n"
    "local WAYS = {\n"
    "  function(f, xs) return parallel.map(f, xs) end,\n"
    "  function(f, xs) return parallel.map(f, xs, {chunk = 1}) end,\n"
    "  function(f, xs)\n"
    "    local t = {}\n"
    "    for i, y in parallel.imap(f, xs, {chunk = 1}) do busy(20) t[i] = y end\n"
    "    return t\n"
    "  end,\n"
    "  function(f, xs)\n"
    "    local t = {}\n"
    "    for i, y in parallel.imap_unordered(f, xs, {workers = 2}) do t[i] = y end\n"
    "    return t\n"
    "  end,\n"
    "  function(f, xs)\n"
    "    local t, fs = {}, {}\n"
    "    for i, x in ipairs(xs) do fs[i] = parallel.submit(f, x) end\n"
    "    for i, x in ipairs(xs) do t[i] = fs[i]:get() end\n"
    "    return t\n"
    "  end,\n"
    "  function(f, xs)\n"
    "    for i = 1, 3 do parallel.submit(f, i) end\n"
    "    pcall(parallel.map, function(x) busy(20) error(x) end, xs, {chunk = 1})\n"
    "    for _ in parallel.imap(f, xs) do break end\n"
    "    pcall(parallel.map, function() while true do end end, xs, {timeout = 0.002})\n"
    "    return parallel.map(f, xs)\n"
    "  end,\n"
    "}\n"
    "local function walk(x, depth, way)\n"
    "  if depth == 0 or x // 16 % 4 == 0 then busy(x // 32 % 200) return 1 end\n"
    "  local n = 0\n"
    "  local function below(y) return walk(y, depth - 1, way) end\n"
    "  local ways = way or function(f, xs) return WAYS[x // 64 % #WAYS + 1](f, xs) end\n"
    "  for _, y in ipairs(ways(below, items(x))) do n = n + y end\n"
    "  return n\n"
    "end\n"
    "local function one_by_one(f, xs)\n"
    "  local t = {}\n"
    "  for i, x in ipairs(xs) do t[i] = f(x) end\n"
    "  return t\n"
    "end\n"
    "function plain(x) return walk(x, 3, one_by_one) end\n"
    "function tree(x) return walk(x, 3) end\n";

enum { N_TENANTS = 5, N_TREES = 12 };

typedef struct field {
  moons_runtime *runtime;
  moons_queue *queue;
  tenant tenants[N_TENANTS];
  moons_program *programs[N_TENANTS];
  int64_t wanted[N_TREES];
  uint64_t random;
} field;

/* On a busy machine loading may take longer than a call may. */
static moons_program *load_at_last(moons_runtime *runtime, const moons_terms *terms) {
  moons_program *program;
  while (moons_program_load(&program, runtime, RANDOM, sizeof RANDOM - 1, "=random", terms) != 0) {
    CHECK(program != NULL && moons_program_error(program)->kind == MOONS_KIND_TIMEOUT);
    moons_program_free(program);
  }
  return program;
}

/* The last two: one whose calls may run for a moment only, and one that has no bound. */
static void add_tenants(field *f) {
  for (unsigned k = 0; k < N_TENANTS; k++) {
    moons_terms terms = share_of(&f->tenants[k], k == N_TENANTS - 1 ? 0 : k % 3 + 1);
    if (k == N_TENANTS - 2) terms.timeout_ns = 20000000;
    f->programs[k] = load_at_last(f->runtime, &terms);
  }
  for (int i = 0; i < N_TREES; i++)
    f->wanted[i] = ask(f->programs[N_TENANTS - 1], "plain", 1 + i * 1000003);
}

static void submit_tree(field *f, unsigned k, size_t i) {
  moons_value x = moons_integer(1 + (int64_t)i * 1000003), list = moons_list(&x, 1);
  moons_call *call;
  if (random_below(&f->random, 4) == 0)
    CHECK(moons_submit_map(f->queue, f->programs[k], "tree", &list, 0, &f->wanted[i], &call) == 0);
  else
    CHECK(moons_submit(f->queue, f->programs[k], "tree", &x, 1, &f->wanted[i], &call) == 0);
  if (random_below(&f->random, 5) == 0) moons_call_cancel(call);
}

/* Whether a call may end so: on a busy machine one that was told to end may be given up before it comes to it. */
static int may_fail_as(moons_kind kind) {
  return kind == MOONS_KIND_CANCELLED || kind == MOONS_KIND_TIMEOUT || kind == MOONS_KIND_LOST;
}

/* Results are right, or the call was ended. */
static void check_tree(moons_call *call) {
  const moons_error *error = moons_call_error(call);
  const int64_t *wanted = moons_call_data(call);
  moons_value room;
  const moons_value *result = moons_results(call, NULL);
  if (error != NULL && !may_fail_as(error->kind))
    fprintf(stderr, "%s: %s\n", error->kind_name, error->message);
  CHECK(error == NULL || may_fail_as(error->kind));
  if (error == NULL && moons_item(result, 1, &room) != NULL) result = moons_item(result, 1, &room);
  if (error == NULL) CHECK(moons_to_integer(result, -1) == *wanted);
  moons_call_free(call);
}

static void play(unsigned n_workers, uint64_t seed) {
  field f = {.random = seed};
  moons_call *call;
  moons_options options = usual_options(n_workers);
  f.runtime = open_runtime(&options);
  CHECK(moons_queue_new(&f.queue, f.runtime, NULL, NULL) == 0);
  add_tenants(&f);
  for (int i = 0; i < 40; i++) {
    submit_tree(&f, (unsigned)random_below(&f.random, N_TENANTS), random_below(&f.random, N_TREES));
    if (moons_next(f.queue, 0, &call) == 0) check_tree(call);
  }
  while (moons_next(f.queue, -1, &call) == 0)
    check_tree(call);
  for (unsigned k = 0; k < N_TENANTS; k++) {
    check_share(f.runtime, &f.tenants[k]);
    moons_program_free(f.programs[k]);
  }
  moons_queue_free(f.queue);
  moons_runtime_free(f.runtime);
}

/* SHARE_ROUNDS in the environment: more of them, for a person. */
static void at_random(void) {
  const char *rounds = getenv("SHARE_ROUNDS");
  int n_rounds = rounds != NULL ? atoi(rounds) : 2;
  if (rounds != NULL) alarm(0);
  for (int i = 0; i < n_rounds; i++)
    for (unsigned n_workers = 1; n_workers <= 8; n_workers = n_workers == 1 ? 2 : 4 * n_workers)
      play(n_workers, (uint64_t)i * 8 + n_workers);
}

/* {== What there is is used =================================================================== */

static void share_is_used(void) {
  tenant t;
  moons_terms terms = share_of(&t, 3);
  terms.timeout_ns = UINT64_C(60000000000);
  moons_options options = usual_options(8);
  moons_runtime *runtime = open_runtime(&options);
  moons_program *program =
      load_under(runtime,
                 "function map()\n"
                 "  local r = parallel.map(function() return meet(3) end, {1, 2, 3}, {chunk = 1})\n"
                 "  return r[1] and r[2] and r[3] and 1 or 0\n"
                 "end\n",
                 &terms);
  CHECK(ask(program, "map", 0) == 1);
  check_share(runtime, &t);
  close_program(program, runtime);
}

/* Two calls have the first workers and ask again and again: others have to run what they ask for. */
static void any_worker_runs_it(void) {
  static const char SCRIPT[] = "function ask()\n"
                               "  meet(2)\n"
                               "  local f = parallel.submit(function() return 1 end)\n"
                               "  while not f:done() do busy(10) end\n"
                               "  return f:get()\n"
                               "end\n";
  tenant t;
  moons_terms terms = share_of(&t, 2);
  moons_options options = usual_options(4);
  moons_runtime *runtime = open_runtime(&options);
  moons_program *programs[2];
  moons_queue *queue;
  moons_call *call;
  CHECK(moons_queue_new(&queue, runtime, NULL, NULL) == 0);
  for (int k = 0; k < 2; k++)
    programs[k] = load_under(runtime, SCRIPT, &terms);
  for (int k = 0; k < 2; k++)
    CHECK(moons_submit(queue, programs[k], "ask", NULL, 0, NULL, NULL) == 0);
  while (moons_next(queue, -1, &call) == 0)
    CHECK(integer_of(call) == 1);
  moons_queue_free(queue);
  moons_program_free(programs[0]);
  close_program(programs[1], runtime);
}

static void states_have_their_share(void) {
  static const char CODE[] = "local function leaf(x) busy(200) return 1 end\n"
                             "local fs, n = {}, 0\n"
                             "for i = 1, 12 do fs[i] = parallel.submit(function(x)\n"
                             "  busy(100)\n"
                             "  return #parallel.map(leaf, {1, 2, 3}, {chunk = 1})\n"
                             "end, i) end\n"
                             "for _ in parallel.imap(leaf, {1, 2, 3, 4}, {chunk = 1}) do end\n"
                             "for i = 12, 1, -1 do n = n + fs[i]:get() end\n"
                             "assert(n == 36)\n";
  for (unsigned share = 1; share <= 2; share++) {
    tenant t;
    moons_terms terms = share_of(&t, share);
    moons_options options = usual_options(8);
    moons_runtime *runtime = open_runtime(&options);
    lua_State *L = open_state_under(runtime, &terms);
    run(L, CODE);
    check_share(runtime, &t);
    close_both(L, runtime);
  }
}

/* All workers have calls that ask again and again whether their own are done, so nobody else runs these. */
static void calls_that_poll_are_served(void) {
  static const char CODE[] =
      "local function twice(x) return 2 * x end\n"
      "local r = parallel.map(function(x)\n"
      "  local future, n = parallel.submit(twice, x), 0\n"
      "  while not future:done() do busy(10) n = n + 1 assert(n < 1000000, 'never') end\n"
      "  return future:get()\n"
      "end, {1, 2, 3, 4, 5, 6}, {chunk = 1})\n"
      "for i = 1, 6 do assert(r[i] == 2 * i) end\n";
  for (unsigned share = 0; share <= 8; share += 4) {
    tenant t;
    moons_terms terms = share_of(&t, share);
    for (moons_backend backend = MOONS_THREADS; backend <= MOONS_LENT; backend++) {
      moons_options options = usual_options(2);
      options.backend = backend;
      moons_runtime *runtime = open_runtime(&options);
      lua_State *L = open_state_under(runtime, &terms);
      run(L, CODE);
      close_both(L, runtime);
    }
  }
}

/* The only thread that could be lent waits for a call that waits for the share of another. */
static void lent_thread_has_a_share(void) {
  tenant t;
  moons_terms terms = share_of(&t, 1);
  moons_options options = usual_options(2);
  options.backend = MOONS_LENT;
  moons_runtime *runtime = open_runtime(&options);
  moons_program *program = load_under(runtime, KINDS, &terms);
  for (int i = 0; i < N_NAMES; i++)
    CHECK(ask(program, NAMES[i], 0) == 8);
  check_share(runtime, &t);
  moons_program_free(program);
  lua_State *L = open_state_under(runtime, &terms);
  run(L, "local a = parallel.submit(function() busy(100) return 1 end)\n"
         "local b = parallel.submit(function() busy(100) return 2 end)\n"
         "assert(b:get() == 2 and a:get() == 1)\n");
  check_share(runtime, &t);
  close_both(L, runtime);
}

/* {== Turns =================================================================================== */

static const char TURNS[] =
    "local function leaf(x) busy(1000) return 1 end\n"
    "function plain() return leaf(1) end\n"
    "function map(n) return #parallel.map(leaf, parallel.range(1, n), {chunk = 1}) end\n"
    "function futures(n)\n"
    "  local fs = {}\n"
    "  for i = 1, n do fs[i] = parallel.submit(leaf, i) end\n"
    "  for i = 1, n do fs[i]:get() end\n"
    "  return n\n"
    "end\n";

/* Calls that spread over all workers, against plain ones: what those have had until so many of these have come. */
static void take_turns(tenant *wide, unsigned n_workers, const char *function, int64_t n_items,
                       int n_calls, int n_plain) {
  tenant narrow;
  moons_terms wide_terms = share_of(wide, 0), narrow_terms = share_of(&narrow, 0);
  moons_options options = usual_options(n_workers);
  moons_runtime *runtime = open_runtime(&options);
  moons_program *spreads = load_under(runtime, TURNS, &wide_terms);
  moons_program *other = load_under(runtime, TURNS, &narrow_terms);
  moons_queue *queue, *own;
  moons_call *call;
  moons_value n = moons_integer(n_items);
  CHECK(moons_queue_new(&queue, runtime, NULL, NULL) == 0);
  CHECK(moons_queue_new(&own, runtime, NULL, NULL) == 0);
  for (int i = 0; i < n_plain; i++)
    CHECK(moons_submit(own, other, "plain", NULL, 0, NULL, NULL) == 0);
  for (int i = 0; i < n_calls; i++)
    CHECK(moons_submit(queue, spreads, function, &n, 1, NULL, NULL) == 0);
  while (moons_next(own, -1, &call) == 0)
    moons_call_free(call);
  moons_queue_free(queue);
  moons_queue_free(own);
  moons_program_free(spreads);
  close_program(other, runtime);
}

static void maps_take_turns_with(const char *function) {
  tenant t;
  take_turns(&t, 4, function, 16, 200, 400);
  printf("# %s: %u to 400\n", function, atomic_load(&t.n_leaves));
  CHECK(atomic_load(&t.n_leaves) < 600);
}

static void maps_take_turns(void) {
  maps_take_turns_with("map");
  maps_take_turns_with("futures");
}

/* Of two workers the call has one as long as it takes. So it has had its turns, and the other worker is for plain calls. */
static void long_maps_take_turns_with(const char *function) {
  tenant t;
  take_turns(&t, 2, function, 3000, 1, 400);
  unsigned n = atomic_load(&t.n_on_worker[0]), m = atomic_load(&t.n_on_worker[1]);
  printf("# %s: %u and %u to 400\n", function, n, m);
  CHECK((n < m ? n : m) < 200);
}

static void long_maps_take_turns(void) {
  long_maps_take_turns_with("map");
  long_maps_take_turns_with("futures");
}

/* {== Places that are given back ============================================================== */

enum { N_HELD = 16 };

typedef struct crowd {
  lua_State *L;
  atomic_uint n_held;
  atomic_int goes_on;
  moons_queue *queue;
  moons_program *program;
  int n_put;
  atomic_int is_over;
} crowd;

static int hold(lua_State *L) {
  crowd *c = moons_data(L);
  atomic_fetch_add(&c->n_held, 1);
  while (!atomic_load(&c->goes_on) && !moons_is_ending(L))
    usleep(200);
  return 0;
}

static void add_hold(lua_State *L, void *data) {
  (void)data;
  lua_register(L, "hold", hold);
}

static void *hold_all(void *data) {
  const crowd *c = data;
  run(c->L, "parallel.map(function() hold() end, parallel.range(1, 16), {chunk = 1})");
  return NULL;
}

static void *put_often(void *data) {
  crowd *c = data;
  for (; !atomic_load(&c->is_over); c->n_put++)
    CHECK(moons_submit(c->queue, c->program, "same", NULL, 0, NULL, NULL) == 0);
  return NULL;
}

/* All workers are busy, so what a queue has begun is taken back when it is freed; meanwhile another thread puts calls, which begin
** in these places. */
static void cancel_and_put(crowd *c, moons_runtime *runtime, useconds_t us) {
  pthread_t holder, putter;
  moons_queue *cancelled;
  moons_call *call;
  atomic_store(&c->goes_on, 0);
  atomic_store(&c->is_over, 0);
  atomic_store(&c->n_held, 0);
  c->n_put = 0;
  CHECK(pthread_create(&holder, NULL, hold_all, c) == 0);
  while (atomic_load(&c->n_held) < N_HELD)
    usleep(100);
  CHECK(moons_queue_new(&cancelled, runtime, NULL, NULL) == 0);
  CHECK(moons_queue_new(&c->queue, runtime, NULL, NULL) == 0);
  for (int i = 0; i < N_HELD; i++)
    CHECK(moons_submit(cancelled, c->program, "same", NULL, 0, NULL, NULL) == 0);
  CHECK(pthread_create(&putter, NULL, put_often, c) == 0);
  usleep(us);
  moons_queue_free(cancelled);
  atomic_store(&c->is_over, 1);
  CHECK(pthread_join(putter, NULL) == 0);
  atomic_store(&c->goes_on, 1);
  CHECK(pthread_join(holder, NULL) == 0);
  for (; c->n_put > 0 && moons_next(c->queue, -1, &call) == 0; c->n_put--)
    moons_call_free(call);
  CHECK(c->n_put == 0);
  moons_queue_free(c->queue);
}

static void all_that_begin_come(void) {
  crowd c = {.n_put = 0};
  uint64_t random = 1;
  moons_terms terms = terms_with(add_hold, &c);
  moons_options options = usual_options(N_HELD);
  moons_runtime *runtime = open_runtime(&options);
  c.L = open_state_under(runtime, &terms);
  c.program = load(runtime, "function same() end");
  for (int i = 0; i < 400; i++)
    cancel_and_put(&c, runtime, 300 + (useconds_t)random_below(&random, 1500));
  moons_program_free(c.program);
  close_both(c.L, runtime);
}

static const test TESTS[] = {
    {"no kind of map within a call has more than its program's share #threads", each_kind},
    {"calls with maps within them have their program's share together #threads", many_at_once},
    {"maps at random, cancelled and timed out, keep to shares #threads", at_random},
    {"a map within a call uses its share", share_is_used},
    {"any worker runs what a call asks for", any_worker_runs_it},
    {"maps of a state have its share together", states_have_their_share},
    {"calls that ask whether their own are done are served #threads", calls_that_poll_are_served},
    {"a thread that is lent keeps to shares", lent_thread_has_a_share},
    {"maps within calls take turns with other programs", maps_take_turns},
    {"a long map within a call takes turns with other programs", long_maps_take_turns},
    {"calls that begin where others were cancelled all come #threads", all_that_begin_come},
    {NULL, NULL},
};

int main(int argc, char **argv) { return run_tests(TESTS, argc, argv); }
