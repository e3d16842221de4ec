/*
** A value is built with nothing allocated but the arrays of what is nested, which lie in one list.
*/
#include "json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct block {
  struct block *next;
  moons_value values[];
} block;

struct document {
  cJSON *json; /* holds the texts */
  block *blocks;
  int is_short; /* there was no memory */
  moons_value value;
};

/* {== Read ==================================================================================== */

static moons_value *take(document *d, size_t n) {
  block *b = malloc(sizeof *b + n * sizeof(moons_value));
  if (b == NULL) {
    d->is_short = 1;
    return NULL;
  }
  b->next = d->blocks;
  d->blocks = b;
  return b->values;
}

static moons_value value_of(document *d, const cJSON *json);

static moons_value list_of(document *d, const cJSON *json) {
  size_t n = 0;
  moons_value *values = take(d, (size_t)cJSON_GetArraySize(json));
  if (values == NULL) return moons_nil();
  for (const cJSON *item = json->child; item != NULL; item = item->next)
    values[n++] = value_of(d, item);
  return moons_list(values, n);
}

static moons_value table_of(document *d, const cJSON *json) {
  size_t n = 0;
  moons_value *values = take(d, 2 * (size_t)cJSON_GetArraySize(json));
  if (values == NULL) return moons_nil();
  for (const cJSON *item = json->child; item != NULL; item = item->next) {
    values[n++] = moons_string(item->string);
    values[n++] = value_of(d, item);
  }
  return moons_table(values, n / 2);
}

static moons_value number_of(double x) {
  return x == floor(x) && fabs(x) < 9007199254740992.0 ? moons_integer((int64_t)x)
                                                       : moons_number(x);
}

static moons_value value_of(document *d, const cJSON *json) {
  if (cJSON_IsBool(json)) return moons_boolean(cJSON_IsTrue(json));
  if (cJSON_IsNumber(json)) return number_of(json->valuedouble);
  if (cJSON_IsString(json)) return moons_string(json->valuestring);
  if (cJSON_IsArray(json)) return list_of(d, json);
  if (cJSON_IsObject(json)) return table_of(d, json);
  return moons_nil();
}

document *document_read(const char *text, size_t n_bytes) {
  document *d = calloc(1, sizeof *d);
  if (d == NULL) return NULL;
  d->json = cJSON_ParseWithLength(text, n_bytes);
  if (d->json != NULL) d->value = value_of(d, d->json);
  if (d->json != NULL && !d->is_short) return d;
  document_free(d);
  return NULL;
}

const moons_value *document_value(const document *d) { return &d->value; }

void document_free(document *d) {
  if (d == NULL) return;
  for (block *b = d->blocks, *next; b != NULL; b = next) {
    next = b->next;
    free(b);
  }
  cJSON_Delete(d->json);
  free(d);
}

/* {== Write =================================================================================== */

static cJSON *json_of(const moons_value *value);

static cJSON *array_of(const moons_value *value) {
  cJSON *array = cJSON_CreateArray();
  moons_value room;
  for (size_t i = 1; i <= value->n; i++)
    cJSON_AddItemToArray(array, json_of(moons_item(value, i, &room)));
  return array;
}

/* Keys that are no strings are left out, as JSON has none. */
static cJSON *object_of(const moons_value *value) {
  cJSON *object = cJSON_CreateObject();
  for (size_t i = 0; i < value->n; i++) {
    const moons_value *key = &value->as.values[2 * i];
    if (key->type == MOONS_STRING) cJSON_AddItemToObject(object, key->as.string, json_of(key + 1));
  }
  return object;
}

static cJSON *json_of(const moons_value *value) {
  switch (value != NULL ? value->type : MOONS_NIL) {
  case MOONS_BOOLEAN: return cJSON_CreateBool(moons_to_boolean(value));
  case MOONS_INTEGER:
  case MOONS_FLOAT: return cJSON_CreateNumber(moons_to_number(value, 0)); /* NaN is null */
  case MOONS_STRING: return cJSON_CreateString(value->as.string);
  case MOONS_INTEGERS:
  case MOONS_FLOATS:
  case MOONS_LIST: return array_of(value);
  case MOONS_TABLE: return object_of(value);
  default: return cJSON_CreateNull();
  }
}

static char *print(cJSON *json) {
  char *text = cJSON_PrintUnformatted(json);
  cJSON_Delete(json);
  return text;
}

char *json_write(const moons_value *value) { return print(json_of(value)); }

char *json_error(const char *kind, const char *message) {
  cJSON *json = cJSON_CreateObject();
  cJSON_AddStringToObject(json, "error", kind);
  cJSON_AddStringToObject(json, "message", message);
  return print(json);
}
