/*
** MPI has nothing that can be waited for together with files, and its own waiting takes a whole core. So letters are looked for,
** the less often the longer there were none, and files wake the thread at once.
*/
#include "backend/world.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "backend/channel.h"
#include "backend/post.h"
#include "backend/rank_hosts.h"
#include "base/allocate.h"
#include "moons.h"
#include "sizes.h"
#include "system/fork.h"
#include "system/thread.h"

struct moons__world {
  const moons__mpi *mpi;
  char *launch; /* the command for an agent here */
  uv_thread_t id;
  uv_sem_t entered;
  unsigned fork_number; /* of the process that has opened it */
  int rank, n_ranks;
  moons__rank *ranks; /* of all ranks; NULL: this is not rank 0 */
  int wake[2];        /* a stream: a byte wakes the thread */

  uv_mutex_t mutex; /* guards all that follows */
  moons__post post;
  moons__channels channels;
  uint32_t last_channel;
  int is_leaving; /* the script has ended */
  int code;       /* with which status */

  /* Of the thread. */
  int has_failed; /* to enter, or rank 0 is gone */
  int n_left;     /* ranks whose agents have ended */
  struct pollfd *files;
  size_t n_files;
  uint64_t busy_ns, heart_ns; /* when something last happened; when the next heart is due */
  unsigned n_quiet;           /* seconds without a letter */
  pid_t parent;
};

/* {== Letters ================================================================================= */

static void send_all(moons__world *w, moons__letter_kind kind) {
  struct moons__letter_head head = {.kind = (uint16_t)kind};
  for (int rank = 1; rank < w->n_ranks; rank++)
    moons__post_send(&w->post, rank, head, NULL, 0);
}

/* The files are the channel's from then on. */
static int start_agent(moons__world *w, uint32_t number) {
  moons__process agent;
  if (moons__process_launch(&agent, w->launch, MOONS_PROCESS_LOOK_NS)) return -1;
  fcntl(agent.work, F_SETFL, O_NONBLOCK);
  moons__channel *ch = moons__channel_new(&w->channels, number, 0, agent.work, agent.control);
  if (ch != NULL) {
    agent.work = agent.control = -1;
    ch->agent = agent;
    ch->is_open = 1;
    return 0;
  }
  moons__process_kill(&agent);
  moons__process_wait(&agent);
  return -1;
}

static void open_channel(moons__world *w, uint32_t number) {
  struct moons__letter_head end = {.kind = MOONS__LETTER_END, .channel = number};
  if (start_agent(w, number)) moons__post_send(&w->post, 0, end, NULL, 0);
}

static void take(moons__world *w, moons__letter *l) {
  w->n_quiet = 0;
  switch (l->head.kind) {
  case MOONS__LETTER_HEART: break;
  case MOONS__LETTER_LEAVE: w->is_leaving = 1; break;
  case MOONS__LETTER_LEFT: w->n_left++; break;
  case MOONS__LETTER_OPEN: open_channel(w, l->head.channel); break;
  default: moons__channels_take(&w->channels, l); return;
  }
  moons__free(l);
}

/* Takes some of the letters that are there. Returns how many. */
static unsigned take_letters(moons__world *w) {
  enum { SOME = 64 };
  unsigned n = 0;
  for (moons__letter *l; n < SOME && (l = moons__post_take(&w->post)) != NULL; n++)
    take(w, l);
  return n;
}

/* {== Waiting ================================================================================= */

static uint64_t pause_ns(const moons__world *w) {
  uint64_t idle_ns = uv_hrtime() - w->busy_ns, ns = idle_ns / 64;
  if (idle_ns < MOONS_RANK_LOOK_LEAST_NS) return 0;
  if (ns < MOONS_RANK_LOOK_LEAST_NS) return MOONS_RANK_LOOK_LEAST_NS;
  return ns < MOONS_RANK_LOOK_MOST_NS ? ns : MOONS_RANK_LOOK_MOST_NS;
}

/* Makes room for the files of all channels, and the stream that wakes. */
static int reserve_files(moons__world *w) {
  size_t n = 1 + MOONS__FLOWS * w->channels.n;
  if (n <= w->n_files) return 0;
  struct pollfd *grown = moons__reallocate(NULL, w->files, 2 * n * sizeof *grown);
  if (grown == NULL) return -1;
  w->files = grown;
  w->n_files = 2 * n;
  return 0;
}

/* Waits for a file, or until it is time to look for letters: without the mutex, which is held else. Returns whether a file has
** something; -1: there is no memory, which may change. */
static int await_files(moons__world *w) {
  if (reserve_files(w)) return -1;
  size_t n = 1 + MOONS__FLOWS * w->channels.n;
  w->files[0] = (struct pollfd){.fd = w->wake[0], .events = POLLIN};
  moons__channels_await(&w->channels, w->files + 1);
  uint64_t ns = pause_ns(w);
  uv_mutex_unlock(&w->mutex);
  int found = moons__process_poll(w->files, n, ns);
  uv_mutex_lock(&w->mutex);
  return found > 0;
}

static void take_wake(const moons__world *w) {
  char bytes[64];
  while (read(w->wake[0], bytes, sizeof bytes) > 0)
    ;
}

/* {== The thread ============================================================================== */

/* Once a second: rank 0 says that it is there; others look whether it is, and what has started them. Seconds are counted, so
** that a process that was stopped does not take that for silence. */
static void live(moons__world *w) {
  uint64_t now_ns = uv_hrtime();
  if (now_ns < w->heart_ns) return;
  w->heart_ns = now_ns + MOONS_HEART_NS;
  if (w->rank == 0)
    send_all(w, MOONS__LETTER_HEART);
  else if (++w->n_quiet > MOONS_AGENT_SILENCE_S || getppid() != w->parent)
    w->has_failed = 1;
}

/* Does what can be done now, and then waits a moment. */
static void turn(moons__world *w) {
  int found = await_files(w);
  take_wake(w);
  if (found >= 0) moons__channels_move(&w->channels, w->files + 1);
  unsigned n_taken = take_letters(w);
  size_t n_leaving = moons__post_look(&w->post);
  if (found > 0 || n_taken > 0 || n_leaving > 0) w->busy_ns = uv_hrtime();
  live(w);
  if (w->rank != 0 && w->post.is_lost[0]) w->has_failed = 1;
}

/* Connections of rank 0 stay, and letters about them are of no more use. Returns whether all the others have left in time. */
static int await_others(moons__world *w) {
  uint64_t end_ns = uv_hrtime() + MOONS_RANK_END_NS;
  send_all(w, MOONS__LETTER_LEAVE);
  while (w->n_left < w->n_ranks - 1 && w->post.n_lost == 0 && uv_hrtime() < end_ns) {
    moons__letter *l = moons__post_take(&w->post);
    if (l != NULL && l->head.kind == MOONS__LETTER_LEFT) w->n_left++;
    if (l == NULL) moons__process_poll(NULL, 0, MOONS_RANK_LOOK_LEAST_NS);
    moons__free(l);
    moons__post_look(&w->post);
  }
  return w->n_left == w->n_ranks - 1;
}

/* Says that the agents have ended, and waits until that is on its way. */
static void say_left(moons__world *w) {
  struct moons__letter_head head = {.kind = MOONS__LETTER_LEFT};
  uint64_t end_ns = uv_hrtime() + MOONS_RANK_END_NS;
  moons__post_send(&w->post, 0, head, NULL, 0);
  while (moons__post_look(&w->post) > 0 && uv_hrtime() < end_ns) {
    moons__free(moons__post_take(&w->post)); /* what rank 0 sends must arrive somewhere */
    moons__process_poll(NULL, 0, MOONS_RANK_LOOK_LEAST_NS);
  }
}

static void leave(moons__world *w) {
  int may_finalize = 1;
  if (w->rank == 0) {
    may_finalize = await_others(w);
  } else {
    moons__channels_end(&w->channels);
    if (!w->has_failed) say_left(w);
    may_finalize = !w->has_failed;
  }
  if (may_finalize)
    w->mpi->finalize();
  else if (w->rank == 0)
    w->mpi->abort(w->code);
}

static int enter(moons__world *w) {
  moons__rank own;
  moons__rank_read(&own);
  if (w->mpi->init(&w->rank, &w->n_ranks)) return -1;
  if (moons__post_open(&w->post, w->mpi, w->n_ranks)) return -1;
  if (w->rank == 0) w->ranks = moons__allocate_zeros(NULL, (size_t)w->n_ranks * sizeof own);
  if (w->rank == 0 && w->ranks == NULL) return -1;
  return w->mpi->gather(&own, w->ranks, (int)sizeof own);
}

static void run(void *data) {
  moons__world *w = data;
  moons__thread_name(MOONS__THREAD_NAME, "mpi");
  w->has_failed = enter(w) != 0;
  int has_entered = !w->has_failed;
  uv_sem_post(&w->entered);
  if (!has_entered) return;
  uv_mutex_lock(&w->mutex);
  while (!w->is_leaving && !w->has_failed)
    turn(w);
  leave(w);
  uv_mutex_unlock(&w->mutex);
}

/* {== Opening and closing ===================================================================== */

static void world_free(moons__world *w) {
  moons__post_close(&w->post);
  for (int i = 0; i < 2; i++)
    if (w->wake[i] >= 0) close(w->wake[i]);
  moons__free(w->ranks);
  moons__free(w->files);
  moons__free(w->launch);
  moons__free(w);
}

/* Its libraries find each other's names only where all see them, and stay: threads of theirs may. */
static const moons__mpi *load(const char *plugin, char why[MOONS__WORLD_WHY_BYTES]) {
  void *library = dlopen(plugin, RTLD_NOW | RTLD_GLOBAL);
  const moons__mpi *mpi = library != NULL ? dlsym(library, MOONS__MPI_SYMBOL) : NULL;
  if (mpi == NULL)
    snprintf(why, MOONS__WORLD_WHY_BYTES, "%s", dlerror());
  else if (mpi->version != MOONS__MPI_VERSION)
    snprintf(why, MOONS__WORLD_WHY_BYTES, "%s is of another Moons: build it anew", plugin);
  else
    return mpi;
  return NULL;
}

static int open_parts(moons__world *w) {
  if (w->launch == NULL || moons__process_streams(w->wake)) return -1;
  for (int i = 0; i < 2; i++)
    fcntl(w->wake[i], F_SETFL, O_NONBLOCK);
  return uv_mutex_init(&w->mutex) || uv_sem_init(&w->entered, 0);
}

/* A file that nobody reads any more is seen where it is written, and is no signal. */
static int start(moons__world *w) {
  sigset_t blocked;
  moons__thread_blocks(&blocked, 0);
  sigaddset(&blocked, SIGPIPE);
  int error = moons__thread_start(&w->id, NULL, 0, &blocked, run, w);
  if (!error) uv_sem_wait(&w->entered);
  return error;
}

moons__world *moons__world_open(const char *plugin, const char *program,
                                char why[MOONS__WORLD_WHY_BYTES]) {
  const moons__mpi *mpi = load(plugin, why);
  moons__world *w = mpi != NULL ? moons__allocate_zeros(NULL, sizeof *w) : NULL;
  if (mpi == NULL) return NULL;
  snprintf(why, MOONS__WORLD_WHY_BYTES, "no memory, or no thread");
  if (w == NULL) return NULL;
  w->mpi = mpi;
  w->wake[0] = w->wake[1] = -1;
  w->launch = moons__launch_here(NULL, program);
  w->parent = getppid();
  w->fork_number = moons__fork_number();
  w->channels.post = &w->post;
  if (open_parts(w) == 0 && start(w) == 0) {
    if (!w->has_failed) return w;
    uv_thread_join(&w->id);
    snprintf(why, MOONS__WORLD_WHY_BYTES, "MPI cannot begin");
  }
  world_free(w);
  return NULL;
}

static void wake(const moons__world *w) { (void)!write(w->wake[1], "", 1); }

int moons__world_serve(moons__world *w) {
  uv_thread_join(&w->id);
  int error = w->has_failed ? -1 : 0;
  world_free(w);
  return error;
}

void moons__world_close(moons__world *w, int code) {
  if (w == NULL || w->fork_number != moons__fork_number()) return; /* a child has no thread of it */
  uv_mutex_lock(&w->mutex);
  w->is_leaving = 1;
  w->code = code;
  wake(w);
  uv_mutex_unlock(&w->mutex);
  uv_thread_join(&w->id);
}

int moons__world_rank(const moons__world *w) { return w->rank; }

int moons__world_ranks(const moons__world *w) { return w->n_ranks; }

const char *moons__world_bound(const moons__world *w) {
  return moons__rank_bound(w->ranks, w->n_ranks);
}

int moons__world_hosts(const moons__world *w, moons__host_list *list, const void *beside,
                       unsigned n_workers, unsigned *n_cores) {
  return moons__rank_hosts(w->ranks, w->n_ranks, list, beside, n_workers, n_cores);
}

/* The thread tells the rank. */
static int add_channel(moons__world *w, int rank, int work, int said) {
  uv_mutex_lock(&w->mutex);
  int error = w->is_leaving || w->post.is_lost[rank] ? EHOSTUNREACH : 0;
  if (!error && moons__channel_new(&w->channels, ++w->last_channel, rank, work, said) == NULL)
    error = ENOMEM;
  if (!error) wake(w);
  uv_mutex_unlock(&w->mutex);
  return error;
}

int moons__world_reach(moons__world *w, int rank, moons__process *process, uint64_t patience_ns) {
  int work, said, error = moons__process_connect(process, &work, &said, patience_ns);
  if (error) return error;
  error = add_channel(w, rank, work, said);
  if (!error) return 0;
  close(work);
  close(said);
  moons__process_wait(process);
  return error;
}
