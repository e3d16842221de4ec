#include "backend/rank_hosts.h"

#include "check.h"

/* Ranks as text: each its machine, of one letter, its set of cores, of one letter, and how many these are. */
static int read_ranks(const char *text, moons__rank *ranks) {
  int n = 0;
  for (const char *at = text; *at != '\0'; at += 3, n++) {
    ranks[n] = (moons__rank){.machine = {at[0], '\0'},
                             .cores_key = (uint64_t)at[1],
                             .n_cores = (uint32_t)(at[2] - '0'),
                             .n_bound = at[1] >= 'a' ? (uint32_t)(at[2] - '0') : 0};
  }
  return n;
}

static void check_hosts(const char *text, unsigned n_workers, unsigned n_cores,
                        const char *expected) {
  moons__rank ranks[10];
  moons__host_list list;
  unsigned n_found;
  char found[500] = "";
  int n = read_ranks(text, ranks);
  CHECK(moons__rank_hosts(ranks, n, &list, NULL, n_workers, &n_found) == 0);
  for (unsigned i = 0; i < list.n; i++) {
    size_t at = strlen(found);
    snprintf(found + at, sizeof found - at, "%s:%u=%d ", list.hosts[i].name,
             list.hosts[i].n_workers, list.hosts[i].rank);
  }
  if (strcmp(found, expected) != 0) FAIL(found);
  CHECK(n_found == n_cores);
  moons__host_list_free(&list);
}

static void ranks_of_nodes(void) {
  check_hosts("xA4", 0, 4, "x:4=0 ");
  check_hosts("xA4yA4zA8", 0, 16, "x:4=0 y:4=1 z:8=2 ");
  check_hosts("xA4xA4", 0, 4, "x:4=1 ");
  check_hosts("xA4xA4yA6", 0, 10, "x:4=1 y:6=2 ");
}

static void ranks_together(void) {
  check_hosts("xA4xA4xA4", 0, 4, "x/1:2=1 x/2:2=2 ");
  check_hosts("xA5xA5xA5", 0, 5, "x/1:3=1 x/2:2=2 ");
  check_hosts("yA2xA2xA2xA2xA2", 0, 6, "y:2=0 x/1:1=1 x/2:1=2 x/3:1=3 x/4:1=4 ");
  check_hosts("xa1xb1xc1", 0, 2, "x/1:1=1 x/2:1=2 ");
  check_hosts("xa4xb4xb4xa4", 0, 8, "x/1:2=1 x/2:2=2 x/3:4=3 ");
}

static void more_workers(void) {
  check_hosts("xA4yA4", 8, 8, "x:4=0 y:4=1 ");
  check_hosts("xA4yA4", 3, 8, "x:4=0 y:4=1 ");
  check_hosts("xA4yA4", 20, 8, "x:10=0 y:10=1 ");
  check_hosts("xA2yA4zA1", 10, 7, "x:2=0 y:6=1 z:2=2 ");
}

static void bound(void) {
  moons__rank ranks[3];
  CHECK(moons__rank_bound(ranks, read_ranks("xA1yA4", ranks)) == NULL);
  CHECK(moons__rank_bound(ranks, read_ranks("xA4yb2", ranks)) == NULL);
  CHECK(strcmp(moons__rank_bound(ranks, read_ranks("xA4yb1", ranks)), "y") == 0);
  moons__rank own;
  moons__rank_read(&own);
  CHECK(own.n_cores >= 1 && own.machine[0] != '\0');
}

static const test TESTS[] = {
    {"each node is a host, that of rank 0 once", ranks_of_nodes},
    {"ranks on a machine share its cores, or have their own", ranks_together},
    {"more workers than cores are spread as these are", more_workers},
    {"a rank that is bound to one core of several is told", bound},
    {NULL, NULL},
};

int main(int argc, char **argv) { return run_tests(TESTS, argc, argv); }
