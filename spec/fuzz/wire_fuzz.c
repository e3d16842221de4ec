/*
** Gives any bytes to all that reads bytes: the decoder of messages, as if they came from elsewhere,
** and the readers of batches, of errors and of dumped functions. None may crash, hang, or leave
** something behind.
*/
#include "wire_fuzz.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/image.h"
#include "wire/batch.h"
#include "wire/capture.h"
#include "wire/failure.h"
#include "wire/wire.h"

/* What one input may allocate, and how many items of a batch are looked at. */
enum { STATE_BYTES = 64 << 20, MOST_ITEMS = 1000 };

/* Nothing here reaches out of the state. */
static const char *const REACHING_OUT[] = {"print", "dofile", "loadfile", "load", NULL};

typedef struct input {
  const uint8_t *bytes;
  size_t n_bytes;
} input;

static moons__slot slot;
static moons__image image;

static void open_image(void) {
  if (moons__slot_open(&slot, STATE_BYTES, NULL)) abort();
  moons__libraries_open(slot.L, MOONS__LIBRARIES_LEAST | MOONS__LIBRARIES_MATH);
  for (int i = 0; REACHING_OUT[i] != NULL; i++) {
    lua_pushnil(slot.L);
    lua_setglobal(slot.L, REACHING_OUT[i]);
  }
  if (moons__image_take(&image, &slot)) abort();
}

/* Argument: an input. */
static int decode(lua_State *L) {
  const input *in = lua_touserdata(L, 1);
  moons__classes classes = {0};
  lua_newtable(L);
  moons__decoder decoder = {.L = L, .classes = &classes, .class_index = 0};
  int top = lua_gettop(L);
  int n_values = moons__decode(&decoder, in->bytes, in->n_bytes);
  if (lua_gettop(L) != top + n_values) abort();
  return 0;
}

static void try_to_decode(const input *in) {
  if (slot.L == NULL) open_image();
  lua_pushcfunction(slot.L, decode);
  lua_pushlightuserdata(slot.L, (void *)(uintptr_t)in);
  if (lua_pcall(slot.L, 1, 0, 0) == LUA_ERRERR) abort();
  moons__image_restore(&image);
}

static void look_at(const char *bytes, size_t n_bytes, const input *in) {
  const char *start = (const char *)in->bytes;
  if (n_bytes == 0) return;
  if (bytes < start || n_bytes > in->n_bytes || bytes + n_bytes > start + in->n_bytes) abort();
}

static void read_batch(const input *in) {
  moons__batch_reader reader;
  moons__batch_open(&reader, in->bytes, in->n_bytes);
  for (int i = 0; i < MOST_ITEMS; i++) {
    moons__item item = {0};
    moons__batch_next(&reader, &item);
    if (item.kind == MOONS__ITEM_END || item.kind == MOONS__ITEM_MALFORMED) break;
    if (item.kind == MOONS__ITEM_MESSAGE || item.kind == MOONS__ITEM_ERROR)
      look_at(item.bytes, item.n_bytes, in);
  }
}

static void read_failure(const input *in) {
  moons__failure failure;
  if (in->n_bytes == 0 || moons__failure_read(&failure, in->bytes, in->n_bytes)) return;
  look_at(failure.message, failure.message_bytes, in);
  look_at(failure.traceback, failure.traceback_bytes, in);
  if (failure.value != NULL) look_at(failure.value, failure.value_bytes, in);
  if (moons__failure_name(failure.kind) == NULL) abort();
}

static void capture(const input *in) {
  moons__buffer names = {0};
  moons__capture(in->bytes, in->n_bytes, UINT64_MAX, &names, NULL);
  for (size_t at = 0; at < names.n_bytes; at += sizeof(moons__capture_name)) {
    moons__capture_name name;
    memcpy(&name, names.bytes + at, sizeof name);
    if (name.n_bytes > in->n_bytes) abort();
  }
  moons__buffer_free(&names);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes) {
  input in = {bytes, n_bytes};
  try_to_decode(&in);
  read_batch(&in);
  read_failure(&in);
  capture(&in);
  return 0;
}
