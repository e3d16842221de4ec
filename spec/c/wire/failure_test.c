#include "wire/failure.h"

#include "base/errors.h"
#include "check.h"
#include "moons.h"

static int is(const char *text, size_t n_bytes, const char *expected) {
  return n_bytes == strlen(expected) && memcmp(text, expected, n_bytes) == 0;
}

static moons__buffer write_one(moons__failure_kind kind, const char *value) {
  moons__buffer out = {0};
  moons__failure failure = {.kind = kind, .message = "a message", .message_bytes = 9};
  failure.traceback = "stack traceback:\n\tx.lua:1: in f";
  failure.traceback_bytes = strlen(failure.traceback);
  CHECK(moons__failure_write(&out, &failure) == 0);
  CHECK(moons__buffer_append(&out, value, strlen(value)) == 0);
  return out;
}

static void round_trips(void) {
  for (int kind = 0; kind <= MOONS__FAILURE_LOST; kind++) {
    moons__buffer out = write_one((moons__failure_kind)kind, "value");
    moons__failure read;
    CHECK(moons__failure_read(&read, out.bytes, out.n_bytes) == 0);
    CHECK((int)read.kind == kind);
    CHECK(is(read.message, read.message_bytes, "a message"));
    CHECK(is(read.traceback, read.traceback_bytes, "stack traceback:\n\tx.lua:1: in f"));
    CHECK(is(read.value, read.value_bytes, "value"));
    moons__buffer_free(&out);
  }
}

static void names_a_worker(void) {
  moons__buffer out = write_one(MOONS__FAILURE_LOST, "value");
  moons__failure read;
  CHECK(moons__failure_read(&read, out.bytes, out.n_bytes) == 0 && read.worker == 0);
  moons__failure_set_worker(out.bytes, out.n_bytes, 7);
  CHECK(moons__failure_read(&read, out.bytes, out.n_bytes) == 0 && read.worker == 7);
  CHECK(is(read.message, read.message_bytes, "a message"));
  moons__failure_set_worker(out.bytes, 4, 1U << 31); /* no room: leaves it */
  CHECK(moons__failure_read(&read, out.bytes, out.n_bytes) == 0 && read.worker == 7);
  moons__buffer_free(&out);
}

static void without_value(void) {
  moons__buffer out = write_one(MOONS__FAILURE_ERROR, "");
  moons__failure read;
  CHECK(moons__failure_read(&read, out.bytes, out.n_bytes) == 0);
  CHECK(read.value == NULL && read.value_bytes == 0);
  moons__buffer_free(&out);
}

static void unwritten(void) {
  moons__failure read;
  CHECK(moons__failure_read(&read, NULL, 0) == 0);
  CHECK(read.kind == MOONS__FAILURE_MEMORY && read.message_bytes > 0 && read.value == NULL);
}

static void empty_texts(void) {
  moons__buffer out = {0};
  moons__failure failure = {.kind = MOONS__FAILURE_MEMORY}, read;
  CHECK(moons__failure_write(&out, &failure) == 0);
  CHECK(moons__failure_read(&read, out.bytes, out.n_bytes) == 0);
  CHECK(read.message_bytes == 0 && read.traceback_bytes == 0 && read.value == NULL);
  moons__buffer_free(&out);
}

static void names(void) {
  static const char *const NAMES[] = {"error",   "timeout", "memory", "cancelled",
                                      "marshal", "lost",    "system"};
  for (int kind = 0; kind <= MOONS__FAILURE_LOST; kind++)
    CHECK(strcmp(moons__failure_name((moons__failure_kind)kind), NAMES[kind]) == 0);
}

static void truncated(void) {
  moons__buffer out = write_one(MOONS__FAILURE_ERROR, "");
  for (size_t n = 1; n < out.n_bytes; n++) {
    moons__failure read;
    char *copy = copy_exactly(out.bytes, n);
    CHECK(moons__failure_read(&read, copy, n) == MOONS__EMALFORMED);
    free(copy);
  }
  moons__buffer_free(&out);
}

static void garbage(void) {
  uint64_t random = 1;
  moons__buffer out = write_one(MOONS__FAILURE_ERROR, "value");
  for (int i = 0; i < 100000; i++) {
    char *copy = copy_exactly(out.bytes, out.n_bytes);
    for (size_t n = random_below(&random, 4); n > 0; n--)
      copy[random_below(&random, out.n_bytes)] = (char)random_next(&random);
    moons__failure read;
    if (moons__failure_read(&read, copy, out.n_bytes) == 0) {
      const char *end = copy + out.n_bytes;
      CHECK(read.kind < MOONS__N_FAILURES);
      CHECK(read.message >= copy && read.message + read.message_bytes <= end);
      CHECK(read.traceback >= copy && read.traceback + read.traceback_bytes <= end);
      CHECK(read.value == NULL || read.value + read.value_bytes == end);
    }
    free(copy);
  }
  moons__buffer_free(&out);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"a failure of each kind comes back as it was", round_trips},
      {"a failure names a worker", names_a_worker},
      {"a failure may have no value", without_value},
      {"a failure may have no texts", empty_texts},
      {"a failure that could not be written is one of memory", unwritten},
      {"kinds have the names that scripts see", names},
      {"bytes that end early are malformed", truncated},
      {"any bytes give a failure within them, or a refusal", garbage},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
