/*
** What arrays a job uses. Each counts the jobs of its state that read it or write to it, until they are closed: meanwhile the script
** cannot write to the one, nor read the other. The array that takes results may be where the items come from, since each call gets
** its own before anything is written there; but no call may read any other number of it, for what it found would depend on which
** calls have ended. The encoder refuses to send it.
*/
#include <lauxlib.h>

#include "module/errors.h"

static moons__array *array_at(lua_State *L, int index) {
  int how;
  return moons__array_at(L, index, &how);
}

/* Jobs that were dropped may not have been collected yet. */
static const char *why_not_into(lua_State *L, moons__array *into, const moons__array *items) {
  if (into != items) return moons__array_why_not_write(L, into);
  const char *why = moons__array_why_not_read(L, into);
  return why != NULL ? why : moons__array_why_not_write(L, into);
}

static const char *why_not_use(lua_State *L, moons__array *items, moons__array *into) {
  const char *why = items != NULL ? moons__array_why_not_read(L, items) : NULL;
  return why == NULL && into != NULL ? why_not_into(L, into, items) : why;
}

/* core.why_not_use(items, into): why a map cannot take its items from this array, or put its results into that one; nil where it
** can. Either may be something else. */
int moons__core_why_not_use(lua_State *L) {
  lua_settop(L, 2);
  lua_pushstring(L, why_not_use(L, array_at(L, 1), array_at(L, 2)));
  return 1;
}

void moons__check_arrays(lua_State *L, int items, int into) {
  int how = MOONS__IS_ARRAY;
  moons__array *from = lua_isuserdata(L, items) ? array_at(L, items) : NULL;
  moons__array *to = lua_isnil(L, into) ? NULL : moons__array_at(L, into, &how);
  if (from == NULL && lua_isuserdata(L, items)) luaL_error(L, "these items are no array");
  if (how != MOONS__IS_ARRAY) luaL_error(L, "option 'into': this is no array");
  const char *why = from != NULL || to != NULL ? why_not_use(L, from, to) : NULL;
  if (why != NULL) luaL_error(L, "%s", why);
}

void moons__use_items(lua_State *L, moons__job_data *j, int items) {
  int how;
  moons__array *a = moons__array_at(L, items, &how);
  moons__check(L, moons__buffer_append(&j->arrays, &a, sizeof a));
  a->n_reading++;
  j->source = MOONS__FROM_ARRAY;
  j->items = a;
  j->gives_rows = how == MOONS__IS_ROWS;
  j->n = (lua_Integer)(j->gives_rows ? a->extent.rows : a->n);
}

/* There must be a place for each call, since nothing else holds them back; items of an iterator are counted as they come. */
static void check_places(lua_State *L, const moons__job_data *j) {
  lua_Integer n_places = moons__places_in_sink(j);
  if (j->source == MOONS__FROM_ITERATOR || (j->n >= 0 && j->n <= n_places)) return;
  luaL_error(L, "option 'into': the array has room for %I results", (LUAI_UACINT)n_places);
}

void moons__use_into(lua_State *L, moons__job_data *j, int into) {
  moons__array *a = array_at(L, into);
  if (a == NULL) return;
  lua_pushvalue(L, into);
  lua_setiuservalue(L, 1, MOONS__VALUE_INTO);
  j->into = a;
  j->stores = 1;
  a->n_writing++;
  check_places(L, j);
}

moons__shared_list *moons__take_shared(moons__job_data *j) {
  moons__shared_list *list = j->encoder.shared;
  j->encoder.shared = NULL;
  return list;
}

static int add_block(moons__luggage *luggage, const moons__array *a) {
  return a != NULL ? moons__shared_list_add(&luggage->shared, a->block) : 0;
}

int moons__pack_luggage(moons__job_data *j, moons__luggage *luggage) {
  *luggage = (moons__luggage){.shared = moons__take_shared(j), .terms = j->state->luggage.terms};
  int error = add_block(luggage, j->items);
  if (!error) error = add_block(luggage, j->into);
  if (error || j->into == NULL) return error;
  const moons__extent *extent = &j->into->extent;
  luggage->sink = (moons__sink){.block = j->into->block, .type = extent->type};
  luggage->sink.n_numbers = j->pack ? (size_t)extent->columns : 1;
  return 0;
}

lua_Integer moons__places_in_sink(const moons__job_data *j) {
  if (j->into == NULL) return LUA_MAXINTEGER;
  return (lua_Integer)(j->pack ? j->into->extent.rows : j->into->n);
}

moons__batch_part moons__part_of_items(const moons__job_data *j) {
  const moons__array *a = j->items;
  int is_float = moons__element_is_float(a->extent.type);
  moons__batch_part part = {.block = a->block->id, .type = (uint32_t)a->extent.type};
  part.first = (uint64_t)j->next - 1;
  part.columns = j->gives_rows ? a->extent.columns : 1;
  if (j->gives_rows)
    part.kind = j->is_rows ? MOONS__ITEM_NUMBERS : MOONS__ITEM_ROW;
  else
    part.kind = is_float ? MOONS__ITEM_FLOAT : MOONS__ITEM_INTEGER;
  return part;
}

/* Pushes the place with this number, from 1: a number, or a table of a row. */
static void push_place(lua_State *L, const moons__array *a, int is_row, lua_Integer number) {
  size_t i = (size_t)number - 1;
  moons__element type = a->extent.type;
  if (is_row)
    moons__array_push_row(L, type, a->data + i * moons__array_row_bytes(a),
                          (size_t)a->extent.columns);
  else
    moons__array_push_number(L, type, a->data + i * moons__element_bytes(type));
}

void moons__push_array_item(lua_State *L, const moons__job_data *j, lua_Integer number) {
  push_place(L, j->items, j->gives_rows, number);
}

/* job:stored(i): what call i has put into the array of the option `into`, as it would be among the results. */
int moons__core_stored(lua_State *L) {
  const moons__job_data *j = moons__check_job_at(L, 1);
  lua_Integer i = luaL_checkinteger(L, 2);
  luaL_argcheck(L, j->into != NULL && i >= 1 && i <= moons__places_in_sink(j), 2, "no such call");
  push_place(L, j->into, j->pack, i);
  if (!j->pack) return 1;
  lua_pushinteger(L, (lua_Integer)j->into->extent.columns);
  lua_setfield(L, -2, "n");
  return 1;
}

void moons__leave_arrays(moons__job_data *j) {
  for (size_t at = 0; at < j->arrays.n_bytes; at += sizeof(moons__array *)) {
    moons__array *a;
    memcpy(&a, j->arrays.bytes + at, sizeof a);
    a->n_reading--;
  }
  moons__buffer_free(&j->arrays);
  if (j->into != NULL) j->into->n_writing--;
  j->into = j->items = NULL;
  moons__shared_list_release(j->given);
  j->given = NULL;
}
