/* loop_epoll.c: a loop of epoll whose requests are calls of a script, under limits, with a function of the program's own. Each
** line that comes is a call, and is answered when that has finished; meanwhile the loop goes on.
**
**   cc loop_epoll.c -o loop_epoll $(pkg-config --cflags --libs moons lua5.4)
*/
#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "moons.h"

static const char SCRIPT[] =
    "function answer(line)\n"
    "  local n = tonumber(line) or error(line .. ' is no number', 0)\n"
    "  local sum = 0\n"
    "  for i = 1, n do sum = sum + i end\n"
    "  return sum .. ', says ' .. worker() .. ' of request ' .. request()\n"
    "end\n";

/* What the loop knows of a line, from its call's begin to its end. */
typedef struct request {
  int number;
} request;

/* request(): the number of the request that the call is made for. While the script is loaded there is none. */
static int call_request(lua_State *L) {
  const request *r = moons_data_of_call(L);
  if (r == NULL) return luaL_error(L, "no request is under way");
  lua_pushinteger(L, r->number);
  return 1;
}

/* worker(): where the call runs. */
static int call_worker(lua_State *L) {
  lua_pushfstring(L, "worker %d", (int)moons_worker(L));
  return 1;
}

/* Called for each state in which calls are made: gives it what the program offers. */
static void offer(lua_State *L, void *data) {
  (void)data;
  lua_register(L, "request", call_request);
  lua_register(L, "worker", call_worker);
}

/* A call gets a second and 10 MB, and can compute but neither read files nor start programs. */
static int load_script(moons_program **program, moons_runtime *runtime) {
  moons_terms terms;
  moons_terms_init(&terms);
  terms.timeout_ns = 1000000000;
  terms.memory_bytes = 10000000;
  terms.rights = MOONS_MAY_COMPUTE;
  terms.max_waiting = 1000; /* more are refused */
  terms.open = offer;
  int error = moons_program_load(program, runtime, SCRIPT, strlen(SCRIPT), "=answer", &terms);
  if (error == MOONS_ESCRIPT)
    fprintf(stderr, "loop_epoll: %s\n", moons_program_error(*program)->message);
  return error;
}

/* Submits a call for a line. A request that is refused is answered at once; others come back with their calls. */
static void submit(const char *line, moons_queue *queue, moons_program *program) {
  static int n_requests;
  request *r = malloc(sizeof *r);
  if (r == NULL) return;
  r->number = ++n_requests;
  moons_value argument = moons_string(line);
  int error = moons_submit(queue, program, "answer", &argument, 1, r, NULL);
  if (error == 0) return;
  printf("%d: %s\n", r->number, moons_error_text(error));
  free(r);
}

/* Submits the lines that have come: here a client sends whole ones. Returns 0 where no more come. */
static int take_requests(int client, moons_queue *queue, moons_program *program) {
  char bytes[512], *line, *rest;
  ssize_t n = read(client, bytes, sizeof bytes - 1);
  if (n <= 0) return 0;
  bytes[n] = '\0';
  for (line = strtok_r(bytes, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
    submit(line, queue, program);
  return 1;
}

static void give_answer(const moons_call *call, const request *r) {
  const moons_error *failure = moons_call_error(call);
  if (failure != NULL)
    printf("%d: %s: %s\n", r->number, failure->kind_name, failure->message);
  else
    printf("%d: %s\n", r->number, moons_to_string(moons_results(call, NULL), "no text"));
}

/* Answers the calls that have finished. Returns 0 where none is under way. */
static int give_answers(moons_queue *queue) {
  moons_call *call;
  int error;
  while ((error = moons_next(queue, 0, &call)) == 0) {
    request *r = moons_call_data(call);
    give_answer(call, r);
    free(r);
    moons_call_free(call);
  }
  return error != MOONS_EEND;
}

static void watch(int loop, int descriptor) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
  epoll_ctl(loop, EPOLL_CTL_ADD, descriptor, &event);
}

/* Goes on until the client has sent all, and has all answers. */
static void run(int client, moons_queue *queue, moons_program *program) {
  struct epoll_event event;
  int loop = epoll_create1(EPOLL_CLOEXEC), is_open = 1, is_busy = 1;
  watch(loop, client);
  watch(loop, moons_queue_fd(queue));
  while ((is_open || is_busy) && epoll_wait(loop, &event, 1, -1) == 1) {
    if (event.data.fd == client) is_open = is_open && take_requests(client, queue, program);
    if (!is_open) epoll_ctl(loop, EPOLL_CTL_DEL, client, NULL);
    is_busy = give_answers(queue);
  }
  close(loop);
}

/* A client at the other end of a socket, which sends four lines. */
static int connect_client(void) {
  static const char LINES[] = "10\nten\n100000\n1e15\n";
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return -1;
  if (write(ends[1], LINES, strlen(LINES)) < 0) perror("loop_epoll");
  close(ends[1]);
  return ends[0];
}

int main(void) {
  moons_options options;
  moons_options_init(&options);
  options.n_workers = 1;        /* so answers come in the order of the requests */
  options.stop_signal = SIGURG; /* by which calls are ended whose time is over */
  moons_runtime *runtime = NULL;
  moons_program *program = NULL;
  moons_queue *queue = NULL;
  int client = connect_client();
  int error = moons_runtime_new(&runtime, &options);
  if (!error) error = load_script(&program, runtime);
  if (!error) error = moons_queue_new(&queue, runtime, NULL, NULL);
  if (!error)
    run(client, queue, program);
  else
    fprintf(stderr, "loop_epoll: %s\n", moons_error_text(error));
  moons_queue_free(queue);
  moons_program_free(program);
  moons_runtime_free(runtime);
  close(client);
  return error != 0;
}
