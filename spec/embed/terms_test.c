/* A host with several tenants on one runtime, each under terms of its own. */
#include "moons.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "host.h"

/* What a tenant is to the host. */
typedef struct tenant {
  const char *name;
  atomic_int n_opened, n_gone;
  pthread_mutex_t mutex; /* guards the text: workers write at once */
  char text[2][400];
} tenant;

static int call_name(lua_State *L) {
  const tenant *t = lua_touserdata(L, lua_upvalueindex(1));
  lua_pushstring(L, t->name);
  return 1;
}

static void open_tenant(lua_State *L, void *data) {
  tenant *t = data;
  atomic_fetch_add(&t->n_opened, 1);
  lua_pushlightuserdata(L, t);
  lua_pushcclosure(L, call_name, 1);
  lua_setglobal(L, "tenant");
}

static void write_for_tenant(void *data, void *call_data, int stream, const char *bytes,
                             size_t n_bytes) {
  tenant *t = data;
  CHECK(call_data == NULL && atomic_load(&t->n_gone) == 0);
  pthread_mutex_lock(&t->mutex);
  size_t length = strlen(t->text[stream - 1]);
  CHECK(length + n_bytes < sizeof t->text[0]);
  memcpy(t->text[stream - 1] + length, bytes, n_bytes);
  pthread_mutex_unlock(&t->mutex);
}

static void note_gone(void *data) { atomic_fetch_add(&((tenant *)data)->n_gone, 1); }

static moons_terms terms_of(tenant *t, const char *name) {
  *t = (tenant){.name = name, .mutex = PTHREAD_MUTEX_INITIALIZER};
  moons_terms terms = terms_with(open_tenant, t);
  terms.write = write_for_tenant;
  terms.gone = note_gone;
  return terms;
}

static moons_runtime *open_usual(unsigned n_workers) {
  moons_options options = usual_options(n_workers);
  return open_runtime(&options);
}

static void check_text(moons_program *program, const char *function, const char *text) {
  moons_call *call;
  int error = moons_run(&call, program, function, NULL, 0);
  if (error == MOONS_ESCRIPT) fprintf(stderr, "%s\n", moons_call_error(call)->message);
  CHECK(error == 0 && strcmp(moons_to_string(moons_results(call, NULL), ""), text) == 0);
  moons_call_free(call);
}

static const char SCRIPT[] = "local name = tenant()\n"
                             "function who() print(name, tenant()) return name .. tenant() end\n"
                             "function inner()\n"
                             "  return parallel.map(function(x) io.stderr:write('inner\\n') return "
                             "tenant() .. x end, {7})[1]\n"
                             "end\n"
                             "function pools()\n"
                             "  local pool <close> = parallel.pool(1)\n"
                             "  return pool:apply(function() print 'pool' return tenant() end)\n"
                             "end";

static void many_tenants(void) {
  static tenant tenants[2];
  moons_program *programs[2];
  moons_runtime *runtime = open_usual(2);
  for (int i = 0; i < 2; i++) {
    moons_terms terms = terms_of(&tenants[i], i == 0 ? "ada" : "bob");
    programs[i] = load_under(runtime, SCRIPT, &terms);
  }
  for (int round = 0; round < 3; round++)
    for (int i = 0; i < 2; i++) {
      check_text(programs[i], "who", i == 0 ? "adaada" : "bobbob");
      check_text(programs[i], "inner", i == 0 ? "ada7" : "bob7");
      check_text(programs[i], "pools", i == 0 ? "ada" : "bob");
    }
  for (int i = 0; i < 2; i++) {
    CHECK(atomic_load(&tenants[i].n_gone) == 0);
    moons_program_free(programs[i]);
    const char *name = tenants[i].name;
    char text[100];
    snprintf(text, sizeof text, "%s\t%s\npool\n%s\t%s\npool\n%s\t%s\npool\n", name, name, name,
             name, name, name);
    CHECK(strcmp(tenants[i].text[0], text) == 0);
    CHECK(strcmp(tenants[i].text[1], "inner\ninner\ninner\n") == 0);
    CHECK(atomic_load(&tenants[i].n_gone) == 1);
  }
  moons_runtime_free(runtime);
}

/* A tenant at an address at which another one was. */
static void addresses_used_again(void) {
  static tenant t;
  moons_runtime *runtime = open_usual(1);
  for (int i = 0; i < 20; i++) {
    moons_terms terms = terms_of(&t, i % 2 == 0 ? "ada" : "bob");
    moons_program *program = load_under(runtime, SCRIPT, &terms);
    check_text(program, "who", i % 2 == 0 ? "adaada" : "bobbob");
    moons_program_free(program);
    CHECK(atomic_load(&t.n_gone) == 1 && atomic_load(&t.n_opened) > 0);
  }
  moons_runtime_free(runtime);
}

/* Terms that a function was given are gone once, also where it has failed. */
static void gone_after_failures(void) {
  static tenant t;
  moons_runtime *runtime = open_usual(1);
  moons_program *program;
  moons_terms terms = terms_of(&t, "ada");
  CHECK(moons_program_load(NULL, runtime, "", 0, NULL, &terms) == MOONS_EINVAL);
  CHECK(atomic_load(&t.n_gone) == 1);
  CHECK(moons_program_load(&program, NULL, "", 0, NULL, &terms) == MOONS_EINVAL);
  CHECK(atomic_load(&t.n_gone) == 2);
  CHECK(moons_open(NULL, runtime, &terms) == MOONS_EINVAL);
  CHECK(atomic_load(&t.n_gone) == 3);
  terms.rights = ~0u;
  CHECK(moons_program_load(&program, runtime, "", 0, NULL, &terms) == MOONS_EINVAL);
  CHECK(atomic_load(&t.n_gone) == 4);
  terms = terms_of(&t, "ada");
  CHECK(moons_program_load(&program, runtime, "function", 8, NULL, &terms) == MOONS_ESCRIPT);
  CHECK(atomic_load(&t.n_gone) == 0);
  moons_program_free(program);
  CHECK(atomic_load(&t.n_gone) == 1);
  terms.struct_bytes = 1;
  CHECK(moons_program_load(&program, runtime, "", 0, NULL, &terms) == MOONS_EINVAL);
  CHECK(atomic_load(&t.n_gone) == 1);
  moons_runtime_free(runtime);
}

/* A Lua state holds the runtime, and the terms. */
static void states_hold_both(void) {
  static tenant t;
  moons_runtime *runtime = open_usual(2);
  moons_terms terms = terms_of(&t, "ada");
  lua_State *L = open_state_under(runtime, &terms);
  moons_runtime_free(runtime);
  run(L, "local function f(x) print(x) return tenant() .. x end\n"
         "pool = parallel.pool(1)\n"
         "future = pool:submit(f, 5)\n"
         "assert(parallel.map(f, {1})[1] == 'ada1' and future:get() == 'ada5')\n"
         "future = pool:map_async(f, {6})");
  CHECK(atomic_load(&t.n_gone) == 0);
  lua_close(L);
  CHECK(atomic_load(&t.n_gone) == 1);
}

/* A state that is kept may run what it has of the host when it is closed, and print. */
static void kept_states(void) {
  static tenant tenants[2];
  lua_State *states[2];
  moons_runtime *runtime = open_usual(1);
  for (int i = 0; i < 2; i++) {
    moons_terms terms = terms_of(&tenants[i], i == 0 ? "ada" : "bob");
    states[i] = open_state_under(runtime, &terms);
  }
  for (int i = 0; i < 4; i++)
    run(states[i % 2],
        "local function f()\n"
        "  kept = kept or setmetatable({}, {__gc = function() print('gone', tenant()) end})\n"
        "  return tenant()\n"
        "end\n"
        "parallel.map(f, {1, 2}, {fresh = false})");
  for (int i = 0; i < 2; i++) {
    lua_close(states[i]);
    CHECK(atomic_load(&tenants[i].n_gone) == (i == 0));
  }
  moons_runtime_free(runtime);
  CHECK(strcmp(tenants[0].text[0], "gone\tada\ngone\tada\n") == 0);
  CHECK(strcmp(tenants[1].text[0], "gone\tbob\ngone\tbob\n") == 0);
  CHECK(atomic_load(&tenants[0].n_gone) == 1 && atomic_load(&tenants[1].n_gone) == 1);
}

static atomic_int may_end;

/* hang(): does not end though it is told to. */
static int call_hang(lua_State *L) {
  (void)L;
  while (!atomic_load(&may_end))
    usleep(1000);
  return 0;
}

static void open_hanging(lua_State *L, void *data) {
  open_tenant(L, data);
  lua_register(L, "hang", call_hang);
}

/* The terms of a call that was given up are not gone before it has ended. */
static void given_up(void) {
  static tenant t;
  moons_runtime *runtime = open_usual(1);
  moons_terms terms = terms_of(&t, "ada");
  moons_call *call;
  terms.open = open_hanging;
  terms.timeout_ns = 50000000;
  moons_program *program = load_under(runtime, "function f() hang() print 'late' end", &terms);
  CHECK(moons_run(&call, program, "f", NULL, 0) == MOONS_ESCRIPT);
  CHECK(moons_call_error(call)->kind == MOONS_KIND_TIMEOUT);
  moons_call_free(call);
  moons_program_free(program);
  moons_runtime_free(runtime);
  CHECK(atomic_load(&t.n_gone) == 0);
  atomic_store(&may_end, 1);
  while (atomic_load(&t.n_gone) == 0)
    usleep(1000);
  CHECK(t.text[0][0] == '\0');
}

/* Why a call fails; -1: it does not. */
static int kind_of_run(moons_program *program, const char *function) {
  moons_call *call;
  int error = moons_run(&call, program, function, NULL, 0);
  CHECK(error == 0 || error == MOONS_ESCRIPT);
  int kind = error ? (int)moons_call_error(call)->kind : -1;
  moons_call_free(call);
  return kind;
}

/* One worker, and two others for those that were given up: the third call that hangs leaves none, until one ends. */
static void too_many_given_up(void) {
  static tenant t;
  moons_options options = usual_options(1);
  options.max_lost = 2;
  moons_runtime *runtime = open_runtime(&options);
  moons_terms terms = terms_of(&t, "ada");
  terms.open = open_hanging;
  terms.timeout_ns = 50000000;
  moons_program *program =
      load_under(runtime, "function f() hang() end function g() return 1 end", &terms);
  atomic_store(&may_end, 0);
  for (int i = 0; i < 3; i++) {
    CHECK(kind_of_run(program, "g") == -1);
    CHECK(kind_of_run(program, "f") == MOONS_KIND_TIMEOUT);
  }
  CHECK(kind_of_run(program, "g") == MOONS_KIND_LOST);
  CHECK(kind_of_run(program, "f") == MOONS_KIND_LOST);
  atomic_store(&may_end, 1);
  while (kind_of_run(program, "g") == MOONS_KIND_LOST)
    usleep(1000);
  CHECK(kind_of_run(program, "g") == -1);
  moons_program_free(program);
  moons_runtime_free(runtime);
  while (atomic_load(&t.n_gone) == 0)
    usleep(1000);
}

/* open_again(): opens the state of a call. */
static int call_open_again(lua_State *L) {
  moons_runtime *runtime = lua_touserdata(L, lua_upvalueindex(1));
  lua_pushinteger(L, moons_open(L, runtime, NULL));
  return 1;
}

static void open_opener(lua_State *L, void *data) {
  lua_pushlightuserdata(L, data);
  lua_pushcclosure(L, call_open_again, 1);
  lua_setglobal(L, "open_again");
}

static void opened_twice(void) {
  moons_runtime *runtime = open_usual(1), *other = open_usual(1);
  moons_terms terms = terms_with(open_opener, runtime);
  lua_State *L = open_state_under(runtime, &terms);
  CHECK(moons_open(L, runtime, &terms) == MOONS_EINVAL);
  CHECK(moons_open(L, other, NULL) == MOONS_EINVAL && lua_gettop(L) == 0);
  moons_runtime_free(other);
  run(L, "EINVAL = parallel.map(function() return open_again() end, {1})[1]");
  lua_getglobal(L, "EINVAL");
  CHECK(lua_tointeger(L, -1) == MOONS_EINVAL);
  close_both(L, runtime);
  L = luaL_newstate();
  luaL_openlibs(L);
  luaL_requiref(L, "parallel", luaopen_parallel, 1);
  run(L, "parallel.map(math.sqrt, {1})");
  runtime = open_usual(1);
  CHECK(moons_open(L, runtime, NULL) == MOONS_EINVAL);
  close_both(L, runtime);
}

/* A host may have functions of its own in place of Lua's. */
static void replaced_functions(void) {
  static const char *const NAMES[] = {"next", "rawequal", "rawget", "rawlen", "select"};
  moons_runtime *runtime = open_usual(1);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
    lua_register(L, NAMES[i], call_hang);
  CHECK(moons_open(L, runtime, NULL) == 0);
  close_both(L, runtime);
  L = luaL_newstate();
  runtime = open_usual(1);
  CHECK(moons_open(L, runtime, NULL) == 0);
  close_both(L, runtime);
}

/* Prints part of a line, without an end, before it fails. */
static int call_open_failing(lua_State *L) {
  return luaL_dostring(L, "io.write 'opened' error 'no'") != LUA_OK ? lua_error(L) : 0;
}

static void open_failing(lua_State *L, void *data) {
  (void)data;
  lua_pushcfunction(L, call_open_failing);
  lua_call(L, 0, 0);
}

static void fail_to_load(moons_runtime *runtime, const char *source, const moons_terms *terms) {
  tenant *t = terms->data;
  moons_program *program;
  atomic_store(&t->n_gone, 0);
  CHECK(moons_program_load(&program, runtime, source, strlen(source), "=rules", terms) ==
        MOONS_ESCRIPT);
  moons_program_free(program);
}

/* What is printed of a line before a script fails is its own tenant's, and of no one who comes later. */
static void fail_on(moons_backend backend) {
  static tenant ada, bob;
  moons_options options = usual_options(1);
  options.backend = backend;
  moons_runtime *runtime = open_runtime(&options);
  moons_terms terms = terms_of(&ada, "ada"), others = terms_of(&bob, "bob");
  terms.timeout_ns = 100000000;
  terms.output_bytes = 8;
  moons_program *program = load_under(runtime, "function f() print 'bob' end", &others);
  fail_to_load(runtime, "io.write 'error' error 'x'", &terms);
  fail_to_load(runtime, "io.stderr:write 'time' while true do end", &terms);
  fail_to_load(runtime, "io.write 'exit' os.exit(1)", &terms);
  fail_to_load(runtime, "io.write 'too much!'", &terms);
  terms.open = open_failing;
  fail_to_load(runtime, "", &terms);
  moons_call_free(run_with_values(program, "f", NULL, 0));
  close_program(program, runtime);
  CHECK(strcmp(ada.text[0], "errorexittoo muchopened") == 0 && strcmp(ada.text[1], "time") == 0);
  CHECK(strcmp(bob.text[0], "bob\n") == 0 && bob.text[1][0] == 0);
}

static void lines_of_failures(void) {
  fail_on(MOONS_THREADS);
  fail_on(MOONS_INLINE);
}

static void lines_of_init(void) {
  static tenant ada, bob;
  moons_runtime *runtime = open_usual(1);
  moons_terms terms = terms_of(&ada, "ada"), others = terms_of(&bob, "bob");
  terms.open = NULL;
  moons_program *program = load_under(runtime, "function f() print 'bob' end", &others);
  lua_State *L = open_state_under(runtime, &terms);
  run(L, "for _, fresh in ipairs {true, false} do\n"
         "  local init = function() io.write 'init' error 'x' end\n"
         "  assert(not pcall(parallel.map, math.sqrt, {1}, {init = init, fresh = fresh}))\n"
         "end");
  moons_call_free(run_with_values(program, "f", NULL, 0));
  moons_program_free(program);
  close_both(L, runtime);
  CHECK(strcmp(ada.text[0], "initinit") == 0 && strcmp(bob.text[0], "bob\n") == 0);
}

/* A script that leaves a finalizer is run again by each worker, and for each call. */
static void silent_finalizers(void) {
  static tenant ada;
  int64_t items[20] = {0};
  size_t n = sizeof items / sizeof items[0];
  moons_runtime *runtime = open_usual(4);
  moons_terms terms = terms_of(&ada, "ada");
  moons_program *program =
      load_under(runtime,
                 "setmetatable({}, {__gc = function() print '' end})\n"
                 "function f() local last = os.clock() + 0.005 while os.clock() < last do end end",
                 &terms);
  size_t n_before = strlen(ada.text[0]);
  moons_queue *queue;
  moons_call *call;
  moons_value list = moons_integers(items, n);
  CHECK(moons_queue_new(&queue, runtime, NULL, NULL) == 0);
  CHECK(moons_submit_map(queue, program, "f", &list, 1, NULL, NULL) == 0);
  CHECK(moons_next(queue, -1, &call) == 0 && moons_call_error(call) == NULL);
  moons_call_free(call);
  moons_queue_free(queue);
  close_program(program, runtime);
  CHECK(strlen(ada.text[0]) == n_before + n);
}

static const test TESTS[] = {
    {"gives each its own functions, and takes what each prints #threads", many_tenants},
    {"does not take one for another that was at its address", addresses_used_again},
    {"is told once that terms are gone, where they failed too", gone_after_failures},
    {"may free a runtime before the states on it", states_hold_both},
    {"keeps states of one from another", kept_states},
    {"is told that terms are gone when the last call has ended #unsanitized", given_up},
    {"has so many threads for calls given up, and no more #unsanitized", too_many_given_up},
    {"gives a state the module once", opened_twice},
    {"alone gets what it printed of a line before it failed #threads", lines_of_failures},
    {"gets what an `init` that fails has printed of a line", lines_of_init},
    {"does not see that a script that leaves a finalizer runs again", silent_finalizers},
    {"takes a state with other functions for its own", replaced_functions},
    {NULL, NULL},
};

int main(int argc, char **argv) { return run_tests(TESTS, argc, argv); }
