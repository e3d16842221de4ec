#include "worker/proof.h"

#include <lauxlib.h>
#include <lualib.h>

#include "check.h"

/* A state with the functions that these libraries have, the models of them, and `randomseed` at index 1. */
typedef struct prover {
  lua_State *L;
  moons__models models;
} prover;

static prover open_prover(void) {
  prover p = {.L = luaL_newstate()};
  CHECK(p.L != NULL);
  luaL_openlibs(p.L);
  moons__models_note(&p.models, p.L, MOONS__LIBRARIES_ALL);
  lua_getglobal(p.L, "math");
  lua_getfield(p.L, -1, "randomseed");
  lua_remove(p.L, 1);
  return p;
}

static void close_prover(prover *p) {
  lua_close(p->L);
  moons__models_free(&p->models);
}

/* The proof for the function that a chunk returns. */
static moons__proof prove(const char *code, moons__arguments arguments) {
  prover p = open_prover();
  moons__proof proof;
  if (luaL_dostring(p.L, code) != LUA_OK) {
    fprintf(stderr, "%s\n%s\n", code, lua_tostring(p.L, -1));
    FAIL("the code runs");
  }
  int top = lua_gettop(p.L);
  moons__prove(p.L, top, 1, &p.models, arguments, &proof);
  CHECK(lua_gettop(p.L) == top);
  close_prover(&p);
  return proof;
}

/* Code, and why nothing can be proved of the function that it returns. */
typedef struct sample {
  const char *code, *reason;
} sample;

/* Not written as the list of tests at the end of the file is, in which the runner looks for names. */
#define SAMPLE(code, reason)                                                                       \
  { code, reason }

static void expect(const sample *samples, moons__arguments arguments) {
  for (; samples->code != NULL; samples++) {
    moons__proof proof = prove(samples->code, arguments);
    int is_right = samples->reason == NULL
                       ? proof.is_proved && proof.reason[0] == '\0'
                       : !proof.is_proved && strstr(proof.reason, samples->reason) != NULL;
    if (is_right) continue;
    fprintf(stderr, "%s\n  is %sproved: %s\n", samples->code, proof.is_proved ? "" : "not ",
            proof.reason);
    FAIL("the proof is right");
  }
}

static void proves(void) {
  static const sample SAMPLES[] = {
      SAMPLE("return function(x) return x * x end", NULL),
      SAMPLE("local t = {1} return function(i) return t[i] end", NULL),
      SAMPLE("return function(n) local t = {} for i = 1, n do t[i] = i end return t end", NULL),
      SAMPLE("return function(n) local k = 0 local function f() k = k + 1 end f() return k end",
             NULL),
      SAMPLE("local C = {} C.__index = C function C:get() return self.x end "
             "return function(n) return setmetatable({x = n}, C):get() end",
             NULL),
      SAMPLE("local V = {__add = function(a, b) return a[1] + b[1] end} "
             "return function(n) return setmetatable({n}, V) + setmetatable({n}, V) end",
             NULL),
      SAMPLE(
          "return function(n) local t = setmetatable({}, {__index = function(_, k) return k end}) "
          "return t[n] end",
          NULL),
      SAMPLE("return function(n) return pcall(function() error {n} end) end", NULL),
      SAMPLE("return function(n) local s = 0 for v in coroutine.wrap(function() "
             "for i = 1, n do coroutine.yield(i) end end) do s = s + v end return s end",
             NULL),
      SAMPLE(
          "return function(...) local s = 0 for _, v in ipairs {...} do s = s + v end return s end",
          NULL),
      SAMPLE(
          "return function(n) local t = table.pack(n, 2) table.sort(t, function(a, b) return a > b "
          "end) "
          "return table.unpack(t) end",
          NULL),
      SAMPLE("return function(s) return (s:gsub('%a', string.upper)) end", NULL),
      SAMPLE("return function(n) local t <const> = {} goto on ::on:: return #t end", NULL),
      SAMPLE("return function(n) local f = math.random return f(n) end", NULL),
      SAMPLE("return function(v) if type(v) == 'table' then return #v end return tostring(v) end",
             NULL),
      SAMPLE("return string.upper", NULL),
      {NULL, NULL},
  };
  expect(SAMPLES, MOONS__ARGUMENTS_TABLES);
}

static void refuses_stores(void) {
  static const sample SAMPLES[] = {
      SAMPLE("local cache = {}\nreturn function(n)\n cache[n] = 1 end",
             "line 3 writes to the captured table 'cache'"),
      SAMPLE("local c = {d = {}} return function(n) c.d.e = n end", "captured table 'c.d'"),
      SAMPLE("local c = {} return function(n) local d = {c} d[1][n] = n end", "captured table 'c'"),
      SAMPLE("local c = {} return function(n) rawset(c, n, n) end", "captured table 'c'"),
      SAMPLE("local c = {} return function(n) table.insert(c, n) end", "captured table 'c'"),
      SAMPLE("local c = {} return function(n) table.move({n}, 1, 1, 1, c) end",
             "captured table 'c'"),
      SAMPLE("local c = {3, 1} return function() table.sort(c) end", "captured table 'c'"),
      SAMPLE("local c = {} return function() return setmetatable(c, {}) end",
             "metatable of the captured"),
      SAMPLE("local c = {} return function() os.time(c) end", "captured table 'c'"),
      SAMPLE("local c = {} for i = 1, 20 do c[i] = {i} end return function(i) c[i].x = 1 end",
             "a captured table"),
      SAMPLE("return function(n) total = n end", "sets the global 'total'"),
      SAMPLE("return function(n) string.extra = n end", "captured table 'string'"),
      SAMPLE("return function(n) getmetatable('').__len = n end",
             "captured table 'metatable of strings'"),
      SAMPLE("return function(n) _G[n] = n end", "captured table '_G'"),
      SAMPLE("local n = 0 return function() n = n + 1 end", "sets the captured variable 'n'"),
      SAMPLE("local n = 0 local function f() n = n + 1 end return function() f() end",
             "sets the captured variable 'n'"),
      SAMPLE("local n = 0 return function() local function f() n = n + 1 end f() end",
             "sets the captured variable 'n'"),
      SAMPLE("local c = {} return function() pcall(error, c) end", NULL),
      SAMPLE("local c = {} return function() local _, e = pcall(error, c) e[1] = 1 end",
             "captured table 'c'"),
      SAMPLE("local c = {} return function() local _, e = pcall(function() assert(false, c) end) "
             "e.x = 1 "
             "end",
             "captured table 'c'"),
      SAMPLE("local c = {} return function() coroutine.wrap(function(t) t[1] = 1 end)(c) end",
             "captured table 'c'"),
      SAMPLE("local c = {} return function() local f = coroutine.wrap(function() "
             "local t = coroutine.yield(c) t[1] = 1 end) local d = f() d[2] = 2 end",
             "captured table 'c'"),
      SAMPLE("local c = {} return function() for _, t in pairs({a = c}) do t[1] = 1 end end",
             "captured table 'c'"),
      SAMPLE("local c = {} return function() local t = select(2, 1, c) t[1] = 1 end",
             "captured table 'c'"),
      SAMPLE("local c = {} return function() local t = setmetatable({}, {__index = function() "
             "return c "
             "end}) "
             "t.x[1] = 1 end",
             "captured table 'c'"),
      SAMPLE(
          "local c = {} return function() local t = setmetatable({}, {__newindex = c}) t.x = 1 end",
          "captured table 'c'"),
      SAMPLE("local c = {} return function() local t = setmetatable({}, {__call = function(_, x) "
             "x[1] = "
             "1 end}) "
             "t(c) end",
             "captured table 'c'"),
      SAMPLE("local c = {} return function() ('x'):gsub('.', function() c[1] = 1 end) end",
             "captured table 'c'"),
      SAMPLE(
          "local c = {} return function() table.sort({1, 2}, function(a, b) c[1] = 1 return a < b "
          "end) end",
          "captured table 'c'"),
      SAMPLE("local c = {} local V = {} for _, e in ipairs {'__add', '__lt', '__eq', '__concat', "
             "'__unm'} do "
             "V[e] = function() c[1] = 1 end end local a, b = setmetatable({}, V), "
             "setmetatable({}, V) "
             "return function() return a == b end",
             "captured table 'c'"),
      SAMPLE("local c = {} local V = {__concat = function() c[1] = 1 end} "
             "return function(n) return n .. setmetatable({}, V) end",
             "captured table 'c'"),
      SAMPLE("local c = {} local V = {__add = function() c[1] = 1 end} "
             "return function(n) return '1' + setmetatable({}, V) end",
             "captured table 'c'"),
      SAMPLE("local c = {} local V = {__tostring = function() c[1] = 1 return '' end} "
             "return function(n) return ('%s'):format(setmetatable({}, V)) end",
             "captured table 'c'"),
      SAMPLE("local c = {} local V = {__len = function() c[1] = 1 return 0 end} "
             "return function(n) return table.concat(setmetatable({}, V)) end",
             "captured table 'c'"),
      SAMPLE("local c = {} local V = {__pairs = function(t) c[1] = 1 return next, t end} "
             "return function(n) for _ in pairs(setmetatable({}, V)) do end end",
             "captured table 'c'"),
      SAMPLE("local c = {} getmetatable('').__index = function() c[1] = 1 end "
             "return function(s) return s.x end",
             "captured table 'c'"),
      SAMPLE("local c = {} return function(n, ...) local t = {...} t[1][1] = 1 end", NULL),
      {NULL, NULL},
  };
  expect(SAMPLES, MOONS__ARGUMENTS_TABLES);
}

static void refuses_what_reaches_out(void) {
  static const sample SAMPLES[] = {
      SAMPLE("return function() print(1) end", "calls 'print', of which nothing is known"),
      SAMPLE("return function() return io.open('x') end", "calls 'io.open'"),
      SAMPLE("return function() return os.remove('x') end", "calls 'os.remove'"),
      SAMPLE("return function() return load('return 1') end", "calls 'load'"),
      SAMPLE("return function() return require 'x' end", "calls 'require'"),
      SAMPLE("return function() return collectgarbage 'count' end", "calls 'collectgarbage'"),
      SAMPLE("return function() return debug.getinfo(1) end", "calls 'debug.getinfo'"),
      SAMPLE("return function() return string.dump(print) end", "calls 'string.dump'"),
      SAMPLE("return function() local x <close> = setmetatable({}, {__close = print}) end",
             "to be closed"),
      SAMPLE("return function() return setmetatable({}, {__gc = print}) end", "__gc"),
      SAMPLE("return function() local m = {} setmetatable({}, m) m.__gc = print end", "__gc"),
      SAMPLE("return function() return setmetatable({}, {__mode = 'k'}) end", "__mode"),
      SAMPLE("return function(s) return setmetatable({}, {[s] = 1}) end", "not known"),
      SAMPLE("local w = setmetatable({}, {__mode = 'v'}) return function(i) return w[i] end",
             "weak"),
      SAMPLE("return function() return tostring({}) end", "address"),
      SAMPLE("return function() return tostring(print) end", "address"),
      SAMPLE("return function(s) return ('%p'):format(s) end", "address"),
      SAMPLE("return function(s, f) return f:format(s) end", "address"),
      SAMPLE("return function() local t = {[{}] = 1, [print] = 2} for k in pairs(t) do return t[k] "
             "end "
             "end",
             "order"),
      SAMPLE(
          "local co = coroutine.create(function() end) return function() coroutine.resume(co) end",
          "coroutine"),
      SAMPLE("local f = io.stdout return function() f:write('x') end", "userdata"),
      SAMPLE("return function() local function f(n) return pcall(f, n + 1) end return f(1) end",
             "call themselves"),
      SAMPLE("local t = {1, nil, 3} return function() return #t end",
             "length of the captured table 't'"),
      SAMPLE("local t = {1, nil, 3} return function() return t[3] end", NULL),
      SAMPLE("local t = {1, nil, 3} return function() return t end", "which has holes"),
      SAMPLE("local t = {1, nil, 3} local u = {t} return function() return {{u}} end",
             "which has holes"),
      SAMPLE("local t = {} for i = 1, 20 do t[i] = {1, [i] = i} end return function(i) return "
             "#t[i] end",
             "which has holes"),
      SAMPLE("return function(...) return pcall(pcall, ...) end", NULL),
      SAMPLE("return function(...) local t = {pcall, pcall} return t[1](table.unpack(t)) end",
             "deeply"),
      SAMPLE("return function() local f f = coroutine.wrap(function() return f() end) "
             "local g = coroutine.wrap(f) f = g return g() end",
             "deeply"),
      SAMPLE("local m = {} m.__index = setmetatable({}, m) m.__call = m.__index "
             "return function(n) return m.__index[n] end",
             "deeply"),
      SAMPLE("math.random = print return function() return math.random() end", "nothing is known"),
      SAMPLE("debug.setmetatable(1, {__index = string}) return function(n) return n end",
             "metatable"),
      {NULL, NULL},
  };
  expect(SAMPLES, MOONS__ARGUMENTS_TABLES);
}

static void goes_by_arguments(void) {
  const char *code = "return function(x) return tostring(x) end";
  CHECK(prove(code, MOONS__ARGUMENTS_NUMBERS).is_proved);
  CHECK(prove(code, MOONS__ARGUMENTS_STRINGS).is_proved);
  CHECK(!prove(code, MOONS__ARGUMENTS_TABLES).is_proved);
}

static void tells_random_numbers(void) {
  CHECK(prove("return function() return math.random() end", MOONS__ARGUMENTS_NUMBERS).draws);
  CHECK(prove("return function() math.randomseed(1) end", MOONS__ARGUMENTS_NUMBERS).draws);
  CHECK(!prove("return function() return math.pi end", MOONS__ARGUMENTS_NUMBERS).draws);
}

/* Of some thousand tables nobody wants to know each; and none is read through its metamethods. */
static void looks_at_many_tables(void) {
  static const sample SAMPLES[] = {
      SAMPLE(
          "local all = {} for i = 1, 5000 do all[i] = {x = i, at = {i, {i}}, name = 'n' .. i} end "
          "return function(i) return all[i].x + all[i].at[2][1] + #all[i].name end",
          NULL),
      SAMPLE("local list for i = 1, 100000 do list = {next = list} end "
             "return function(n) local l = list for i = 1, n do l = l.next end return l == nil end",
             NULL),
      SAMPLE(
          "local M = {__index = function() error 'read' end, __pairs = error, __len = error} local "
          "all = {} "
          "for i = 1, 5000 do all[i] = setmetatable({i}, M) end return function(i) return "
          "rawlen(all[i]) end",
          NULL),
      SAMPLE("local all = {} for i = 1, 50 do all[i] = {f = function() all = nil end} end "
             "return function(i) return all[i].f() end",
             "sets the captured variable 'all'"),
      {NULL, NULL},
  };
  expect(SAMPLES, MOONS__ARGUMENTS_NUMBERS);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"finds nothing where there is nothing", proves},
      {"finds stores into what was there before", refuses_stores},
      {"finds what reaches out of the state", refuses_what_reaches_out},
      {"goes by what arguments are", goes_by_arguments},
      {"tells where random numbers are drawn", tells_random_numbers},
      {"takes many tables for one", looks_at_many_tables},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
