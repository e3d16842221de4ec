/* service: a rules service. Tenants put rules in Lua, and post JSON to their functions, which run in parallel under terms.
**
**   cc *.c -o service $(pkg-config --cflags --libs moons libuv libcjson) -lhttp_parser -lm
**   ./service 8080 &
**   curl -T - localhost:8080/rules/ada <<< 'function total(order) return order.price * order.n end'
**   curl -d '{"price": 2.5, "n": 4}' localhost:8080/rules/ada/total
**
** The loop runs on one thread, and calls on those of the runtime: whoever finishes a call wakes the loop by uv_async_send.
*/
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "json.h"
#include "moons.h"
#include "tenants.h"

enum {
  MOST_TIMEOUTS = 3,
  MOST_LOST = 64 /* threads of calls that do not end */
};

typedef struct service {
  uv_loop_t loop;
  uv_async_t finished;
  uv_signal_t ends;
  moons_runtime *runtime;
  moons_queue *queue;
  http_server *server;
  tenants *tenants;
} service;

static void answer_error(http_connection *c, int status, const char *kind, const char *message) {
  http_answer(c, status, json_error(kind, message));
}

/* A code of a function of Moons. */
static void answer_code(http_connection *c, int code) {
  answer_error(c, code == MOONS_EBUSY ? 503 : 400, "request", moons_error_text(code));
}

/* {== Rules are put: loading runs them once, which other requests do not wait for ============= */

typedef struct loading {
  uv_work_t work;
  service *service;
  http_connection *connection;
  tenant *tenant;
  const char *source; /* of the request */
  size_t source_bytes;
  moons_program *rules;
  int error;
} loading;

/* What the rules of a stranger may do: compute, a tenth of a second, with some memory, one call at a time. */
static void fill_terms(moons_terms *terms) {
  moons_terms_init(terms);
  terms->rights = MOONS_MAY_COMPUTE;
  terms->timeout_ns = 100000000;
  terms->memory_bytes = 16 << 20;
  terms->output_bytes = 10000;
  terms->result_bytes = 1 << 20;
  terms->max_running = 1;
  terms->max_waiting = 100;
}

/* On a thread of libuv's. */
static void load(uv_work_t *work) {
  loading *l = work->data;
  moons_terms terms;
  fill_terms(&terms);
  l->error = moons_program_load(&l->rules, l->service->runtime, l->source, l->source_bytes,
                                "=rules", &terms);
}

static void answer_loaded(uv_work_t *work, int status) {
  loading *l = work->data;
  const moons_error *why = moons_program_error(l->rules);
  (void)status;
  if (l->error == 0)
    http_answer(l->connection, 201, json_write(NULL));
  else if (why != NULL)
    answer_error(l->connection, 422, why->kind_name, why->message);
  else
    answer_code(l->connection, l->error);
  if (l->error == 0)
    tenant_set(l->tenant, l->rules);
  else
    moons_program_free(l->rules);
  free(l);
}

static void put_rules(service *s, http_connection *c, const char *name, const http_request *r) {
  loading *l = calloc(1, sizeof *l);
  tenant *t = tenants_add(s->tenants, name, strlen(name));
  if (l == NULL || t == NULL) {
    free(l);
    answer_code(c, MOONS_ENOMEM);
    return;
  }
  *l = (loading){.service = s, .connection = c, .tenant = t};
  l->source = r->body;
  l->source_bytes = r->n_bytes;
  l->work.data = l;
  uv_queue_work(&s->loop, &l->work, load, answer_loaded);
}

/* {== Functions are called ==================================================================== */

typedef struct calling {
  http_connection *connection;
  tenant *tenant;
} calling;

static int submit(service *s, const calling *from, const char *function, const moons_value *order) {
  calling *data = malloc(sizeof *data);
  if (data == NULL) return MOONS_ENOMEM;
  *data = *from;
  int error = moons_submit(s->queue, from->tenant->rules, function, order, 1, data, NULL);
  if (error) free(data);
  return error;
}

static void post_call(service *s, const calling *from, const char *function,
                      const http_request *r) {
  document *order = document_read(r->body, r->n_bytes);
  if (order == NULL) {
    answer_error(from->connection, 400, "request", "the body is no JSON");
    return;
  }
  int error = submit(s, from, function, document_value(order));
  document_free(order);
  if (error) answer_code(from->connection, error);
}

/* Rules that take too long again and again are taken away: what does not end at all keeps a thread each time. */
static void judge(tenant *t, moons_kind kind) {
  if (kind == MOONS_KIND_TIMEOUT && ++t->n_timeouts >= MOST_TIMEOUTS) tenant_set(t, NULL);
}

static void answer_call(moons_call *call) {
  calling *from = moons_call_data(call);
  const moons_error *why = moons_call_error(call);
  if (why != NULL) {
    answer_error(from->connection, 422, why->kind_name, why->message);
    judge(from->tenant, why->kind);
  } else {
    http_answer(from->connection, 200, json_write(moons_results(call, NULL)));
  }
  free(from);
}

/* Takes the calls that have finished by now. */
static void take_calls(uv_async_t *async) {
  service *s = async->data;
  moons_call *call;
  while (moons_next(s->queue, 0, &call) == 0) {
    answer_call(call);
    moons_call_free(call);
  }
}

static void wake(void *async) { uv_async_send(async); }

/* {== Requests: PUT /rules/NAME, POST /rules/NAME/FUNCTION ==================================== */

static void handle(http_connection *c, const http_request *r, void *data) {
  static const char RULES[] = "/rules/";
  service *s = data;
  int is_rules = strncmp(r->path, RULES, sizeof RULES - 1) == 0;
  const char *name = is_rules ? r->path + sizeof RULES - 1 : "", *end = strchr(name, '/');
  tenant *t = end != NULL ? tenants_find(s->tenants, name, (size_t)(end - name)) : NULL;
  if (*name != 0 && end == NULL && strcmp(r->method, "PUT") == 0)
    put_rules(s, c, name, r);
  else if (t == NULL || t->rules == NULL)
    answer_error(c, 404, "request", "PUT /rules/NAME, then POST /rules/NAME/FUNCTION");
  else if (strcmp(r->method, "POST") != 0)
    answer_error(c, 405, "request", "POST to functions");
  else
    post_call(s, &(calling){.connection = c, .tenant = t}, end + 1, r);
}

/* {== Begin and end =========================================================================== */

/* All requests are answered, so no call is under way. */
static void end_loop(void *data) {
  service *s = data;
  uv_close((uv_handle_t *)&s->finished, NULL);
}

static void drain(uv_signal_t *ends, int signal) {
  service *s = ends->data;
  (void)signal;
  uv_close((uv_handle_t *)&s->ends, NULL);
  http_close(s->server, end_loop);
}

static int begin(service *s, int port) {
  uv_loop_init(&s->loop);
  uv_async_init(&s->loop, &s->finished, take_calls);
  uv_signal_init(&s->loop, &s->ends);
  s->finished.data = s->ends.data = s;
  s->tenants = tenants_new();
  if (s->tenants == NULL) return MOONS_ENOMEM;
  moons_options options;
  moons_options_init(&options);
  options.max_lost = MOST_LOST;
  int error = moons_runtime_new(&s->runtime, &options);
  if (!error) error = moons_queue_new(&s->queue, s->runtime, wake, &s->finished);
  if (error) {
    fprintf(stderr, "service: %s\n", moons_error_text(error));
    return error;
  }
  error = http_listen(&s->server, &s->loop, &port, handle, s);
  if (!error) error = uv_signal_start(&s->ends, drain, SIGTERM);
  if (error)
    fprintf(stderr, "service: port %d: %s\n", port, uv_strerror(error));
  else
    printf("http://127.0.0.1:%d\n", port);
  fflush(stdout);
  return error;
}

int main(int argc, char **argv) {
  service s = {.queue = NULL};
  signal(SIGPIPE, SIG_IGN);
  int error = begin(&s, argc > 1 ? atoi(argv[1]) : 8080);
  if (!error) uv_run(&s.loop, UV_RUN_DEFAULT);
  moons_queue_free(s.queue);
  tenants_free(s.tenants);
  moons_runtime_free(s.runtime);
  if (!error) uv_loop_close(&s.loop);
  return error != 0;
}
