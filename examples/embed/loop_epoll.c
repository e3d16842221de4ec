/* loop_epoll.c: a loop of epoll whose requests are calls of a script. Each line that comes is a call, and is answered when that
** has finished; meanwhile the loop goes on.
**
**   cc loop_epoll.c -o loop_epoll $(pkg-config --cflags --libs moons)
*/
#include "moons.h"
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char SCRIPT[] = "function answer(line)\n"
                             "  local n = tonumber(line) or error(line .. ' is no number', 0)\n"
                             "  local sum = 0\n"
                             "  for i = 1, n do sum = sum + i end\n"
                             "  return sum\n"
                             "end\n";

/* Submits a call for each line that has come: here a client sends whole ones. Returns 0 where no more come. */
static int take_requests(int client, moons_queue *queue, moons_program *program) {
  char bytes[512], *line, *rest;
  ssize_t n = read(client, bytes, sizeof bytes - 1);
  if (n <= 0) return 0;
  bytes[n] = '\0';
  for (line = strtok_r(bytes, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
    moons_value argument = moons_string(line);
    int error = moons_submit(queue, program, "answer", &argument, 1, NULL, NULL);
    if (error) fprintf(stderr, "loop_epoll: %s\n", moons_error_text(error));
  }
  return 1;
}

/* Answers the calls that have finished. Returns 0 where none is under way. */
static int give_answers(moons_queue *queue) {
  moons_call *call;
  int error;
  while ((error = moons_next(queue, 0, &call)) == 0) {
    const moons_error *failure = moons_call_error(call);
    if (failure != NULL)
      printf("%s: %s\n", failure->kind_name, failure->message);
    else
      printf("%lld\n", (long long)moons_to_integer(moons_results(call, NULL), 0));
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

/* A client at the other end of a socket, which sends three lines. */
static int connect_client(void) {
  static const char LINES[] = "10\nten\n1000000\n";
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return -1;
  if (write(ends[1], LINES, strlen(LINES)) < 0) perror("loop_epoll");
  close(ends[1]);
  return ends[0];
}

int main(void) {
  moons_options options;
  moons_options_init(&options);
  options.n_workers = 1; /* so answers come in the order of the requests */
  moons_runtime *runtime = NULL;
  moons_program *program = NULL;
  moons_queue *queue = NULL;
  int client = connect_client();
  int error = moons_runtime_new(&runtime, &options);
  if (!error)
    error = moons_program_load(&program, runtime, SCRIPT, strlen(SCRIPT), "=answer", NULL);
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
