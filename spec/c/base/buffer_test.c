#include "base/buffer.h"

#include "check.h"
#include "moons.h"

static void appends(void) {
  moons__buffer b = {0};
  uint64_t random = 1;
  size_t n = 0;
  for (int i = 0; i < 3000; i++) {
    unsigned char bytes[300];
    size_t n_more = random_below(&random, sizeof bytes);
    for (size_t j = 0; j < n_more; j++)
      bytes[j] = (unsigned char)((n + j) * 31);
    CHECK(moons__buffer_append(&b, bytes, n_more) == 0);
    n += n_more;
    CHECK(b.n_bytes == n && b.capacity >= n);
  }
  for (size_t i = 0; i < n; i++)
    CHECK((unsigned char)b.bytes[i] == (unsigned char)(i * 31));
  moons__buffer_free(&b);
  CHECK(b.bytes == NULL && b.n_bytes == 0 && b.capacity == 0);
}

static void appends_nothing(void) {
  moons__buffer b = {0};
  CHECK(moons__buffer_append(&b, NULL, 0) == 0);
  CHECK(b.n_bytes == 0);
  CHECK(moons__buffer_append(&b, "x", 1) == 0);
  CHECK(moons__buffer_append(&b, NULL, 0) == 0);
  CHECK(b.n_bytes == 1 && b.bytes[0] == 'x');
  moons__buffer_free(&b);
  moons__buffer_free(&b);
}

static void reserves(void) {
  moons__buffer b = {0};
  for (size_t n = 1; n < 1000000; n *= 5) {
    CHECK(moons__buffer_reserve(&b, n) == 0);
    CHECK(b.capacity - b.n_bytes >= n && b.n_bytes == 0);
    memset(b.bytes, 1, n);
  }
  moons__buffer_free(&b);
}

static void refuses_too_much(void) {
  moons__buffer b = {0};
  CHECK(moons__buffer_append(&b, "abc", 3) == 0);
  char *bytes = b.bytes;
  size_t capacity = b.capacity;
  static const size_t TOO_MUCH[] = {SIZE_MAX, SIZE_MAX - 2, SIZE_MAX / 2, SIZE_MAX / 2 - 2};
  for (size_t i = 0; i < sizeof TOO_MUCH / sizeof TOO_MUCH[0]; i++)
    CHECK(moons__buffer_reserve(&b, TOO_MUCH[i]) == MOONS_ENOMEM);
  CHECK(b.bytes == bytes && b.capacity == capacity && b.n_bytes == 3);
  CHECK(memcmp(b.bytes, "abc", 3) == 0);
  moons__buffer_free(&b);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"bytes stand in the order in which they were appended", appends},
      {"appending nothing changes nothing", appends_nothing},
      {"what was reserved can be written", reserves},
      {"more than there can be is refused and changes nothing", refuses_too_much},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
