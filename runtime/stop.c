#include "stop.h"

#include <lauxlib.h>
#include <lualib.h>

#include "failure.h"
#include "moons.h"
#include "original.h"
#include "sandbox.h"

/* What `running` holds beside the state, whose address has none of these bits: another thread holds the call, or it is
** pinned; a state is being closed, in place of one that runs; the call was given up, for ever. */
enum { HELD = 1, CLOSING = 2, LOST = 4, MARKS = 7 };

static uintptr_t who_runs(const moons__stop *stop) {
  return atomic_load_explicit(&stop->running, memory_order_relaxed);
}

/* Changes who runs, waiting while the call is held. What is lost stays so. Returns who ran. */
static uintptr_t change_running(moons__stop *stop, uintptr_t who) {
  uintptr_t old = who_runs(stop);
  for (;;) {
    if (old & HELD)
      old = who_runs(stop);
    else if (atomic_compare_exchange_weak_explicit(&stop->running, &old, who | (old & LOST),
                                                   memory_order_acq_rel, memory_order_relaxed))
      return old;
  }
}

static int is_to_end(const moons__stop *stop) { return atomic_load(&stop->reason) != 0; }

static void hook_resumers(const moons__stop *stop);

static void on_instruction(lua_State *L, lua_Debug *info) {
  (void)info;
  const moons__stop *stop = &moons__sandbox_of(L)->stop;
  if (!is_to_end(stop)) { /* left on a coroutine by a call that has ended */
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  hook_resumers(stop);
  luaL_error(L, "%s", moons__failure_text((moons__failure_kind)(atomic_load(&stop->reason) - 1)));
}

MOONS__HANDLES_SIGNAL static void hook(lua_State *L) {
  lua_sethook(L, on_instruction, LUA_MASKCOUNT, 1);
}

/* Those that wait for the coroutine that runs are to end as well. On the thread of the call. */
static void hook_resumers(const moons__stop *stop) {
  for (moons__resumer *r = stop->resumers; r != NULL; r = r->outer)
    hook(r->L);
}

/* In the signal handler, on the thread of the call, wherever that is. A call that has ended meanwhile has taken the
** reason away; one that was given up, since its thread was long without a core, say, is ended all the same. What is
** between two coroutines looks for the reason itself. */
MOONS__HANDLES_SIGNAL static void on_signal(void *data) {
  moons__stop *stop = data;
  uintptr_t who = atomic_load_explicit(&stop->running, memory_order_relaxed);
  if (atomic_load_explicit(&stop->reason, memory_order_relaxed) == 0) return;
  if ((who & CLOSING) == 0 && (who & ~(uintptr_t)MARKS) != 0)
    hook((lua_State *)(who & ~(uintptr_t)MARKS));
}

/* Beginning and ending. */

void moons__stop_open(moons__stop *stop, int signal, _Atomic uint64_t *cancelled_ns) {
  stop->cancelled_ns = cancelled_ns;
  stop->here = (moons__interrupt){.told = on_signal, .data = stop, .signal = signal};
}

void moons__stop_enter(moons__stop *stop) { moons__interrupt_enter(&stop->here); }

void moons__stop_leave(moons__stop *stop) { moons__interrupt_leave(&stop->here); }

/* What the thread has done until now is done for whoever holds the call: a release. */
static void begin(moons__stop *stop, uintptr_t who) {
  if (who_runs(stop) & LOST) {
    change_running(stop, who);
    return;
  }
  stop->resumers = NULL;
  atomic_store_explicit(&stop->reason, 0, memory_order_relaxed);
  atomic_store_explicit(&stop->running, who, memory_order_release);
}

void moons__stop_begin(moons__stop *stop, lua_State *L) { begin(stop, (uintptr_t)L); }

void moons__stop_begin_closing(moons__stop *stop) { begin(stop, CLOSING); }

/* A signal that is on its way must not arrive in what comes next. */
static void forget_reason(moons__stop *stop, uintptr_t who) {
  atomic_store_explicit(&stop->reason, 0, memory_order_relaxed);
  moons__interrupt_settle(&stop->here);
  if (who != CLOSING) lua_sethook((lua_State *)who, NULL, 0, 0);
}

moons__stop_reason moons__stop_end(moons__stop *stop) {
  uintptr_t who = change_running(stop, 0);
  if (who & LOST) return MOONS__STOP(LOST);
  int reason = atomic_load_explicit(&stop->reason, memory_order_relaxed);
  if (reason != 0) forget_reason(stop, who);
  return reason;
}

int moons__stop_is_lost(const moons__stop *stop) {
  return (atomic_load_explicit(&stop->running, memory_order_acquire) & LOST) != 0;
}

/* Sets the reason where there is none yet. */
static void note_reason(moons__stop *stop, moons__stop_reason reason) {
  int none = 0;
  atomic_compare_exchange_strong(&stop->reason, &none, reason);
}

void moons__stop_here(moons__stop *stop, lua_State *L, moons__stop_reason reason) {
  note_reason(stop, reason);
  hook(L);
  hook_resumers(stop);
}

MOONS__HANDLES_SIGNAL static void cancel_here(void *data) {
  moons__stop *stop = data;
  int none = 0;
  atomic_store(stop->cancelled_ns, moons_clock_ns());
  if (who_runs(stop) == 0) return; /* between calls */
  atomic_compare_exchange_strong(&stop->reason, &none, MOONS__STOP(CANCELLED));
  on_signal(stop);
}

MOONS__HANDLES_SIGNAL void moons__stop_thread(void) { moons__interrupt_each(cancel_here); }

int moons__stop_pin(moons__stop *stop) {
  uintptr_t who = who_runs(stop);
  while (who != 0 && !(who & LOST))
    if (who & HELD)
      who = who_runs(stop);
    else if (atomic_compare_exchange_weak_explicit(&stop->running, &who, who | HELD,
                                                   memory_order_acq_rel, memory_order_relaxed))
      break;
  return !(who & LOST);
}

void moons__stop_unpin(moons__stop *stop) {
  if (who_runs(stop) & HELD) moons__stop_let_go(stop);
}

/* From another thread. */

int moons__stop_hold(moons__stop *stop) {
  uintptr_t who = who_runs(stop);
  if (who == 0 || (who & (LOST | HELD))) return 0;
  return atomic_compare_exchange_strong(&stop->running, &who, who | HELD);
}

void moons__stop_let_go(moons__stop *stop) {
  atomic_fetch_and_explicit(&stop->running, ~(uintptr_t)HELD, memory_order_release);
}

void moons__stop_request(moons__stop *stop, moons__stop_reason reason) {
  uintptr_t who = who_runs(stop) & ~(uintptr_t)HELD;
  note_reason(stop, reason);
  if (who == CLOSING) return;
  if (stop->here.signal != 0)
    moons__interrupt_send(&stop->here);
  else
    hook((lua_State *)who);
}

void moons__stop_give_up(moons__stop *stop) {
  atomic_fetch_or_explicit(&stop->running, LOST, memory_order_release);
  moons__stop_let_go(stop);
}

/* Coroutines. */

/* From here on until leave, `co` runs and L waits for it. */
static void enter(lua_State *L, lua_State *co, moons__resumer *here) {
  moons__stop *stop = &moons__sandbox_of(L)->stop;
  *here = (moons__resumer){.L = L, .outer = stop->resumers};
  stop->resumers = here;
  if (who_runs(stop) != 0) here->was_running = change_running(stop, (uintptr_t)co);
  if (is_to_end(stop)) hook(co); /* the signal may have come before */
}

static void leave(lua_State *L, const moons__resumer *here) {
  moons__stop *stop = &moons__sandbox_of(L)->stop;
  if (here->was_running != 0) change_running(stop, here->was_running);
  stop->resumers = here->outer;
  if (is_to_end(stop)) hook(L);
}

/* Resumes `co` with the `n` values on top of L, telling who runs; moves what it gives, or its error, to
** L. Returns how many values, or -1 with the error on top. */
static int resume(lua_State *L, lua_State *co, int n) {
  if (!lua_checkstack(co, n)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, co, n);
  moons__resumer here;
  enter(L, co, &here);
  int n_results, status = lua_resume(co, L, n, &n_results);
  leave(L, &here);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return -1;
  }
  if (!lua_checkstack(L, n_results + 1)) {
    lua_pop(co, n_results);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, n_results);
  return n_results;
}

/* coroutine.resume(co, ...). Upvalue: the original. */
static int call_resume(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  if (co == NULL) return moons__original_call(L, 1); /* its error says what is wrong */
  int n = resume(L, co, lua_gettop(L) - 1);
  lua_pushboolean(L, n >= 0);
  int n_values = n >= 0 ? n : 1;
  lua_insert(L, -n_values - 1);
  return n_values + 1;
}

/* What coroutine.wrap returns. Upvalue: the coroutine. An error closes it, and is raised here. */
static int call_wrapped(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  int n = resume(L, co, lua_gettop(L));
  if (n >= 0) return n;
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) {
    moons__resumer here;
    enter(L, co, &here);
    status = lua_resetthread(co);
    leave(L, &here);
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

/* coroutine.close(co). Upvalue: the original. */
static int call_close(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  if (co == NULL || co == L) return moons__original_call(L, 1); /* its error says what is wrong */
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  moons__resumer here;
  enter(L, co, &here);
  int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  leave(L, &here);
  return status == LUA_OK ? lua_gettop(L) : moons__original_raise(L, status);
}

/* coroutine.wrap(f) */
static int call_wrap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, call_wrapped, 1);
  return 1;
}

/* Protected calls. */

/* The message handler of an xpcall. Upvalue: the script's. */
static int call_handler(lua_State *L) {
  if (atomic_load(&moons__sandbox_of(L)->stop.reason) != 0) return 1;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

/* `context`: how many values stand below what the function gives, the first of which is true. */
static int finish_xpcall(lua_State *L, int status, lua_KContext context) {
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - (int)context;
  lua_pushboolean(L, 0);
  lua_pushvalue(L, -2);
  return 2;
}

/* xpcall(f, handler, ...), as Lua's own, which no C function could stand before without halving how deep they nest. */
static int call_xpcall(lua_State *L) {
  int n = lua_gettop(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, call_handler, 1);
  lua_replace(L, 2);
  lua_pushboolean(L, 1); /* the first result */
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2); /* both below the arguments */
  int status = lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, finish_xpcall);
  return finish_xpcall(L, status, 2);
}

void moons__stop_install(lua_State *L) {
  lua_pushglobaltable(L);
  lua_pushcfunction(L, call_xpcall);
  lua_setfield(L, -2, "xpcall");
  lua_pop(L, 1);
  if (lua_getglobal(L, LUA_COLIBNAME) == LUA_TTABLE) {
    lua_getfield(L, -1, "resume");
    lua_pushcclosure(L, call_resume, 1);
    lua_setfield(L, -2, "resume");
    lua_pushcfunction(L, call_wrap);
    lua_setfield(L, -2, "wrap");
    lua_getfield(L, -1, "close");
    lua_pushcclosure(L, call_close, 1);
    lua_setfield(L, -2, "close");
  }
  lua_pop(L, 1);
}
