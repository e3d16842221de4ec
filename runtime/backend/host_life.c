/*
** The connection to a host: a command is launched whose stdin and stdout lead to an agent there. What it says to stderr is why it
** has failed, until the agent has said who it is; afterwards it is passed on.
**
** A host that cannot be reached at first is not tried again; one that was there and is lost is launched anew, a few times in a row. Its
** chunks are run elsewhere meanwhile.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/arrival.h"
#include "backend/host.h"
#include "backend/world.h"
#include "base/allocate.h"

/* {== What it says ============================================================================ */

/* Passes on a line for a person, with why it was lost. */
static void tell(host *h, const char *text) {
  const moons__worker_config *config = &h->backend->config.worker;
  char line[2 * MOONS__HOST_WHY_BYTES];
  int n = snprintf(line, sizeof line, "parallel: host '%s' %s: %s\n", h->name->name, text, h->why);
  size_t n_bytes = n > 0 && (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
  line[n_bytes - 1] = '\n';
  config->write(config->write_data, STDERR_FILENO, line, n_bytes);
  if (config->flush != NULL) config->flush(config->write_data);
}

/* Keeps the end of what the command says, for it is there that programs say why they end. */
static void keep_said(host *h, const char *text, size_t n_bytes) {
  size_t n = strlen(h->said), n_most = sizeof h->said - 1;
  if (n_bytes > n_most) {
    text += n_bytes - n_most;
    n_bytes = n_most;
  }
  size_t n_dropped = n + n_bytes > n_most ? n + n_bytes - n_most : 0;
  memmove(h->said, h->said + n_dropped, n - n_dropped);
  memcpy(h->said + n - n_dropped, text, n_bytes);
  h->said[n - n_dropped + n_bytes] = '\0';
}

static void hear_stderr(host *h) {
  const moons__worker_config *config = &h->backend->config.worker;
  char text[4096];
  for (size_t n; (n = moons__process_hear(&h->process, text, sizeof text)) > 0;) {
    keep_said(h, text, n);
    if (!h->is_met) continue;
    config->write(config->write_data, STDERR_FILENO, text, n);
    h->has_printed = 1;
  }
}

/* Makes one line of a text, without spaces at its ends. */
static void flatten(char *text) {
  size_t n = strlen(text), n_kept = 0;
  for (size_t i = 0; i < n; i++) {
    int is_space = (unsigned char)text[i] <= ' ';
    if (is_space && (n_kept == 0 || text[n_kept - 1] == ' ')) continue;
    text[n_kept++] = is_space ? ' ' : text[i];
  }
  while (n_kept > 0 && text[n_kept - 1] == ' ')
    n_kept--;
  text[n_kept] = '\0';
}

/* Adds to why it was lost how the command has ended, and what it has said last. */
static void tell_why(host *h, int status) {
  char why[MOONS__HOST_WHY_BYTES], end[64] = "";
  flatten(h->why);
  flatten(h->said);
  memcpy(why, h->why, sizeof why);
  if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) != 0)
    snprintf(end, sizeof end, "; its command ended with status %d", WEXITSTATUS(status));
  snprintf(h->why, sizeof h->why, "%.400s%s%s%.500s", why, end, h->said[0] != '\0' ? ": " : "",
           h->said);
}

/* {== Waiting for it ========================================================================== */

/* Adds to how long nothing has come, be it of a frame that takes its time. */
static void count_quiet(host *h) {
  h->quiet_ns = h->n_heard == h->in.n_received ? h->quiet_ns + MOONS_PROCESS_LOOK_NS : 0;
  h->n_heard = h->in.n_received;
}

/* `waits` of the link that is read. */
static int look(void *data) {
  host *h = data;
  hosts *b = h->backend;
  uint64_t now_ns = uv_hrtime();
  h->looked_ns = now_ns;
  count_quiet(h);
  hear_stderr(h);
  if (h->phase == PHASE_UP) moons__host_look_after(h);
  uv_mutex_lock(&b->mutex);
  if (b->closing && h->deadline_ns == 0)
    h->deadline_ns = h->phase == PHASE_UP ? now_ns + MOONS_HOST_END_NS : now_ns;
  uv_mutex_unlock(&b->mutex);
  if (h->deadline_ns != 0 && now_ns >= h->deadline_ns) return 0;
  if (h->quiet_ns < MOONS_HOST_SILENCE_NS) return 1;
  snprintf(h->why, sizeof h->why, "it has said nothing for %u seconds",
           (unsigned)(MOONS_HOST_SILENCE_NS / 1000000000u));
  return 0;
}

/* `waits` of the link that is written. */
static int is_whole(void *data) {
  host *h = data;
  return !atomic_load(&h->is_broken);
}

/* {== Starting ================================================================================ */

/* What it runs at once is known when it has answered for the first time. */
static int make_works(host *h, unsigned n_cores) {
  hosts *b = h->backend;
  if (h->works != NULL) return 0;
  if (n_cores > MOONS_MAX_WORKERS) n_cores = MOONS_MAX_WORKERS;
  uv_mutex_lock(&b->mutex);
  if (h->n_works == 0) h->n_works = n_cores;
  h->works = moons__allocate_zeros(b->hosts, h->n_works * sizeof *h->works);
  uv_mutex_unlock(&b->mutex);
  return h->works != NULL ? 0 : -1;
}

static int greet(host *h) {
  const moons__backend_config *config = &h->backend->config;
  moons__frame_cores cores;
  char answer[MOONS__HOST_WHY_BYTES / 2];
  moons__greeting greeting = {
      .magic = MOONS__FRAME_AGENT_MAGIC, .name = "moons", .head = &cores, .n_head = sizeof cores};
  if (moons__arrival_greet(&h->in, &greeting, answer, sizeof answer)) {
    flatten(answer);
    if (h->why[0] == '\0')
      snprintf(h->why, sizeof h->why, "no agent answers%s%s", answer[0] != '\0' ? ": " : "",
               answer);
    return -1;
  }
  if (make_works(h, cores.n)) return -1;
  moons__frame_config head = {.states_bytes = config->host_states_bytes,
                              .images_bytes = config->worker.images_bytes,
                              .n_workers = h->n_works};
  if (moons__host_trace_start(h, &head.trace)) return -1;
  return moons__link_write(&h->out, MOONS__FRAME_CONFIG, &head, sizeof head, NULL, 0);
}

/* Waits until few others are being launched. Returns 0, or -1 at the end. */
static int begin_start(host *h) {
  hosts *b = h->backend;
  uv_mutex_lock(&b->mutex);
  while (b->n_starting >= MOONS_HOSTS_AT_ONCE && !b->closing)
    uv_cond_wait(&b->news, &b->mutex);
  int error = b->closing ? -1 : 0;
  if (!error) b->n_starting++;
  uv_mutex_unlock(&b->mutex);
  return error;
}

static void end_start(host *h, int is_up) {
  hosts *b = h->backend;
  uv_mutex_lock(&b->mutex);
  b->n_starting--;
  if (is_up) h->phase = PHASE_UP;
  if (is_up) h->heart_ns = uv_hrtime() + MOONS_HEART_NS;
  uv_cond_broadcast(&b->news);
  uv_cond_signal(&h->wake);
  uv_mutex_unlock(&b->mutex);
}

/* Starts the agent: by its rank, or by the command. Returns 0, or a value of errno. */
static int start_agent(host *h) {
  moons__world *world = h->backend->world;
  if (h->name->rank == 0)
    return moons__process_launch(&h->process, h->command, MOONS_PROCESS_LOOK_NS);
  return moons__world_reach(world, h->name->rank, &h->process, MOONS_PROCESS_LOOK_NS);
}

/* Starts the agent, and meets it. */
static int launch(host *h) {
  h->why[0] = h->said[0] = '\0';
  h->quiet_ns = h->n_heard = 0;
  h->is_short = h->is_met = 0;
  atomic_store(&h->is_broken, 0);
  int error = start_agent(h);
  if (error) {
    snprintf(h->why, sizeof h->why, "%s: %s",
             h->name->rank == 0 ? "its command cannot be started" : "its rank cannot be reached",
             uv_strerror(uv_translate_sys_error(error)));
    return -1;
  }
  moons__link_open(&h->in, h->process.work, look, h);
  moons__link_open(&h->out, h->process.work, is_whole, h);
  moons__outbox_open(&h->outbox, &h->out, -1);
  return greet(h);
}

/* Ends the command. */
static void bury(host *h) {
  moons__process_kill(&h->process);
  hear_stderr(h);
  tell_why(h, moons__process_wait(&h->process));
  moons__outbox_clear(&h->outbox);
  h->stored.n_bytes = 0;
  moons__shared_list_release(h->given);
  h->given = NULL;
}

static int start(host *h) {
  if (begin_start(h)) return -1;
  int error = launch(h);
  h->is_met = !error;
  if (error && h->process.work >= 0) bury(h);
  end_start(h, !error);
  h->has_been_up |= !error;
  return error;
}

/* {== The end ================================================================================= */

/* The writer rests before anything of it is touched. */
static void take_down(host *h) {
  hosts *b = h->backend;
  atomic_store(&h->is_broken, 1);
  moons__process_kill(&h->process);
  uv_mutex_lock(&b->mutex);
  h->phase = PHASE_STARTING;
  h->stats.n_losses += !b->closing;
  while (h->is_writing)
    uv_cond_wait(&b->news, &b->mutex);
  uv_mutex_unlock(&b->mutex);
  bury(h);
}

/* Reads until the host is lost, or the end. */
static void serve(host *h) {
  moons__frame frame;
  while (moons__link_read(&h->in, &frame, sizeof frame) == 0) {
    if (uv_hrtime() > h->looked_ns + MOONS_PROCESS_LOOK_NS && !look(h)) break;
    if (moons__host_take(h, &frame)) break;
  }
  if (h->why[0] == '\0' && !h->in.has_ended)
    snprintf(h->why, sizeof h->why, "it has sent what makes no sense");
  if (h->why[0] == '\0') snprintf(h->why, sizeof h->why, "the connection has ended");
  take_down(h);
}

/* Waits for so many ns, or until the end. Returns whether that has come. */
static int rest(host *h, uint64_t wait_ns) {
  hosts *b = h->backend;
  uint64_t end_ns = uv_hrtime() + wait_ns, now_ns;
  uv_mutex_lock(&b->mutex);
  while (!b->closing && (now_ns = uv_hrtime()) < end_ns)
    uv_cond_timedwait(&b->news, &b->mutex, end_ns - now_ns);
  int closing = b->closing;
  uv_mutex_unlock(&b->mutex);
  return closing;
}

/* All hosts are out: says why of each, as far as there is room. The mutex is held. */
static void refuse_all(hosts *b) {
  enum { TEXT_BYTES = 4096 };
  static const char TEXT[] = "there is no host left to run calls";
  if (b->refusal != NULL || (b->refusal = moons__allocate(b->hosts, TEXT_BYTES)) == NULL) return;
  size_t n = (size_t)snprintf(b->refusal, TEXT_BYTES, "%s", TEXT);
  for (unsigned i = 0; i < b->n_hosts && n < TEXT_BYTES - 1; i++) {
    int n_added = snprintf(b->refusal + n, TEXT_BYTES - n, "%s'%s': %s", i == 0 ? ": " : "; ",
                           b->hosts[i].name->name, b->hosts[i].why);
    n += n_added > 0 ? (size_t)n_added : 0;
  }
}

static void leave(host *h) {
  hosts *b = h->backend;
  uv_mutex_lock(&b->mutex);
  h->phase = PHASE_OUT;
  int is_last = ++b->n_out == b->n_hosts;
  if (is_last) refuse_all(b);
  for (unsigned i = 0; i < b->n_hosts; i++)
    uv_cond_signal(&b->hosts[i].wake);
  uv_cond_broadcast(&b->news);
  int closing = b->closing;
  uv_mutex_unlock(&b->mutex);
  if (!closing && !is_last) tell(h, "is not used any more"); /* else the error says so */
}

/* Whether it is worth a try; where it was not reached the last time, after a while. */
static int may_start_again(host *h, int was_reached) {
  if (rest(h, 0) || !h->has_been_up || ++h->n_losses >= MOONS_PROCESS_TRIES) return 0;
  tell(h, "was lost, and is started again");
  return was_reached || !rest(h, MOONS_HOST_PAUSE_NS);
}

void moons__host_read(void *data) {
  host *h = data;
  int is_reached;
  do {
    is_reached = start(h) == 0;
    if (!is_reached) continue;
    serve(h);
    moons__host_give_up(h);
  } while (may_start_again(h, is_reached));
  leave(h);
}
