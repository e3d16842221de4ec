/* A host that knows moons.h and Lua alone. */
#include "moons.h"

#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdatomic.h>

#include "host.h"

/* What a worker wrote. */
typedef struct written {
  pthread_mutex_t mutex; /* guards the rest: workers write at once */
  char text[2][4000];
  int n_writes;
  int n_broken; /* that did not end a line */
} written;

static void take_written(void *data, void *call_data, int stream, const char *bytes,
                         size_t n_bytes) {
  written *w = data;
  pthread_mutex_lock(&w->mutex);
  CHECK((stream == 1 || stream == 2) && call_data == NULL);
  char *text = w->text[stream - 1];
  size_t length = strlen(text);
  CHECK(length + n_bytes < sizeof w->text[0]);
  memcpy(text + length, bytes, n_bytes);
  w->n_writes++;
  if (n_bytes == 0 || bytes[n_bytes - 1] != '\n') w->n_broken++;
  pthread_mutex_unlock(&w->mutex);
}

static moons_runtime *open_usual(unsigned n_workers) {
  moons_options options = usual_options(n_workers);
  return open_runtime(&options);
}

static const char SQUARES[] = "local r = parallel.map(function(x) return x * x end, "
                              "parallel.range(1, 100)) assert(r.n == 100)\n"
                              "for i = 1, 100 do assert(r[i] == i * i) end";

static void constants(void) {
  CHECK(strcmp(moons_version(), MOONS_VERSION) == 0);
  char version[40];
  snprintf(version, sizeof version, "%d.%d.%d", MOONS_VERSION_MAJOR, MOONS_VERSION_MINOR,
           MOONS_VERSION_PATCH);
  CHECK(strcmp(version, MOONS_VERSION) == 0);
  CHECK(MOONS_VERSION_NUMBER ==
        MOONS_VERSION_MAJOR * 10000 + MOONS_VERSION_MINOR * 100 + MOONS_VERSION_PATCH);
  CHECK(moons_cpus() >= 1);
}

static void error_texts(void) {
  static const struct {
    int code;
    const char *text;
  } ERRORS[] = {
#define ERROR_CASE(name, code, text) {MOONS_##name, text},
      MOONS_ERRORS(ERROR_CASE)
#undef ERROR_CASE
  };
  for (size_t i = 0; i < sizeof ERRORS / sizeof ERRORS[0]; i++) {
    CHECK(ERRORS[i].code < 0);
    CHECK(strcmp(moons_error_text(ERRORS[i].code), ERRORS[i].text) == 0);
  }
  CHECK(moons_error_text(0) != NULL && moons_error_text(-1000) != NULL &&
        moons_error_text(5) != NULL);
}

static void no_options(void) {
  moons_runtime *runtime = NULL;
  CHECK(moons_runtime_new(&runtime, NULL) == 0 && runtime != NULL);
  CHECK(workers_of(runtime) >= 1);
  moons_runtime_free(runtime);
}

static void bad_options(void) {
  moons_runtime *runtime = (moons_runtime *)&runtime;
  moons_options options;
  moons_options_init(&options);
  CHECK(options.backend == MOONS_THREADS && options.struct_bytes == sizeof options);
  options.backend = (moons_backend)1000;
  CHECK(moons_runtime_new(&runtime, &options) == MOONS_EINVAL && runtime == NULL);
  moons_options_init(&options);
  options.n_workers = 1000000;
  CHECK(moons_runtime_new(&runtime, &options) == MOONS_EINVAL && runtime == NULL);
  options.n_workers = UINT32_MAX;
  CHECK(moons_runtime_new(&runtime, &options) == MOONS_EINVAL && runtime == NULL);
  moons_options_init(&options);
  options.stack_bytes = SIZE_MAX;
  CHECK(moons_runtime_new(&runtime, &options) == MOONS_EINVAL && runtime == NULL);
  moons_runtime_free(NULL);
}

/* Pools, and the option `workers`, bring about so many workers and no more. */
static void brought_workers(void) {
  moons_options options = usual_options(2);
  for (int i = 0; i < 2; i++) {
    options.max_workers = i == 0 ? 5 : 0;
    moons_runtime *runtime = open_runtime(&options);
    lua_State *L = open_state(runtime);
    lua_pushinteger(L, i == 0 ? 5 : 8);
    lua_setglobal(L, "most");
    run(L, "local function refused(f, ...)\n"
           "  local ok, err = pcall(f, ...)\n"
           "  assert(not ok and err.kind == 'system', tostring(err))\n"
           "  assert(err.message:find('max_workers', 1, true), err.message)\n"
           "end\n"
           "for _ = 1, 3 do\n"
           "  local pool <close> = parallel.pool(3)\n"
           "  refused(parallel.pool, most - 2)\n"
           "  local other <close> = parallel.pool(most - 3)\n"
           "  refused(parallel.pool, 1)\n"
           "  assert(parallel.map(math.sqrt, {4}, {workers = 2})[1] == 2.0)\n"
           "  refused(parallel.map, math.sqrt, {4}, {workers = 3})\n"
           "  assert(pool:map(math.sqrt, {4})[1] == 2.0 and other:map(math.sqrt, {4})[1] == 2.0)\n"
           "  assert(parallel.pool {workers = 9, backend = 'inline'}:close() == nil)\n"
           "end\n"
           "refused(parallel.map, math.sqrt, {4}, {workers = 3 + most})\n"
           "assert(parallel.map(math.sqrt, {4}, {workers = 2 + most})[1] == 2.0)\n"
           "refused(parallel.pool, 1)\n"
           "assert(not parallel.map(function() return (pcall(parallel.pool, 1)) end, {1})[1])");
    close_both(L, runtime);
  }
}

/* Structs of programs whose headers are older or newer. */
static void sizes_of_options(void) {
  moons_runtime *runtime;
  struct {
    moons_options options;
    int more;
  } newer = {.more = 1};
  moons_options_init_sized(&newer.options, sizeof newer);
  CHECK(newer.more == 0 && newer.options.struct_bytes == sizeof newer);
  CHECK(moons_runtime_new(&runtime, &newer.options) == 0);
  moons_runtime_free(runtime);
  newer.more = 1;
  CHECK(moons_runtime_new(&runtime, &newer.options) == MOONS_EUNSUPPORTED && runtime == NULL);
  moons_options options;
  moons_options_init_sized(&options, offsetof(moons_options, max_workers));
  options.n_workers = 3;
  options.stack_bytes = SIZE_MAX; /* not seen */
  CHECK(moons_runtime_new(&runtime, &options) == 0 && workers_of(runtime) == 3);
  moons_runtime_free(runtime);
  static const size_t BAD[] = {0, 1, sizeof(size_t) - 1, SIZE_MAX};
  for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
    options.struct_bytes = BAD[i];
    CHECK(moons_runtime_new(&runtime, &options) == MOONS_EINVAL && runtime == NULL);
  }
  moons_options_init_sized(NULL, sizeof options);
  moons_options_init_sized(&options, 1);
  CHECK(moons_runtime_new(NULL, NULL) == MOONS_EINVAL);
}

static void runs_scripts(void) {
  moons_runtime *runtime = open_usual(3);
  CHECK(workers_of(runtime) == 3);
  lua_State *L = open_state(runtime);
  run(L, SQUARES);
  run(L, "local ok, err = pcall(parallel.map, function(x) error('boom ' .. x) end, {7})\n"
         "assert(not ok and err.index == 1 and err.message:find('boom 7', 1, true))");
  run(L, SQUARES);
  close_both(L, runtime);
}

static void runs_inline(void) {
  moons_options options = usual_options(0);
  options.backend = MOONS_INLINE;
  moons_runtime *runtime = open_runtime(&options);
  lua_State *L = open_state(runtime);
  run(L, SQUARES);
  run(L,
      "assert(parallel.map(function() return parallel.map(math.abs, {-3})[1] end, {0})[1] == 3)");
  close_both(L, runtime);
}

/* What a host offers its scripts: host.scale(x), and host.name. */
typedef struct host {
  int factor;
  const char *name;
  atomic_int n_calls, n_opened;
} host;

static int host_scale(lua_State *L) {
  host *h = lua_touserdata(L, lua_upvalueindex(1));
  atomic_fetch_add(&h->n_calls, 1);
  lua_pushinteger(L, luaL_checkinteger(L, 1) * h->factor);
  return 1;
}

static void open_host(lua_State *L, void *data) {
  host *h = data;
  atomic_fetch_add(&h->n_opened, 1);
  lua_newtable(L);
  lua_pushlightuserdata(L, h);
  lua_pushcclosure(L, host_scale, 1);
  lua_setfield(L, -2, "scale");
  lua_pushstring(L, h->name);
  lua_setfield(L, -2, "name");
  lua_setglobal(L, "host");
}

static void host_functions(void) {
  host h = {.factor = 10, .name = "first"};
  moons_terms terms = terms_with(open_host, &h);
  moons_runtime *runtime = open_usual(2);
  lua_State *L = open_state_under(runtime, &terms);
  run(L, "local r = parallel.map(function(x) return host.scale(x) end, parallel.range(1, 50))\n"
         "for i = 1, 50 do assert(r[i] == 10 * i) end");
  CHECK(atomic_load(&h.n_calls) == 50);
  run(L, "assert(parallel.map(function() return host.name end, {0})[1] == 'first')");
  run(L, "local r = parallel.map(function(x) return host.scale(x) end, {1}, {fresh = false})\n"
         "assert(r[1] == 10)");
  run(L, "local r = parallel.map(function(x) return ready + x end, {1},\n"
         "  {init = function() ready = host.scale(5) end}) assert(r[1] == 51)");
  run(L, "function mine(x) return host.scale(x) + 1 end\n"
         "assert(parallel.map(mine, {4})[1] == 41)");
  run(L, "assert(parallel.map(function() host.name = 'changed' return host.name end, {0})[1] == "
         "'changed') assert(host.name == 'first')\n"
         "assert(parallel.map(function() return host.name end, {0})[1] == 'first')");
  close_both(L, runtime);
}

/* In Lua, with libraries that no script names. */
static void open_in_lua(lua_State *L, void *data) {
  if (luaL_dostring(L, data) != LUA_OK) lua_error(L);
}

static void host_in_lua(void) {
  static char source[] = "function host_floor(x) return math.floor(x) + #os.date() * 0 end\n"
                         "function host_draw() return math.random() end";
  moons_options options = usual_options(0);
  moons_terms terms = terms_with(open_in_lua, source);
  run_under(&options, &terms,
            "for _, fresh in ipairs {true, false} do\n"
            "  local options = {fresh = fresh, seed = 3}\n"
            "  local r = parallel.map(function(x) return host_floor(x) end, {1.5, 2.5}, options)\n"
            "  assert(r[1] == 1 and r[2] == 2)\n"
            "  local function draw() return host_draw() end\n"
            "  local a = parallel.map(draw, parallel.range(1, 20), options)\n"
            "  local b = parallel.map(draw, parallel.range(1, 20), options)\n"
            "  for i = 1, 20 do assert(a[i] == b[i] and a[i] ~= a[i % 20 + 1]) end\n"
            "end");
}

/* A host that keeps something in the space that Lua has beside each state. */
static int read_beside(lua_State *L) {
  const int *beside = *(int **)lua_getextraspace(L);
  lua_pushinteger(L, *beside);
  return 1;
}

static void open_beside(lua_State *L, void *data) {
  *(void **)lua_getextraspace(L) = data;
  lua_register(L, "read_beside", read_beside);
}

/* A state with some libraries, and the module where `package` is among them. */
static lua_State *open_with(moons_runtime *runtime, const luaL_Reg *libraries) {
  lua_State *L = luaL_newstate();
  CHECK(L != NULL);
  for (; libraries->name != NULL; libraries++) {
    luaL_requiref(L, libraries->name, libraries->func, 1);
    lua_pop(L, 1);
  }
  CHECK(moons_open(L, runtime, NULL) == 0);
  return L;
}

/* Calls have no more libraries than the host's state: fresh, kept, and in maps within them. */
static void few_libraries(void) {
  static const luaL_Reg FEW[] = {
      {LUA_GNAME, luaopen_base},          {LUA_TABLIBNAME, luaopen_table},
      {LUA_STRLIBNAME, luaopen_string},   {LUA_MATHLIBNAME, luaopen_math},
      {LUA_LOADLIBNAME, luaopen_package}, {NULL, NULL}};
  moons_runtime *runtime = open_usual(2);
  lua_State *L = open_with(runtime, FEW), *all = open_state(runtime);
  for (int i = 0; i < 2; i++) {
    run(L, "local parallel = require 'parallel'\n"
           "local function f() return tostring(io) .. tostring(os) .. tostring(debug) .. "
           "tostring(_G.coroutine)\n"
           "  .. load 'return tostring(utf8)' () .. type(math.floor) end\n"
           "local function g() return parallel.map(f, {1})[1] end\n"
           "for _, fresh in ipairs {true, false} do\n"
           "  for _, h in ipairs {f, g} do\n"
           "    local got = parallel.map(h, {1, 2}, {fresh = fresh})\n"
           "    assert(got[1] == 'nilnilnilnilnilfunction' and got[2] == got[1], got[1])\n"
           "  end\n"
           "end\n"
           "assert(parallel.map(function() return math.random(0) end, {1}, {seed = 1}).n == 1)\n"
           "local found = parallel.map(function() return (pcall(require, 'io')) end, {1})[1]\n"
           "assert(not found)\n"
           "assert(not pcall(parallel.map, {}, {}))\n"
           "local ok, err = pcall(parallel.map, function() return io.open 'x' end, {1})\n"
           "assert(not ok and err.message:find(\"global 'io'\", 1, true))\n"
           "ok, err = pcall(parallel.map, f, {1}, {store = 'x.db'})\n"
           "assert(not ok and err:find('the store needs the libraries', 1, true), err)\n"
           "local points = {{'a', {{1, 1}}}}\n"
           "ok, err = pcall(require 'parallel.experiment'.chart, {series = points})\n"
           "assert(not ok and err:find('a chart needs the libraries', 1, true), err)");
    run(all,
        "assert(parallel.map(function() return type(io) end, {1}, {fresh = false})[1] == 'table')");
  }
  lua_close(L);
  lua_close(all);
  moons_runtime_free(runtime);
}

/* What is missing is said. */
static void missing_libraries(void) {
  static const luaL_Reg NONE[] = {{NULL, NULL}};
  static const luaL_Reg BASE[] = {
      {LUA_GNAME, luaopen_base}, {LUA_STRLIBNAME, luaopen_string}, {NULL, NULL}};
  moons_runtime *runtime = open_usual(1);
  for (int i = 0; i < 2; i++) {
    lua_State *L = open_with(runtime, i == 0 ? NONE : BASE);
    lua_pushcfunction(L, luaopen_parallel);
    CHECK(lua_pcall(L, 0, 1, 0) != LUA_OK);
    const char *text = lua_tostring(L, -1);
    CHECK(strstr(text, i == 0 ? "needs the library '_G'" : "needs the library 'package'") != NULL);
    CHECK(strstr(text, i == 0 ? "luaopen_base" : "luaopen_package") != NULL);
    lua_close(L);
  }
  moons_runtime_free(runtime);
}

static int host_twice(lua_State *L) {
  lua_pushnumber(L, 2 * luaL_checknumber(L, 1));
  return 1;
}

/* Gives a state a function, and a table of functions. */
static void open_twice(lua_State *L, void *data) {
  (void)data;
  lua_register(L, "twice", host_twice);
  lua_newtable(L);
  lua_pushcfunction(L, host_twice);
  lua_setfield(L, -2, "scale");
  lua_setglobal(L, "host");
}

static const char USES_HOST[] =
    "local scale = host.scale\n"
    "local function f(x) return twice(scale(host.scale(x))) end\n"
    "for _, fresh in ipairs {true, false} do\n"
    "  assert(parallel.map(f, {1, 2}, {fresh = fresh})[2] == 16)\n"
    "  assert(parallel.map(scale, {3}, {fresh = fresh})[1] == 6)\n"
    "  assert(parallel.map(function(g) return g(4) end, {scale, twice}, {fresh = fresh})[2] == 8)\n"
    "  assert(parallel.map(function(x) return parallel.map(f, {x})[1] end, {1}, {fresh = "
    "fresh})[1] == 8)\n"
    "  assert(parallel.map(function() return host.scale end, {1}, {fresh = fresh})[1] == scale)\n"
    "end";

/* A state that has them alone: its calls do not. */
static lua_State *open_twice_alone(moons_runtime *runtime) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  open_twice(L, NULL);
  CHECK(moons_open(L, runtime, NULL) == 0);
  run(L, "parallel = require 'parallel'");
  return L;
}

/* What the host gives its own state and those of calls goes by name; what it forgot there is an error that says
** what to do. */
static void forgotten_functions(void) {
  moons_terms terms = terms_with(open_twice, NULL);
  for (int forgets = 0; forgets < 2; forgets++) {
    moons_runtime *runtime = open_usual(2);
    lua_State *L = forgets ? open_twice_alone(runtime) : open_state_under(runtime, &terms);
    if (!forgets)
      run(L, USES_HOST);
    else
      run(L, "for _, f in ipairs {function(x) return twice(x) end, function(x) return "
             "host.scale(x) end} do\n"
             "  local ok, err = pcall(parallel.map, f, {1})\n"
             "  assert(not ok and err.message:find(\"add it in 'open' of the terms\", 1, true), "
             "tostring(err))\n"
             "end\n"
             "local ok, err = pcall(parallel.map, twice, {1})\n"
             "assert(not ok and err.message:find('twice', 1, true), tostring(err))\n"
             "assert(parallel.map(function(x) return load 'return 5' () + x end, {1})[1] == 6)");
    close_both(L, runtime);
  }
}

static void extra_space(void) {
  static int beside = 77;
  moons_options options = usual_options(0);
  moons_terms terms = terms_with(open_beside, &beside);
  run_under(&options, &terms,
            "local function read()\n"
            "  setmetatable({}, {__gc = function() end})\n"
            "  local there = coroutine.wrap(function() io.write '' return read_beside() end)()\n"
            "  return read_beside() + there\n"
            "end\n"
            "for _, fresh in ipairs {true, false} do\n"
            "  for i, sum in ipairs((parallel.map(read, {1, 2, 3}, {fresh = fresh}))) do\n"
            "    assert(sum == 2 * 77)\n"
            "  end\n"
            "end");
}

static void open_fails(lua_State *L, void *data) {
  luaL_error(L, "no host: %s", (const char *)data);
}

static void failing_hook(void) {
  static char reason[] = "not today";
  moons_terms terms = terms_with(open_fails, reason);
  moons_runtime *runtime = open_usual(0);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  CHECK(moons_open(L, runtime, &terms) == 0);
  run(L, "parallel = require 'parallel'");
  for (int i = 0; i < 3; i++) {
    run(L, "local ok, err = pcall(parallel.map, function(x) return x end, {1, 2})\n"
           "assert(not ok and err.message:find('no host: not today', 1, true))");
    run(L, "local r, errors = parallel.map(function(x) return x end, {1, 2},\n"
           "  {errors = 'collect', fresh = false}) assert(errors[1] and errors[2])");
  }
  close_both(L, runtime);
}

/* A state whose calls print into `w`. */
static lua_State *open_written(written *w, moons_runtime *runtime) {
  *w = (written){.mutex = PTHREAD_MUTEX_INITIALIZER};
  moons_terms terms = terms_with(NULL, w);
  terms.write = take_written;
  return open_state_under(runtime, &terms);
}

static void written_lines(void) {
  written w;
  moons_runtime *runtime = open_usual(1);
  lua_State *L = open_written(&w, runtime);
  run(L, "parallel.map(function(x) print('line', x) io.write('a', 1, '\\nb') io.write('c\\n')\n"
         "  io.stderr:write('to stderr\\n') io.write('no end') end, {1})");
  CHECK(strcmp(w.text[0], "line\t1\na1\nbc\nno end") == 0);
  CHECK(strcmp(w.text[1], "to stderr\n") == 0);
  close_both(L, runtime);
  pthread_mutex_destroy(&w.mutex);
}

static void lines_are_whole(void) {
  written w;
  moons_runtime *runtime = open_usual(4);
  lua_State *L = open_written(&w, runtime);
  run(L, "parallel.map(function(x) io.write('<') io.write('x') print('>') end,\n"
         "  parallel.range(1, 300), {chunk = 5, workers = 4})");
  CHECK(w.n_broken == 0 && strlen(w.text[0]) == (size_t)300 * 4);
  for (int i = 0; i < 300; i++)
    CHECK(memcmp(w.text[0] + (size_t)i * 4, "<x>\n", 4) == 0);
  close_both(L, runtime);
  pthread_mutex_destroy(&w.mutex);
}

static void progress_lines(void) {
  written w;
  moons_runtime *runtime = open_usual(2);
  lua_State *L = open_written(&w, runtime);
  run(L, "local pool <close> = parallel.pool {progress = true}\n"
         "pool:map(print, {1, 2, 3})");
  CHECK(strlen(w.text[0]) == strlen("1\n2\n3\n"));
  CHECK(strncmp(w.text[1], "3/3, 100%, ", 11) == 0);
  CHECK(strchr(w.text[1], '\n') == w.text[1] + strlen(w.text[1]) - 1);
  CHECK(w.n_broken == 0);
  close_both(L, runtime);
  pthread_mutex_destroy(&w.mutex);
}

static void side_by_side(void) {
  host hosts[2] = {{.factor = 2, .name = "two"}, {.factor = 3, .name = "three"}};
  moons_runtime *runtimes[2];
  lua_State *states[2];
  for (int i = 0; i < 2; i++) {
    moons_terms terms = terms_with(open_host, &hosts[i]);
    runtimes[i] = open_usual(2);
    states[i] = open_state_under(runtimes[i], &terms);
  }
  for (int round = 0; round < 5; round++)
    for (int i = 0; i < 2; i++) {
      lua_pushinteger(states[i], hosts[i].factor);
      lua_setglobal(states[i], "expected");
      run(states[i], "local r = parallel.map(function(x) return host.scale(x) end, {1, 10})\n"
                     "assert(r[1] == expected and r[2] == 10 * expected)");
    }
  lua_close(states[0]);
  moons_runtime_free(runtimes[0]);
  run(states[1], SQUARES); /* does not need the other */
  lua_close(states[1]);
  moons_runtime_free(runtimes[1]);
}

static void *run_squares(void *runtime) {
  lua_State *L = open_state(runtime);
  for (int i = 0; i < 20; i++)
    run(L, SQUARES);
  lua_close(L);
  return NULL;
}

/* States on threads of their own may use one runtime at once. */
static void shared_by_threads(void) {
  enum { N_THREADS = 4 };
  moons_runtime *runtime = open_usual(2);
  pthread_t threads[N_THREADS];
  for (int i = 0; i < N_THREADS; i++)
    CHECK(pthread_create(&threads[i], NULL, run_squares, runtime) == 0);
  for (int i = 0; i < N_THREADS; i++)
    CHECK(pthread_join(threads[i], NULL) == 0);
  moons_runtime_free(runtime);
}

static void made_and_freed(void) {
  for (int i = 0; i < 200; i++) {
    moons_runtime *runtime = open_usual(1 + (unsigned)i % 4);
    if (i % 10 == 0) {
      lua_State *L = open_state(runtime);
      run(L, SQUARES);
      lua_close(L);
    }
    moons_runtime_free(runtime);
  }
}

static void without_runtime(void) {
  for (int i = 0; i < 3; i++) {
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    luaL_requiref(L, "parallel", luaopen_parallel, 1);
    lua_settop(L, 0);
    run(L, SQUARES);
    lua_close(L);
  }
}

static void limited_states(void) {
  moons_terms terms = terms_with(NULL, NULL);
  terms.memory_bytes = (size_t)4 << 20;
  moons_runtime *runtime = open_usual(2);
  lua_State *L = open_state_under(runtime, &terms);
  for (int i = 0; i < 3; i++)
    run(L, "for _, fresh in ipairs {true, false} do\n"
           "  local r, errors = parallel.map(function(x)\n"
           "    local t = {}\n"
           "    while x == 2 do t[#t + 1] = {} end\n"
           "    return #('x'):rep(1000000)\n"
           "  end, {1, 2, 3}, {errors = 'collect', fresh = fresh})\n"
           "  assert(r[1] == 1000000 and r[2] == nil and r[3] == 1000000)\n"
           "  assert(errors[2].kind == 'memory')\n"
           "end");
  run(L, "local big = ('x'):rep(8000000)\n"
         "local ok, err = pcall(parallel.map, function(s) return #s end, {big})\n"
         "assert(not ok and err.kind == 'memory', tostring(err))");
  run(L, SQUARES);
  close_both(L, runtime);
}

static void states_too_small(void) {
  for (size_t n_bytes = 100; n_bytes < 60000; n_bytes = n_bytes * 3 / 2) {
    moons_terms terms = terms_with(NULL, NULL);
    terms.memory_bytes = n_bytes;
    moons_runtime *runtime = open_usual(1);
    lua_State *L = open_state_under(runtime, &terms);
    run(L, "local ok, err = pcall(parallel.map, function(x) return math.floor(x) end, {1.5})\n"
           "assert(ok or err.kind == 'memory', tostring(err))");
    close_both(L, runtime);
  }
}

/* Two calls that grow without end, and small ones that must not suffer: in maps, and on a pool of the script's. */
static const char RUNAWAYS[] =
    "local function f(n)"
    "  local t = {} while n == 0 do t[#t + 1] = ('x'):rep(10000) .. #t end return #('x'):rep(n) "
    "end "
    "local function check(map, options)"
    "  local xs = {0, 0} for i = 3, 400 do xs[i] = 1000 + i end "
    "  local results, errors = map(f, xs, options)"
    "  for i = 1, 2 do assert(errors[i] and errors[i].kind == 'memory', tostring(errors[i])) end "
    "  for i = 3, 400 do assert(results[i] == 1000 + i, tostring(errors[i])) end "
    "  options.errors = nil "
    "  assert(map(f, {6 << 20}, options)[1] == 6 << 20) end "
    "for _, fresh in ipairs {true, false} do"
    "  local options = {errors = 'collect', chunk = 1, fresh = fresh}"
    "  for i = 1, 2 do"
    "    check(parallel.map, options) options.errors = 'collect'"
    "    local pool <close> = parallel.pool(2)"
    "    check(function(...) return pool:map(...) end, options) options.errors = 'collect'"
    "  end end";

static void all_states_share(void) {
  static const moons_backend BACKENDS[] = {MOONS_THREADS, MOONS_INLINE};
  for (size_t i = 0; i < 2; i++) {
    moons_options options = usual_options(4);
    options.backend = BACKENDS[i];
    options.states_bytes = (size_t)64 << 20;
    moons_runtime *runtime = open_runtime(&options);
    lua_State *L = open_state(runtime);
    run(L, RUNAWAYS);
    run(L, SQUARES);
    close_both(L, runtime);
  }
}

/* So little that only the first of each state is there, with more workers than fit. */
static void states_share_little(void) {
  moons_options options = usual_options(32);
  options.states_bytes = 1 << 20;
  moons_runtime *runtime = open_runtime(&options);
  lua_State *L = open_state(runtime);
  run(L, "local function f(x) return #('x'):rep(x) end "
         "local r = parallel.map(f, parallel.range(1, 2000), {workers = 32, chunk = 1})"
         "for i = 1, 2000 do assert(r[i] == i) end "
         "local ok, err = pcall(parallel.map, f, {1 << 21})"
         "assert(not ok and err.kind == 'memory', tostring(err))");
  run(L, SQUARES);
  close_both(L, runtime);
}

/* Nothing but what Lua itself allows ends a call, however small a stack the host asks for. */
static void small_stacks(void) {
  static const size_t SIZES[] = {1, 1 << 14, 1 << 16, 1 << 18, 1 << 20};
  for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
    moons_options options = usual_options(1);
    options.stack_bytes = SIZES[i];
    run_with(&options, "local function r(n) if n == 0 then return '' end"
                       "  return (('a'):gsub('a', function() return r(n - 1) end)) end "
                       "assert(parallel.map(r, {180})[1] == '')");
  }
}

static void statistics(void) {
  moons_runtime *runtime = open_usual(2);
  moons_stats stats;
  CHECK(moons_stats_of(runtime, NULL, &stats) == 0);
  CHECK(stats.n_workers == 2 && stats.n_done == 0 && stats.n_failed == 0);
  lua_State *L = open_state(runtime);
  run(L, SQUARES);
  run(L, "parallel.map(function(x) if x > 5 then error 'x' end end, parallel.range(1, 10),\n"
         "  {errors = 'collect'})");
  CHECK(moons_stats_of(runtime, NULL, &stats) == 0);
  CHECK(stats.n_done + stats.n_failed >= 110 && stats.n_failed == 5);
  CHECK(stats.sent_bytes > 0 && stats.received_bytes > 0);
  close_both(L, runtime);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"the version, the cores and a seed can be asked for", constants},
      {"every error code has its text", error_texts},
      {"options that cannot be are refused", bad_options},
      {"no options are the defaults #threads", no_options},
      {"scripts bring about no more workers than they may", brought_workers},
      {"structs of other sizes are known by their size", sizes_of_options},
      {"a script maps on a runtime #threads", runs_scripts},
      {"a script maps inline", runs_inline},
      {"calls use what the host adds #threads", host_functions},
      {"what the host adds may use any library", host_in_lua},
      {"what a host keeps beside a state stays there #threads", extra_space},
      {"a state with few libraries gives its calls no more", few_libraries},
      {"a library that the module needs and the state has not is told", missing_libraries},
      {"what the host has goes by name, and what it forgot is told", forgotten_functions},
      {"a host's function that fails to open is the calls' error", failing_hook},
      {"what calls print goes to the host, by stream", written_lines},
      {"what several workers print comes in whole lines #threads", lines_are_whole},
      {"progress goes as lines to a host that takes what is printed #threads", progress_lines},
      {"two runtimes live side by side", side_by_side},
      {"states on several threads share a runtime #threads", shared_by_threads},
      {"two hundred runtimes are made and freed #threads", made_and_freed},
      {"a state without a runtime makes its own", without_runtime},
      {"states hold no more than they may", limited_states},
      {"states too small for anything give errors", states_too_small},
      {"calls that grow without end fail, and small ones do not", all_states_share},
      {"small states work however little all may hold", states_share_little},
      {"stacks too small for Lua are not taken #unsanitized", small_stacks},
      {"a runtime counts what it has done", statistics},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
