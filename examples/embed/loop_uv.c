/* loop_uv.c: calls of a script in a loop of libuv, which is told by uv_async_send when some have finished. With the argument `poll` it
** watches the queue's descriptor with uv_poll in place of that.
**
**   cc loop_uv.c -o loop_uv $(pkg-config --cflags --libs moons libuv)
*/
#include "moons.h"
#include <stdio.h>
#include <string.h>
#include <uv.h>

static const char SCRIPT[] = "function halves(n)\n"
                             "  parallel.sleep(n / 100) -- as if it asked a server\n"
                             "  return n / 2\n"
                             "end\n";

/* What this host has for its loop. `waker` is its one handle: of one kind or the other. */
typedef struct host {
  moons_runtime *runtime;
  moons_program *program;
  moons_queue *queue;
  uv_timer_t timer;
  union {
    uv_handle_t handle;
    uv_async_t async;
    uv_poll_t poll;
  } waker;
} host;

/* On the loop's thread: takes what has finished. After the last call the loop may end. */
static void take_calls(host *h) {
  moons_call *call;
  int error;
  while ((error = moons_next(h->queue, 0, &call)) == 0) {
    printf("half of %s is %g\n", (const char *)moons_call_data(call),
           moons_to_number(moons_results(call, NULL), 0));
    moons_call_free(call);
  }
  if (error != MOONS_EEND) return;
  uv_close(&h->waker.handle, NULL);
  uv_close((uv_handle_t *)&h->timer, NULL);
}

static void on_async(uv_async_t *async) { take_calls(async->data); }

static void on_readable(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events;
  take_calls(poll->data);
}

/* On the thread that has run a call. This is what libuv allows on any thread. */
static void notify(void *data) {
  host *h = data;
  uv_async_send(&h->waker.async);
}

/* Whatever else the host does: the loop never waits for a call. */
static void on_timer(uv_timer_t *timer) {
  (void)timer;
  puts("the loop goes on");
}

static int submit(host *h, double n, const char *text) {
  moons_value value = moons_number(n);
  return moons_submit(h->queue, h->program, "halves", &value, 1, (void *)text, NULL);
}

static int open_host(host *h, int polls) {
  moons_options options;
  moons_options_init(&options);
  options.n_workers = 2; /* calls that sleep need no core */
  int error = moons_runtime_new(&h->runtime, &options);
  if (!error)
    error = moons_program_load(&h->program, h->runtime, SCRIPT, strlen(SCRIPT), "=uv", NULL);
  if (!error) error = moons_queue_new(&h->queue, h->runtime, polls ? NULL : notify, h);
  return error;
}

/* From here on calls that finish wake the loop. */
static void wake_with(host *h, uv_loop_t *loop, int polls) {
  if (polls) {
    uv_poll_init(loop, &h->waker.poll, moons_queue_fd(h->queue));
    uv_poll_start(&h->waker.poll, UV_READABLE, on_readable);
  } else {
    uv_async_init(loop, &h->waker.async, on_async);
  }
  h->waker.handle.data = h;
  uv_timer_init(loop, &h->timer);
  uv_timer_start(&h->timer, on_timer, 0, 0);
}

static int run(host *h, int polls) {
  uv_loop_t *loop = uv_default_loop();
  wake_with(h, loop, polls);
  int error = submit(h, 30, "thirty");
  if (!error) error = submit(h, 1, "one");
  if (!error) error = uv_run(loop, UV_RUN_DEFAULT);
  uv_loop_close(loop);
  return error;
}

int main(int argc, char **argv) {
  static host h;
  int polls = argc > 1 && strcmp(argv[1], "poll") == 0;
  int error = open_host(&h, polls);
  if (!error) error = run(&h, polls);
  if (error) fprintf(stderr, "loop_uv: %s\n", moons_error_text(error));
  moons_queue_free(h.queue);
  moons_program_free(h.program);
  moons_runtime_free(h.runtime);
  return error != 0;
}
