/* What functions of a host ask of the call that has called them. */
#include "moons.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "host.h"

/* What releases have noted, one after the other. */
static char released[2000];
static atomic_int n_released;

static void release(void *pointer) {
  released[atomic_fetch_add(&n_released, 1)] = *(const char *)pointer;
}

static const char LETTERS[] = "abcdefghijklmnopqrstuvwxyz";

/* defer(n): has the n-th letter noted at the end. */
static int call_defer(lua_State *L) {
  const char *letter = &LETTERS[luaL_checkinteger(L, 1) - 1];
  lua_pushinteger(L, moons_defer(L, release, (void *)(uintptr_t)letter));
  return 1;
}

static atomic_int n_here[64], n_most;

/* sit(): for some time nobody else has the number of this thread. Returns it. */
static int call_sit(lua_State *L) {
  unsigned worker = moons_worker(L);
  CHECK(worker < 64 && atomic_fetch_add(&n_here[worker], 1) == 0);
  usleep(2000);
  CHECK(atomic_fetch_sub(&n_here[worker], 1) == 1);
  lua_pushinteger(L, worker);
  return 1;
}

/* wait(): until it must end. */
static int call_wait(lua_State *L) {
  CHECK(!moons_is_ending(L));
  while (!moons_is_ending(L))
    usleep(1000);
  atomic_fetch_add(&n_most, 1);
  return 0;
}

static int call_data(lua_State *L) {
  lua_pushlightuserdata(L, moons_data(L));
  return 1;
}

static atomic_int may_end;

/* hang(): does not end though it is told to. */
static int call_hang(lua_State *L) {
  (void)L;
  while (!atomic_load(&may_end))
    usleep(1000);
  return 0;
}

static void offer(lua_State *L, void *data) {
  lua_register(L, "defer", call_defer);
  lua_register(L, "sit", call_sit);
  lua_register(L, "wait", call_wait);
  lua_register(L, "data", call_data);
  lua_register(L, "hang", call_hang);
  CHECK(moons_defer(L, release, data) == MOONS_EINVAL);
  lua_pushlightuserdata(L, data);
  lua_setglobal(L, "given");
}

/* Runs code in a state whose calls have these functions. */
static void run_offering(unsigned n_workers, const char *code) {
  static int data;
  moons_options options = usual_options(n_workers);
  moons_terms terms = terms_with(offer, &data);
  run_under(&options, &terms, code);
}

static void check_released(const char *letters) {
  released[atomic_load(&n_released)] = '\0';
  if (strcmp(released, letters) != 0) fprintf(stderr, "released: %s\n", released);
  CHECK(strcmp(released, letters) == 0);
}

static void outside(void) {
  lua_State *L = luaL_newstate();
  for (int i = 0; i < 2; i++) {
    lua_State *of = i == 0 ? NULL : L;
    CHECK(moons_data(of) == NULL && moons_data_of_call(of) == NULL);
    CHECK(moons_worker(of) == 0 && moons_is_ending(of) == 0);
    CHECK(moons_defer(of, release, NULL) == MOONS_EINVAL);
  }
  lua_close(L);
  check_released("");
}

static void tenants(void) {
  run_offering(
      2, "assert(parallel.map(function() return data() == given end, {1})[1])\n"
         "assert(parallel.map(function() return given end, {1})[1] == given)\n"
         "local function inner() return parallel.map(function() return data() end, {1})[1] end\n"
         "assert(parallel.map(inner, {1})[1] == given)\n"
         "assert(parallel.map(function() return coroutine.wrap(data)() end, {1})[1] == given)\n"
         "assert(data() == nil or data() ~= given)");
}

/* A number for each thread that runs calls, those of pools too. */
static void numbers(void) {
  run_offering(
      2, "for _, worker in ipairs(parallel.map(function() return sit() end,\n"
         "  parallel.range(1, 30))) do assert(worker < 2) end\n"
         "local pools = {parallel.pool(2), parallel.pool(3)}\n"
         "local futures = {}\n"
         "for i = 1, 40 do futures[i] = pools[i % 2 + 1]:submit(function() return sit() end) end\n"
         "parallel.map(function() return sit() end, parallel.range(1, 30))\n"
         "for _, future in ipairs(futures) do assert(future:get() < 7) end\n"
         "parallel.map(function() local inline <close> = parallel.pool {workers = 1, backend =\n"
         "  'inline'} return inline:apply(function() return sit() end) end, {1, 2, 3, 4})");
}

static int call_data_of_call(lua_State *L) {
  lua_pushlightuserdata(L, moons_data_of_call(L));
  return 1;
}

static void open_request(lua_State *L, void *data) {
  (void)data;
  CHECK(data == NULL && moons_data_of_call(L) != &n_most);
  lua_register(L, "request", call_data_of_call);
}

/* What each request prints. */
static char printed[3][40];

static void take_printed(void *data, void *call_data, int stream, const char *bytes,
                         size_t n_bytes) {
  CHECK(data == NULL && stream == 1);
  strncat(call_data, bytes, n_bytes);
}

static void requests(void) {
  moons_options options = usual_options(2);
  moons_terms terms = terms_with(open_request, NULL);
  terms.write = take_printed;
  moons_runtime *runtime = open_runtime(&options);
  moons_queue *queue;
  moons_program *program = load_under(
      runtime,
      "function f(n) print(n) local inner = parallel.map(function() print 'inner' return request() "
      "end, {1})[1]\n"
      "  return inner, request() end",
      &terms);
  CHECK(moons_queue_new(&queue, runtime, NULL, NULL) == 0);
  for (int i = 0; i < 3; i++) {
    moons_value n = moons_integer(i);
    CHECK(moons_submit(queue, program, "f", &n, 1, printed[i], NULL) == 0);
  }
  for (int i = 0; i < 3; i++) {
    moons_call *call;
    CHECK(moons_next(queue, -1, &call) == 0);
    const moons_value *results = moons_results(call, NULL);
    CHECK(results[0].as.pointer == moons_call_data(call));
    CHECK(results[1].as.pointer == moons_call_data(call));
    moons_call_free(call);
  }
  for (int i = 0; i < 3; i++) {
    char expected[40];
    snprintf(expected, sizeof expected, "%d\ninner\n", i);
    CHECK(strcmp(printed[i], expected) == 0);
  }
  moons_queue_free(queue);
  moons_program_free(program);
  moons_runtime_free(runtime);
}

/* Set-ups. */

static atomic_int n_printed, n_met;

/* meet(): returns when two calls are in it at a time, so two workers have a state. */
static int call_meet(lua_State *L) {
  (void)L;
  atomic_fetch_add(&n_met, 1);
  for (int i = 0; atomic_load(&n_met) < 2 && i < 10000; i++)
    usleep(1000);
  return 0;
}

static void open_meeting(lua_State *L, void *data) {
  (void)data;
  lua_pushlightuserdata(L, moons_data_of_call(L));
  lua_setglobal(L, "opened_by");
  lua_register(L, "request", call_data_of_call);
  lua_register(L, "meet", call_meet);
}

static void count_printed(void *data, void *call_data, int stream, const char *bytes,
                          size_t n_bytes) {
  (void)bytes;
  CHECK(data == NULL && call_data == NULL && stream <= 2 && n_bytes > 0);
  atomic_fetch_add(&n_printed, 1);
}

static void check_set_up(const char *source, int n_lines) {
  moons_runtime *runtime = open_two_workers();
  moons_terms terms = terms_with(open_meeting, NULL);
  terms.write = count_printed;
  terms.output_bytes = 20;
  atomic_store(&n_printed, 0);
  atomic_store(&n_met, 0);
  moons_program *program = load_under(runtime, source, &terms);
  CHECK(atomic_load(&n_printed) == n_lines);
  moons_queue *queue;
  CHECK(moons_queue_new(&queue, runtime, NULL, NULL) == 0);
  for (int i = 0; i < 6; i++)
    CHECK(moons_submit(queue, program, "f", NULL, 0, &n_most, NULL) == 0);
  moons_call *call;
  while (moons_next(queue, -1, &call) == 0) {
    CHECK(moons_call_error(call) == NULL && moons_to_boolean(moons_results(call, NULL)));
    moons_call_free(call);
  }
  CHECK(atomic_load(&n_met) == 6 && atomic_load(&n_printed) == n_lines);
  moons_queue_free(queue);
  close_program(program, runtime);
}

/* A worker runs the script when a call comes: that call must not be seen in what others start from, nor the script's lines among
** its own. */
static void set_ups(void) {
  static const char PLAIN[] = "print 'loading' io.stderr:write 'on' loaded_by = request()\n"
                              "function f() meet()\n"
                              "  return opened_by == loaded_by and request() ~= loaded_by end";
  static const char REBUILT[] = "print 'loading' io.stderr:write 'on' loaded_by = request()\n"
                                "owner = setmetatable({}, {__gc = function() end})\n"
                                "function f() meet()\n"
                                "  return opened_by == loaded_by and request() ~= loaded_by end";
  static const char MAPPED[] =
      "local maps = {parallel.map(function() return request() end, {1, 2})}\n"
      "opened_by = maps[1][1]\n"
      "function f() meet()\n"
      "  local inner = parallel.map(function() return request() end, {1})\n"
      "  return opened_by ~= request() and inner[1] == request() end";
  check_set_up(PLAIN, 2);
  check_set_up(REBUILT, 2);
  check_set_up(MAPPED, 0);
}

static void endings(void) {
  run_offering(2, "for _, fresh in ipairs {true, false} do\n"
                  "  local options = {timeout = 0.05, fresh = fresh}\n"
                  "  local ok, err = pcall(parallel.map, function() wait() end, {1}, options)\n"
                  "  assert(not ok and err.kind == 'timeout', tostring(err))\n"
                  "  assert(not err.message:find('given up', 1, true))\n"
                  "end\n"
                  "local pool <close> = parallel.pool(1)\n"
                  "local future = pool:submit(function() wait() end)\n"
                  "parallel.sleep(0.1)\n"
                  "future:cancel()");
  CHECK(atomic_load(&n_most) == 3);
}

static void deferred(void) {
  run_offering(1, "local function two() return defer(1) + defer(2) end\n"
                  "assert(parallel.map(two, {1})[1] == 0)");
  check_released("ba");
  run_offering(1, "assert(not pcall(parallel.map, function() defer(3) error 'x' end, {1}))\n"
                  "assert(not pcall(parallel.map, function() defer(4) while true do end end, {1},\n"
                  "  {timeout = 0.05}))\n"
                  "assert(not pcall(parallel.map, function() defer(5) error 'x' end, {1},\n"
                  "  {retries = 1}))\n"
                  "assert(not pcall(parallel.map, function() defer(6) os.exit() end, {1}))");
  check_released("bacdeef");
}

/* After what the state still runs, and of each call that is kept. */
static void deferred_order(void) {
  run_offering(1, "parallel.map(function()\n"
                  "  defer(1) setmetatable({}, {__gc = function() defer(2) end})\n"
                  "end, {1})");
  check_released("ba");
  run_offering(1, "parallel.map(function(x) defer(x) return x end, parallel.range(3, 20),\n"
                  "  {fresh = false})");
  check_released("bacdefghijklmnopqrst");
  run_offering(1, "parallel.map(function() defer(21)\n"
                  "  parallel.map(function() defer(22) end, {1}) end, {1})");
  check_released("bacdefghijklmnopqrstvu");
}

static void deferred_by_set_ups(void) {
  run_offering(1, "parallel.map(function() assert(result < 0) end, {1, 2},\n"
                  "  {init = function() result = defer(1) end})");
  check_released("");
}

/* What a call that was given up has deferred goes when it ends. */
static void deferred_long(void) {
  run_offering(1, "local ok, err = pcall(parallel.map, function() defer(1) hang() end, {1},\n"
                  "  {timeout = 0.05}) assert(err.message:find('given up', 1, true))");
  check_released("");
  atomic_store(&may_end, 1);
  while (atomic_load(&n_released) == 0)
    usleep(1000);
  check_released("a");
}

static int host;
static atomic_int n_begun[8], n_ended[8];

static void note_thread(void *data, unsigned worker, int begins) {
  CHECK(data == &host && worker < 8);
  atomic_fetch_add(begins ? &n_begun[worker] : &n_ended[worker], 1);
}

static int n_of(atomic_int counts[8]) {
  int n = 0;
  for (int i = 0; i < 8; i++)
    n += atomic_load(&counts[i]);
  return n;
}

static void threads(void) {
  moons_options options = usual_options(2);
  moons_terms terms = terms_with(offer, NULL);
  options.thread = note_thread;
  options.thread_data = &host;
  run_under(&options, &terms,
            "parallel.map(function() sit() end, parallel.range(1, 30))\n"
            "local pool <close> = parallel.pool(1)\n"
            "pool:apply(function() sit() end)");
  for (int i = 0; i < 3; i++)
    CHECK(atomic_load(&n_begun[i]) == 1 && atomic_load(&n_ended[i]) == 1);
  CHECK(n_of(n_begun) == 3);
}

/* A thread whose call was given up keeps its number until that ends. */
static void threads_given_up(void) {
  moons_options options = usual_options(1);
  moons_terms terms = terms_with(offer, NULL);
  options.thread = note_thread;
  options.thread_data = &host;
  moons_runtime *runtime = open_runtime(&options);
  lua_State *L = open_state_under(runtime, &terms);
  run(L, "pcall(parallel.map, function() hang() end, {1}, {timeout = 0.05})\n"
         "assert(parallel.map(function() return sit() end, {1})[1] == 1)");
  CHECK(n_of(n_begun) == 2 && n_of(n_ended) == 0);
  atomic_store(&may_end, 1);
  while (n_of(n_ended) == 0)
    usleep(1000);
  CHECK(atomic_load(&n_ended[0]) == 1);
  close_both(L, runtime);
  CHECK(n_of(n_ended) == 2);
  runtime = open_runtime(&options);
  L = open_state_under(runtime, &terms);
  atomic_store(&may_end, 0);
  run(L, "pcall(parallel.map, function() hang() end, {1}, {timeout = 0.05})");
  close_both(L, runtime);
  CHECK(n_of(n_begun) == 3);
  atomic_store(&may_end, 1);
  usleep(50000);
  CHECK(n_of(n_ended) == 2); /* the runtime had been closed */
}

/* use(): takes its time with the data of the request. */
static int call_use(lua_State *L) {
  atomic_int *n_using = moons_data_of_call(L);
  atomic_fetch_add(n_using, 1);
  usleep(5000);
  atomic_fetch_sub(n_using, 1);
  return 0;
}

static void offer_use(lua_State *L, void *data) {
  (void)data;
  lua_register(L, "use", call_use);
}

/* What a call has started and left uses what is the request's no longer than until that call comes home. */
static void left_behind(void) {
  static const char CODE[] =
      "local function uses(x) for i = 1, 100 do use() end return x end\n"
      "local function stops(x) if x == 1 then parallel.sleep(0.002) error 'no' end return uses(x) "
      "end\n"
      "local xs = {1, 2, 3}\n"
      "function forgets() parallel.submit(uses) parallel.sleep(0.002) end\n"
      "function cancels() local f = parallel.submit(uses) parallel.sleep(0.002) f:cancel() end\n"
      "function fails() pcall(parallel.map, stops, xs, {chunk = 1}) end\n"
      "function raises() parallel.map_async(uses, xs, {chunk = 1}) parallel.sleep(0.002) error "
      "'no' end\n"
      "function breaks() for _ in parallel.imap_unordered(function(x)\n"
      "  return x == 1 and 1 or uses(x) end, xs, {chunk = 1}) do break end end\n"
      "function finds() parallel.first(function(x) return x == 1 or uses(x) end, xs, {chunk = 1}) "
      "end\n"
      "function nests() parallel.map(forgets, xs, {chunk = 1}) end\n";
  static const char *const NAMES[] = {"forgets", "cancels", "fails", "raises",
                                      "breaks",  "finds",   "nests"};
  moons_options options = usual_options(4);
  moons_terms terms = terms_with(offer_use, NULL);
  options.stop_signal = SIGURG;
  moons_runtime *runtime = open_runtime(&options);
  moons_program *program = load_under(runtime, CODE, &terms);
  moons_queue *queue;
  CHECK(moons_queue_new(&queue, runtime, NULL, NULL) == 0);
  for (int i = 0; i < 10 * 7; i++) {
    atomic_int n_using = 0;
    moons_call *call;
    CHECK(moons_submit(queue, program, NAMES[i % 7], NULL, 0, &n_using, NULL) == 0);
    CHECK(moons_next(queue, -1, &call) == 0);
    CHECK(atomic_load(&n_using) == 0);
    moons_call_free(call);
  }
  moons_queue_free(queue);
  close_program(program, runtime);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"outside of a call there is nothing", outside},
      {"the data of the terms", tenants},
      {"a number of its own for each thread #threads", numbers},
      {"the data of the request #threads", requests},
      {"a script is set up for no request, and prints once #threads", set_ups},
      {"whether the call must end", endings},
      {"what a call leaves has ended when it comes home #threads", left_behind},
      {"what is deferred is released at the end of the call", deferred},
      {"what is deferred is released after all else, the last first", deferred_order},
      {"a set-up defers nothing", deferred_by_set_ups},
      {"what is deferred by a call that was given up is released when that ends #unsanitized",
       deferred_long},
      {"threads are told when they begin and end #threads", threads},
      {"a thread whose call was given up ends later #unsanitized", threads_given_up},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
