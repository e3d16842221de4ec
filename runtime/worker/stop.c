/*
** One word tells what runs, and is changed by compare and exchange; whoever holds it keeps the call from ending
** (STOPPING.md).
*/
#include "worker/stop.h"

#include <lauxlib.h>
#include <lualib.h>

#include "moons.h"
#include "state/arena.h"
#include "system/alarm.h"
#include "system/clock.h"
#include "system/fork.h"
#include "wire/failure.h"

/* What `running` holds beside the state, whose address has none of these bits: another thread holds the call, or it is
** pinned; a state is being closed, in place of one that runs; the call was given up, for ever. */
enum { HELD = 1, CLOSING = 2, LOST = 4, MARKS = 7 };

static uintptr_t who_runs(const moons__stop *stop) {
  return atomic_load_explicit(&stop->running, memory_order_relaxed);
}

/* Whether another thread holds the call. In the child of a fork none does: whoever held it is not there. */
static int is_held(const moons__stop *stop, uintptr_t who) {
  return (who & HELD) != 0 && stop->fork_number == moons__fork_number();
}

/* Changes who runs, waiting while the call is held. What is lost stays so. Returns who ran. */
static uintptr_t change_running(moons__stop *stop, uintptr_t who) {
  uintptr_t old = who_runs(stop);
  for (;;) {
    if (is_held(stop, old))
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
  const moons__stop *stop = moons__stop_of(L);
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

/* Coroutines that wait for the running one must end as well. On the thread of the call. */
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

/* Lua's own place for such things, the space beside each state and its coroutines, is the host's. */
moons__stop *moons__stop_of(lua_State *L) {
  void *arena;
  lua_getallocf(L, &arena);
  return ((const moons__arena *)arena)->owner;
}

void moons__stop_own(moons__stop *stop, lua_State *L) {
  void *arena;
  lua_getallocf(L, &arena);
  ((moons__arena *)arena)->owner = stop;
}

void moons__stop_open(moons__stop *stop, int signal, _Atomic uint64_t *cancelled_ns,
                      moons__alarm *alarm) {
  stop->cancelled_ns = cancelled_ns;
  stop->alarm = alarm;
  stop->fork_number = moons__fork_number();
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

lua_State *moons__stop_running(const moons__stop *stop) {
  uintptr_t who = who_runs(stop);
  return who & CLOSING ? NULL : (lua_State *)(who & ~(uintptr_t)MARKS);
}

/* Release: whoever sees the time sees why. One that another thread has told looks after it already. */
static void note_ending(moons__stop *stop, moons__stop_reason reason) {
  if (moons__stop_ending_since(stop) != 0 || moons__stop_reason_of(stop) != reason) return;
  atomic_store_explicit(&stop->ending_for, reason, memory_order_relaxed);
  atomic_store_explicit(&stop->ending_ns, moons__clock_ns(), memory_order_release);
  if (stop->alarm != NULL) moons__alarm_nudge(stop->alarm);
}

void moons__stop_here(moons__stop *stop, lua_State *L, moons__stop_reason reason) {
  note_reason(stop, reason);
  note_ending(stop, reason);
  if (L == NULL) return;
  hook(L);
  hook_resumers(stop);
}

void moons__stop_settle(moons__stop *stop) {
  atomic_store_explicit(&stop->ending_ns, 0, memory_order_relaxed);
}

moons__stop_reason moons__stop_ending_for(const moons__stop *stop) {
  return atomic_load_explicit(&stop->ending_for, memory_order_relaxed);
}

MOONS__HANDLES_SIGNAL static void cancel_here(void *data) {
  moons__stop *stop = data;
  int none = 0;
  atomic_store(stop->cancelled_ns, moons__clock_ns());
  if (who_runs(stop) == 0) return; /* between calls */
  atomic_compare_exchange_strong(&stop->reason, &none, MOONS__STOP(CANCELLED));
  on_signal(stop);
}

MOONS__HANDLES_SIGNAL void moons__stop_thread(void) { moons__interrupt_each(cancel_here); }

int moons__stop_pin(moons__stop *stop) {
  uintptr_t who = who_runs(stop);
  while (who != 0 && !(who & LOST))
    if (is_held(stop, who))
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

void moons__stop_enter_coroutine(lua_State *L, lua_State *co, moons__resumer *here) {
  moons__stop *stop = moons__stop_of(L);
  *here = (moons__resumer){.L = L, .outer = stop->resumers};
  stop->resumers = here;
  if (who_runs(stop) != 0) here->was_running = change_running(stop, (uintptr_t)co);
  if (is_to_end(stop)) hook(co); /* the signal may have come before */
}

void moons__stop_leave_coroutine(lua_State *L, const moons__resumer *here) {
  moons__stop *stop = moons__stop_of(L);
  if (here->was_running != 0) change_running(stop, here->was_running);
  stop->resumers = here->outer;
  if (is_to_end(stop)) hook(L);
}
