/*
** A fresh session has two stages, libraries and set-up, with an image after the second; where the second leaves what an
** image cannot hold, the first is put back and the second made anew for each call. A kept session has one state and
** many set-ups; each brings what it needs, and calls see what calls before have left.
**
** What can raise an error, or not end, runs in moons__workshop_call. A function that returns -1 has left the failure as bytes in
** workshop->failure; the state may be gone then.
*/
#include "worker/session.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/allocate.h"
#include "base/hash.h"
#include "moons.h"
#include "sizes.h"
#include "state/pristine.h"
#include "system/machine.h"
#include "wire/head.h"
#include "wire/places.h"
#include "wire/setup.h"
#include "worker/install.h"
#include "worker/job_options.h"
#include "worker/print.h"
#include "worker/script.h"

static int fail(moons__session *s, int status, moons__failure_kind kind, const char *prefix) {
  return moons__workshop_fail(s->workshop, s->slot->L, &s->names, status, kind, prefix);
}

static int fail_for_memory(const moons__session *s) {
  return moons__workshop_fail_for_memory(s->workshop);
}

void moons__session_unwind(moons__session *s) {
  if (!s->fresh && moons__stop_reason_of(&s->workshop->sandbox.stop) != 0)
    lua_gc(s->slot->L, LUA_GCCOLLECT);
}

/* From here until uncharge what the state holds counts for the call that it is used in. */
static int charge(moons__session *s, const moons__plan *plan) {
  moons__budget *budget = moons__scope_budget(plan->scope);
  if (budget == NULL) return 0;
  return moons__arena_charge(&s->slot->arena, budget) ? fail_for_memory(s) : 0;
}

static void uncharge(moons__session *s) {
  if (s->slot->arena.call != NULL) moons__arena_charge(&s->slot->arena, NULL);
}

static int call_protected(moons__session *s, lua_CFunction function, void *data) {
  return moons__workshop_call(s->workshop, s->slot, function, data, !s->fresh);
}

/* Where a kept state closes, its programs have half of the time after which the watcher gives its thread up. */
static void close_state(moons__session *s) {
  uint64_t patience_ns = s->fresh ? MOONS_PROGRAM_PATIENCE_NS : MOONS_GRACE_NS / 2;
  moons__workshop_close_state(s->workshop, s->slot, patience_ns);
}

/* The second stage: what the host adds, and the set-up. */

typedef struct setting_up {
  moons__session *session;
  moons__loaded_setup *loaded; /* NULL: only what the host adds */
  const moons__plan *plan;
  const moons__terms *terms;
  enum { HOST, RECEIVING, INIT, COMPILING, SCRIPT } stage;
  int made_finalizer;
} setting_up;

/* What the host adds is there on both sides, so it counts as pristine and is not sent. */
static int add_host(lua_State *L) {
  const setting_up *x = lua_touserdata(L, 1);
  const moons_terms *terms = moons__terms_of(x->terms);
  if (terms->open == NULL) return 0;
  terms->open(L, terms->data);
  moons__pristine_note_anew(L);
  moons__names_note_host(L);
  return 0;
}

/* A program's script was run when it was loaded. That it runs again, on another worker or for an image that is gone, no one is to
** notice: the lines would turn up among those of whatever call needs the state. */
static int runs_again(const setting_up *x) {
  return x->stage == SCRIPT && (!x->plan->options.loads || x->session->rebuilds);
}

/* Runs `init`, with random numbers that depend on the seed alone (call number 0). From here on the limit of memory holds. */
static void run_init(lua_State *L, setting_up *x, int init) {
  int top = lua_gettop(L);
  x->stage = x->stage == COMPILING ? SCRIPT : INIT;
  moons__push_randomseed(L);
  if (lua_isfunction(L, -1)) {
    moons__session_seed(L, x->plan->options.seed, 0);
    x->loaded->uses_seed = 1;
    x->loaded->seed = x->plan->options.seed;
  }
  lua_settop(L, top);
  x->session->workshop->sandbox.cpu_begun_ns = moons__machine_cpu_ns();
  moons__arena_limit(&x->session->slot->arena, x->plan->options.memory_bytes);
  x->session->workshop->sandbox.is_silent = runs_again(x);
  lua_pushvalue(L, init);
  lua_call(L, 0, 0);
}

/* Pushes the function that calls are of, and `init` or nil. */
static void receive(moons__decoder *decoder, setting_up *x) {
  const moons__job_options *options = &x->plan->options;
  moons__source source;
  int is_source = moons__setup_is_source(options->setup, options->setup_bytes, &source);
  x->stage = is_source ? COMPILING : RECEIVING;
  x->session->is_script = is_source;
  if (is_source)
    moons__script_apply(decoder->L, &source);
  else
    moons__setup_apply(decoder, options->setup, options->setup_bytes);
  x->made_finalizer = decoder->made_finalizer;
}

/* Leaves the caller in the registry, under a reference of the loaded set-up's. */
static int apply_setup(lua_State *L) {
  setting_up *x = lua_touserdata(L, 1);
  int is_kept = !x->session->fresh;
  if (is_kept) lua_newtable(L);
  lua_newtable(L);
  int classes = lua_gettop(L);
  moons__decoder decoder = {.L = L, .trusted = 1, .class_index = classes};
  decoder.places_index = is_kept ? classes - 1 : 0;
  decoder.classes = &x->loaded->classes;
  decoder.shared = x->plan->luggage.shared;
  decoder.arrival = is_kept ? MOONS__AS_HELD_VIEW : MOONS__AS_VIEW;
  receive(&decoder, x);
  int function = classes + 1, init = classes + 2;
  if (!lua_isnil(L, init)) run_init(L, x, init);
  lua_pushvalue(L, function);
  lua_pushvalue(L, classes);
  moons__push_randomseed(L);
  lua_pushcclosure(L, x->session->workshop->make_call, MOONS__CALLER_N_UPVALUES);
  x->loaded->caller = luaL_ref(L, LUA_REGISTRYINDEX);
  if (!is_kept) return 0;
  lua_pushvalue(L, classes - 1);
  x->loaded->places = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

void moons__session_seed(lua_State *L, uint64_t seed, uint64_t number) {
  lua_pushinteger(L, (lua_Integer)moons__hash_mix(seed));
  lua_pushinteger(L, (lua_Integer)moons__hash_mix(number + moons__hash_mix(~seed)));
  lua_call(L, 2, 0);
}

static int fail_set_up(const setting_up *x, int status) {
  static const char *const PREFIXES[] = {"", "cannot receive the function: ", "init: ", "", ""};
  static const moons__failure_kind KINDS[] = {MOONS__FAILURE_ERROR, MOONS__FAILURE_MARSHAL,
                                              MOONS__FAILURE_ERROR, MOONS__FAILURE_LOAD,
                                              MOONS__FAILURE_ERROR};
  return fail(x->session, status, KINDS[x->stage], PREFIXES[x->stage]);
}

/* Puts the handler at the stack's base. Allocates nothing, for nothing would catch an error here. */
static void put_handler(moons__session *s) {
  lua_settop(s->slot->L, 0);
  lua_rawgetp(s->slot->L, LUA_REGISTRYINDEX, &s->workshop->reporter);
}

/* Pushes the caller, and the function that it calls. */
static void push_caller(moons__session *s, moons__loaded_setup *loaded) {
  lua_State *L = s->slot->L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, loaded->caller);
  lua_getupvalue(L, MOONS__SESSION_CALLER, MOONS__CALLER_SEED);
  loaded->has_random = !lua_isnil(L, -1);
  lua_pop(L, 1);
  lua_getupvalue(L, MOONS__SESSION_CALLER, MOONS__CALLER_FUNCTION);
}

/* Notes where the function on top was written. */
static void note_position(lua_State *L, moons__loaded_setup *loaded) {
  lua_Debug info = {.short_src = "[C]"};
  if (lua_isfunction(L, -1)) {
    lua_pushvalue(L, -1);
    lua_getinfo(L, ">S", &info);
  }
  if (info.linedefined > 0)
    snprintf(loaded->position, sizeof loaded->position, "%s:%d", info.short_src, info.linedefined);
  else
    snprintf(loaded->position, sizeof loaded->position, "%s", info.short_src);
}

/* Brings the state to the set-up, and the caller onto the stack, where it is in the image: a call begins without a look into
** the registry. */
static int set_up(setting_up *x) {
  moons__session *s = x->session;
  int status = call_protected(s, apply_setup, x);
  moons__arena_limit(&s->slot->arena, 0);
  if (status != LUA_OK) return fail_set_up(x, status);
  push_caller(s, x->loaded);
  note_position(s->slot->L, x->loaded);
  return 0;
}

/* Whether something lies in the state, or outside it, that putting an image back cannot undo. */
static int is_tainted(moons__session *s, const setting_up *x) {
  const moons__sandbox *sandbox = &s->workshop->sandbox;
  if (sandbox->made_finalizer || sandbox->loaded_library || x->made_finalizer) return 1;
  if (s->slot->arena.n_userdata == 0) return 0;
  lua_gc(s->slot->L, LUA_GCCOLLECT); /* the first runs finalizers, the second frees */
  lua_gc(s->slot->L, LUA_GCCOLLECT);
  return s->slot->arena.n_userdata > 0;
}

/* Both parts of the second stage, and an image of the outcome where that can be. Where it cannot, the state is closed, so that
** what it holds is released, and the next call begins by putting the first stage back and coming here again. */
static int bring_to_setup(moons__session *s, const moons__plan *plan) {
  setting_up x = {
      .session = s, .plan = plan, .loaded = &s->loaded[0], .terms = plan->luggage.terms};
  s->workshop->n_built++;
  moons__sandbox_begin(&s->workshop->sandbox);
  s->workshop->sandbox.warns = 0;
  moons__classes_free(&s->loaded[0].classes);
  put_handler(s);
  int status = call_protected(s, add_host, &x);
  int error = status == LUA_OK ? set_up(&x) : fail_set_up(&x, status);
  if (error) {
    close_state(s); /* what it has opened closes */
    return error;
  }
  if (s->rebuilds) return 0;
  s->rebuilds = is_tainted(s, &x);
  s->warns = s->workshop->sandbox.warns;
  if (s->rebuilds) {
    close_state(s);
    return 0;
  }
  moons__arena_clear_mark(&s->slot->arena);
  return moons__image_take(&s->image, s->slot) ? fail_for_memory(s) : 0;
}

/* The same. What a silent script leaves is silent as well, where the state is closed. */
static int complete(moons__session *s, const moons__plan *plan) {
  int error = bring_to_setup(s, plan);
  s->workshop->sandbox.is_silent = 0;
  return error;
}

/* Loaded set-ups. */

static void loaded_open(moons__loaded_setup *loaded, const moons__plan *plan) {
  *loaded = (moons__loaded_setup){.caller = LUA_NOREF, .places = LUA_NOREF};
  loaded->setup = moons__setup_share(plan->setup);
  loaded->classes.numbers.beside = loaded->setup;
}

static void loaded_close(moons__loaded_setup *loaded) {
  moons__setup_release(loaded->setup);
  moons__classes_free(&loaded->classes);
  *loaded = (moons__loaded_setup){.caller = LUA_NOREF, .places = LUA_NOREF};
}

static int loaded_is(const moons__loaded_setup *loaded, const moons__plan *plan) {
  return loaded->setup != NULL && moons__setup_is_same(loaded->setup, plan->setup);
}

/* Sessions. */

/* What is in the state is no session's any more. Userdata are counted while the second stage runs: what is left of them, or of
** finalizers, taints it. */
static int complete_anew(moons__session *s, const moons__plan *plan) {
  moons__image_restore(&s->base->image);
  if (charge(s, plan)) return -1;
  moons__arena_count_userdata(&s->slot->arena, 1);
  int error = complete(s, plan);
  moons__arena_count_userdata(&s->slot->arena, 0);
  uncharge(s);
  return error;
}

/* Without memory the session is not open. */
static int begin_session(moons__session *s, moons__workshop *workshop, moons__base *base,
                         unsigned n_setups) {
  const void *beside = workshop->config.beside;
  moons__loaded_setup *loaded = moons__allocate_zeros(beside, n_setups * sizeof *loaded);
  *s = (moons__session){0};
  if (loaded == NULL) return moons__workshop_fail_for_memory(workshop);
  *s = (moons__session){.workshop = workshop, .base = base, .slot = &base->slot};
  s->loaded = loaded;
  s->n_most_loaded = n_setups;
  moons__names_use(&s->names, beside);
  s->lanes.beside = beside;
  return 0;
}

int moons__session_open_fresh(moons__session *s, moons__workshop *workshop, moons__base *base,
                              moons__plan *plan) {
  if (begin_session(s, workshop, base, 1)) return -1;
  base->n_sessions++;
  s->fresh = 1;
  s->n_loaded = 1;
  s->host = moons__terms_host(plan->luggage.terms);
  loaded_open(&s->loaded[0], plan);
  if (complete_anew(s, plan) == 0) return 0;
  moons__session_close(s);
  return -1;
}

/* Only what the host adds: set-ups come one by one. */
int moons__session_open_kept(moons__session *s, moons__workshop *workshop, moons__base *base,
                             moons__terms *terms) {
  if (begin_session(s, workshop, base, MOONS_FUNCTIONS_PER_STATE)) return -1;
  workshop->n_built++;
  base->n_sessions++;
  s->terms = moons__terms_share(terms);
  s->host = moons__terms_host(terms);
  setting_up x = {.session = s, .terms = terms};
  put_handler(s);
  int status = call_protected(s, add_host, &x);
  if (status == LUA_OK) return 0;
  fail_set_up(&x, status);
  moons__session_close(s);
  return -1;
}

/* Whether userdata in the state may own something outside it: files, C libraries, what the host adds, a finalizer that
** `debug` gives, jobs of a map within, copies of arrays. All others are Lua's own, buffers of long strings and the state of
** gmatch, which own memory of the state alone. */
static int has_owners(const moons__session *s) {
  static const moons__libraries OWNING = MOONS__LIBRARIES_IO | MOONS__LIBRARIES_DEBUG |
                                         MOONS__LIBRARIES_PACKAGE | MOONS__LIBRARIES_PARALLEL |
                                         MOONS__LIBRARIES_ARRAYS;
  return (s->base->libraries & OWNING) != 0 || s->host != 0;
}

/* What userdata and finalizers own outside the state goes when the state is closed. */
static int must_close(const moons__session *s) {
  const moons__sandbox *sandbox = &s->workshop->sandbox;
  return s->rebuilds || sandbox->made_finalizer || sandbox->loaded_library ||
         (has_owners(s) && moons__arena_made_userdata(&s->slot->arena));
}

/* Its finalizers may run long after its calls, or before those of others. */
static void close_kept_state(moons__session *s) {
  moons__sandbox *sandbox = &s->workshop->sandbox;
  const moons__terms *terms = sandbox->terms;
  void *call_data = sandbox->call_data;
  moons__sandbox_enter(sandbox, s->terms, NULL);
  close_state(s);
  moons__sandbox_flush(sandbox);
  moons__sandbox_enter(sandbox, terms, call_data);
}

void moons__session_close(moons__session *s) {
  if (s->slot != NULL && !s->fresh) close_kept_state(s);
  if (s->slot != NULL && s->fresh && s->in_call && must_close(s)) close_state(s);
  for (unsigned i = 0; i < s->n_loaded; i++)
    loaded_close(&s->loaded[i]);
  moons__free(s->loaded);
  moons__names_free(&s->names);
  moons__lanes_free(&s->lanes);
  moons__image_close(&s->image);
  moons__terms_release(s->terms);
  if (s->base != NULL) s->base->n_sessions--;
  *s = (moons__session){0};
}

/* A set-up whose `init` may have drawn random numbers is another one for each seed. */
int moons__session_has(const moons__session *s, const moons__plan *plan) {
  const moons__loaded_setup *loaded = &s->loaded[0];
  const moons__terms *terms = plan->luggage.terms;
  if (s->host != moons__terms_host(terms) || s->base->rights != moons__terms_of(terms)->rights)
    return 0;
  if (!loaded_is(loaded, plan)) return 0;
  return !loaded->uses_seed || loaded->seed == plan->options.seed;
}

static int collect(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT); /* the first runs finalizers, the second frees */
  lua_gc(L, LUA_GCCOLLECT);
  return 0;
}

void moons__session_collect(moons__session *s) {
  if (call_protected(s, collect, NULL) != LUA_OK) lua_pop(s->slot->L, 1);
}

/* A slot for one more set-up, that of the one used longest ago where all are taken. */
static moons__loaded_setup *free_loaded(moons__session *s) {
  if (s->n_loaded < s->n_most_loaded) return &s->loaded[s->n_loaded++];
  moons__loaded_setup *oldest = &s->loaded[0];
  for (unsigned i = 1; i < s->n_loaded; i++)
    if (s->loaded[i].last_used < oldest->last_used) oldest = &s->loaded[i];
  luaL_unref(s->slot->L, LUA_REGISTRYINDEX, oldest->caller);
  luaL_unref(s->slot->L, LUA_REGISTRYINDEX, oldest->places);
  loaded_close(oldest);
  return oldest;
}

static moons__loaded_setup *find_loaded(moons__session *s, const moons__plan *plan) {
  for (unsigned i = 0; i < s->n_loaded; i++)
    if (loaded_is(&s->loaded[i], plan)) return &s->loaded[i];
  return NULL;
}

/* What a set-up holds counts for the call that has brought it only while it is loaded. */
static moons__loaded_setup *load_setup(moons__session *s, moons__plan *plan) {
  moons__loaded_setup *loaded = free_loaded(s);
  setting_up x = {.session = s, .loaded = loaded, .plan = plan};
  put_handler(s);
  loaded_open(loaded, plan);
  int error = charge(s, plan);
  if (!error) error = set_up(&x);
  s->workshop->sandbox.is_silent = 0;
  uncharge(s);
  if (!error) return loaded;
  loaded_close(loaded);
  moons__session_collect(s); /* what it has left behind is in nobody's way */
  return NULL;
}

static int place_again(lua_State *L) {
  const moons__loaded_setup *loaded = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, loaded->places);
  moons__place_again(L);
  return 0;
}

/* Puts what came with this set-up into its places again: another one may have been used since. */
static int enter_again(moons__session *s, moons__loaded_setup *loaded) {
  if (loaded == s->last_loaded) return 0;
  put_handler(s);
  int status = call_protected(s, place_again, loaded);
  s->names_known = 0;
  return status == LUA_OK ? 0 : fail(s, status, MOONS__FAILURE_ERROR, "");
}

static moons__loaded_setup *kept_setup(moons__session *s, moons__plan *plan) {
  moons__loaded_setup *loaded = find_loaded(s, plan);
  if (loaded == NULL)
    loaded = load_setup(s, plan);
  else if (enter_again(s, loaded))
    loaded = NULL;
  s->last_loaded = loaded;
  return loaded;
}

moons__loaded_setup *moons__session_enter(moons__session *s, moons__plan *plan) {
  if (s->fresh) return &s->loaded[0];
  moons__sandbox_begin(&s->workshop->sandbox);
  moons__loaded_setup *loaded = kept_setup(s, plan);
  if (loaded == NULL) return NULL;
  put_handler(s);
  push_caller(s, loaded);
  return loaded;
}

/* Whether a fresh state is not as it was set up: a call was made in it, or it holds another session's image. */
static int must_put_back(const moons__session *s) {
  return s->dirty || s->slot->holds != &s->image;
}

static void restore(moons__session *s) {
  moons__image_restore(s->rebuilds ? &s->base->image : &s->image);
  s->dirty = s->is_clean = 0;
}

/* Pushes the function by which calls are seeded, or nil. */
static void push_randomseed(moons__session *s) {
  lua_getupvalue(s->slot->L, MOONS__SESSION_CALLER, MOONS__CALLER_SEED);
}

/* Compare a state that was put back with what calls leave of it. */
static void begin_check(moons__session *s) {
  push_randomseed(s);
  moons__image_check_begin(&s->check, s->slot->L, -1);
  lua_pop(s->slot->L, 1);
}

static void end_check(moons__session *s) {
  push_randomseed(s);
  moons__image_check_end(&s->check, s->slot->L, -1, s->loaded[0].position);
  lua_pop(s->slot->L, 1);
}

/* Pushes the function that the call is of. Where a script has none of that name, or there is no memory to look, that is the one
** behind all its calls, of which nothing is proved. */
static void push_function(const moons__session *s) {
  lua_State *L = s->slot->L;
  if (s->is_script) lua_pushcfunction(L, moons__script_find);
  lua_pushvalue(L, MOONS__SESSION_FUNCTION);
  if (!s->is_script) return;
  lua_pushlightuserdata(L, (char *)moons__lane_name(s->lane));
  if (lua_pcall(L, 2, 1, 0) != LUA_OK || !lua_isfunction(L, -1))
    lua_pushvalue(L, MOONS__SESSION_FUNCTION);
}

/* Tries to prove what is due. That leaves garbage of its own. */
static void prove(moons__session *s, int are_numbers) {
  if (must_put_back(s)) restore(s);
  s->is_late = s->dirty = 1;
  push_function(s);
  push_randomseed(s);
  moons__lane_prove(s->lane, s->slot->L, -2, -1, &s->workshop->models, are_numbers);
}

/* Whether the next call goes by the lane. Not where its memory is reported: what earlier ones have left would count. */
static int choose_lane(moons__session *s, const moons__plan *plan, moons__way way, int seeds) {
  int are_numbers = way == MOONS__WAY_NUMBERS;
  if (s->lane == NULL || s->rebuilds || way == MOONS__WAY_RESTORED || plan->options.report)
    return 0;
  if (moons__lane_is_due(s->lane, plan, are_numbers)) prove(s, are_numbers);
  return moons__lane_is_open(s->lane, plan, are_numbers, seeds);
}

/* Puts a fresh state back where the next call needs that: one that goes by the lane does not mind garbage. Returns whether it
** was. */
static int put_back_if_needed(moons__session *s) {
  int is_mine = s->slot->holds == &s->image;
  if (!must_put_back(s) || (s->in_lane && s->is_clean && is_mine)) return 0;
  restore(s);
  if (s->in_lane) begin_check(s);
  return 1;
}

/* Charges what the state holds; where there is too little memory for garbage too, without that. */
static int charge_call(moons__session *s, const moons__plan *plan) {
  if (charge(s, plan) == 0) return 0;
  if (!s->in_lane) return -1;
  restore(s);
  return charge(s, plan);
}

/* Puts the state back where it is a fresh one, and then charges what it holds: before that it holds what the last call has
** left. A call that goes by the lane does not mind garbage, unless there is too little memory for both. */
static int put_back(moons__session *s, const moons__plan *plan) {
  int is_put_back = s->fresh && put_back_if_needed(s);
  if (s->lane != NULL && !s->in_lane) s->lane->n_restored++;
  int error = plan->scope != NULL ? charge_call(s, plan) : 0;
  s->dirty = 1;
  s->is_clean = 0;
  if (error || !is_put_back || !s->rebuilds) return error;
  s->is_late = 1;
  return complete(s, plan);
}

/* Files that a call has set as the defaults, and nothing else keeps, are closed. */
static int reset_defaults(lua_State *L) {
  moons__print_reset_defaults(L);
  lua_gc(L, LUA_GCCOLLECT);
  return 0;
}

/* Garbage that a kept state holds while it idles, nobody else can collect. */
static void collect_where_short(moons__session *s) {
  moons__arena *arena = &s->slot->arena;
  if (s->fresh || !moons__budget_is_short(arena->all, moons__arena_held_bytes(arena))) return;
  moons__session_collect(s);
  moons__arena_shrink(arena);
}

/* Between calls nothing in a fresh state is needed: it is put back before the next. A kept one may need as much
** again, or half of it. */
void moons__session_leave(moons__session *s) {
  moons__arena *arena = &s->slot->arena;
  collect_where_short(s);
  size_t n_bytes = s->fresh ? s->image.n_bytes : moons__arena_used_bytes(arena) / 2 * 3;
  moons__arena_trim(arena, n_bytes + MOONS_ARENA_KEEP_BYTES);
}

/* A set-up that is no script has one function, and one lane without a name. */
static moons__lane *lane_of(moons__session *s, const moons__item *item) {
  size_t n_bytes = 0;
  const char *name = "";
  if (!s->fresh || (s->is_script && item->kind != MOONS__ITEM_MESSAGE)) return NULL;
  if (s->is_script) name = moons__message_head(item->bytes, item->n_bytes, &n_bytes);
  return name != NULL ? moons__lanes_get(&s->lanes, name, n_bytes) : NULL;
}

void moons__session_expect(moons__session *s, const moons__item *item) {
  s->lane = lane_of(s, item);
}

int moons__session_begin_call(moons__session *s, const moons__plan *plan, moons__way way,
                              int seeds) {
  moons__sandbox_begin(&s->workshop->sandbox);
  moons__sandbox_use(&s->workshop->sandbox, &s->slot->arena);
  if (s->fresh) s->workshop->sandbox.warns = s->warns;
  s->is_late = 0;
  s->in_lane = choose_lane(s, plan, way, seeds);
  s->slot->arena.was_refused = 0;
  if (put_back(s, plan)) {
    uncharge(s);
    return -1;
  }
  moons__arena_limit(&s->slot->arena, plan->options.memory_bytes);
  s->memory_bytes = plan->options.memory_bytes;
  s->in_call = 1;
  return 0;
}

/* What finalizers take is the call's, too, and limited; they get some more than the call, which may have used all of its. */
static void close_limited(moons__session *s) {
  moons__arena_limit(&s->slot->arena, MOONS_CLOSING_FACTOR * s->memory_bytes);
  close_state(s);
  moons__arena_limit(&s->slot->arena, 0);
}

/* Nothing of a call that has gone by the lane must be closed: what userdata it has made are Lua's own, and own nothing outside the
** state. */
static void leave_lane(moons__session *s, int is_whole) {
  s->is_clean = is_whole && !moons__session_is_odd(s) && moons__session_has_room(s);
  if (!s->is_clean) return;
  lua_settop(s->slot->L, MOONS__SESSION_TOP);
  moons__arena_clear_mark(&s->slot->arena);
  end_check(s);
}

/* The limit goes first: cleaning up must not fail for want of memory. What the state holds counts for the call until its
** finalizers have run, and what it has printed is written before it counts as over. */
int moons__session_end_call(moons__session *s, int is_whole) {
  moons__arena_limit(&s->slot->arena, 0);
  moons__sandbox *sandbox = &s->workshop->sandbox;
  if (!s->fresh) {
    lua_settop(s->slot->L, MOONS__SESSION_TOP);
    if (sandbox->set_default && call_protected(s, reset_defaults, NULL) != LUA_OK)
      lua_pop(s->slot->L, 1);
  } else if (s->in_lane) {
    leave_lane(s, is_whole);
  } else if (must_close(s)) {
    close_limited(s);
  }
  moons__sandbox_end_call(sandbox);
  uncharge(s);
  if (sandbox->loaded_module) s->names_known = 0;
  moons__sandbox_flush(sandbox);
  s->in_call = 0;
  return moons__stop_is_lost(&sandbox->stop);
}
