#include "base/pairing.h"

#include "check.h"

enum { N = 500 };

static moons__pairing_node nodes[N];
static int is_in[N];

static size_t number_of(const moons__pairing_node *node) { return (size_t)(node - nodes); }

/* The least key of the nodes that are in the heap. */
static uint64_t least_key(void) {
  uint64_t least = UINT64_MAX;
  for (size_t i = 0; i < N; i++)
    if (is_in[i] && nodes[i].key < least) least = nodes[i].key;
  return least;
}

static void gives_the_least(void) {
  moons__pairing heap = {0};
  uint64_t seed = 1, before = 0;
  for (size_t i = 0; i < N; i++)
    moons__pairing_put(&heap, &nodes[i], random_below(&seed, 100));
  for (size_t n = 0; n < N; n++) {
    moons__pairing_node *least = heap.least;
    if (least == NULL) FAIL("there are as many as were put");
    CHECK(least->key >= before);
    before = least->key;
    moons__pairing_remove(&heap, least);
  }
  CHECK(heap.least == NULL);
}

/* Puts and removes at random, and compares with a search. */
static void loses_none(void) {
  moons__pairing heap = {0};
  uint64_t seed = 7;
  memset(is_in, 0, sizeof is_in);
  for (int step = 0; step < 20000; step++) {
    size_t i = random_below(&seed, N);
    if (heap.least != NULL && random_below(&seed, 4) == 0) i = number_of(heap.least);
    if (is_in[i])
      moons__pairing_remove(&heap, &nodes[i]);
    else
      moons__pairing_put(&heap, &nodes[i], random_below(&seed, 1000));
    is_in[i] = !is_in[i];
    CHECK((heap.least == NULL ? UINT64_MAX : heap.least->key) == least_key());
    CHECK(heap.least == NULL || is_in[number_of(heap.least)]);
  }
}

static const test TESTS[] = {
    {"gives the least first", gives_the_least},
    {"loses none that are put and removed", loses_none},
    {NULL, NULL},
};

int main(int argc, char **argv) { return run_tests(TESTS, argc, argv); }
