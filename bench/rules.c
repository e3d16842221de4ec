/*
** What rules of tenants cost below HTTP: called one after the other in one Lua state with no pool, and submitted to two workers. And
** what a thousand programs hold that have far more to keep than their images may.
*/
#include <lualib.h>
#include <unistd.h>

#include "programs.h"

enum { IN_FLIGHT = 64, N_WORKERS = 2, N_PROGRAMS = 1000, IMAGES_BYTES = 64 << 20 };

static const char RULES[] = "function f(order)\n"
                            "  local s = 0 for i = 1, order.n do s = s + i end\n"
                            "  return {id = order.id, sum = s} end\n";

/* An order, with room for what it points to. */
typedef struct order {
  moons_value pairs[4], value;
} order;

static const moons_value *fill(order *o, int64_t id, int64_t n) {
  o->pairs[0] = moons_string("id");
  o->pairs[1] = moons_integer(id);
  o->pairs[2] = moons_string("n");
  o->pairs[3] = moons_integer(n);
  o->value = moons_table(o->pairs, 2);
  return &o->value;
}

/* {== One state =============================================================================== */

static lua_State *open_state(void) {
  lua_State *L = luaL_newstate();
  bench_require(L != NULL, "no memory for a state");
  luaL_openlibs(L);
  bench_require(luaL_dostring(L, RULES) == LUA_OK, "the rules do not load");
  return L;
}

static void call_in_state(lua_State *L, int64_t id, int64_t n) {
  order o;
  lua_getglobal(L, "f");
  moons_push_value(L, fill(&o, id, n));
  bench_require(lua_pcall(L, 1, 1, 0) == LUA_OK, "a call failed");
  lua_getfield(L, -1, "id");
  bench_require(lua_tointeger(L, -1) == id, "a call gave something else");
  lua_settop(L, 0);
}

/* {== The pool ================================================================================ */

static void submit(moons_queue *queue, moons_program *program, int64_t id, int64_t n) {
  order o;
  bench_require(moons_submit(queue, program, "f", fill(&o, id, n), 1, NULL, NULL) == 0,
                "a call is refused");
}

/* Returns the order's number. */
static int64_t take(moons_queue *queue) {
  moons_call *call;
  bench_require(moons_next(queue, -1, &call) == 0, "a call is missing");
  bench_require(moons_call_error(call) == NULL, "a call failed");
  int64_t id = moons_to_integer(moons_field(moons_results(call, NULL), "id"), 0);
  moons_call_free(call);
  return id;
}

/* So many are under way at a time. */
static void call_in_pool(moons_queue *queue, moons_program *program, int n_calls, int64_t n) {
  int64_t sum = 0;
  for (int i = 1; i <= n_calls; i++) {
    submit(queue, program, i, n);
    if (i > IN_FLIGHT) sum += take(queue);
  }
  for (int i = 0; i < (n_calls < IN_FLIGHT ? n_calls : IN_FLIGHT); i++)
    sum += take(queue);
  bench_require(sum == (int64_t)n_calls * (n_calls + 1) / 2, "a call gave something else");
}

static void sample_both(const char *side, int us, double wall_ns, double cpu_ns) {
  char key[32];
  snprintf(key, sizeof key, "%s_%d", side, us);
  bench_sample(key, wall_ns);
  snprintf(key, sizeof key, "%s_cpu_%d", side, us);
  bench_sample(key, cpu_ns);
}

static void call_all_in_state(lua_State *L, int n_calls, int64_t n) {
  for (int i = 1; i <= n_calls; i++)
    call_in_state(L, i, n);
}

static void time_rules(moons_runtime *runtime, int us, int n_calls, int n_rounds) {
  moons_program *work = bench_load(runtime, BENCH_WORK, NULL),
                *program = bench_load(runtime, RULES, NULL);
  moons_queue *queue = bench_queue(runtime, NULL, NULL);
  lua_State *L = open_state();
  int64_t n = bench_loops(work, us);
  call_in_pool(queue, program, n_calls, n);
  for (int i = 0; i < n_rounds; i++) {
    double start_ns = bench_now_ns(), start_cpu_ns = bench_used_ns();
    call_all_in_state(L, n_calls, n);
    double middle_ns = bench_now_ns(), middle_cpu_ns = bench_used_ns();
    call_in_pool(queue, program, n_calls, n);
    sample_both("one", us, (middle_ns - start_ns) / n_calls,
                (middle_cpu_ns - start_cpu_ns) / n_calls);
    sample_both("pool", us, (bench_now_ns() - middle_ns) / n_calls,
                (bench_used_ns() - middle_cpu_ns) / n_calls);
  }
  lua_close(L);
  moons_queue_free(queue);
  moons_program_free(program);
  moons_program_free(work);
}

/* {== Memory ================================================================================== */

/* Linux alone; elsewhere 0. */
static double resident_bytes(void) {
  FILE *file = fopen("/proc/self/statm", "r");
  long n_pages = 0;
  if (file == NULL) return 0;
  if (fscanf(file, "%*d %ld", &n_pages) != 1) n_pages = 0;
  fclose(file);
  return (double)n_pages * (double)sysconf(_SC_PAGESIZE);
}

/* Rules that hold some 130 KB. */
static moons_program *load_large(moons_runtime *runtime, int i) {
  char source[256];
  snprintf(source, sizeof source,
           "local t = {} for i = 1, 8000 do t[i] = %d end\n"
           "function f(i) return t[i] end\n",
           i);
  return bench_load(runtime, source, NULL);
}

static void measure_memory(void) {
  static moons_program *programs[N_PROGRAMS];
  moons_options options;
  moons_options_init(&options);
  options.n_workers = 1;
  options.images_bytes = IMAGES_BYTES;
  moons_runtime *runtime = bench_runtime(&options);
  programs[0] = load_large(runtime, 0);
  bench_run(programs[0], "f", 1, 0);
  double before = resident_bytes();
  for (int i = 1; i < N_PROGRAMS; i++)
    programs[i] = load_large(runtime, i);
  for (int round = 0; round < 2; round++)
    for (int i = 0; i < N_PROGRAMS; i++)
      bench_run(programs[i], "f", 1, 0);
  bench_sample("images", IMAGES_BYTES / 1048576.0);
  if (before > 0) bench_sample("resident", (resident_bytes() - before) / 1048576);
  for (int i = 0; i < N_PROGRAMS; i++)
    moons_program_free(programs[i]);
  moons_runtime_free(runtime);
}

int main(void) {
  moons_options options;
  measure_memory();
  moons_options_init(&options);
  options.n_workers = N_WORKERS;
  moons_runtime *runtime = bench_runtime(&options);
  time_rules(runtime, 2, 10000, 40);
  time_rules(runtime, 50, 1000, 40);
  time_rules(runtime, 1000, 50, 40);
  moons_runtime_free(runtime);
  return 0;
}
