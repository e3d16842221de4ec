/*
** Whoever asks for a session learns of a failure as bytes, as of that of a call: the state may be gone by then.
*/
#include "worker/workshop.h"

#include <stdio.h>

#include "moons.h"

/* The stop is entered here as for a call, so a set-up without end can be told to end, and be given up. */
int moons__workshop_call(moons__workshop *w, const moons__slot *slot, lua_CFunction function,
                         void *data, int is_kept) {
  lua_State *L = slot->L;
  w->reporter.traceback.n_bytes = 0;
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, data);
  int handler = lua_gettop(L) > 2 ? MOONS__WORKSHOP_HANDLER : 0; /* none in a new state */
  moons__sandbox_use(&w->sandbox, &slot->arena);
  moons__stop_begin(&w->sandbox.stop, L);
  int status = lua_pcall(L, 1, 0, handler);
  if (is_kept && moons__stop_reason_of(&w->sandbox.stop) != 0) lua_gc(L, LUA_GCCOLLECT);
  w->ended = moons__stop_end(&w->sandbox.stop);
  if (w->ended == 0 || status != LUA_OK) return status;
  lua_pushnil(L);
  return LUA_ERRRUN;
}

void moons__workshop_close_state(moons__workshop *w, const moons__slot *slot,
                                 uint64_t patience_ns) {
  moons__sandbox *sandbox = &w->sandbox;
  moons__sandbox_use(sandbox, &slot->arena);
  moons__sandbox_expect_programs(sandbox, patience_ns);
  moons__stop_begin_closing(&sandbox->stop);
  lua_close(slot->L);
  moons__sandbox_forget_programs(sandbox);
  moons__stop_end(&sandbox->stop);
}

/* What was made to end fails for that reason, whatever it made of it. */
static void fail_for_end(moons__workshop *w, lua_State *L, const char *prefix) {
  moons__failure_kind kind = (moons__failure_kind)(w->ended - 1);
  char text[64];
  snprintf(text, sizeof text, "%s%s", prefix, moons__failure_text(kind));
  lua_settop(L, 0);
  moons__report_text(&w->reporter, kind, text, &w->failure);
}

/* Where it was made to end, why it failed is that, and not what the code made of it. */
int moons__workshop_fail(moons__workshop *w, lua_State *L, moons__names *names, int status,
                         moons__failure_kind kind, const char *prefix) {
  w->failure.n_bytes = 0;
  if (w->ended != 0) {
    fail_for_end(w, L, prefix);
    return -1;
  }
  moons__encoder encoder = {.L = L, .names = names, .out = &w->failure, .goes_alone = 1};
  moons__report(&encoder, &w->reporter, status, kind, prefix);
  moons__encoder_end(&encoder);
  return -1;
}

int moons__workshop_fail_for_memory(moons__workshop *w) {
  moons__failure failure = moons__failure_of(MOONS__FAILURE_MEMORY, moons_error_text(MOONS_ENOMEM));
  w->failure.n_bytes = 0;
  moons__failure_write(&w->failure, &failure);
  return -1;
}
