/*
** What it costs to give each call a state as new: by making a state, by putting an image back, and by
** the whole way that a call goes in a worker. In one thread, and at the end in two at once.
*/
#include <lauxlib.h>
#include <lualib.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "bench.h"
#include "moons.h"
#include "schedule/runtime.h"
#include "state/image.h"
#include "state/libraries.h"
#include "state/pristine.h"
#include "wire/batch.h"
#include "wire/setup.h"
#include "worker/worker.h"

enum {
  ROUNDS = 300,
  STATES_A_ROUND = 40,
  CALLS_A_ROUND = 2000,
  RECORD_ROUNDS = 10,
  RECORD_CALLS = 1000,
  RECORD_STEP = 997, /* from the record of one call to that of the next */
  PAIR_ROUNDS = 40,
  TASKS_A_ROUND = 30 /* by each thread */
};

static const char SQUARE[] = "return function(x) return x ^ 2 end";
static const char READ_RECORD[] =
    "local records = {}\n"
    "for i = 1, 1000000 do\n"
    "  records[i] = {id = i, name = 'record ' .. i, score = i * 0.5, ok = i % 3 == 0}\n"
    "end\n"
    "return function(i) return records[i].score end\n";

static lua_State *open_state(void) {
  lua_State *L = luaL_newstate();
  bench_require(L != NULL, "no memory for a state");
  luaL_openlibs(L);
  return L;
}

/* Pushes the function that the source returns. */
static void push_function(lua_State *L, const char *source) {
  bench_require(luaL_dostring(L, source) == LUA_OK, "the source failed");
}

/* Calls the function that is the first on the stack. */
static void call(lua_State *L, lua_Integer argument) {
  lua_pushvalue(L, 1);
  lua_pushinteger(L, argument);
  bench_require(lua_pcall(L, 1, 1, 0) == LUA_OK, "a call failed");
  bench_require(lua_tonumber(L, -1) >= 0, "a call gave nothing");
}

/* A state made and closed, as luaL_newstate does it. */
static void time_new_states(void) {
  BENCH_TIMED("new", STATES_A_ROUND) {
    for (int i = 0; i < STATES_A_ROUND; i++)
      lua_close(open_state());
  }
}

/* An image put back, then lua_pcall. */

static void open_image(moons__image *image, moons__slot *slot, moons__libraries libraries,
                       const char *source) {
  bench_require(moons__slot_open(slot, 0, NULL) == 0, "no memory for a state");
  moons__libraries_open(slot->L, libraries);
  push_function(slot->L, source);
  *image = (moons__image){0};
  bench_require(moons__image_take(image, slot) == 0, "no memory for an image");
}

static void close_image(moons__image *image) {
  moons__slot *slot = image->slot;
  moons__image_close(image);
  moons__slot_close(slot);
}

static void time_image(const moons__image *image, const char *key, int n_calls, int step) {
  BENCH_TIMED(key, n_calls) {
    for (int i = 0; i < n_calls; i++) {
      moons__image_restore(image);
      call(image->slot->L, 1 + i * step);
    }
  }
}

/* Room for two copies of an image. */
static char *make_places(const moons__image *image) {
  char *places = malloc(2 * image->n_bytes);
  bench_require(places != NULL, "no memory to copy");
  return memset(places, 1, 2 * image->n_bytes);
}

/* As many bytes copied as an image has: of a small one with both places in the cache as far as they fit. */
static void time_copy(const moons__image *image, char *places, const char *key, int n_copies) {
  BENCH_TIMED(key, n_copies) {
    for (int i = 0; i < n_copies; i++) {
      memcpy(places, places + image->n_bytes, image->n_bytes);
      __asm__ volatile("" : : "r"(places) : "memory"); /* each copy counts */
    }
  }
}

static void call_in_same_state(lua_State *L, int n_calls) {
  for (int i = 0; i < n_calls; i++) {
    call(L, i);
    lua_settop(L, 1);
  }
}

/* The whole way of a call in a worker. */

typedef struct line {
  const char *key;
  moons__worker *worker;
  moons__buffer setup, arguments;
  moons__plan *plan;
  int fresh;
  uint32_t n_calls;
} line;

/* The states of a worker know where to find the module `parallel`, as they do in a runtime. */
static void preload(lua_State *L, void *data) { moons__preload(L, data); }

/* As the module `parallel` makes it, of the function on top. */
static void encode_setup(lua_State *L, moons__buffer *out) {
  moons__names names = {0};
  moons__encoder encoder = {.L = L, .out = out, .names = &names};
  int function = lua_gettop(L);
  lua_pushnil(L); /* no init, and no modules */
  lua_newtable(L);
  encoder.sent_index = lua_gettop(L);
  moons__pristine_push_globals(L);
  encoder.pristine_index = lua_gettop(L);
  moons__encoder_begin(&encoder);
  moons__setup_encode(&encoder, function, function + 1, function + 1);
  moons__encoder_end(&encoder);
  moons__names_free(&names);
}

static void make_setup(const char *source, moons__buffer *out) {
  lua_State *L = open_state();
  moons__pristine_note(L, 0);
  push_function(L, source);
  encode_setup(L, out);
  lua_close(L);
}

static void make_arguments(line *l, moons__libraries needs, int64_t step) {
  moons__batch_writer writer;
  int error = moons__batch_begin(&writer, &l->arguments);
  if (!error) error = moons__batch_integer_range(&writer, 1, step, l->n_calls);
  bench_require(!error, "no memory for arguments");
  moons__batch_needs(&writer, needs);
}

static void open_line(line *l, const char *source, moons__libraries needs, int64_t step) {
  moons__worker_config config = {.preload = preload};
  bench_require(moons__worker_open(&l->worker, &config, NULL) == 0, "no memory for a worker");
  make_setup(source, &l->setup);
  make_arguments(l, needs, step);
  moons__job_options options = {.fresh = l->fresh};
  moons__setup *setup = moons__setup_new(NULL, l->setup.bytes, l->setup.n_bytes, 0);
  bench_require(setup != NULL, "no memory for a set-up");
  l->plan = moons__plan_new(&options, setup, &(moons__luggage){0}, NULL, 0);
  moons__setup_release(setup);
  bench_require(l->plan != NULL, "no memory for a plan");
}

static void close_line(line *l) {
  moons__worker_close(l->worker);
  moons__plan_release(l->plan);
  moons__buffer_free(&l->setup);
  moons__buffer_free(&l->arguments);
}

static void run_line(line *l) {
  moons__chunk chunk = {.plan = l->plan, .first = 1, .n_calls = l->n_calls};
  chunk.bytes = l->arguments.bytes;
  chunk.n_bytes = l->arguments.n_bytes;
  moons__worker_run(l->worker, &chunk);
  bench_require(chunk.n_run == chunk.n_calls && !chunk.failed, "a call failed");
  moons__buffer_free(&chunk.results);
}

static void time_line(line *l) { BENCH_TIMED(l->key, l->n_calls) run_line(l); }

/* A state for each call of a small function. */

static void measure_images(void) {
  moons__slot slots[2];
  moons__image all, small;
  open_image(&all, &slots[0], MOONS__LIBRARIES_ALL, SQUARE);
  open_image(&small, &slots[1], MOONS__LIBRARIES_LEAST, SQUARE);
  bench_sample("image_bytes_all", (double)all.n_bytes);
  bench_sample("image_bytes_small", (double)small.n_bytes);
  char *places = make_places(&all);
  for (int i = 0; i < ROUNDS; i++) {
    time_new_states();
    time_image(&all, "image_all", CALLS_A_ROUND, 1);
    time_image(&small, "image_small", CALLS_A_ROUND, 1);
    time_copy(&all, places, "copy_all", CALLS_A_ROUND);
    time_copy(&small, places, "copy_small", CALLS_A_ROUND);
    BENCH_TIMED("same", CALLS_A_ROUND) call_in_same_state(slots[1].L, CALLS_A_ROUND);
  }
  free(places);
  close_image(&small);
  close_image(&all);
}

static void measure_workers(void) {
  line lines[] = {
      {.key = "worker_all", .fresh = 1, .n_calls = CALLS_A_ROUND},
      {.key = "worker_small", .fresh = 1, .n_calls = CALLS_A_ROUND},
      {.key = "worker_kept", .n_calls = CALLS_A_ROUND},
  };
  enum { N_LINES = sizeof lines / sizeof lines[0] };
  for (int i = 0; i < N_LINES; i++) {
    open_line(&lines[i], SQUARE, i == 0 ? MOONS__LIBRARIES_ALL : 0, 1);
    run_line(&lines[i]); /* makes the state */
  }
  for (int round = 0; round < ROUNDS; round++) {
    time_new_states();
    for (int i = 0; i < N_LINES; i++)
      time_line(&lines[i]);
  }
  for (int i = 0; i < N_LINES; i++)
    close_line(&lines[i]);
}

/* A state for each call of a function that has captured many records. */

static void measure_records(void) {
  moons__slot slot;
  moons__image image;
  line worker = {.key = "record_worker", .fresh = 1, .n_calls = RECORD_CALLS};
  open_image(&image, &slot, MOONS__LIBRARIES_LEAST, READ_RECORD);
  open_line(&worker, READ_RECORD, 0, RECORD_STEP);
  run_line(&worker);
  char *places = make_places(&image);
  bench_sample("record_megabytes", (double)image.n_bytes / 1e6);
  for (int round = 0; round < RECORD_ROUNDS; round++) {
    time_copy(&image, places, "record_copy", 1);
    time_image(&image, "record_image", RECORD_CALLS, RECORD_STEP);
    time_line(&worker);
  }
  free(places);
  close_line(&worker);
  close_image(&image);
}

/* Two threads at once, each with its worker, against one; and the same with a bare state. */

typedef struct puller {
  pthread_t thread;
  line line;
  lua_State *L;
} puller;

static void *pull_line(void *data) {
  puller *p = data;
  for (int i = 0; i < TASKS_A_ROUND; i++)
    run_line(&p->line);
  return NULL;
}

static void *pull_bare(void *data) {
  puller *p = data;
  call_in_same_state(p->L, TASKS_A_ROUND * CALLS_A_ROUND);
  return NULL;
}

/* Wall-clock time for each of all calls. */
static double time_threads(puller *pullers, int n_threads, void *(*pull)(void *), const char *key) {
  double start_ns = bench_now_ns();
  for (int i = 0; i < n_threads; i++)
    bench_require(!pthread_create(&pullers[i].thread, NULL, pull, &pullers[i]), "no thread");
  for (int i = 0; i < n_threads; i++)
    pthread_join(pullers[i].thread, NULL);
  double call_ns = (bench_now_ns() - start_ns) / (n_threads * TASKS_A_ROUND * CALLS_A_ROUND);
  bench_sample(key, call_ns);
  return call_ns;
}

static void open_puller(puller *p) {
  *p = (puller){.line = {.fresh = 1, .n_calls = CALLS_A_ROUND}};
  open_line(&p->line, SQUARE, 0, 1);
  run_line(&p->line); /* makes the state */
  p->L = open_state();
  push_function(p->L, SQUARE);
}

static void close_puller(puller *p) {
  lua_close(p->L);
  close_line(&p->line);
}

/* One thread and two in turn. Tells what part the least time of two is of the least time of one. */
typedef struct pair {
  void *(*pull)(void *);
  const char *one_key, *two_key, *part_key;
  double one_ns, two_ns;
} pair;

static void time_pair(pair *p, puller *pullers) {
  double one_ns = time_threads(pullers, 1, p->pull, p->one_key);
  double two_ns = time_threads(pullers, 2, p->pull, p->two_key);
  if (one_ns < p->one_ns) p->one_ns = one_ns;
  if (two_ns < p->two_ns) p->two_ns = two_ns;
}

static void measure_pairs(void) {
  puller pullers[2];
  pair pairs[] = {
      {pull_line, "one_worker", "two_workers", "two_of_one_worker", HUGE_VAL, HUGE_VAL},
      {pull_bare, "one_bare", "two_bare", "two_of_one_bare", HUGE_VAL, HUGE_VAL},
  };
  for (int i = 0; i < 2; i++)
    open_puller(&pullers[i]);
  for (int round = 0; round < PAIR_ROUNDS; round++) {
    time_pair(&pairs[0], pullers);
    time_pair(&pairs[1], pullers);
  }
  for (int i = 0; i < 2; i++) {
    bench_sample(pairs[i].part_key, pairs[i].two_ns / pairs[i].one_ns);
    close_puller(&pullers[i]);
  }
}

int main(void) {
  measure_images();
  measure_workers();
  measure_records();
  measure_pairs();
  return 0;
}
