/* tenants.c: two tenants on one runtime. Each has a script, rights and limits of its own, takes what its script prints, and is
** asked by a C function for whom it works. Both read a table of prices that is the host's and is never copied; the host counts
** what each of them has done.
**
**   cc tenants.c -o tenants $(pkg-config --cflags --libs moons lua5.4)
*/
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "moons.h"

typedef struct tenant {
  const char *name, *script;
} tenant;

/* A connection for each thread, made by it. */
static const char *connections[16];

static void note_thread(void *data, unsigned worker, int begins) {
  (void)data;
  connections[worker] = begins ? "open" : NULL;
}

/* fetch(key): asks a service on the connection of this thread, into memory that goes with the call. */
static int call_fetch(lua_State *L) {
  const tenant *t = moons_data(L);
  const char *key = luaL_checkstring(L, 1);
  size_t n_bytes = strlen(key) + strlen(t->name) + 2;
  char *answer = malloc(n_bytes);
  if (answer == NULL || moons_defer(L, free, answer) != 0) return luaL_error(L, "no memory");
  if (moons_is_ending(L)) return 0; /* a long function looks now and then */
  snprintf(answer, n_bytes, "%s/%s", t->name, key);
  lua_pushstring(L, answer);
  lua_pushstring(L, connections[moons_worker(L)]);
  return 2;
}

/* Must stay until the last tenant has gone. */
static const double PRICES[] = {2.5, 4, 1.25};

static void offer(lua_State *L, void *data) {
  (void)data;
  moons_push_floats(L, PRICES, sizeof PRICES / sizeof *PRICES);
  lua_setglobal(L, "prices");
  lua_register(L, "fetch", call_fetch);
}

/* `call_data` is the data of moons_submit; moons_data_of_call gives it to functions. */
static void take_printed(void *data, void *call_data, int stream, const char *bytes,
                         size_t n_bytes) {
  const tenant *t = data;
  (void)call_data, (void)stream;
  printf("%s prints: %.*s", t->name, (int)n_bytes, bytes);
}

static void say_goodbye(void *data) { printf("%s has gone\n", ((const tenant *)data)->name); }

/* What this tenant alone has made the runtime do; its loading is a call too. */
static void print_account(moons_runtime *runtime, moons_program *program, const tenant *t) {
  moons_stats stats;
  if (moons_stats_of(runtime, program, &stats) != 0) return;
  printf("%s has made %d calls, of which %d failed%s\n", t->name, (int)stats.n_done,
         (int)stats.n_failed, stats.busy_ns > 0 ? ", and pays for the time" : "");
}

static int run_tenant(moons_runtime *runtime, tenant *t) {
  moons_program *program;
  moons_call *call = NULL;
  moons_terms terms;
  moons_terms_init(&terms);
  terms.rights = MOONS_MAY_COMPUTE;
  terms.timeout_ns = 1000000000;
  terms.output_bytes = 1000;
  terms.open = offer;
  terms.write = take_printed;
  terms.gone = say_goodbye;
  terms.data = t;
  int error = moons_program_load(&program, runtime, t->script, strlen(t->script), "=rules", &terms);
  if (!error) error = moons_run(&call, program, "main", NULL, 0);
  const moons_error *why = call != NULL ? moons_call_error(call) : moons_program_error(program);
  if (error == MOONS_ESCRIPT)
    printf("%s: %s\n", t->name, why->message);
  else if (!error)
    printf("%s gets %s\n", t->name, moons_to_string(moons_results(call, NULL), "nothing"));
  if (program != NULL) print_account(runtime, program, t);
  moons_call_free(call);
  moons_program_free(program);
  return error != 0 && error != MOONS_ESCRIPT;
}

int main(void) {
  tenant tenants[] = {{"ada", "function main() print(select(2, fetch 'x'), #prices, prices:sum()) "
                              "return (fetch 'price') end"},
                      {"bob", "function main() return os.getenv 'HOME' end"}};
  moons_runtime *runtime;
  moons_options options;
  moons_options_init(&options);
  options.n_workers = 2;
  options.thread = note_thread;
  int failed = moons_runtime_new(&runtime, &options) != 0;
  for (int i = 0; i < 2 && !failed; i++)
    failed = run_tenant(runtime, &tenants[i]);
  if (!failed) moons_runtime_free(runtime);
  return failed;
}
