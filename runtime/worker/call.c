/*
** One C function receives the arguments, calls, and sends the result, under one protected call: the stage in which an
** error was raised says whether it is one of sending or the function's own. Numbers and strings in, and plain values and
** strings out (batch.h), take no message.
*/
#include "worker/call.h"

#include <lauxlib.h>
#include <string.h>

#include "moons.h"
#include "system/clock.h"
#include "wire/raise.h"

/* Upvalue `seed` of the function that runs is math.randomseed. `number`: which call of the seed it is. */
static void seed_random(lua_State *L, const moons__call *c, uint64_t number) {
  if (!c->seeds) return;
  lua_pushvalue(L, lua_upvalueindex(MOONS__CALLER_SEED));
  moons__session_seed(L, c->plan->options.seed, number);
}

static void push_number(lua_State *L, const moons__item *item) {
  if (item->kind == MOONS__ITEM_INTEGER)
    lua_pushinteger(L, (lua_Integer)item->integer);
  else
    lua_pushnumber(L, item->number);
}

/* Whether a call that goes by the lane may not be given tables: nothing was proved of calls with these. */
static int has_no_tables(const moons__call *c) {
  return c->session->in_lane && moons__lane_arguments(c->session->lane) < MOONS__ARGUMENTS_TABLES;
}

/* Pushes a row like that of the item, which lies at `at`: as a table, or as its numbers. Returns how many values these are. */
static int push_row(lua_State *L, const moons__call *c, const char *at) {
  const moons__item *item = &c->item;
  size_t n = item->n_bytes / moons__element_bytes(item->type);
  if (item->kind == MOONS__ITEM_ROW) {
    if (has_no_tables(c)) luaL_error(L, "a row is more than strings");
    moons__array_push_row(L, item->type, at, n);
    return 1;
  }
  luaL_checkstack(L, n < LUAI_MAXSTACK ? (int)n : LUAI_MAXSTACK, "a row has too many arguments");
  moons__array_push_numbers(L, item->type, at, n);
  return (int)n;
}

/* Pushes the arguments; returns how many. */
static int push_arguments(lua_State *L, moons__call *c) {
  switch (c->item.kind) {
  case MOONS__ITEM_INTEGER:
  case MOONS__ITEM_FLOAT: push_number(L, &c->item); return 1;
  case MOONS__ITEM_STRING: lua_pushlstring(L, c->item.bytes, c->item.n_bytes); return 1;
  case MOONS__ITEM_ROW:
  case MOONS__ITEM_NUMBERS: return push_row(L, c, c->item.bytes);
  case MOONS__ITEM_MESSAGE: break;
  default: return luaL_error(L, "malformed bytes: no arguments");
  }
  moons__decoder decoder = {.L = L, .trusted = 1, .classes = &c->classes, .shared = c->shared};
  decoder.arrival = c->session->fresh ? MOONS__AS_VIEW : MOONS__AS_HELD_VIEW;
  decoder.class_index = lua_upvalueindex(MOONS__CALLER_CLASSES);
  decoder.is_data = c->session->in_lane;
  decoder.has_no_tables = has_no_tables(c);
  int n = moons__decode(&decoder, c->item.bytes, c->item.n_bytes);
  if (decoder.made_finalizer) c->session->workshop->sandbox.made_finalizer = 1;
  return n;
}

/* Stops the collector where the state is put back afterwards: a finalizer could change what is being sent, and would do so in some
** calls alone, for a look among names makes garbage. */
static void stop_collector(lua_State *L, const moons__session *s, moons__encoder *e) {
  e->has_stopped_collector = s->fresh && !s->in_lane && lua_gc(L, LUA_GCISRUNNING) == 1;
  if (e->has_stopped_collector) lua_gc(L, LUA_GCSTOP);
}

/* The encoder for what goes home, with what the state and the other side know. It stays from call to call, with its memory. In
** a fresh state that has loaded no module only what lies in the image can be of one, so all else needs no look among names. */
static moons__encoder *get_encoder(lua_State *L, moons__call *c) {
  moons__session *s = c->session;
  if (s->workshop->sandbox.loaded_module) s->names_known = 0;
  moons__encoder *e = &c->encoder;
  e->L = L;
  e->out = &c->message;
  e->names = &s->names;
  e->names_refreshed = s->names_known;
  e->classes = &c->classes;
  e->gives_away = 1;
  e->own_start = e->own_end = NULL;
  e->is_data = s->in_lane;
  if (s->fresh && !s->workshop->sandbox.loaded_module && !s->rebuilds) {
    e->own_start = s->slot->arena.heap;
    e->own_end = (const char *)e->own_start + s->image.n_bytes;
  }
  stop_collector(L, s, e);
  return e;
}

/* Sends the values from stack index 1 on, as a message. */
static void put_message(lua_State *L, moons__call *c) {
  int n_values = lua_gettop(L);
  moons__encoder *e = get_encoder(L, c);
  moons__encoder_begin(e);
  moons__encode(e, 1, n_values, "result");
  c->session->names_known = e->names_refreshed;
  c->result.kind = MOONS__ITEM_MESSAGE;
}

/* The same as the function below of what is no number. */
static int get_other_plain(lua_State *L, int index, int type, moons__item_kind *kind, void *bytes) {
  lua_Integer integer = 0;
  if (type != LUA_TBOOLEAN && type != LUA_TNIL) return 0;
  *kind = type == LUA_TNIL ? MOONS__ITEM_NIL : MOONS__ITEM_BOOLEAN;
  integer = lua_toboolean(L, index);
  memcpy(bytes, &integer, sizeof integer);
  return 1;
}

/* Looks at the value at `index` where it is plain (batch.h): its kind and its 8 bytes. */
static inline int get_plain(lua_State *L, int index, moons__item_kind *kind, void *bytes) {
  int type = lua_type(L, index);
  if (type != LUA_TNUMBER) return get_other_plain(L, index, type, kind, bytes);
  if (lua_isinteger(L, index)) {
    lua_Integer integer = lua_tointeger(L, index);
    *kind = MOONS__ITEM_INTEGER;
    memcpy(bytes, &integer, sizeof integer);
  } else {
    lua_Number number = lua_tonumber(L, index);
    *kind = MOONS__ITEM_FLOAT;
    memcpy(bytes, &number, sizeof number);
  }
  return 1;
}

/* Takes such a value for the result. */
static int put_plain(lua_State *L, int index, moons__item *result) {
  uint64_t bytes;
  if (!get_plain(L, index, &result->kind, &bytes)) return 0;
  if (result->kind == MOONS__ITEM_FLOAT)
    memcpy(&result->number, &bytes, sizeof bytes);
  else
    memcpy(&result->integer, &bytes, sizeof bytes);
  return 1;
}

/* The same with a string. Raises nothing: where there is no memory, making a message of it will say so. */
static int put_string(lua_State *L, int index, moons__call *c) {
  size_t n_bytes;
  if (lua_type(L, index) != LUA_TSTRING) return 0;
  const char *bytes = lua_tolstring(L, index, &n_bytes);
  if (moons__buffer_append(&c->message, bytes, n_bytes)) return 0;
  c->result.kind = MOONS__ITEM_STRING;
  return 1;
}

static int put_without_message(lua_State *L, int index, moons__call *c) {
  return put_plain(L, index, &c->result) || put_string(L, index, c);
}

/* What goes to an array. */

/* The number of the call that runs, or has run last in this go. */
static uint64_t number_of(const moons__call *c) {
  unsigned n_begun = moons__call_n_begun(c);
  return c->index + (n_begun > 0 ? n_begun - 1 : 0);
}

static int has_sink(const moons__call *c) { return c->plan->luggage.sink.block != NULL; }

/* Writes a result as the sink has numbers. Returns 0 where it is none that fits. */
static int convert(lua_State *L, const moons__call *c, int index, char *at) {
  return moons__array_put(L, index, c->plan->luggage.sink.type, at) == NULL;
}

/* Raises the error of a result that does not fit: which it is, of those that the call has returned. */
static void refuse_result(lua_State *L, const moons__call *c, int index) {
  moons__element type = c->plan->luggage.sink.type;
  char number[8];
  const char *why = moons__array_put(L, index, type, number);
  const char *text = moons__array_describe(L, index);
  luaL_error(L,
             "result %d of call %I is %s, which an array of %s cannot hold (option 'into'): it %s",
             index, (LUAI_UACINT)number_of(c), text, moons__element_name(type), why);
}

/* Puts results from stack index 1 on where they wait for the call to end: only then are they written to the sink. */
static void put_to_sink(lua_State *L, moons__call *c) {
  const moons__sink *sink = &c->plan->luggage.sink;
  size_t size = moons__element_bytes(sink->type);
  int n = lua_gettop(L);
  if (c->plan->options.pack && (size_t)n != sink->n_numbers)
    luaL_error(L, "call %I returned %d values for a row of %I numbers (option 'into')",
               (LUAI_UACINT)number_of(c), n, (LUAI_UACINT)sink->n_numbers);
  moons__check(L, moons__buffer_reserve(&c->message, sink->n_numbers * size));
  for (int i = 1; i <= (int)sink->n_numbers; i++) {
    if (!convert(L, c, i, c->message.bytes + c->message.n_bytes)) refuse_result(L, c, i);
    c->message.n_bytes += size;
  }
  c->result.kind = MOONS__ITEM_STORED;
}

/* With `pack` all results go, in a message: how many there are is part of them. */
static void put_results(lua_State *L, moons__call *c) {
  if (has_sink(c))
    put_to_sink(L, c);
  else if (c->plan->options.pack || !put_without_message(L, 1, c))
    put_message(L, c);
}

/* The stage is written before each step, for the error that ends it carries no such mark. */
int moons__call_main(lua_State *L) {
  moons__call *c = lua_touserdata(L, 1);
  lua_settop(L, 0);
  c->stage = MOONS__CALL_RECEIVING;
  seed_random(L, c, c->plan->options.seed_offset + c->index);
  lua_pushvalue(L, lua_upvalueindex(MOONS__CALLER_FUNCTION));
  int n_arguments = push_arguments(L, c);
  c->stage = MOONS__CALL_RUNNING;
  lua_call(L, n_arguments, c->plan->options.pack ? LUA_MULTRET : 1);
  c->stage = MOONS__CALL_SENDING;
  put_results(L, c);
  return 0;
}

/* Numbers and strings. */

/* Arguments: a call, the value. */
static int send_value(lua_State *L) {
  moons__call *c = lua_touserdata(L, 1);
  lua_remove(L, 1);
  put_results(L, c);
  return 0;
}

/* Where the argument is a number and there are no random numbers to seed, the function is called without the
** caller in between. */
static int is_direct(const moons__call *c) {
  return c->item.kind <= MOONS__ITEM_FLOAT && !c->seeds && !c->plan->options.pack;
}

/* What is no plain value needs the encoder, which may raise an error: that is another protected call. */
static int call_directly(lua_State *L, moons__call *c) {
  c->stage = MOONS__CALL_RUNNING;
  lua_pushvalue(L, MOONS__SESSION_FUNCTION);
  push_number(L, &c->item);
  int status = lua_pcall(L, 1, 1, MOONS__SESSION_HANDLER);
  if (status != LUA_OK || (!has_sink(c) && put_without_message(L, -1, c))) return status;
  c->stage = MOONS__CALL_SENDING;
  lua_pushcfunction(L, send_value);
  lua_insert(L, -2);
  lua_pushlightuserdata(L, c);
  lua_insert(L, -2);
  return lua_pcall(L, 2, 0, MOONS__SESSION_HANDLER);
}

static int call_caller(lua_State *L, moons__call *c) {
  lua_pushvalue(L, MOONS__SESSION_CALLER);
  lua_pushlightuserdata(L, c);
  return lua_pcall(L, 1, 0, MOONS__SESSION_HANDLER);
}

/* Takes a string as the result of number n; *end is where it ends. Returns 0 where there is no room. What is part of a call
** counts with that: one by one. */
static int keep_string(lua_State *L, moons__call *c, unsigned n, uint64_t *end) {
  size_t n_bytes, start = n > 0 ? (size_t)c->plain[n - 1] : 0;
  if (lua_type(L, -1) != LUA_TSTRING || c->plan->scope != NULL) return 0;
  const char *bytes = lua_tolstring(L, -1, &n_bytes);
  if (n_bytes > sizeof c->strings - start) return 0;
  memcpy(c->strings + start, bytes, n_bytes);
  *end = start + n_bytes;
  return 1;
}

/* Takes the result on top, number n, for the sink. */
static int keep_stored(lua_State *L, moons__call *c, unsigned n) {
  char *place = (char *)c->plain + n * moons__element_bytes(c->plan->luggage.sink.type);
  if (!convert(L, c, -1, place)) return 0;
  c->kind = MOONS__ITEM_STORED;
  return 1;
}

/* The same where it is of the kind of those before it. */
static inline int keep_plain(lua_State *L, moons__call *c, unsigned n) {
  moons__item_kind kind = MOONS__ITEM_STRING;
  uint64_t value;
  int is_plain = get_plain(L, -1, &kind, &value);
  if (n > 0 && kind != c->kind) return 0;
  if (!is_plain && !keep_string(L, c, n, &value)) return 0;
  c->plain[n] = value;
  c->kind = kind;
  return 1;
}

/* Either; where it is taken, whoever gives the call up is told. */
static inline int keep_result(lua_State *L, moons__call *c, int stores, unsigned n) {
  if (!(stores ? keep_stored(L, c, n) : keep_plain(L, c, n))) return 0;
  atomic_store_explicit(&c->n_plain, n + 1, memory_order_release);
  return 1;
}

/* Whether no more calls of this go are to be made. Relaxed: to see it late costs one call more. */
static int is_over(const moons__call *c) {
  return atomic_load_explicit(&c->is_cut_short, memory_order_relaxed) ||
         atomic_load_explicit(&c->plan->cancelled, memory_order_relaxed);
}

static int is_row(const moons__call *c) {
  return c->item.kind == MOONS__ITEM_ROW || c->item.kind == MOONS__ITEM_NUMBERS;
}

/* Looks what the calls of this go are given; returns how many that are. Rows stay where they are. */
static unsigned look_at_given(moons__call *c) {
  if (is_row(c)) return 1 + moons__batch_look_ahead(c->arguments, NULL, c->n_in_one_go - 1);
  if (c->item.kind == MOONS__ITEM_INTEGER)
    memcpy(&c->given[0], &c->item.integer, sizeof c->given[0]);
  else if (c->item.kind == MOONS__ITEM_FLOAT)
    memcpy(&c->given[0], &c->item.number, sizeof c->given[0]);
  return 1 + moons__batch_look_ahead(c->arguments, &c->given[1], c->n_in_one_go - 1);
}

static void push_given_string(lua_State *L, const moons__call *c, unsigned i) {
  size_t n_bytes = c->item.n_bytes;
  const char *bytes = i == 0 ? c->item.bytes : moons__batch_string(c->given[i], &n_bytes);
  lua_pushlstring(L, bytes, n_bytes);
}

/* The same as the function below of what is no number. */
static int push_other_given(lua_State *L, const moons__call *c, unsigned i) {
  if (c->item.kind != MOONS__ITEM_STRING)
    return push_row(L, c, c->item.bytes + i * c->item.n_bytes);
  push_given_string(L, c, i);
  return 1;
}

/* Pushes what the i-th call is given, which is of this kind; returns how many values that is. */
static inline int push_given(lua_State *L, const moons__call *c, moons__item_kind kind,
                             unsigned i) {
  if (kind > MOONS__ITEM_FLOAT) return push_other_given(L, c, i);
  if (kind == MOONS__ITEM_INTEGER) {
    lua_Integer integer;
    memcpy(&integer, &c->given[i], sizeof integer);
    lua_pushinteger(L, integer);
  } else {
    lua_Number number;
    memcpy(&number, &c->given[i], sizeof number);
    lua_pushnumber(L, number);
  }
  return 1;
}

/* Whether what a call has done ends the go: no code that is proved can do such. */
static int has_left_something(moons__sandbox *sandbox) {
  moons__sandbox_flush(sandbox);
  return sandbox->set_default || sandbox->deferred.n_bytes > 0;
}

/* The call's `n_begun` is for others, whom it tells which call runs.
** Arguments: a call, the function. Results stay on the stack until the end: that saves taking them away
** one by one. */
static int call_some(lua_State *L) {
  moons__call *c = lua_touserdata(L, 1);
  const moons__session *s = c->session;
  moons__sandbox *sandbox = &s->workshop->sandbox;
  const moons__bounds bounds = moons__session_bounds(s);
  moons__item_kind kind = c->item.kind;
  int in_lane = s->in_lane, stores = has_sink(c), is_traced = c->is_traced, is_kept, is_last;
  unsigned n_given = look_at_given(c), n = 0;
  luaL_checkstack(L, MOONS__CALLS_IN_ONE_GO + LUA_MINSTACK, NULL);
  c->stage = MOONS__CALL_RUNNING;
  do {
    lua_pushvalue(L, 2);
    int n_arguments = push_given(L, c, kind, n);
    moons__call_set_begun(c, n + 1);
    sandbox->cpu_begun_ns = MOONS__UNKNOWN;
    lua_call(L, n_arguments, 1);
    if (in_lane && moons__bounds_are_odd(&bounds)) return 0;
    is_last = in_lane ? !moons__bounds_have_room(&bounds) : has_left_something(sandbox);
    if (moons__stop_reason_of(&sandbox->stop) != 0)
      return 0; /* it had to end, and came to its end by itself */
    if (is_traced) c->ended_ns[n] = moons__clock_ns();
    is_kept = keep_result(L, c, stores, n);
  } while (is_kept && ++n < n_given && !is_last && !is_over(c));
  if (is_kept || (!stores && put_without_message(L, -1, c))) return 0; /* or of another kind */
  c->stage = MOONS__CALL_SENDING;
  lua_replace(L, 1);
  lua_settop(L, 1);
  put_results(L, c);
  return 0;
}

static int call_those(lua_State *L, moons__call *c) {
  lua_pushcfunction(L, call_some);
  lua_pushlightuserdata(L, c);
  lua_pushvalue(L, MOONS__SESSION_FUNCTION);
  return lua_pcall(L, 2, 0, MOONS__SESSION_HANDLER);
}

/* Errors. */

static moons__failure_kind kind_of(const moons__call *c) {
  return c->stage == MOONS__CALL_RUNNING ? MOONS__FAILURE_ERROR : MOONS__FAILURE_MARSHAL;
}

/* What filled a state that is kept is garbage now, and others may want the memory. Not all of Lua's functions
** collect it before they complain that there is none. */
static void collect_after(moons__session *s, const moons__buffer *message) {
  moons__failure failure;
  if (moons__failure_read(&failure, message->bytes, message->n_bytes)) return;
  if (failure.kind != MOONS__FAILURE_MEMORY) return;
  lua_gc(s->slot->L, LUA_GCCOLLECT); /* the first runs finalizers, the second frees */
  lua_gc(s->slot->L, LUA_GCCOLLECT);
  moons__arena_shrink(&s->slot->arena);
}

/* Puts a failure for the error value on top, which it pops. May run the script's __tostring. */
static int put_error(moons__call *c, int status) {
  static const char *const PREFIXES[] = {"cannot receive the arguments: ", "", ""};
  moons__session *s = c->session;
  moons__encoder *e = get_encoder(s->slot->L, c);
  c->message.n_bytes = 0;
  int error = moons__report(e, &s->workshop->reporter, status, kind_of(c), PREFIXES[c->stage]);
  s->names_known = e->names_refreshed;
  if (!s->fresh && !error) collect_after(s, &c->message);
  return error;
}

/* Puts a failure for a call that was made to end, whatever it made of that. `own`: the error value is
** on top, and was that of os.exit. */
static int put_end(moons__call *c, moons__stop_reason reason, int own) {
  moons__failure_kind kind = (moons__failure_kind)(reason - 1);
  const char *text = moons__failure_text(kind);
  lua_State *L = c->session->slot->L;
  if (own && kind == MOONS__FAILURE_ERROR && lua_type(L, -1) == LUA_TSTRING)
    text = lua_tostring(L, -1);
  c->message.n_bytes = 0;
  return moons__report_text(&c->session->workshop->reporter, kind, text, &c->message);
}

/* Classes that came with the arguments were this call's alone. */
static int finish(moons__call *c, int error) {
  c->result.bytes = c->message.bytes;
  c->result.n_bytes = c->message.n_bytes;
  if (c->classes.numbers.n_entries > 0) moons__ptrmap_clear(&c->classes.numbers);
  return error;
}

/* Whether the call must be made again: of those that go by the lane whatever fails, and whatever has come upon a limit. */
static int is_odd(const moons__call *c, int status) {
  return c->session->in_lane && (status != LUA_OK || moons__session_is_odd(c->session));
}

/* Makes calls in one of the ways above, and puts the failure of the one that fails. */
static int run(moons__call *c, int (*make_calls)(lua_State *L, moons__call *c)) {
  lua_State *L = c->session->slot->L;
  moons__stop *stop = &c->session->workshop->sandbox.stop;
  int error = 0;
  c->session->workshop->reporter.traceback.n_bytes = 0;
  c->message.n_bytes = 0;
  c->result.kind = MOONS__ITEM_END;
  moons__stop_begin(stop, L);
  int status = make_calls(L, c);
  int is_told = moons__stop_reason_of(stop) != 0;
  c->is_odd = is_odd(c, status);
  if (status != LUA_OK && !is_told && !c->is_odd) error = put_error(c, status);
  moons__session_unwind(c->session);
  moons__stop_reason reason = moons__stop_end(stop);
  if (reason == MOONS__STOP(LOST)) return 1;
  if (status != LUA_OK || reason != 0) c->result.kind = MOONS__ITEM_ERROR;
  if (reason != 0) c->is_odd = 0; /* it has not failed by itself */
  if (reason != 0) error = put_end(c, reason, is_told && status != LUA_OK);
  return finish(c, error);
}

int moons__call_end_late(moons__call *c, moons__stop_reason reason) {
  moons__workshop *w = c->session->workshop;
  moons__failure_kind kind = (moons__failure_kind)(reason - 1);
  w->reporter.traceback.n_bytes = 0;
  c->message.n_bytes = 0;
  c->result.kind = MOONS__ITEM_ERROR;
  return finish(c, moons__report_text(&w->reporter, kind, moons__failure_text(kind), &c->message));
}

int moons__call_run(moons__call *c) { return run(c, is_direct(c) ? call_directly : call_caller); }

/* A string or a row may need more memory than there is, so it is pushed within the protected call: by those that are made in one
** go, or by the caller. */
static int may_go_on(const moons__call *c) {
  if (c->item.kind != MOONS__ITEM_STRING && !is_row(c)) return is_direct(c);
  return !c->seeds && !c->plan->options.pack;
}

int moons__call_run_some(moons__call *c) {
  int outcome = run(c, may_go_on(c) ? call_those : call_caller);
  unsigned n_begun = moons__call_n_begun(c);
  if (n_begun > 1) moons__batch_skip(c->arguments, n_begun - 1);
  if (n_begun > 0 && n_begun == atomic_load_explicit(&c->n_plain, memory_order_relaxed))
    c->result.kind = MOONS__ITEM_END; /* all have given a plain value: none is left to fail */
  return outcome;
}

/* The arguments of the last call of a go take the place of the first one's. */
void moons__call_take_odd(moons__call *c) {
  unsigned n_begun = moons__call_n_begun(c);
  if (n_begun == 0) return;
  const uint64_t *given = &c->given[n_begun - 1];
  if (is_row(c))
    c->item.bytes += (n_begun - 1) * c->item.n_bytes;
  else if (c->item.kind == MOONS__ITEM_INTEGER)
    memcpy(&c->item.integer, given, sizeof *given);
  else if (c->item.kind == MOONS__ITEM_FLOAT)
    memcpy(&c->item.number, given, sizeof *given);
  else if (n_begun > 1)
    c->item.bytes = moons__batch_string(*given, &c->item.n_bytes);
  moons__call_set_begun(c, 0);
}
