/*
** Three ranks in one process and one thread, with an MPI that only passes on: what is sent is copied when it is received, so that a letter that is
** freed too early is seen by a sanitizer.
*/
#include "backend/channel.h"

#include <errno.h>
#include <fcntl.h>

#include "base/allocate.h"
#include "check.h"
#include "sizes.h"

/* {== An MPI ================================================================================== */

enum { RANKS = 3, AT_ONCE = 1000 };

typedef struct sending {
  const char *bytes;
  int n_bytes, from, is_received;
} sending;

static struct {
  sending *first[AT_ONCE]; /* in their order */
  size_t n, n_most;        /* bytes at a time */
  int count;
} mail[RANKS];

static int me; /* the rank that calls */
static int is_lost[RANKS];

static void *fake_send(int to, const void *bytes, int n_bytes) {
  if (is_lost[to]) return NULL;
  sending *s = malloc(sizeof *s);
  CHECK(s != NULL && mail[to].count < AT_ONCE);
  *s = (sending){.bytes = bytes, .n_bytes = n_bytes, .from = me};
  mail[to].first[mail[to].count++] = s;
  mail[to].n += (size_t)n_bytes;
  if (mail[to].n > mail[to].n_most) mail[to].n_most = mail[to].n;
  return s;
}

static int fake_is_sent(void *data) {
  sending *s = data;
  int is_received = s->is_received;
  if (is_received) free(s);
  return is_received;
}

static int find(int from) {
  int i = 0;
  while (i < mail[me].count && from >= 0 && mail[me].first[i]->from != from)
    i++;
  return i;
}

static int fake_probe(int of, int *from, int *n_bytes) {
  for (int rank = 0; rank < RANKS; rank++)
    if (is_lost[rank] && (of < 0 || of == rank)) return -1;
  int i = find(of);
  if (i == mail[me].count) return 0;
  *from = mail[me].first[i]->from;
  *n_bytes = mail[me].first[i]->n_bytes;
  return 1;
}

static int fake_receive(int from, void *bytes, int n_bytes) {
  int i = find(from);
  sending *s = mail[me].first[i];
  CHECK(s->n_bytes == n_bytes);
  memcpy(bytes, s->bytes, (size_t)n_bytes);
  s->is_received = 1;
  mail[me].n -= (size_t)n_bytes;
  mail[me].count--;
  memmove(&mail[me].first[i], &mail[me].first[i + 1],
          (size_t)(mail[me].count - i) * sizeof mail[me].first[0]);
  return 0;
}

static const moons__mpi FAKE = {.version = MOONS__MPI_VERSION,
                                .send = fake_send,
                                .is_sent = fake_is_sent,
                                .probe = fake_probe,
                                .receive = fake_receive};

/* {== Ranks =================================================================================== */

typedef struct rank {
  moons__post post;
  moons__channels channels;
} rank;

static rank ranks[RANKS];

static void open_ranks(void) {
  for (int i = 0; i < RANKS; i++) {
    CHECK(moons__post_open(&ranks[i].post, &FAKE, RANKS) == 0);
    ranks[i].channels.post = &ranks[i].post;
  }
}

static void turn_rank(int i) {
  struct pollfd files[16];
  rank *r = &ranks[i];
  me = i;
  CHECK(MOONS__FLOWS * r->channels.n <= 16);
  moons__channels_await(&r->channels, files);
  CHECK(moons__process_poll(files, MOONS__FLOWS * r->channels.n, 0) >= 0);
  moons__channels_move(&r->channels, files);
  for (moons__letter *l; (l = moons__post_take(&r->post)) != NULL;) {
    if (l->head.kind == MOONS__LETTER_OPEN)
      moons__free(l);
    else
      moons__channels_take(&r->channels, l);
  }
  moons__post_look(&r->post);
}

static void turn(void) {
  for (int i = 0; i < RANKS; i++)
    if (!is_lost[i]) turn_rank(i);
}

static void close_ranks(void) {
  for (int i = 0; i < RANKS; i++) {
    me = i;
    moons__channels_end(&ranks[i].channels);
  }
  memset(is_lost, 0, sizeof is_lost);
  for (int i = 0; i < 3; i++)
    turn();
  for (int i = 0; i < RANKS; i++) {
    CHECK(moons__post_look(&ranks[i].post) == 0);
    moons__post_close(&ranks[i].post);
  }
}

/* {== Ends ==================================================================================== */

/* Both ends of a channel between rank 0 and another, each as its rank's process has it. */
typedef struct ends {
  moons__process at[2];
  moons__channel *channels[2];
} ends;

static void connect(ends *e, uint32_t number, int rank_there) {
  for (int i = 0; i < 2; i++) {
    int work, said, here = i == 0 ? 0 : rank_there, there = i == 0 ? rank_there : 0;
    CHECK(moons__process_connect(&e->at[i], &work, &said, 1000000) == 0);
    fcntl(e->at[i].work, F_SETFL, O_NONBLOCK);
    e->channels[i] = moons__channel_new(&ranks[here].channels, number, there, work, said);
    CHECK(e->channels[i] != NULL);
    e->channels[i]->is_open = i;
  }
}

static void disconnect(ends *e) {
  for (int i = 0; i < 2; i++)
    moons__process_wait(&e->at[i]);
}

static char byte_at(size_t i, int way) { return (char)(i * 131 + i / 977 + (size_t)way); }

/* Writes what goes without waiting, of so many bytes in all. */
static void write_some(const ends *e, int way, size_t *at, size_t n_bytes) {
  char bytes[5000];
  size_t n = n_bytes - *at < sizeof bytes ? n_bytes - *at : sizeof bytes, n_written = 0;
  for (size_t i = 0; i < n; i++)
    bytes[i] = byte_at(*at + i, way);
  int error = moons__process_write(e->at[way].work, bytes, n, &n_written);
  CHECK(error == 0 || error == EAGAIN);
  *at += n_written;
}

/* Reads what has come that way. Returns whether more may come. */
static int read_some(const ends *e, int way, size_t *at) {
  char bytes[7000];
  ssize_t n = read(e->at[!way].work, bytes, sizeof bytes);
  CHECK(n >= 0 || errno == EAGAIN);
  for (ssize_t i = 0; i < n; i++)
    CHECK(bytes[i] == byte_at(*at + (size_t)i, way));
  *at += n > 0 ? (size_t)n : 0;
  return n != 0;
}

static void carry(const ends *e, size_t n_there, size_t n_back) {
  size_t written[2] = {0}, read_[2] = {0}, n[2] = {n_there, n_back};
  while (read_[0] < n[0] || read_[1] < n[1]) {
    for (int way = 0; way < 2; way++) {
      write_some(e, way, &written[way], n[way]);
      read_some(e, way, &read_[way]);
    }
    turn();
  }
  CHECK(read_[0] == n[0] && read_[1] == n[1]);
}

/* {== Cases =================================================================================== */

static void carries(void) {
  ends one, two;
  open_ranks();
  connect(&one, 1, 1);
  connect(&two, 2, 2);
  carry(&one, 1, 0);
  carry(&one, 10 << 20, 10 << 20);
  carry(&two, 0, 3 << 20);
  carry(&one, 100, 5 << 20);
  disconnect(&one);
  disconnect(&two);
  close_ranks();
}

/* What nobody reads stays where it is written; other channels go on. */
static void waits(void) {
  ends stuck, other;
  size_t n_written = 0, n_read = 0, n_before = 1;
  open_ranks();
  connect(&stuck, 1, 1);
  connect(&other, 2, 1);
  for (int n_same = 0; n_same < 100; n_same = n_written == n_before ? n_same + 1 : 0) {
    n_before = n_written;
    write_some(&stuck, 0, &n_written, SIZE_MAX);
    turn();
  }
  CHECK(n_written > MOONS_CHANNEL_BYTES && n_written < 3 * MOONS_CHANNEL_BYTES);
  CHECK(mail[1].n_most <= MOONS_CHANNEL_BYTES + (1 << 16));
  carry(&other, 3 << 20, 3 << 20);
  for (int i = 0; i < 5000 && n_read < n_written; i++) {
    read_some(&stuck, 0, &n_read);
    turn();
  }
  CHECK(n_read == n_written);
  disconnect(&stuck);
  disconnect(&other);
  close_ranks();
}

/* What was written before arrives; then both ends go. */
static void ends_here(int way) {
  ends e;
  size_t n_written = 0, n_read = 0, n_bytes = 200000;
  open_ranks();
  connect(&e, 1, 2);
  for (int i = 0; i < 1000 && n_written < n_bytes; i++) {
    write_some(&e, way, &n_written, n_bytes);
    turn();
  }
  CHECK(n_written == n_bytes);
  moons__process_wait(&e.at[way]);
  for (int i = 0; i < 1000 && read_some(&e, way, &n_read); i++)
    turn();
  CHECK(n_read == n_bytes);
  turn();
  CHECK(ranks[0].channels.n == 0 && ranks[2].channels.n == 0);
  moons__process_wait(&e.at[!way]);
  close_ranks();
}

static void ends_there_and_here(void) {
  ends_here(0);
  ends_here(1);
}

static void loses(void) {
  ends lost, other;
  size_t n_read = 0;
  open_ranks();
  connect(&lost, 1, 1);
  connect(&other, 2, 2);
  carry(&lost, 1000, 1000);
  for (int i = 0; i < 10; i++)
    turn();
  CHECK(mail[0].count == 0 && mail[1].count == 0);
  is_lost[1] = ranks[1].post.is_lost[0] = 1; /* neither hears of the other */
  for (int i = 0; i < 10; i++)
    turn();
  CHECK(ranks[0].post.n_lost == 1 && ranks[0].post.is_lost[1] && ranks[0].channels.n == 1);
  CHECK(read(lost.at[0].work, &n_read, 1) == 0);
  carry(&other, 1 << 20, 1 << 20);
  disconnect(&lost);
  disconnect(&other);
  close_ranks();
}

/* An agent's stdout and stderr, and that it goes with its channel. */
static void starts_agents(void) {
  static const char OUT[] = "out\n", ERR[] = "err\n";
  ends e;
  char text[100];
  moons__process agent;
  ssize_t n;
  open_ranks();
  connect(&e, 1, 1);
  CHECK(moons__process_launch(&agent, "echo out; echo err >&2; exec sleep 300", 1000000) == 0);
  fcntl(agent.work, F_SETFL, O_NONBLOCK);
  moons__channel *ch = moons__channel_new(&ranks[1].channels, 2, 0, agent.work, agent.control);
  CHECK(ch != NULL);
  agent.work = agent.control = -1;
  ch->agent = agent;
  ch->is_open = 1;
  int work, said;
  moons__process here;
  CHECK(moons__process_connect(&here, &work, &said, 1000000000) == 0);
  moons__channel *of_rank_0 = moons__channel_new(&ranks[0].channels, 2, 1, work, said);
  CHECK(of_rank_0 != NULL);
  while (of_rank_0->flows[0].n_owed == 0 || of_rank_0->flows[1].n_owed == 0)
    turn();
  n = read(here.work, text, sizeof text);
  CHECK(n == sizeof OUT - 1 && memcmp(text, OUT, sizeof OUT - 1) == 0);
  CHECK(moons__process_hear(&here, text, sizeof text) == sizeof ERR - 1);
  CHECK(memcmp(text, ERR, sizeof ERR - 1) == 0);
  CHECK(moons__process_has_ended(&agent) == 0);
  moons__process_kill(&here);
  for (int i = 0; i < 10; i++)
    turn();
  CHECK(ranks[0].channels.n == 1 && ranks[1].channels.n == 1);
  CHECK(moons__process_has_ended(&agent));
  moons__process_wait(&here);
  disconnect(&e);
  close_ranks();
}

static const test TESTS[] = {
    {"carry bytes both ways, whatever their number", carries},
    {"take no more than a window of what nobody reads, and hold up no other", waits},
    {"bring what came before their end", ends_there_and_here},
    {"end where a rank is lost, and others go on", loses},
    {"have an agent's stdout and stderr, and end it", starts_agents},
    {NULL, NULL},
};

int main(int argc, char **argv) { return run_tests(TESTS, argc, argv); }
