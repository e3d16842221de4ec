/*
** How long the calls of fifty tenants take there and back: alone, and beside one that floods, one that loops and one that hangs in a
** pattern, under terms as examples/service has them. Their calls come one after the other, or each has one under way all the
** time. Each round is in a process of its own: what hangs goes on in a thread that was given up, till its process ends.
*/
#include <sys/wait.h>
#include <unistd.h>

#include "programs.h"

enum {
  ROUNDS = 5,
  N_TENANTS = 50,
  N_WORKERS = 2,
  FLOOD_CALLS = 2000, /* that wait all the time */
  MOST_TIMES = 1 << 18,
  MOST_TIMEOUTS = 3 /* then a tenant's rules are taken away */
};

static const double ALONE_NS = 0.5e9, BESIDE_NS = 2e9;

typedef struct tenant {
  moons_program *program;
  double begun_ns; /* its call */
  int n;           /* numbers to add */
  int is_bad;
  int n_timeouts;
} tenant;

typedef struct load {
  moons_runtime *runtime;
  moons_queue *queue;
  tenant tenants[N_TENANTS], floods, loops, hangs;
  double *times_ns; /* of the good ones' calls */
  int n_times;
} load;

static void open_tenant(load *l, tenant *t, const char *source, int is_bad) {
  moons_terms terms;
  moons_terms_init(&terms);
  terms.rights = MOONS_MAY_COMPUTE;
  terms.timeout_ns = 100000000;
  terms.memory_bytes = 16 << 20;
  terms.max_running = 1;
  *t = (tenant){.program = bench_load(l->runtime, source, &terms), .is_bad = is_bad};
}

static void open_load(load *l, int us) {
  moons_options options;
  moons_options_init(&options);
  options.n_workers = N_WORKERS;
  options.max_lost = 64;
  l->runtime = bench_runtime(&options);
  l->queue = bench_queue(l->runtime, NULL, NULL);
  l->times_ns = malloc(MOST_TIMES * sizeof *l->times_ns);
  bench_require(l->times_ns != NULL, "no memory for times");
  for (int i = 0; i < N_TENANTS; i++)
    open_tenant(l, &l->tenants[i], BENCH_WORK, 0);
  open_tenant(l, &l->floods, BENCH_WORK, 1);
  open_tenant(l, &l->loops, "function f() while true do end end", 1);
  open_tenant(
      l, &l->hangs,
      "function f() return string.find(string.rep('a', 40), string.rep('a-', 40) .. 'b') end", 1);
  moons_program *unlimited = bench_load(l->runtime, BENCH_WORK, NULL);
  l->floods.n = (int)bench_loops(unlimited, us);
  moons_program_free(unlimited);
  for (int i = 0; i < N_TENANTS; i++)
    l->tenants[i].n = l->floods.n;
}

static void submit(load *l, tenant *t) {
  t->begun_ns = bench_now_ns();
  bench_submit(l->queue, t->program, t->n, t);
}

/* A call of a bad one has come home: the next goes, unless what hangs has done so too often. */
static void go_on(load *l, tenant *t) {
  if (t != &l->hangs || t->n_timeouts < MOST_TIMEOUTS) submit(l, t);
}

static void note(load *l, const tenant *t) {
  bench_require(l->n_times < MOST_TIMES, "too many calls");
  l->times_ns[l->n_times++] = bench_now_ns() - t->begun_ns;
}

/* Takes a call. Returns the tenant whose it was, if that is a good one; on a machine that is busy its time may be over as well. */
static tenant *take(load *l) {
  moons_call *call;
  bench_require(moons_next(l->queue, -1, &call) == 0, "a call is missing");
  tenant *t = moons_call_data(call);
  const moons_error *why = moons_call_error(call);
  if (why != NULL) bench_require(why->kind == MOONS_KIND_TIMEOUT, why->message);
  t->n_timeouts += why != NULL;
  if (t->is_bad)
    go_on(l, t);
  else
    note(l, t);
  moons_call_free(call);
  return t->is_bad ? NULL : t;
}

/* So many of the good ones have a call under way. When one has come the next tenant's goes: its own, where each has one. */
static void time_good(load *l, int n_at_once, double ns, const char *key) {
  double end_ns = bench_now_ns() + ns;
  int n_under_way = n_at_once;
  l->n_times = 0;
  for (int i = 0; i < n_at_once; i++)
    submit(l, &l->tenants[i]);
  while (n_under_way > 0) {
    tenant *t = take(l);
    if (t == NULL) continue;
    if (bench_now_ns() < end_ns)
      submit(l, &l->tenants[(t - l->tenants + n_at_once) % N_TENANTS]);
    else
      n_under_way--;
  }
  char slow[64];
  snprintf(slow, sizeof slow, "slow_%s", key);
  bench_sample(key, bench_median(l->times_ns, (size_t)l->n_times));
  bench_sample(slow, l->times_ns[(size_t)l->n_times * 99 / 100]);
}

static int count_timeouts(const load *l) {
  int n = 0;
  for (int i = 0; i < N_TENANTS; i++)
    n += l->tenants[i].n_timeouts;
  return n;
}

static void time_round(int n_at_once, int us) {
  static load l;
  char key[64];
  open_load(&l, us);
  snprintf(key, sizeof key, "alone_%d_%d", n_at_once, us);
  time_good(&l, n_at_once, ALONE_NS, key);
  submit(&l, &l.loops);
  submit(&l, &l.hangs);
  for (int i = 0; i < FLOOD_CALLS; i++)
    submit(&l, &l.floods);
  snprintf(key, sizeof key, "beside_%d_%d", n_at_once, us);
  time_good(&l, n_at_once, BESIDE_NS, key);
  bench_sample("timed_out", count_timeouts(&l));
}

static void run_round(int n_at_once, int us) {
  int status;
  fflush(stdout);
  pid_t child = fork();
  bench_require(child >= 0, "no process");
  if (child == 0) {
    time_round(n_at_once, us);
    fflush(stdout);
    _exit(EXIT_SUCCESS);
  }
  bench_require(waitpid(child, &status, 0) == child && status == 0, "a round failed");
}

int main(void) {
  for (int i = 0; i < ROUNDS; i++)
    for (int us = 50; us <= 1000; us *= 20) {
      run_round(1, us);
      run_round(N_TENANTS, us);
    }
  return 0;
}
