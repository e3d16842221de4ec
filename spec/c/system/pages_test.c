#include "system/pages.h"

#include "check.h"
#include "moons.h"

enum { N_PAGES = 64 };

static char *open_pages(size_t *n_bytes) {
  *n_bytes = N_PAGES * moons__pages_size();
  char *start = moons__pages_reserve(4 * *n_bytes);
  CHECK(start != NULL);
  CHECK((uintptr_t)start % moons__pages_size() == 0);
  CHECK(moons__pages_commit(start, *n_bytes) == 0);
  return start;
}

static void sizes(void) {
  size_t page = moons__pages_size();
  CHECK(page >= 512 && (page & (page - 1)) == 0);
}

static void commits(void) {
  size_t n_bytes;
  char *start = open_pages(&n_bytes);
  memset(start, 5, n_bytes);
  CHECK(moons__pages_commit(start + n_bytes, n_bytes) == 0);
  memset(start + n_bytes, 6, n_bytes);
  CHECK(start[0] == 5 && start[n_bytes - 1] == 5 && start[n_bytes] == 6);
  moons__pages_release(start, 4 * n_bytes);
}

static void discards(void) {
  size_t n_bytes;
  char *start = open_pages(&n_bytes);
  size_t half = n_bytes / 2;
  memset(start, 5, n_bytes);
  for (int i = 0; i < 3; i++) {
    moons__pages_discard(start + half, half);
    CHECK(start[half - 1] == 5);
    memset(start + half, 7, half);
    CHECK(start[half] == 7 && start[n_bytes - 1] == 7);
  }
  moons__pages_release(start, 4 * n_bytes);
}

static void reserves_much(void) {
  size_t n_bytes = (size_t)64 << 30, page = moons__pages_size();
  char *start = moons__pages_reserve(n_bytes);
  if (start == NULL) return; /* the system may refuse */
  CHECK(moons__pages_commit(start, page) == 0);
  start[page - 1] = 1;
  moons__pages_release(start, n_bytes);
}

/* What is far has room behind it, and nothing is taken from a neighbour. */
static void extends(void) {
  size_t page = moons__pages_size(), n_bytes = N_PAGES * page, room = (size_t)1 << 36;
  char *starts[8];
  for (int i = 0; i < 8; i++) {
    starts[i] = moons__pages_reserve_far(n_bytes, room);
    CHECK(starts[i] != NULL);
    CHECK(moons__pages_commit(starts[i], n_bytes) == 0);
    memset(starts[i], i, n_bytes);
  }
  for (int i = 0; i < 8; i++) {
    if (moons__pages_extend(starts[i] + n_bytes, n_bytes))
      continue; /* a system may have no such addresses */
    CHECK(moons__pages_commit(starts[i] + n_bytes, n_bytes) == 0);
    memset(starts[i] + n_bytes, i, n_bytes);
    CHECK(moons__pages_extend(starts[i] + n_bytes, page) != 0);
    CHECK(starts[i][2 * n_bytes - 1] == i);
    moons__pages_release(starts[i] + n_bytes, n_bytes);
  }
  for (int i = 0; i < 8; i++) {
    CHECK(starts[i][0] == i && starts[i][n_bytes - 1] == i);
    moons__pages_release(starts[i], n_bytes);
  }
}

static void thaws(void) {
  size_t n_bytes, page = moons__pages_size();
  char *start = open_pages(&n_bytes);
  for (size_t i = 0; i < n_bytes; i++)
    start[i] = (char)(i * 13);
  int error = moons__pages_freeze(start + page, n_bytes - page);
  CHECK(error == 0 || error == MOONS_EUNSUPPORTED);
  for (size_t i = 0; i < n_bytes; i++)
    CHECK(start[i] == (char)(i * 13));
  for (int round = 0; !error && round < 4; round++) {
    for (size_t i = 0; i < n_bytes; i += round % 2 == 0 ? 1 : 3 * page)
      start[i] = (char)round;
    moons__pages_thaw(start + page, n_bytes - page);
    CHECK(start[0] == (char)round); /* is not frozen */
    for (size_t i = page; i < n_bytes; i++)
      CHECK(start[i] == (char)(i * 13));
  }
  moons__pages_release(start, 4 * n_bytes);
}

static void freezes_again(void) {
  size_t n_bytes;
  char *start = open_pages(&n_bytes);
  memset(start, 1, n_bytes);
  int error = moons__pages_freeze(start, n_bytes);
  memset(start, 2, n_bytes);
  if (!error) error = moons__pages_freeze(start, n_bytes);
  memset(start, 3, n_bytes);
  if (!error) {
    moons__pages_thaw(start, n_bytes);
    CHECK(start[0] == 2 && start[n_bytes - 1] == 2);
  }
  moons__pages_release(start, 4 * n_bytes);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"sizes make sense", sizes},
      {"committed space can be written, and grows", commits},
      {"discarded space can be written again, and its neighbours stay", discards},
      {"more address space can be reserved than there is memory", reserves_much},
      {"space far off can be extended, but not over what is there", extends},
      {"what was frozen is put back, and nothing else", thaws},
      {"what is frozen a second time is what is put back", freezes_again},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
