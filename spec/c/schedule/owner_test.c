#include "schedule/jobs.h"

#include <sys/wait.h>

#include "base/allocate.h"
#include "base/errors.h"
#include "check.h"
#include "system/clock.h"

static moons_runtime *open_runtime(void) {
  moons_runtime *runtime;
  moons_options options;
  moons_options_init(&options);
  options.n_workers = 2;
  CHECK(moons_runtime_new(&runtime, &options) == 0);
  return runtime;
}

/* A job by hand whose set-up is none: its calls fail, and nothing is left behind. */
static void jobs_by_hand(void) {
  moons_runtime *runtime = open_runtime();
  moons__job_options options;
  moons__job_options_init(&options);
  CHECK(options.fresh == 1);
  for (int i = 0; i < 10; i++) {
    moons_job *job;
    CHECK(moons_job_new(&job, runtime, &options) == 0);
    CHECK(moons_job_pending(job) == 0 && moons_job_ready(job) == 0);
    moons_chunk chunk;
    CHECK(moons_job_take(job, -1, &chunk) == MOONS_EEND);
    CHECK(moons_job_put(job, 1, UINT32_MAX, moons__allocate_zeros(NULL, 8), 8) == MOONS_EINVAL);
    CHECK(moons_job_put(job, 1, 3, moons__allocate_zeros(NULL, 8), 8) == 0);
    if (i % 2 == 0) {
      CHECK(moons_job_take(job, -1, &chunk) == 0);
      CHECK(chunk.first == 1 && chunk.n_calls >= 1 &&
            chunk.n_calls <= 3); /* others may share them */
      moons__free(chunk.bytes);
      int error;
      while ((error = moons_job_take(job, -1, &chunk)) == 0)
        moons__free(chunk.bytes);
      CHECK(error == MOONS_EEND);
      CHECK(moons_job_put(job, 4, 1, moons__allocate_zeros(NULL, 8), 8) == MOONS__ESTOPPED);
    }
    if (i % 3 == 0) moons_job_cancel(job);
    moons_job_free(job);
  }
  moons_job_free(NULL);
  moons_job *job;
  options.n_workers = 1000000;
  CHECK(moons_job_new(&job, runtime, &options) == MOONS_EINVAL && job == NULL);
  moons_runtime_free(runtime);
}

static void make_in_child(moons_runtime *runtime) {
  moons__job_options options;
  moons__job_options_init(&options);
  moons_job *job;
  CHECK(moons_job_new(&job, runtime, &options) == MOONS_EFORKED && job == NULL);
}

static void jobs_of_a_parent(void) {
  moons_runtime *runtime = open_runtime();
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    make_in_child(runtime);
    _exit(0);
  }
  int status = 1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  moons_runtime_free(runtime);
}

static void clock_and_seeds(void) {
  uint64_t before = moons__clock_ns();
  CHECK(moons__random_seed() != moons__random_seed());
  CHECK(moons__clock_ns() >= before);
}

static const test TESTS[] = {
    {"jobs can be driven by hand #threads", jobs_by_hand},
    {"jobs of a parent's runtime are refused #unsanitized", jobs_of_a_parent},
    {"the clock goes forward, and seeds differ", clock_and_seeds},
    {NULL, NULL},
};

int main(int argc, char **argv) { return run_tests(TESTS, argc, argv); }
