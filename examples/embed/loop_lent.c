/* loop_lent.c: calls of a script on the threads of libuv's own pool, so that the process has no more threads than before.
**
**   cc loop_lent.c -o loop_lent $(pkg-config --cflags --libs moons libuv)
*/
#include "moons.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static const char SCRIPT[] = "function fibonacci(n)\n"
                             "  if n < 2 then return n end\n"
                             "  return fibonacci(n - 1) + fibonacci(n - 2)\n"
                             "end\n";

enum { N_CALLS = 10 };

typedef struct host {
  moons_runtime *runtime;
  moons_program *program;
  moons_queue *queue;
  uv_async_t waker;
  atomic_int n_wanted; /* threads that the runtime has asked for, and that have not been sent */
  int64_t sum;
} host;

/* {== On any thread, where libuv allows uv_async_send alone =================================== */

static void on_wanted(void *data) {
  host *h = data;
  atomic_fetch_add(&h->n_wanted, 1);
  uv_async_send(&h->waker);
}

static void on_finished(void *data) {
  host *h = data;
  uv_async_send(&h->waker);
}

/* {== On a thread of the pool ================================================================= */

static void lend(uv_work_t *work) {
  host *h = work->data;
  moons_lend(h->runtime);
}

/* {== On the loop's thread ==================================================================== */

static void free_work(uv_work_t *work, int status) {
  (void)status;
  free(work);
}

static void send_thread(host *h, uv_loop_t *loop) {
  uv_work_t *work = malloc(sizeof *work);
  if (work == NULL) return;
  work->data = h;
  if (uv_queue_work(loop, work, lend, free_work) != 0) free(work);
}

static void on_awake(uv_async_t *waker) {
  host *h = waker->data;
  moons_call *call;
  int error;
  for (int n = atomic_exchange(&h->n_wanted, 0); n > 0; n--)
    send_thread(h, waker->loop);
  while ((error = moons_next(h->queue, 0, &call)) == 0) {
    h->sum += moons_to_integer(moons_results(call, NULL), 0);
    moons_call_free(call);
  }
  if (error == MOONS_EEND) uv_close((uv_handle_t *)waker, NULL);
}

/* Loading runs the script on this thread, which waits for it. */
static int open_host(host *h, uv_loop_t *loop) {
  moons_options options;
  moons_options_init(&options);
  options.backend = MOONS_LENT;
  options.n_workers = 2; /* of the pool's four threads; the others are left to files and names */
  options.wanted = on_wanted;
  options.wanted_data = h;
  uv_async_init(loop, &h->waker, on_awake);
  h->waker.data = h;
  int error = moons_runtime_new(&h->runtime, &options);
  if (!error)
    error = moons_program_load(&h->program, h->runtime, SCRIPT, strlen(SCRIPT), "=lent", NULL);
  if (!error) error = moons_queue_new(&h->queue, h->runtime, on_finished, h);
  return error;
}

static int run(host *h, uv_loop_t *loop) {
  int error = 0;
  for (int64_t i = 0; i < N_CALLS && !error; i++) {
    moons_value n = moons_integer(i + 10);
    error = moons_submit(h->queue, h->program, "fibonacci", &n, 1, NULL, NULL);
  }
  if (!error) uv_run(loop, UV_RUN_DEFAULT); /* ends after the last thread has come back */
  printf("%lld\n", (long long)h->sum);
  return error;
}

int main(void) {
  static host h;
  uv_loop_t *loop = uv_default_loop();
  int error = open_host(&h, loop);
  if (!error) error = run(&h, loop);
  if (error) fprintf(stderr, "loop_lent: %s\n", moons_error_text(error));
  moons_queue_free(h.queue);
  moons_program_free(h.program);
  moons_runtime_free(h.runtime);
  uv_loop_close(loop);
  return error != 0;
}
