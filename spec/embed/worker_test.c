/* A host whose calls are made in processes of its own. */
#include <lauxlib.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "host.h"

static const char *self;

/* triple(x): what only this host has. */
static int call_triple(lua_State *L) {
  lua_pushinteger(L, 3 * luaL_checkinteger(L, 1));
  return 1;
}

static int call_abort(lua_State *L) {
  (void)L;
  abort();
}

/* view(): one without a name. */
static int call_view(lua_State *L) {
  moons_push_bytes(L, "ab", 2);
  return 1;
}

static atomic_int n_inside; /* calls in this process */

/* enter(): how many are inside; leave(). */
static int call_enter(lua_State *L) {
  lua_pushinteger(L, atomic_fetch_add(&n_inside, 1) + 1);
  return 1;
}

static int call_leave(lua_State *L) {
  (void)L;
  atomic_fetch_sub(&n_inside, 1);
  return 0;
}

static void offer(lua_State *L, void *data) {
  static const double SHOWN[] = {0.5, 1.5};
  (void)data;
  moons_push_floats(L, SHOWN, 2);
  lua_setglobal(L, "shown");
  lua_register(L, "view", call_view);
  lua_register(L, "triple", call_triple);
  lua_register(L, "crash", call_abort);
  lua_register(L, "enter", call_enter);
  lua_register(L, "leave", call_leave);
}

static moons_options options_of_host(void) {
  moons_options options = usual_options(2);
  options.backend = MOONS_PROCESSES;
  options.program = self;
  return options;
}

/* Runs code whose calls use what the host offers. */
static void run_offering(const moons_options *options, const char *code) {
  moons_terms terms = terms_with(offer, NULL);
  run_under(options, &terms, code);
}

static void offers(void) {
  moons_options options = options_of_host();
  run_offering(&options,
               "local r = parallel.map(function(x) return triple(x) end, parallel.range(1, 1000))\n"
               "for i = 1, 1000 do assert(r[i] == 3 * i) end\n"
               "assert(parallel.map(triple, {1, 2})[2] == 6)");
}

/* A worker process has views of its own memory. */
static void views(void) {
  moons_options options = options_of_host();
  run_offering(&options,
               "local captured = shown\n"
               "local r = parallel.map(function(i) return captured[i] + shown:sum() end, {1, 2})\n"
               "assert(r[1] == 2.5 and r[2] == 3.5)\n"
               "assert(parallel.map(function(v) return v[2] end, {shown})[1] == 1.5)\n"
               "for _, f in ipairs {function() return view() end, function() return shown end} do\n"
               "  local ok, e = pcall(parallel.map, f, {1})\n"
               "  assert(not ok and tostring(e):find('send a copy, v:copy()', 1, true), e)\n"
               "end\n"
               "local own = view()\n"
               "local ok, e = pcall(parallel.map, function() return own[1] end, {1})\n"
               "assert(not ok and tostring(e):find('send a copy, v:copy()', 1, true), e)");
}

static void crashes(void) {
  moons_options options = options_of_host();
  run_offering(&options,
               "local r, e = parallel.map(function(x) return x == 3 and crash() or triple(x) end,\n"
               "  {1, 2, 3, 4}, {errors = 'collect', chunk = 4})\n"
               "assert(e.n == 1 and e[3].kind == 'lost' and r[4] == 12)");
}

static void pools(void) {
  moons_options options = options_of_host();
  options.backend = MOONS_THREADS;
  run_offering(&options,
               "local pool <close> = parallel.pool {backend = 'processes', workers = 2}\n"
               "local r, e = pool:map(function(x) return x == 1 and crash() or triple(x) end,\n"
               "  {1, 2}, {errors = 'collect'})\n"
               "assert(e.n == 1 and e[1].kind == 'lost' and r[2] == 6)");
}

static char written[200];

/* On the one worker's thread, and the script's. */
static void take_written(void *data, void *call_data, int stream, const char *bytes,
                         size_t n_bytes) {
  CHECK(data == written && call_data == NULL && stream == 1);
  strncat(written, bytes, n_bytes);
}

static void prints(void) {
  moons_options options = options_of_host();
  moons_terms terms = terms_with(offer, written);
  options.n_workers = 1;
  terms.write = take_written;
  run_under(&options, &terms,
            "parallel.map(function(x) print(triple(x)) end, {1, 2})\n"
            "parallel.map(function(x)\n"
            "  kept = setmetatable({}, {__gc = function() print 'closed' end})\n"
            "end, {1}, {fresh = false})");
  CHECK(strcmp(written, "3\n6\nclosed\n") == 0);
}

/* A map within a call has the idle workers, but none where the terms bound how many there may be: `met` waits until two of its calls run at once. */
static void shares(void) {
  static const char CODE[] =
      "local function met(wait)\n"
      "  return parallel.map(function()\n"
      "    local most = 0\n"
      "    for _ = 1, wait do\n"
      "      for _, n in ipairs(parallel.map(function()\n"
      "        local n = enter()\n"
      "        parallel.sleep(0.01)\n"
      "        leave()\n"
      "        return n\n"
      "      end, {1, 2, 3, 4}, {chunk = 1})) do most = math.max(n, most) end\n"
      "      if most > 1 then break end\n"
      "    end\n"
      "    return most\n"
      "  end, {1})[1]\n"
      "end\n";
  char text[1024];
  moons_options options = options_of_host();
  moons_terms terms = terms_with(offer, NULL);
  options.n_workers = 3;
  snprintf(text, sizeof text, "%sassert(met(500) > 1)", CODE);
  run_under(&options, &terms, text);
  snprintf(text, sizeof text, "%sassert(met(5) == 1)", CODE);
  for (terms.max_running = 1; terms.max_running <= 2; terms.max_running++)
    run_under(&options, &terms, text);
}

/* Takes n calls, and returns how many were lost, or cancelled. */
static int take(moons_queue *queue, int n, moons_kind kind) {
  int n_failed = 0;
  for (int i = 0; i < n; i++) {
    moons_call *call;
    CHECK(moons_next(queue, -1, &call) == 0);
    const moons_error *error = moons_call_error(call);
    if (error != NULL && error->kind != kind) fprintf(stderr, "%s\n", error->message);
    CHECK(error == NULL || error->kind == kind);
    CHECK(error != NULL || moons_to_integer(moons_results(call, NULL), 0) == 21);
    n_failed += error != NULL;
    moons_call_free(call);
  }
  return n_failed;
}

/* A map that comes home, and one of which a call crashes its process. */
static void take_maps(moons_queue *queue, moons_program *program) {
  int64_t numbers[300];
  for (int64_t i = 0; i < 300; i++)
    numbers[i] = i;
  moons_value items = moons_integers(numbers, 300);
  moons_call *call;
  CHECK(moons_submit_map(queue, program, "f", &items, 0, NULL, NULL) == 0);
  CHECK(moons_next(queue, -1, &call) == 0);
  const moons_value *results = moons_results(call, NULL);
  CHECK(results != NULL && results->type == MOONS_INTEGERS && results->n == 300);
  for (int64_t i = 0; i < 300; i++)
    CHECK(results->as.integers[i] == 3 * i);
  moons_call_free(call);
  for (uint32_t chunk = 0; chunk < 100; chunk += 60) {
    CHECK(moons_submit_map(queue, program, "crash_at_70", &items, chunk, NULL, NULL) == 0);
    CHECK(moons_next(queue, -1, &call) == 0);
    const moons_error *error = moons_call_error(call);
    CHECK(error != NULL && error->kind == MOONS_KIND_LOST && error->index == 71);
    moons_call_free(call);
  }
}

static void programs(void) {
  moons_options options = options_of_host();
  moons_runtime *runtime = open_runtime(&options);
  moons_terms terms = terms_with(offer, NULL);
  moons_program *program = load_under(runtime,
                                      "function f(x) return triple(x) end\n"
                                      "function g() return crash() end\n"
                                      "function crash_at_70(x) return x == 70 and crash() end\n"
                                      "function hang() while true do end end",
                                      &terms);
  moons_value seven = moons_integer(7), address = moons_pointer(&options);
  moons_value addresses = moons_list(&address, 1);
  moons_queue *queue;
  moons_call *call;
  CHECK(moons_queue_new(&queue, runtime, NULL, NULL) == 0);
  CHECK(moons_submit(queue, program, "f", &address, 1, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_submit_map(queue, program, "f", &addresses, 0, NULL, NULL) == MOONS_EINVAL);
  for (int i = 0; i < 40; i++)
    CHECK(moons_submit(queue, program, i == 20 ? "g" : "f", &seven, 1, NULL, NULL) == 0);
  CHECK(take(queue, 40, MOONS_KIND_LOST) == 1);
  for (int i = 0; i < 6; i++) {
    CHECK(moons_submit(queue, program, "hang", NULL, 0, NULL, &call) == 0);
    moons_call_cancel(call);
  }
  CHECK(take(queue, 6, MOONS_KIND_CANCELLED) == 6);
  take_maps(queue, program);
  CHECK(moons_submit(queue, program, "hang", NULL, 0, NULL, NULL) == 0);
  moons_queue_free(queue);
  close_program(program, runtime);
}

static void other_program(void) {
  moons_options options = options_of_host();
  options.program = getenv("MOONS");
  run_offering(&options,
               "local ok, err = pcall(parallel.map, triple, {1, 2})\n"
               "assert(not ok and err.kind == 'system', err)\n"
               "assert(err.message:find('with functions of a host', 1, true), err.message)");
}

/* As one does whose main has forgotten to. */
static void silent_program(void) {
  moons_options options = options_of_host();
  options.program = "true";
  run_offering(&options, "local ok, err = pcall(parallel.map, triple, {1, 2})\n"
                         "assert(not ok and err.kind == 'system', err)\n"
                         "assert(err.message:find('moons_worker_main', 1, true), err.message)\n"
                         "assert(err.message:find(\"'true'\", 1, true), err.message)");
}

static void no_program(void) {
  moons_options options = options_of_host();
  moons_terms terms = terms_with(offer, NULL);
  moons_program *program;
  options.program = NULL;
  moons_runtime *runtime = open_runtime(&options);
  lua_State *L = luaL_newstate();
  CHECK(moons_open(L, runtime, &terms) == MOONS_EUNSUPPORTED);
  CHECK(moons_program_load(&program, runtime, "", 0, NULL, &terms) == MOONS_EUNSUPPORTED);
  close_both(L, runtime);
  options.backend = MOONS_THREADS;
  run_offering(&options,
               "local ok, err = pcall(parallel.pool, {backend = 'processes'})\n"
               "assert(not ok and tostring(err):find('moons_worker_main', 1, true), err)");
}

static void no_worker(void) {
  moons_options options = options_of_host();
  char *words[][4] = {
      {"host", NULL}, {"host", "--serve", "1", NULL}, {"host", "--serve", "0", NULL}};
  for (int i = 0; i < 3; i++)
    CHECK(moons_worker_main(i == 0 ? 1 : 3, words[i], &options, NULL) == -1);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"has its functions in worker processes that it starts itself", offers},
      {"has views of its own memory there", views},
      {"loses one call where one of them crashes #unsanitized", crashes},
      {"makes calls of programs there #unsanitized", programs},
      {"has them in pools of scripts #unsanitized", pools},
      {"takes what is printed there", prints},
      {"has maps within calls use idle workers, none where terms bound these", shares},
      {"is refused another program, which has none of them", other_program},
      {"is told of one that does not become a worker", silent_program},
      {"is refused where none is named", no_program},
      {"is no worker unless it was started as one", no_worker},
      {NULL, NULL},
  };
  self = argv[0];
  moons_options options = options_of_host();
  moons_terms terms = terms_with(offer, NULL);
  int status = moons_worker_main(argc, argv, &options, &terms);
  return status >= 0 ? status : run_tests(TESTS, argc, argv);
}
