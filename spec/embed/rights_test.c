/* What calls may do by the rights of their terms, and how much they may print. */
#include "moons.h"

#include <pthread.h>
#include <unistd.h>

#include "host.h"

static moons_runtime *open_usual(void) {
  moons_options options = usual_options(2);
  return open_runtime(&options);
}

static moons_terms terms_of(uint32_t rights) {
  moons_terms terms = terms_with(NULL, NULL);
  terms.rights = rights;
  return terms;
}

static const struct {
  uint32_t rights;
  const char *name;
} NAMES[] = {
    {MOONS_MAY_FILES, "io.open"},
    {MOONS_MAY_FILES, "io.lines"},
    {MOONS_MAY_FILES, "io.stdout"},
    {MOONS_MAY_FILES, "io.read"},
    {MOONS_MAY_FILES, "os.remove"},
    {MOONS_MAY_FILES, "os.rename"},
    {MOONS_MAY_FILES, "os.tmpname"},
    {MOONS_MAY_FILES, "loadfile"},
    {MOONS_MAY_FILES, "dofile"},
    {MOONS_MAY_PROCESSES, "os.execute"},
    {MOONS_MAY_PROCESSES, "io.popen"},
    {MOONS_MAY_ENVIRONMENT, "os.getenv"},
    {MOONS_MAY_ENVIRONMENT, "os.setlocale"},
    {MOONS_MAY_CLOCKS, "os.time"},
    {MOONS_MAY_CLOCKS, "os.clock"},
    {MOONS_MAY_CLOCKS, "os.date"},
    {MOONS_MAY_MODULES, "package"},
    {MOONS_MAY_MODULES, "package.path"},
    {MOONS_MAY_MODULES | MOONS_MAY_LIBRARIES, "package.loadlib"},
    {MOONS_MAY_MODULES | MOONS_MAY_LIBRARIES, "package.cpath"},
    {MOONS_MAY_LOAD, "load"},
    {MOONS_MAY_DEBUG, "debug.getinfo"},
    {MOONS_MAY_DEBUG, "debug.sethook"},
    {MOONS_MAY_PRINT, "print"},
    {MOONS_MAY_PRINT, "warn"},
    {MOONS_MAY_PRINT, "io.write"},
    {MOONS_MAY_MAPS, "parallel"},
    {MOONS_MAY_MAPS, "parallel.map"},
    {MOONS_MAY_MAPS | MOONS_MAY_POOLS, "parallel.pool"},
    {MOONS_MAY_MAPS | MOONS_MAY_CLOCKS, "parallel.clock"},
    {0, "debug.traceback"},
    {0, "os.difftime"},
    {0, "string.format"},
    {0, "math.random"},
    {0, "coroutine.wrap"},
    {0, "table.concat"},
    {0, "utf8.char"},
    {0, "setmetatable"},
    {0, "require"},
};

static const char HAS[] = "function has(path)\n"
                          "  local v = _G\n"
                          "  for key in path:gmatch '[^.]+' do\n"
                          "    if type(v) ~= 'table' then return false end\n"
                          "    v = v[key]\n"
                          "  end\n"
                          "  return v ~= nil\n"
                          "end\n"
                          "function inner(path) return parallel.map(has, {path})[1] end";

static int has(moons_program *program, const char *function, const char *name) {
  moons_value path = moons_string(name);
  moons_call *call = run_with_values(program, function, &path, 1);
  int found = moons_to_boolean(moons_results(call, NULL));
  moons_call_free(call);
  return found;
}

static void check_names(moons_runtime *runtime, uint32_t rights) {
  moons_terms terms = terms_of(rights);
  moons_program *program = load_under(runtime, HAS, &terms);
  for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
    int expected = (NAMES[i].rights & ~rights) == 0;
    int found = has(program, "has", NAMES[i].name);
    if (found != expected) fprintf(stderr, "%s under %x: %d\n", NAMES[i].name, rights, found);
    CHECK(found == expected);
    if (rights & MOONS_MAY_MAPS) CHECK(has(program, "inner", NAMES[i].name) == expected);
  }
  moons_program_free(program);
}

static void names(void) {
  moons_runtime *runtime = open_usual();
  check_names(runtime, 0);
  check_names(runtime, MOONS_MAY_COMPUTE);
  check_names(runtime, MOONS_MAY_ALL);
  for (unsigned bit = 0; (1u << bit) < MOONS_MAY_ALL; bit++) {
    check_names(runtime, 1u << bit);
    check_names(runtime, MOONS_MAY_ALL & ~(1u << bit));
  }
  moons_runtime_free(runtime);
}

/* Ways around that a script may try: each gives false, or an error. */
static const char WAYS[] =
    "local ways = {\n"
    "  function() return require 'io'.open end,\n"
    "  function() return require 'os'.execute end,\n"
    "  function() return require 'debug'.getinfo end,\n"
    "  function() return require 'package'.loadlib end,\n"
    "  function() return require 'package'.searchers end,\n"
    "  function() return require 'lfs' end,\n"
    "  function() return require 'parallel.pool'.new(1) end,\n"
    "  function() return require 'parallel.core'.new_workers(1) end,\n"
    "  function() return require 'parallel.core'.now() end,\n"
    "  function() local c = require 'parallel.core' return parallel.map(c.now, {1})[1] end,\n"
    "  function()\n"
    "    return load(\"local c = require 'parallel.core' local t = c.now() return t\", "
    "'=parallel.x')()\n"
    "  end,\n"
    "  function()\n"
    "    math.random = nil\n"
    "    return require 'parallel.core'.draw_seed() ~= 0x3C6EF372FE94F82A\n"
    "  end,\n"
    "  function() return require 'parallel.core'.why_no_hosts '@/etc/passwd' end,\n"
    "  function() return not parallel.submit(math.sqrt, 4):wait(60) end,\n"
    "  function() return io.write(''):lines() end,\n"
    "  function() return io.write(''):close() end,\n"
    "  function() return io.write(''):setvbuf 'no' end,\n"
    "  function() return getmetatable(io.write('')).__gc(io.write('')) end,\n"
    "  function() return string.dump(print) end,\n"
    "  function() return load(string.dump(function() end)) end,\n"
    "  function() return parallel.map(function() return io.open end, {1})[1] end,\n"
    "  function() return parallel.map(load, {'return io.open'})[1] == nil end,\n"
    "  function() return select(2, pcall(error, setmetatable({}, {__index = io}))).open end,\n"
    "  function() return coroutine.wrap(function() return io.open end)() end,\n"
    "  function() return _ENV.io.popen or _G.os.getenv or loadfile or dofile end,\n"
    "}\n"
    "function try(i) if i > #ways then return -1 end\n"
    "  local ok, value = pcall(ways[i]) return ok and value and true or false end";

static void ways_around(void) {
  moons_runtime *runtime = open_usual();
  moons_terms terms = terms_of(MOONS_MAY_COMPUTE);
  moons_program *program = load_under(runtime, WAYS, &terms);
  for (int64_t i = 1;; i++) {
    moons_value number = moons_integer(i);
    moons_call *call = run_with_values(program, "try", &number, 1);
    const moons_value *result = moons_results(call, NULL);
    int is_end = result->type == MOONS_INTEGER, has_got = moons_to_boolean(result) && !is_end;
    moons_call_free(call);
    if (has_got) fprintf(stderr, "way %d\n", (int)i);
    CHECK(!has_got);
    if (is_end) break;
  }
  moons_program_free(program);
  moons_runtime_free(runtime);
}

/* Pools that start programs: each is refused, and none was started. */
static const char PROGRAMS[] =
    "local pools = {\n"
    "  {workers = 1, backend = 'processes'},\n"
    "  {hosts = {'a:1', launch = 'exit 1 #{host}{moons}'}},\n"
    "  {backend = 'mpi'},\n"
    "}\n"
    "function try()\n"
    "  for i, options in ipairs(pools) do\n"
    "    local ok, err = pcall(parallel.pool, options)\n"
    "    assert(not ok and err.kind == 'system' and err.message:find('start no programs'), i)\n"
    "  end\n"
    "  local pool <close> = parallel.pool(1)\n"
    "  return pool:apply(math.sqrt, 16)\n"
    "end";

static void pools_of_programs(void) {
  moons_runtime *runtime = open_usual();
  moons_terms terms = terms_of(MOONS_MAY_ALL & ~MOONS_MAY_PROCESSES);
  moons_program *program = load_under(runtime, PROGRAMS, &terms);
  moons_call_free(run_with_values(program, "try", NULL, 0));
  close_program(program, runtime);
}

/* What `debug` finds within functions: nothing that a right is missing for. */
static const char WITHIN[] = "function package_of(name)\n"
                             "  local _, package = debug.getupvalue(require, 1)\n"
                             "  return type(package) == 'table' and package[name] ~= nil\n"
                             "end\n"
                             "function has_upvalues(name)\n"
                             "  local file = debug.getregistry()['FILE*'].__index\n"
                             "  local f = name == 'io.write' and io.write or file[name]\n"
                             "  local _, inner = debug.getupvalue(f, 1)\n"
                             "  return type(inner) == 'function' or debug.getupvalue(f, 2) ~= nil\n"
                             "end";

static void upvalues(void) {
  static const char *const FIELDS[] = {"loadlib", "cpath", "path", "searchpath"};
  static const char *const WRITERS[] = {"io.write", "write", "flush"};
  moons_runtime *runtime = open_usual();
  moons_terms terms = terms_of(MOONS_MAY_DEBUG | MOONS_MAY_PRINT | MOONS_MAY_MAPS);
  moons_program *program = load_under(runtime, WITHIN, &terms);
  for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++)
    CHECK(!has(program, "package_of", FIELDS[i]));
  for (size_t i = 0; i < sizeof WRITERS / sizeof WRITERS[0]; i++)
    CHECK(!has(program, "has_upvalues", WRITERS[i]));
  moons_program_free(program);
  terms = terms_of(MOONS_MAY_ALL & ~MOONS_MAY_FILES);
  program = load_under(runtime, WITHIN, &terms);
  CHECK(!has(program, "has_upvalues", "io.write"));
  close_program(program, runtime);
}

static pthread_mutex_t printing = PTHREAD_MUTEX_INITIALIZER;
static char printed[2000];

static size_t n_printed(void) {
  pthread_mutex_lock(&printing);
  size_t n = strlen(printed);
  pthread_mutex_unlock(&printing);
  return n;
}

static void forget_printed(void) {
  pthread_mutex_lock(&printing);
  printed[0] = '\0';
  pthread_mutex_unlock(&printing);
}

static void take_printed(void *data, void *call_data, int stream, const char *bytes,
                         size_t n_bytes) {
  CHECK(data == NULL && call_data == NULL && stream >= 1);
  pthread_mutex_lock(&printing);
  CHECK(strlen(printed) + n_bytes < sizeof printed);
  strncat(printed, bytes, n_bytes);
  pthread_mutex_unlock(&printing);
}

/* The state of the host may do more than its calls. */
static void states(void) {
  moons_runtime *runtime = open_usual();
  moons_terms terms = terms_of(MOONS_MAY_COMPUTE);
  terms.write = take_printed;
  lua_State *L = open_state_under(runtime, &terms);
  run(L,
      "for _, fresh in ipairs {true, false} do\n"
      "  local r = parallel.map(function(x) print('p', x) io.write 'w' return tostring(os.time) .. "
      "tostring(io.open)\n"
      "    .. load 'return 7' () end, {1}, {fresh = fresh})\n"
      "  assert(r[1] == 'nilnil7', r[1])\n"
      "  local ok, err = pcall(parallel.map, function() return os.getenv 'HOME' end, {1}, {fresh = "
      "fresh})\n"
      "  assert(not ok and err.message:find(\"field 'getenv'\", 1, true), tostring(err))\n"
      "  local getenv = os.getenv\n"
      "  ok, err = pcall(parallel.map, function() return getenv 'HOME' end, {1}, {fresh = fresh})\n"
      "  assert(not ok, 'captured')\n"
      "  assert(not pcall(parallel.map, function() return parallel.pool(1) end, {1}))\n"
      "end\n"
      "assert(os.getenv 'PATH')");
  CHECK(strcmp(printed, "p\t1\nwp\t1\nw") == 0);
  close_both(L, runtime);
}

static const char OUTPUT[] =
    "function much() for i = 1, 1e9 do print(i) end end\n"
    "function fine() io.write '0123456789' return 7 end\n"
    "function caught() while true do pcall(much) end end\n"
    "function within() parallel.map(function() io.write '01234567890123456789' end, {1, 2, 3, 4}) "
    "end\n"
    "function after() io.write '0123456789' parallel.map(function() io.write '0123456789' end, {1, "
    "2})\n"
    "  io.write '0123456789' end\n"
    "function few() return #parallel.map(function() io.write '01234' end, {1, 2, 3}) end\n"
    "function caught_within() return (pcall(within)) end\n"
    "function coroutines() coroutine.wrap(much)() end\n"
    "function errors() for i = 1, 100 do io.write 'x' end error 'own' end\n"
    "function late() setmetatable({}, {__gc = function() for _ = 1, 100 do io.write 'x' end end}) "
    "end";

static const char CAUGHT[] = "pcall(parallel.map, function() io.write(('x'):rep(60)) end, {1, 2})";

/* Runs a function that prints too much, of which so much is taken: calls of a map that it has not waited for may come with
** theirs a little later. */
static void print_much(moons_program *program, const char *function, moons_kind kind) {
  moons_call *call;
  forget_printed();
  CHECK(moons_run(&call, program, function, NULL, 0) == MOONS_ESCRIPT);
  const moons_error *error = moons_call_error(call);
  if (error->kind != kind) fprintf(stderr, "%s: %s\n", error->kind_name, error->message);
  CHECK(error->kind == kind);
  for (int i = 0; i < 5000 && n_printed() < 50; i++)
    usleep(1000);
  CHECK(n_printed() == 50);
  if (kind == MOONS_KIND_OUTPUT) CHECK(strcmp(error->kind_name, "output") == 0);
  moons_call_free(call);
}

static void print_little(moons_program *program, const char *function, size_t n_bytes) {
  forget_printed();
  moons_call_free(run_with_values(program, function, NULL, 0));
  CHECK(n_printed() == n_bytes);
}

static void output_on(const moons_options *options) {
  moons_runtime *runtime = open_runtime(options);
  moons_terms terms = terms_of(MOONS_MAY_COMPUTE);
  moons_program *program;
  terms.write = take_printed;
  terms.output_bytes = 50;
  program = load_under(runtime, OUTPUT, &terms);
  for (int i = 0; i < 3; i++) {
    print_much(program, "much", MOONS_KIND_OUTPUT);
    print_much(program, "caught", MOONS_KIND_OUTPUT);
    print_much(program, "coroutines", MOONS_KIND_OUTPUT);
    print_much(program, "errors", MOONS_KIND_OUTPUT);
    print_much(program, "within", MOONS_KIND_ERROR); /* the map's */
    print_much(program, "caught_within", MOONS_KIND_OUTPUT);
    print_little(program, "after", 40);
    print_little(program, "fine", 10);
    print_little(program, "few", 15);
    print_much(program, "late", MOONS_KIND_OUTPUT);
  }
  moons_program_free(program);
  CHECK(moons_program_load(&program, runtime, "while true do print 'x' end", 27, "=much", &terms) ==
        MOONS_ESCRIPT);
  CHECK(moons_program_error(program)->kind == MOONS_KIND_OUTPUT);
  moons_program_free(program);
  CHECK(moons_program_load(&program, runtime, CAUGHT, strlen(CAUGHT), "=much", &terms) ==
        MOONS_ESCRIPT);
  CHECK(moons_program_error(program)->kind == MOONS_KIND_OUTPUT);
  moons_program_free(program);
  terms.output_bytes = 0;
  program = load_under(runtime, OUTPUT, &terms);
  print_little(program, "fine", 10);
  moons_program_free(program);
  moons_runtime_free(runtime);
}

static void output(void) {
  moons_options options = usual_options(2);
  output_on(&options);
  options.backend = MOONS_INLINE;
  output_on(&options);
}

static void output_of_states(void) {
  moons_runtime *runtime = open_usual();
  moons_terms terms = terms_of(MOONS_MAY_ALL);
  terms.write = take_printed;
  terms.output_bytes = 50;
  lua_State *L = open_state_under(runtime, &terms);
  run(L, "for _, fresh in ipairs {true, false} do\n"
         "  local r, e = parallel.map(function(x) for i = 1, x do io.write 'x' end return x end,\n"
         "    {50, 51, 50, 1}, {fresh = fresh, errors = 'collect', workers = 1})\n"
         "  assert(e.n == 1 and e[2].kind == 'output' and r[3] == 50 and r[4] == 1)\n"
         "end");
  CHECK(strlen(printed) == 2 * 151);
  close_both(L, runtime);
}

/* What the module shows of maps is of the script alone. */
static void what_is_shown(void) {
  moons_runtime *runtime = open_usual();
  moons_terms terms = terms_of(MOONS_MAY_MAPS | MOONS_MAY_DEBUG);
  terms.write = take_printed;
  moons_program *program = load_under(runtime,
                                      "function say()\n"
                                      "  local say = require 'parallel.core'.say\n"
                                      "  say 'x'\n"
                                      "  parallel.map(say, {'y'})\n"
                                      "  debug.getregistry()['moons.host'] = true\n"
                                      "  say 'z'\n"
                                      "end",
                                      &terms);
  print_little(program, "say", 0);
  close_program(program, runtime);
}

static void processes(void) {
  moons_options options = usual_options(1);
  options.backend = MOONS_PROCESSES;
  options.program = getenv("MOONS");
  moons_runtime *runtime = open_runtime(&options);
  output_on(&options);
  for (int i = 0; i < 2; i++) {
    check_names(runtime, MOONS_MAY_COMPUTE);
    check_names(runtime, MOONS_MAY_ALL);
  }
  moons_runtime_free(runtime);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"each name needs its right", names},
      {"there are no ways around", ways_around},
      {"pools that start programs need the right to these", pools_of_programs},
      {"functions hold nothing that a right is missing for", upvalues},
      {"hold for calls of a state of the host's, not for that state", states},
      {"a call that prints more than it may fails", output},
      {"calls of a state print no more than they may", output_of_states},
      {"calls show nothing by what shows how maps go on", what_is_shown},
      {"hold in worker processes", processes},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
