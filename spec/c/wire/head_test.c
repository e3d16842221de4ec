#include "wire/head.h"

#include "check.h"
#include "host/value.h"
#include "moons.h"

/* A message of a name and values, in memory that is no longer than that. */
static moons__buffer message_of(const char *name, const moons_value *values, size_t n_values) {
  moons__buffer written = {0}, exact = {0};
  CHECK(moons__values_write(&written, name, values, n_values, 0) == 0);
  CHECK(moons__buffer_append(&exact, written.bytes, written.n_bytes) == 0);
  moons__buffer_free(&written);
  return exact;
}

static void check_head(const char *name, const moons_value *values, size_t n_values) {
  moons__buffer message = message_of(name, values, n_values);
  size_t n_bytes = 0;
  const char *head = moons__message_head(message.bytes, message.n_bytes, &n_bytes);
  CHECK(head != NULL && n_bytes == strlen(name) && memcmp(head, name, n_bytes) == 0);
  moons__buffer_free(&message);
}

static void names(void) {
  char longest[1000];
  moons_value values[] = {moons_integer(7), moons_string("other")};
  check_head("", NULL, 0);
  check_head("f", NULL, 0);
  check_head("rules.total", values, 2);
  for (size_t n = 250; n < sizeof longest; n += 249) {
    memset(longest, 'x', n);
    longest[n] = '\0';
    check_head(longest, values, 2);
  }
}

static void other_values(void) {
  moons_value values[] = {moons_integer(7), moons_string("other")};
  moons__buffer message = message_of(NULL, values, 2);
  size_t n_bytes;
  CHECK(moons__message_head(message.bytes, message.n_bytes, &n_bytes) == NULL);
  moons__buffer_free(&message);
  message = message_of(NULL, NULL, 0);
  CHECK(moons__message_head(message.bytes, message.n_bytes, &n_bytes) == NULL);
  CHECK(moons__message_head(NULL, 0, &n_bytes) == NULL);
  moons__buffer_free(&message);
}

/* Each is a block of its own, so that a sanitizer sees a read beyond it. */
static void cut_messages(void) {
  char name[301];
  memset(name, 'x', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  moons__buffer whole = message_of(name, NULL, 0);
  for (size_t n = 1; n < sizeof name; n++) {
    size_t n_bytes;
    char *part = malloc(n);
    CHECK(part != NULL);
    memcpy(part, whole.bytes, n);
    CHECK(moons__message_head(part, n, &n_bytes) == NULL);
    free(part);
  }
  moons__buffer_free(&whole);
}

static void random_bytes(void) {
  uint64_t random = 1;
  for (int i = 0; i < 100000; i++) {
    char bytes[16];
    size_t n = random_below(&random, sizeof bytes + 1), n_bytes = 0;
    for (size_t j = 0; j < n; j++)
      bytes[j] = (char)random_below(&random, j < 2 ? 4 : 256);
    const char *head = moons__message_head(bytes, n, &n_bytes);
    if (head != NULL) CHECK(head >= bytes && head + n_bytes <= bytes + n);
  }
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"finds the name that a message begins with", names},
      {"finds none where it begins with another value", other_values},
      {"finds none in a message that is cut", cut_messages},
      {"stays within any bytes", random_bytes},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
