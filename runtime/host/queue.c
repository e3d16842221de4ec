/*
** Calls on their way: put into the line of their program, read by the thread that has run them, and taken from a queue by the
** host. Who waits for one call has a queue for just that.
*/
#include "host/queue.h"

#include <stdlib.h>

#include "base/allocate.h"
#include "host/map.h"

struct moons_queue {
  moons_runtime *runtime; /* held */
  moons__completions *completions;
};

/* {== Calls under way ========================================================================= */

static moons_call *call_of(moons__pending *pending) { return (moons_call *)(void *)pending; }

/* It is nobody's but the completions' when it has arrived. */
void moons__host_call_home(void *data) {
  moons_call *call = data;
  if (call->spread != NULL)
    moons__host_map_read(call);
  else
    moons__host_call_read(call);
  moons__completions_arrive(&call->pending);
}

static void come_home(moons__task *task) { moons__host_call_home(task->chunk.owner); }

static int cancel(moons__pending *pending) {
  moons_call *call = call_of(pending);
  int is_over =
      call->spread != NULL ? moons__spread_cancel(call->spread) : moons__task_cancel(&call->task);
  if (is_over) moons__host_call_cancelled(call);
  return is_over;
}

static void drop(moons__pending *pending) { moons__host_call_free(call_of(pending)); }

static int begin(moons__completions *completions, moons_call *call) {
  call->task.done = come_home;
  int error = moons__completions_begin(completions, &call->pending);
  if (error) return error;
  error = call->spread != NULL ? moons__spread_begin(call->spread)
                               : moons__task_put(call->program->line, &call->task);
  if (error) moons__completions_unbegin(&call->pending);
  moons__completions_begun(completions);
  return error;
}

static int take(moons__completions *completions, int64_t timeout_ns, moons_call **call) {
  moons__pending *pending;
  int error = moons__completions_take(completions, timeout_ns, &pending);
  if (error) return error;
  *call = call_of(pending);
  moons__host_call_detach(*call);
  return 0;
}

/* {== One call ================================================================================ */

/* Waits for the call, which is begun here. A call that could not be begun is freed. */
static int run(moons_call **call, moons__completions *completions) {
  int error = begin(completions, *call);
  if (!error) return take(completions, -1, call);
  moons__host_call_free(*call);
  *call = NULL;
  return error;
}

/* What it returns where all went well so far. */
static int outcome_of(moons_call **call) {
  if ((*call)->failure == NULL) return 0;
  if (!moons__host_call_lacks_memory(*call)) return MOONS_ESCRIPT;
  moons__host_call_free(*call);
  *call = NULL;
  return MOONS_ENOMEM;
}

int moons__host_call_run(moons_call **call, moons_program *program, const char *function,
                         const moons_value *arguments, size_t n_arguments) {
  moons__completions_config config = {.cancel = cancel, .drop = drop};
  int error = moons__host_call_new(call, program, function, arguments, n_arguments, NULL);
  if (error) return error;
  moons__completions *completions = moons__completions_new(program->runtime, &config);
  error = completions != NULL ? run(call, completions) : MOONS_ENOMEM;
  if (completions == NULL) {
    moons__host_call_free(*call);
    *call = NULL;
  }
  moons__completions_close(completions);
  return error ? error : outcome_of(call);
}

int moons_run(moons_call **call, moons_program *program, const char *function,
              const moons_value *arguments, size_t n_arguments) {
  if (call == NULL) return MOONS_EINVAL;
  *call = NULL;
  int error = moons__program_check(program, function, arguments, n_arguments);
  if (!error && !moons__runtime_may_wait(program->runtime)) error = MOONS_EINVAL;
  return error ? error : moons__host_call_run(call, program, function, arguments, n_arguments);
}

/* {== Queues ================================================================================== */

int moons_queue_new(moons_queue **queue, moons_runtime *runtime, void (*notify)(void *data),
                    void *data) {
  moons__completions_config config = {
      .cancel = cancel, .drop = drop, .notify = notify, .data = data};
  if (queue == NULL) return MOONS_EINVAL;
  *queue = NULL;
  if (runtime == NULL) return MOONS_EINVAL;
  if (moons__runtime_is_forked(runtime)) return MOONS_EFORKED;
  if (moons__runtime_check_open(runtime)) return MOONS_ECLOSED;
  moons_queue *new = moons__allocate_zeros(runtime, sizeof *new);
  if (new == NULL) return MOONS_ENOMEM;
  new->completions = moons__completions_new(runtime, &config);
  if (new->completions == NULL) {
    moons__free(new);
    return MOONS_ENOMEM;
  }
  new->runtime = moons__runtime_share(runtime);
  *queue = new;
  return 0;
}

void moons_queue_free(moons_queue *queue) {
  if (queue == NULL || moons__runtime_is_forked(queue->runtime)) return;
  moons__completions_close(queue->completions);
  moons_runtime_free(queue->runtime);
  moons__free(queue);
}

int moons_queue_fd(moons_queue *queue) {
  if (queue == NULL) return MOONS_EINVAL;
  if (moons__runtime_is_forked(queue->runtime)) return MOONS_EFORKED;
  return moons__completions_descriptor(queue->completions);
}

/* Whether the program's calls can come to the queue. */
static int check(const moons_queue *queue, const moons_program *program) {
  return queue != NULL && program != NULL && queue->runtime == program->runtime ? 0 : MOONS_EINVAL;
}

/* Sends a call, which may have gone by then. Where it cannot be begun it is freed. */
static int send(moons_queue *queue, moons_call *new, moons_call **call) {
  if (call != NULL) *call = new;
  int error = begin(queue->completions, new);
  if (!error) return 0;
  moons__host_call_free(new);
  if (call != NULL) *call = NULL;
  return error;
}

int moons_submit(moons_queue *queue, moons_program *program, const char *function,
                 const moons_value *arguments, size_t n_arguments, void *data, moons_call **call) {
  moons_call *new;
  if (call != NULL) *call = NULL;
  int error = check(queue, program);
  if (!error) error = moons__program_check(program, function, arguments, n_arguments);
  if (!error) error = moons__host_call_new(&new, program, function, arguments, n_arguments, data);
  return error ? error : send(queue, new, call);
}

int moons_submit_map(moons_queue *queue, moons_program *program, const char *function,
                     const moons_value *items, uint32_t chunk, void *data, moons_call **call) {
  moons_call *new;
  if (call != NULL) *call = NULL;
  int error = check(queue, program);
  if (!error) error = moons__program_check(program, function, items, 1);
  if (!error) error = moons__host_map_new(&new, program, function, items, chunk, data);
  return error ? error : send(queue, new, call);
}

int moons_next(moons_queue *queue, int64_t timeout_ns, moons_call **call) {
  if (call == NULL) return MOONS_EINVAL;
  *call = NULL;
  if (queue == NULL) return MOONS_EINVAL;
  if (moons__runtime_is_forked(queue->runtime)) return MOONS_EFORKED;
  if (moons__runtime_is_worker(queue->runtime)) return MOONS_EINVAL;
  if (timeout_ns != 0 && !moons__runtime_may_wait(queue->runtime)) timeout_ns = 0;
  return take(queue->completions, timeout_ns, call);
}

/* {== Calls =================================================================================== */

/* Whether it was taken: until then it is the queue's. */
static int is_taken(const moons_call *call) { return call != NULL && call->program == NULL; }

/* The threads that are not there any more may have left the locks taken. */
void moons_call_cancel(moons_call *call) {
  if (call == NULL || is_taken(call) || moons__runtime_is_forked(call->program->runtime)) return;
  moons__completions_cancel(&call->pending);
}

void moons_call_free(moons_call *call) {
  if (is_taken(call)) moons__host_call_free(call);
}

const moons_value *moons_results(const moons_call *call, size_t *n_results) {
  int has_results = is_taken(call) && call->failure == NULL;
  if (n_results != NULL) *n_results = has_results ? call->results.n_values : 0;
  return has_results ? call->results.values : NULL;
}

const moons_error *moons_call_error(const moons_call *call) {
  return is_taken(call) ? call->failure : NULL;
}

void *moons_call_data(const moons_call *call) { return call != NULL ? call->data : NULL; }

uint64_t moons_call_ns(const moons_call *call) { return is_taken(call) ? call->run_ns : 0; }
