#include "system/blocks.h"

#include <sys/resource.h>

#include "check.h"
#include "sizes.h"

static const size_t LARGE = MOONS_LARGE_BLOCK_BYTES;

static unsigned char pattern(size_t i) { return (unsigned char)(i * 31 + i / 4096); }

static void fill(unsigned char *block, size_t from, size_t to) {
  for (size_t i = from; i < to; i += 4099)
    block[i] = pattern(i);
  if (to > from) block[to - 1] = pattern(to - 1);
}

static void check_filled(const unsigned char *block, size_t n_bytes) {
  for (size_t i = 0; i < n_bytes; i += 4099)
    CHECK(block[i] == pattern(i));
}

static void check_resizes(const size_t sizes[], size_t n) {
  unsigned char *block = NULL;
  size_t n_bytes = 0;
  for (size_t i = 0; i < n; i++) {
    block = moons__block_resize(block, n_bytes, sizes[i]);
    CHECK(block != NULL && (uintptr_t)block % 16 == 0);
    check_filled(block, n_bytes < sizes[i] ? n_bytes : sizes[i]);
    n_bytes = sizes[i];
    fill(block, 0, n_bytes);
  }
  CHECK(moons__block_resize(block, n_bytes, 0) == NULL);
}

static void around_the_border(void) {
  const size_t SIZES[] = {1,     100,       LARGE - 1, LARGE, LARGE + 1,    LARGE - 1,
                          LARGE, 3 * LARGE, 2 * LARGE, 40,    LARGE + 4095, LARGE,
                          1};
  check_resizes(SIZES, sizeof SIZES / sizeof SIZES[0]);
}

/* Blocks that live at the same time keep each other from growing where they are. */
static void several_at_once(void) {
  enum { N = 3 };
  unsigned char *blocks[N] = {NULL};
  size_t sizes[N] = {0};
  uint64_t random = 1;
  for (int step = 0; step < 60; step++) {
    size_t i = random_below(&random, N), n_bytes = 1 + random_below(&random, 2 * LARGE);
    if (random_below(&random, 3) == 0) n_bytes = sizes[i] * 2 % (3 * LARGE) + 1;
    blocks[i] = moons__block_resize(blocks[i], sizes[i], n_bytes);
    CHECK(blocks[i] != NULL);
    check_filled(blocks[i], sizes[i] < n_bytes ? sizes[i] : n_bytes);
    sizes[i] = n_bytes;
    fill(blocks[i], 0, n_bytes);
  }
  for (int i = 0; i < N; i++)
    CHECK(moons__block_resize(blocks[i], sizes[i], 0) == NULL);
}

static void too_large(void) {
  unsigned char *block = moons__block_resize(NULL, 0, 2 * LARGE);
  CHECK(block != NULL);
  fill(block, 0, 2 * LARGE);
  CHECK(moons__block_resize(NULL, 0, SIZE_MAX) == NULL);
  CHECK(moons__block_resize(block, 2 * LARGE, SIZE_MAX - 1) == NULL);
  check_filled(block, 2 * LARGE);
  CHECK(moons__block_resize(block, 2 * LARGE, 0) == NULL);
  CHECK(moons__block_resize(NULL, 0, 0) == NULL);
}

static void no_address_space(void) {
  unsigned char *block = moons__block_resize(NULL, 0, 2 * LARGE);
  CHECK(block != NULL);
  fill(block, 0, 2 * LARGE);
  struct rlimit limit, none;
  CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
  none = limit;
  none.rlim_cur = 1 << 20;
  CHECK(setrlimit(RLIMIT_AS, &none) == 0);
  CHECK(moons__block_resize(NULL, 0, 64 * LARGE) == NULL);
  CHECK(moons__block_resize(block, 2 * LARGE, 64 * LARGE) == NULL);
  unsigned char *smaller = moons__block_resize(block, 2 * LARGE, LARGE);
  CHECK(smaller != NULL);
  CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
  check_filled(smaller, LARGE);
  CHECK(moons__block_resize(smaller, LARGE, 0) == NULL);
}

/* The bytes of address space that the process has. */
static size_t address_space(void) {
  size_t n_pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL) return 0;
  if (fscanf(file, "%zu", &n_pages) != 1) n_pages = 0;
  fclose(file);
  return n_pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Growing needs room for what it grows by, not for both sizes at once. */
static void little_address_space(void) {
  unsigned char *block = moons__block_resize(NULL, 0, 3 * LARGE);
  unsigned char *above = moons__block_resize(NULL, 0, LARGE); /* likely in the way */
  CHECK(block != NULL && above != NULL);
  fill(block, 0, 3 * LARGE);
  size_t used = address_space();
  if (used > 0) {
    struct rlimit limit, little;
    CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
    little = limit;
    little.rlim_cur = used + LARGE + LARGE / 4;
    CHECK(setrlimit(RLIMIT_AS, &little) == 0);
    block = moons__block_resize(block, 3 * LARGE, 4 * LARGE);
    CHECK(block != NULL);
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    check_filled(block, 3 * LARGE);
    CHECK(moons__block_resize(block, 4 * LARGE, 0) == NULL);
  } else {
    CHECK(moons__block_resize(block, 3 * LARGE, 0) == NULL);
  }
  CHECK(moons__block_resize(above, LARGE, 0) == NULL);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"a block keeps its bytes at every size", around_the_border},
      {"blocks keep their bytes beside each other", several_at_once},
      {"a block too large for anything is refused, and the old one stays", too_large},
      {"with little address space a block grows by as much #unsanitized", little_address_space},
      {"without address space a block stays, and can become smaller #unsanitized",
       no_address_space},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
