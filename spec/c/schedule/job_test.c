#include "schedule/job.h"

#include "check.h"

enum { N = 6 };

static void put_all(moons__job *job, moons__chunk chunks[], unsigned n) {
  for (unsigned i = 0; i < n; i++) {
    chunks[i] = (moons__chunk){.first = i * 10 + 1, .n_calls = 10};
    moons__job_put(job, &chunks[i]);
  }
}

static void fail(moons__chunk *chunk, uint64_t number) {
  chunk->failed = 1;
  chunk->first_failed = number;
}

static void check_counts(const moons__job *job, unsigned waiting, unsigned running,
                         unsigned finished) {
  CHECK(job->waiting.n == waiting && job->n_running == running && job->finished.n == finished);
}

static void empty_has_nothing(void) {
  moons__job job = {.max_running = 2};
  CHECK(moons__job_start(&job) == NULL);
  CHECK(moons__job_take(&job) == NULL);
  CHECK(moons__job_drop(&job) == NULL);
  check_counts(&job, 0, 0, 0);
}

static void keeps_order(void) {
  moons__job job = {.max_running = 100};
  moons__chunk chunks[N];
  put_all(&job, chunks, N);
  check_counts(&job, N, 0, 0);
  for (int i = 0; i < N; i++)
    CHECK(moons__job_start(&job) == &chunks[i]);
  CHECK(moons__job_start(&job) == NULL);
  check_counts(&job, 0, N, 0);
  static const int ORDER[N] = {3, 0, 5, 1, 2, 4};
  for (int i = 0; i < N; i++)
    moons__job_finish(&job, &chunks[ORDER[i]]);
  check_counts(&job, 0, 0, N);
  for (int i = 0; i < N; i++)
    CHECK(moons__job_take(&job) == &chunks[ORDER[i]]); /* as they finished */
  check_counts(&job, 0, 0, 0);
}

static void runs_as_many_as_may(void) {
  moons__job job = {.max_running = 2};
  moons__chunk chunks[N];
  put_all(&job, chunks, N);
  CHECK(moons__job_start(&job) == &chunks[0]);
  CHECK(moons__job_start(&job) == &chunks[1]);
  CHECK(moons__job_start(&job) == NULL);
  moons__job_finish(&job, &chunks[1]);
  CHECK(moons__job_start(&job) == &chunks[2]);
  CHECK(moons__job_start(&job) == NULL);
  moons__job_return(&job, &chunks[0]); /* one of those running was not run after all */
  CHECK(moons__job_start(&job) == &chunks[3]);
  CHECK(moons__job_start(&job) == NULL);
  check_counts(&job, 2, 2, 1);
}

static void put_while_running(void) {
  moons__job job = {.max_running = 1};
  moons__chunk chunks[N];
  for (int i = 0; i < N; i++) {
    chunks[i] = (moons__chunk){0};
    moons__job_put(&job, &chunks[i]);
    CHECK(moons__job_start(&job) == &chunks[i]);
    moons__job_finish(&job, &chunks[i]);
    if (i % 2 == 1) {
      CHECK(moons__job_take(&job) == &chunks[i - 1]);
      CHECK(moons__job_take(&job) == &chunks[i]);
      CHECK(moons__job_take(&job) == NULL);
    }
  }
}

static void failure_stops(void) {
  moons__job job = {.max_running = 3};
  moons__chunk chunks[N];
  put_all(&job, chunks, N);
  for (int i = 0; i < 3; i++)
    moons__job_start(&job);
  fail(&chunks[1], 12);
  CHECK(moons__job_drop(&job) == NULL); /* nothing is dropped of a job that goes on */
  moons__job_finish(&job, &chunks[1]);
  CHECK(job.stopped);
  CHECK(moons__job_start(&job) == NULL);
  for (int i = 3; i < N; i++)
    CHECK(moons__job_drop(&job) == &chunks[i]);
  CHECK(moons__job_drop(&job) == NULL);
  check_counts(&job, 0, 2, 1);
  moons__job_finish(&job, &chunks[0]);
  moons__job_finish(&job, &chunks[2]);
  check_counts(&job, 0, 0, 3);
}

static void collect_goes_on(void) {
  moons__job job = {.max_running = 1, .collect = 1};
  moons__chunk chunks[N];
  put_all(&job, chunks, N);
  for (int i = 0; i < N; i++) {
    CHECK(moons__job_start(&job) == &chunks[i]);
    fail(&chunks[i], chunks[i].first);
    moons__job_finish(&job, &chunks[i]);
    CHECK(!job.stopped);
  }
  check_counts(&job, 0, 0, N);
}

static void stop_stops(void) {
  moons__job job = {.max_running = 1, .collect = 1};
  moons__chunk chunks[N];
  put_all(&job, chunks, N);
  moons__job_start(&job);
  moons__job_stop(&job);
  CHECK(moons__job_start(&job) == NULL);
  int n_dropped = 0;
  while (moons__job_drop(&job) != NULL)
    n_dropped++;
  CHECK(n_dropped == N - 1);
  moons__job_finish(&job, &chunks[0]);
  CHECK(moons__job_take(&job) == &chunks[0]);
}

/* Whatever the order in which they finish, failures come first, the lowest before the others. */
static void lowest_failure_first(void) {
  uint64_t random = 1;
  for (int round = 0; round < 2000; round++) {
    moons__job job = {.max_running = N, .collect = round % 2};
    moons__chunk chunks[N];
    int order[N], n_failed = 0;
    put_all(&job, chunks, N);
    for (int i = 0; i < N; i++) {
      moons__job_start(&job);
      order[i] = i;
      if (random_below(&random, 2) == 0) continue;
      fail(&chunks[i], chunks[i].first + random_below(&random, 10));
      n_failed++;
    }
    for (size_t n = N; n > 0; n--) {
      size_t i = random_below(&random, n);
      moons__job_finish(&job, &chunks[order[i]]);
      order[i] = order[n - 1];
    }
    uint64_t before = 0;
    for (int i = 0; i < N; i++) {
      moons__chunk *chunk = moons__job_take(&job);
      CHECK(chunk != NULL && chunk->failed == (i < n_failed));
      CHECK(i >= n_failed || chunk->first_failed > before);
      before = chunk->first_failed;
    }
    CHECK(moons__job_take(&job) == NULL);
  }
}

static void success_after_failures(void) {
  moons__job job = {.max_running = N, .collect = 1};
  moons__chunk chunks[3];
  put_all(&job, chunks, 3);
  for (int i = 0; i < 3; i++)
    moons__job_start(&job);
  fail(&chunks[0], 1);
  moons__job_finish(&job, &chunks[0]); /* becomes first and last */
  moons__job_finish(&job, &chunks[1]);
  moons__job_finish(&job, &chunks[2]);
  for (int i = 0; i < 3; i++)
    CHECK(moons__job_take(&job) == &chunks[i]);
}

static void idle_counts_what_could_run(void) {
  moons__job job = {.max_running = 3};
  moons__chunk chunks[2];
  CHECK(moons__job_idle(&job) == 3);
  put_all(&job, chunks, 2);
  CHECK(moons__job_idle(&job) == 0); /* what waits can run */
  moons__job_start(&job);
  moons__job_start(&job);
  CHECK(moons__job_idle(&job) == 1);
  moons__job_finish(&job, &chunks[0]);
  CHECK(moons__job_idle(&job) == 2);
  moons__job_stop(&job);
  CHECK(moons__job_idle(&job) == 0);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"a job without chunks has none to start, take or drop", empty_has_nothing},
      {"chunks start in the order in which they were put", keeps_order},
      {"no more chunks run at once than may", runs_as_many_as_may},
      {"chunks can be put while others run", put_while_running},
      {"a failure stops the job, and what waits can be dropped", failure_stops},
      {"a job that collects goes on after failures", collect_goes_on},
      {"a job that was stopped begins no more", stop_stops},
      {"as many could run as may and do not, where none wait", idle_counts_what_could_run},
      {"failed chunks are taken first, the lowest failure before the others", lowest_failure_first},
      {"chunks that finish after a failure are taken too", success_after_failures},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
