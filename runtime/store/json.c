/*
** A table is an array where its keys are 1 to n, or 1 to its field `n`, with null for holes; otherwise an object, with its keys in
** order as text. Infinite numbers and nan are strings, as are values of other types: "(function)". Strings that are no UTF-8 are
** taken for Latin-1.
**
** JSON has no form for a table in several places. It is written in each of them, but "(table)" stands for it within itself, beyond
** some depth, and where it was written before and the text is long already: so that is no longer than the tables are large.
*/
#include "store/json.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "store/keys.h"
#include "wire/raise.h"

enum { MOST_DEPTH = 50, MOST_HOLES = 1000000, NUMBER_BYTES = 32 };

/* So long may the text be for tables to be written again. */
enum { AGAIN_BYTES = 64 << 10 };

/* What is known of a table that was met. */
enum { WRITING = 1, WRITTEN };

typedef struct text {
  lua_State *L;
  moons__scratch *scratch;
  int depth;
  size_t start; /* in scratch->out */
} text;

static void put(text *t, const void *bytes, size_t n_bytes) {
  moons__check(t->L, moons__buffer_append(&t->scratch->out, bytes, n_bytes));
}

static void put_text(text *t, const char *bytes) { put(t, bytes, strlen(bytes)); }

/* {== Strings ================================================================================= */

static int is_utf8(const char *at, size_t n_bytes) {
  size_t n;
  for (; n_bytes > 0; at += n, n_bytes -= n)
    if ((n = moons__json_character(at, n_bytes)) == 0) return 0;
  return 1;
}

static void put_characters(text *t, const char *bytes, size_t n_bytes) {
  moons__check(t->L, moons__json_text(&t->scratch->out, bytes, n_bytes));
}

static void put_latin(text *t, const char *bytes, size_t n_bytes) {
  for (size_t i = 0; i < n_bytes; i++) {
    unsigned char byte = (unsigned char)bytes[i];
    char both[] = {(char)(0xC0 | byte >> 6), (char)(0x80 | (byte & 0x3F))};
    put_characters(t, byte < 0x80 ? &bytes[i] : both, byte < 0x80 ? 1 : 2);
  }
}

static void put_quoted(text *t, const char *bytes, size_t n_bytes) {
  put(t, "\"", 1);
  (is_utf8(bytes, n_bytes) ? put_characters : put_latin)(t, bytes, n_bytes);
  put(t, "\"", 1);
}

/* {== Numbers ================================================================================= */

/* Prints the digits of an integer; returns their end. */
static char *print_digits(char *at, uint64_t n) {
  char digits[NUMBER_BYTES];
  int i = NUMBER_BYTES;
  do
    digits[--i] = (char)('0' + n % 10);
  while ((n /= 10) > 0);
  memcpy(at, digits + i, (size_t)(NUMBER_BYTES - i));
  return at + (NUMBER_BYTES - i);
}

/* Prints a number that has few digits: it is an integer divided by a power of ten. That division is rounded as the reader of the
** digits rounds, so where it gives the number again, so do the digits. Returns whether there are so few. */
static int print_short(char *at, lua_Number number) {
  lua_Number size = fabs(number);
  uint64_t scale = size < 1000 ? UINT64_C(1000000000000) : 1000000;
  if (size >= 1e9 || (size < 1e-6 && size > 0)) return 0;
  uint64_t scaled = (uint64_t)(size * (lua_Number)scale + 0.5);
  if ((lua_Number)scaled / (lua_Number)scale != size) return 0;
  if (signbit(number)) *at++ = '-';
  char *point = print_digits(at, scaled / scale);
  at = print_digits(point, scale + scaled % scale); /* after a 1, in the place of the point */
  *point = '.';
  while (at[-1] == '0' && at[-2] != '.')
    at--;
  *at = '\0';
  return 1;
}

/* With a point or an exponent, as it is a float. Few numbers of the usual size have less than 17 digits and more than `print_short`
** finds. */
static void print_float(char *at, lua_Number number) {
  int is_usual = fabs(number) >= 1e-3 && fabs(number) < 1e9;
  if (print_short(at, number)) return;
  if (!is_usual) snprintf(at, NUMBER_BYTES, "%.15g", number);
  if (is_usual || strtod(at, NULL) != number) snprintf(at, NUMBER_BYTES, "%.17g", number);
  char *point = strchr(at, localeconv()->decimal_point[0]);
  if (point != NULL)
    *point = '.';
  else if (strchr(at, 'e') == NULL)
    memcpy(at + strlen(at), ".0", 3);
}

static void put_float(text *t, lua_Number number, const char *quote) {
  char digits[NUMBER_BYTES];
  int is_finite = number - number == 0;
  if (is_finite)
    print_float(digits, number);
  else
    snprintf(digits, sizeof digits, "%s", number > 0 ? "inf" : number < 0 ? "-inf" : "nan");
  if (!is_finite) quote = "\"";
  put_text(t, quote);
  put_text(t, digits);
  put_text(t, quote);
}

static void put_integer(text *t, lua_Integer integer, const char *quote) {
  char digits[NUMBER_BYTES], *at = digits;
  if (integer < 0) *at++ = '-';
  at = print_digits(at, integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer);
  put_text(t, quote);
  put(t, digits, (size_t)(at - digits));
  put_text(t, quote);
}

static void put_type(text *t, const char *name) {
  put_text(t, "\"(");
  put_text(t, name);
  put_text(t, ")\"");
}

/* {== Tables ================================================================================== */

static void put_value(text *t, int index);

/* A moons__key_order: they are shown as their type. */
static void order_by_type(lua_State *L, void *data) {
  (void)data;
  lua_pushstring(L, luaL_typename(L, -2));
}

static void put_key(text *t, const moons__key *key) {
  switch (key->kind) {
  case MOONS__KEY_INTEGER: put_integer(t, key->is.integer, "\""); break;
  case MOONS__KEY_FLOAT: put_float(t, key->is.number, "\""); break;
  case MOONS__KEY_STRING: put_quoted(t, key->bytes, key->n_bytes); break;
  case MOONS__KEY_BOOLEAN: put_text(t, key->is.integer ? "\"true\"" : "\"false\""); break;
  default: put_type(t, key->bytes);
  }
}

/* Field after field; what they hold may add keys of its own behind these, and take them away again. */
static void put_object(text *t, int table, size_t first, size_t n_keys) {
  int objects = lua_gettop(t->L);
  put_text(t, "{");
  for (size_t i = 0; i < n_keys; i++) {
    moons__key key = ((moons__key *)(void *)t->scratch->keys.bytes)[first + i];
    if (i > 0) put_text(t, ",");
    put_key(t, &key);
    put_text(t, ":");
    moons__key_push(t->L, &key, objects);
    lua_rawget(t->L, table);
    put_value(t, -1);
    lua_pop(t->L, 1);
  }
  put_text(t, "}");
}

static void put_array(text *t, int table, lua_Integer n) {
  put_text(t, "[");
  for (lua_Integer i = 1; i <= n; i++) {
    if (i > 1) put_text(t, ",");
    lua_rawgeti(t->L, table, i);
    put_value(t, -1);
    lua_pop(t->L, 1);
  }
  put_text(t, "]");
}

/* How long a table with holes is: its field `n`, where it has no other fields than that and numbers up to it. 0: none such. */
static lua_Integer length_with_holes(text *t, int table, const moons__key *keys, size_t n_keys) {
  lua_pushliteral(t->L, "n");
  lua_rawget(t->L, table);
  lua_Integer n = lua_isinteger(t->L, -1) ? lua_tointeger(t->L, -1) : 0;
  lua_pop(t->L, 1);
  if (n <= 0 || n > MOST_HOLES) return 0;
  for (size_t i = 0; i + 1 < n_keys; i++) /* `n` itself comes last */
    if (keys[i].kind != MOONS__KEY_INTEGER || keys[i].is.integer < 1 || keys[i].is.integer > n)
      return 0;
  return keys[n_keys - 1].kind == MOONS__KEY_STRING ? n : 0;
}

/* How long a table is as an array; -1: it is none. `n_keys` keys from number `first` on are not those from 1 to `n`. */
static lua_Integer array_length(text *t, int table, lua_Integer n, size_t first, size_t n_keys) {
  if (n_keys == 0) return n > 0 ? n : -1;
  const moons__key *keys = (moons__key *)(void *)t->scratch->keys.bytes + first;
  lua_Integer holes = length_with_holes(t, table, keys, n_keys);
  return holes > 0 && holes >= n ? holes : -1;
}

/* All keys of an object are names, those from 1 on too. */
static void put_table(text *t, int table) {
  moons__buffer *keys = &t->scratch->keys;
  size_t start = keys->n_bytes, first = start / sizeof(moons__key);
  lua_Integer n = moons__keys_length(t->L, table);
  size_t n_keys = moons__keys_collect(t->L, table, n, keys, order_by_type, NULL);
  lua_Integer length = array_length(t, table, n, first, n_keys);
  if (length < 0 && n > 0) {
    keys->n_bytes = start;
    lua_pop(t->L, 1);
    n_keys = moons__keys_collect(t->L, table, 0, keys, order_by_type, NULL);
  }
  if (length < 0)
    put_object(t, table, first, n_keys);
  else
    put_array(t, table, length);
  keys->n_bytes = start;
  lua_pop(t->L, 1);
}

/* What is known of a table. Valid until another one is met. */
static uint64_t *known_of(text *t, int table) {
  uint64_t *known = moons__seen_at(&t->scratch->tables, lua_topointer(t->L, table));
  if (known == NULL) moons__check(t->L, MOONS_ENOMEM);
  return known;
}

/* Whether a table is to be written here. */
static int is_shown(text *t, int table) {
  if (t->depth >= MOST_DEPTH) return 0;
  uint64_t known = *known_of(t, table);
  int is_long = t->scratch->out.n_bytes - t->start > AGAIN_BYTES;
  return known != WRITING && !(known == WRITTEN && is_long);
}

/* Puts a table, or what stands for it. */
static void put_table_once(text *t, int table) {
  if (!is_shown(t, table)) {
    put_type(t, "table");
    return;
  }
  luaL_checkstack(t->L, LUA_MINSTACK, NULL);
  *known_of(t, table) = WRITING;
  t->depth++;
  put_table(t, table);
  t->depth--;
  *known_of(t, table) = WRITTEN;
}

static void put_value(text *t, int index) {
  lua_State *L = t->L;
  size_t n_bytes;
  const char *bytes;
  switch (lua_type(L, index)) {
  case LUA_TNIL: put_text(t, "null"); return;
  case LUA_TBOOLEAN: put_text(t, lua_toboolean(L, index) ? "true" : "false"); return;
  case LUA_TNUMBER:
    if (lua_isinteger(L, index))
      put_integer(t, lua_tointeger(L, index), "");
    else
      put_float(t, lua_tonumber(L, index), "");
    return;
  case LUA_TSTRING:
    bytes = lua_tolstring(L, index, &n_bytes);
    put_quoted(t, bytes, n_bytes);
    return;
  case LUA_TTABLE: put_table_once(t, lua_absindex(L, index)); return;
  default: put_type(t, luaL_typename(L, index));
  }
}

void moons__json_append(lua_State *L, int index, moons__scratch *scratch) {
  text t = {.L = L, .scratch = scratch, .start = scratch->out.n_bytes};
  scratch->keys.n_bytes = 0;
  moons__seen_clear(&scratch->tables);
  put_value(&t, index);
}
