/*
** Nothing of a script's is in the state yet, so it is the same for all that need these libraries.
*/
#include "worker/base.h"

#include <lauxlib.h>
#include <lualib.h>

#include "state/pristine.h"
#include "worker/install.h"
#include "worker/rights.h"

/* What open_libraries gets. */
typedef struct opening {
  const moons__base *base;
  moons__workshop *workshop;
} opening;

/* The module, with what it would load at its first use. */
static void require_calls(lua_State *L) {
  static const char *const NAMES[] = {"parallel", "parallel.calls"};
  moons__pristine_note(L, 0);
  for (int i = 0; i < 2; i++) {
    lua_getglobal(L, "require");
    lua_pushstring(L, NAMES[i]);
    lua_call(L, 1, 0);
  }
}

/* The handler is made here and kept in the registry, for who needs it on the stack must not allocate. */
static int open_libraries(lua_State *L) {
  opening *o = lua_touserdata(L, 1);
  const moons__worker_config *config = &o->workshop->config;
  moons__libraries libraries = o->base->libraries, allowed = o->base->allowed;
  moons__report_push_handler(L, &o->workshop->reporter);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &o->workshop->reporter);
  moons__libraries_open(L, libraries);
  if (allowed != MOONS__LIBRARIES_ALL) moons__libraries_allow(L, allowed);
  moons__install(L, &o->workshop->sandbox);
  moons__rights_apply(L, o->base->rights);
  if (config->preload != NULL && (libraries & MOONS__LIBRARIES_PACKAGE) &&
      (o->base->rights & MOONS_MAY_MAPS))
    config->preload(L, config->preload_data);
  moons__models_note(&o->workshop->models, L, libraries);
  if ((libraries & MOONS__LIBRARIES_PARALLEL) && (o->base->rights & MOONS_MAY_MAPS))
    require_calls(L);
  if (libraries & MOONS__LIBRARIES_ARRAYS) moons__array_open(L);
  return 0;
}

int moons__base_open(moons__base *base, moons__workshop *w, moons__libraries libraries,
                     moons__libraries allowed) {
  *base = (moons__base){.libraries = libraries, .allowed = allowed};
  base->rights = moons__terms_of(w->sandbox.terms)->rights;
  if (moons__slot_open(&base->slot, w->config.state_bytes, w->config.states))
    return moons__workshop_fail_for_memory(w);
  moons__slot_use(&base->slot, w->config.beside);
  opening o = {.base = base, .workshop = w};
  int status = moons__workshop_call(w, &base->slot, open_libraries, &o, 0);
  if (status == LUA_OK) return 0;
  moons__names names = {0};
  moons__names_use(&names, w->config.beside);
  moons__workshop_fail(w, base->slot.L, &names, status, MOONS__FAILURE_ERROR, "");
  moons__names_free(&names);
  moons__base_close(base);
  return -1;
}

/* Copied whole: it is small, and the images of sessions take turns with it. */
int moons__base_keep(moons__base *base, moons__workshop *w) {
  return moons__image_take_copy(&base->image, &base->slot) ? moons__workshop_fail_for_memory(w) : 0;
}

void moons__base_close(moons__base *base) {
  moons__image_close(&base->image);
  moons__slot_close(&base->slot);
  *base = (moons__base){0};
}
