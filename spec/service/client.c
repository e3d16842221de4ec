/*
** Puts load on the rules service of examples/service: tenants whose rules tell who they are, and one each that loops, that hangs
** in a pattern, and that floods. Every answer is compared with the one that must come.
**
**   client PORT METHOD PATH BODY            prints the answer of one request
**   client PORT N_REQUESTS [WORD]...        prints requests a second, their times, and how many there were
**
** Words: `quiet`, tenants that do no harm alone; `simple`, rules that leave nothing, which one state could run for all as well;
** `ready`, the rules are there from a run before; `busy`, answers that a time was over are counted, and no fault; `loops=N`, how many
** numbers each rule adds; `seconds=N`, after which it ends; `tells`, to stderr how far it is.
*/
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { N_TENANTS = 200, N_CLIENTS = 16, N_OTHERS = 6, MOST_BYTES = 4096 };

static int port;
static long n_wanted, n_loops, n_seconds;
static int is_quiet, is_simple, is_busy, is_ready, tells;
static double end_us; /* 0: none */
static atomic_long n_begun, n_done, n_late, n_wrong;
static atomic_int is_over;
static double *times_us; /* of each request */

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* {== HTTP ==================================================================================== */

static int dial(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  perror("client: connect");
  exit(1);
}

/* Whether the head has come; then where the body begins, and how long it is. */
static int read_head(const char *answer, size_t *start, size_t *n_body) {
  const char *end = strstr(answer, "\r\n\r\n"), *length = strstr(answer, "Content-Length: ");
  if (end == NULL || length == NULL) return 0;
  *start = (size_t)(end - answer) + 4;
  *n_body = strtoul(length + 16, NULL, 10);
  return 1;
}

/* Sends a request and reads its answer. Returns the status, with the body at the start of `answer`. */
static int ask(int fd, const char *method, const char *path, const char *body, char *answer) {
  char request[MOST_BYTES];
  size_t n = 0, start = 0, n_body = 0;
  int length = snprintf(request, sizeof request,
                        "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", method, path,
                        strlen(body), body);
  if (write(fd, request, (size_t)length) != length) return -1;
  answer[0] = 0;
  while (!read_head(answer, &start, &n_body) || n < start + n_body) {
    ssize_t got = read(fd, answer + n, MOST_BYTES - 1 - n);
    if (got <= 0) return -1;
    answer[n += (size_t)got] = 0;
  }
  int status = atoi(answer + strlen("HTTP/1.1 "));
  memmove(answer, answer + start, n_body + 1);
  return status;
}

/* {== Tenants ================================================================================= */

static void put(int fd, const char *name, const char *rules) {
  char path[64], answer[MOST_BYTES];
  snprintf(path, sizeof path, "/rules/%s", name);
  int status = ask(fd, "PUT", path, rules, answer);
  if (status == 201) return;
  fprintf(stderr, "client: rules of %s: %d %s\n", name, status, answer);
  exit(1);
}

/* A call that finds what one before has left tells. */
static const char RULES[] =
    "local name = '%s'\n"
    "function f(order)\n"
    "  assert(left == nil, 'a call has left something')\n"
    "  left = order.id\n"
    "  local sum = 0 for i = 1, %ld do sum = sum + i end\n"
    "  return {id = order.id, name = name, text = string.rep(order.text, 2)}\n"
    "end\n";
static const char ANSWER[] = "{\"id\":%ld,\"name\":\"t%ld\",\"text\":\"<%ld><%ld>\"}";

/* The simple ones. */
static const char SIMPLE_RULES[] = "local name = '%s'\n"
                                   "function f(order)\n"
                                   "  local sum = 0 for i = 1, %ld do sum = sum + i end\n"
                                   "  return {order.id, name, string.rep(order.text, 2)}\n"
                                   "end\n";
static const char SIMPLE_ANSWER[] = "[%ld,\"t%ld\",\"<%ld><%ld>\"]";

static void put_rules(int fd, long tenant) {
  char name[32], rules[512];
  snprintf(name, sizeof name, "t%ld", tenant);
  if (is_simple)
    snprintf(rules, sizeof rules, SIMPLE_RULES, name, n_loops);
  else
    snprintf(rules, sizeof rules, RULES, name, n_loops);
  put(fd, name, rules);
}

static void put_all(void) {
  int fd = dial();
  for (int i = 0; i < N_TENANTS; i++)
    put_rules(fd, i);
  put(fd, "loops", "function f() while true do end end");
  put(fd, "hangs",
      "function f() return string.find(string.rep('a', 40), string.rep('a-', 40) .. 'b') end");
  put(fd, "floods", "function f(order) return order end");
  close(fd);
}

/* {== Load ==================================================================================== */

static void complain(const char *path, int status, const char *answer, const char *wanted) {
  if (atomic_fetch_add(&n_wrong, 1) < 10)
    fprintf(stderr, "client: %s: %d %s, and not %s\n", path, status, answer, wanted);
}

static void note_done(void) {
  long n = atomic_fetch_add(&n_done, 1) + 1, step = n_wanted < 20 ? 1 : n_wanted / 20;
  if (tells && n % step == 0) fprintf(stderr, "client: %ld of %ld requests\n", n, n_wanted);
}

/* The number of the next request, from 0; n_wanted: there is none. */
static long begin_request(void) {
  if (end_us > 0 && now_us() > end_us) return n_wanted;
  return atomic_fetch_add(&n_begun, 1);
}

/* Whether an answer is that of a machine that is too busy. Rules that were too slow too often are gone, and put again. */
static int is_late(int fd, long tenant, int status, const char *answer) {
  if (!is_busy || (status != 404 && strstr(answer, "\"timeout\"") == NULL)) return 0;
  if (status == 404) put_rules(fd, tenant);
  atomic_fetch_add(&n_late, 1);
  return 1;
}

static void *run_client(void *data) {
  char path[64], body[256], wanted[256], answer[MOST_BYTES];
  int fd = dial();
  (void)data;
  for (long id; (id = begin_request()) < n_wanted;) {
    long tenant = id * 7919 % N_TENANTS;
    snprintf(path, sizeof path, "/rules/t%ld/f", tenant);
    snprintf(body, sizeof body, "{\"id\": %ld, \"text\": \"<%ld>\"}", id, id);
    if (is_simple)
      snprintf(wanted, sizeof wanted, SIMPLE_ANSWER, id, tenant, id, id);
    else
      snprintf(wanted, sizeof wanted, ANSWER, id, tenant, id, id);
    double began_us = now_us();
    int status = ask(fd, "POST", path, body, answer);
    times_us[id] = now_us() - began_us;
    int is_right = status == 200 && strcmp(answer, wanted) == 0;
    if (!is_right && !is_late(fd, tenant, status, answer)) complain(path, status, answer, wanted);
    if (status < 0) break;
    note_done();
  }
  close(fd);
  return NULL;
}

/* One whose calls are ended, again and again. */
static void *run_bad(void *name) {
  char path[64], answer[MOST_BYTES];
  int fd = dial();
  snprintf(path, sizeof path, "/rules/%s/f", (const char *)name);
  while (!atomic_load(&is_over)) {
    int status = ask(fd, "POST", path, "{}", answer);
    if (status == 404) break; /* its rules were taken away */
    if (status != 422 && status != 503) complain(path, status, answer, "422");
    if (status < 0) break;
  }
  close(fd);
  return NULL;
}

static void *run_flood(void *data) {
  char answer[MOST_BYTES];
  int fd = dial();
  (void)data;
  while (!atomic_load(&is_over)) {
    int status = ask(fd, "POST", "/rules/floods/f", "[1]", answer);
    if (status != 200 && status != 503) complain("/rules/floods/f", status, answer, "[1]");
    if (status < 0) break;
  }
  close(fd);
  return NULL;
}

static int compare(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static void tell(double seconds) {
  long n = n_begun < n_wanted ? n_begun : n_wanted;
  qsort(times_us, (size_t)n, sizeof *times_us, compare);
  printf("%.0f requests a second, median %.0f us, 99th percentile %.0f us, of %ld, %ld late\n",
         (double)n / seconds, times_us[n / 2], times_us[n * 99 / 100], n, n_late);
}

static int ask_once(char **words) {
  char answer[MOST_BYTES];
  int fd = dial(), status = ask(fd, words[0], words[1], words[2], answer);
  printf("%d %s\n", status, answer);
  close(fd);
  return status < 0;
}

static int put_load(void) {
  pthread_t clients[N_CLIENTS], others[N_OTHERS];
  if (!is_ready) put_all();
  double began_us = now_us();
  if (n_seconds > 0) end_us = began_us + 1e6 * (double)n_seconds;
  for (int i = 0; i < N_OTHERS && !is_quiet; i++)
    pthread_create(&others[i], NULL, i < 2 ? run_bad : run_flood, i == 0 ? "loops" : "hangs");
  for (int i = 0; i < N_CLIENTS; i++)
    pthread_create(&clients[i], NULL, run_client, NULL);
  for (int i = 0; i < N_CLIENTS; i++)
    pthread_join(clients[i], NULL);
  tell((now_us() - began_us) / 1e6);
  atomic_store(&is_over, 1);
  for (int i = 0; i < N_OTHERS && !is_quiet; i++)
    pthread_join(others[i], NULL);
  return atomic_load(&n_wrong) > 0;
}

/* Returns whether it is a word that is known. */
static int take_word(const char *word) {
  static const struct {
    const char *word;
    int *is_given;
  } WORDS[] = {{"quiet", &is_quiet},
               {"simple", &is_simple},
               {"busy", &is_busy},
               {"ready", &is_ready},
               {"tells", &tells}};
  for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
    if (strcmp(word, WORDS[i].word) == 0) return *WORDS[i].is_given = 1;
  return sscanf(word, "loops=%ld", &n_loops) == 1 || sscanf(word, "seconds=%ld", &n_seconds) == 1;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  port = atoi(argv[1]);
  n_wanted = atol(argv[2]);
  if (n_wanted == 0 && argc == 5) return ask_once(argv + 2);
  for (int i = 3; i < argc; i++)
    if (!take_word(argv[i])) return 2;
  times_us = calloc((size_t)n_wanted, sizeof *times_us);
  if (n_wanted <= 0 || times_us == NULL) return 2;
  int is_wrong = put_load();
  free(times_us);
  return is_wrong;
}
