#include "system/shared.h"

#include "check.h"
#include "sizes.h"

static unsigned users(moons__shared *block) { return atomic_load(&block->n_users); }

static void is_zeros(void) {
  static const size_t SIZES[] = {0, 1, 100000, MOONS_LARGE_BLOCK_BYTES + 1};
  for (int i = 0; i < 4; i++) {
    moons__shared *block = moons__shared_new(NULL, SIZES[i]);
    CHECK(block != NULL && block->n_bytes == SIZES[i] && users(block) == 1);
    for (size_t at = 0; at < SIZES[i]; at += 1013)
      CHECK(block->bytes[at] == 0);
    if (SIZES[i] > 0) memset(block->bytes, 1, SIZES[i]);
    moons__shared_release(block);
  }
  CHECK(moons__shared_new(NULL, SIZE_MAX / 2) == NULL && moons__shared_new(NULL, SIZE_MAX) == NULL);
  moons__shared_release(NULL);
}

static void has_an_id_of_its_own(void) {
  uint64_t last = 0;
  for (int i = 0; i < 100; i++) {
    moons__shared *block = moons__shared_new(NULL, 8);
    CHECK(block->id > last);
    last = block->id;
    moons__shared_release(block);
  }
}

static void lists_hold(void) {
  moons__shared_list *list = NULL, *others = NULL;
  moons__shared *blocks[20];
  for (int i = 0; i < 20; i++) {
    blocks[i] = moons__shared_new(NULL, 8);
    CHECK(moons__shared_list_add(&list, blocks[i]) == 0 && users(blocks[i]) == 2);
  }
  CHECK(list->n == 20 && moons__shared_list_find(list, blocks[7]->id) == blocks[7]);
  CHECK(moons__shared_list_find(list, blocks[19]->id + 1000) == NULL);
  CHECK(moons__shared_list_find(NULL, 1) == NULL);
  CHECK(moons__shared_list_add_all(&others, list) == 0 && users(blocks[0]) == 3);
  CHECK(moons__shared_list_add_all(&others, NULL) == 0 && others->n == 20);
  moons__shared_list_release(others);
  CHECK(moons__shared_list_share(list) == list && moons__shared_list_share(NULL) == NULL);
  moons__shared_list_release(list);
  CHECK(users(blocks[0]) == 2);
  moons__shared_list_release(list);
  moons__shared_list_release(NULL);
  for (int i = 0; i < 20; i++) {
    CHECK(users(blocks[i]) == 1);
    moons__shared_release(blocks[i]);
  }
}

static void lists_are_read(void) {
  moons__shared_list *list = NULL;
  moons__shared *block = moons__shared_new(NULL, 8);
  CHECK(moons__shared_list_add(&list, block) == 0 && moons__shared_list_add(&list, block) == 0);
  moons__shared_list_begin_reading(list);
  CHECK(atomic_load(&block->n_readers) == 2);
  moons__shared_list_end_reading(list);
  CHECK(atomic_load(&block->n_readers) == 0);
  moons__shared_list_begin_reading(NULL);
  moons__shared_list_end_reading(NULL);
  moons__shared_list_release(list);
  moons__shared_release(block);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"is zeros of any size, or is not to be had", is_zeros},
      {"has an id of its own", has_an_id_of_its_own},
      {"is held by lists", lists_hold},
      {"counts who reads it", lists_are_read},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
