/*
** What hosts run, for a person who asks: each is asked, and answers with what it knows of its workers. Of one that does not answer
** soon there is what it was sent.
*/
#include <string.h>

#include "backend/arrival.h"
#include "backend/host.h"
#include "worker/worker.h"

static int is_awaited(const hosts *b) {
  for (unsigned i = 0; i < b->n_hosts; i++) {
    const host *h = &b->hosts[i];
    if (h->phase == PHASE_UP && h->asked == b->n_questions && h->answered < h->asked) return 1;
  }
  return 0;
}

/* Those that have nothing to do are not asked. The mutex is held. */
static void ask(hosts *b) {
  b->n_questions++;
  for (unsigned i = 0; i < b->n_hosts; i++) {
    host *h = &b->hosts[i];
    if (h->phase != PHASE_UP || h->n_running == 0) continue;
    h->asked = b->n_questions;
    h->wants_answer = 1;
    uv_cond_signal(&h->wake);
  }
}

static void await_answers(hosts *b) {
  uint64_t now_ns = uv_hrtime(), end_ns = now_ns + MOONS_HOST_ANSWER_NS;
  for (; is_awaited(b) && now_ns < end_ns; now_ns = uv_hrtime())
    uv_cond_timedwait(&b->news, &b->mutex, end_ns - now_ns);
}

static moons__running running_of(const host *h) {
  return (moons__running){.host = h->name->name, .pool = h->backend->config.worker.pool};
}

static void tell_answer(const host *h, moons__take_running *take, void *taker) {
  moons__frame_running there;
  uint64_t now_ns = uv_hrtime();
  for (size_t at = 0; at + sizeof there <= h->running.n_bytes; at += sizeof there) {
    memcpy(&there, h->running.bytes + at, sizeof there);
    there.position[sizeof there.position - 1] = '\0';
    moons__running r = running_of(h);
    r.position = there.position;
    r.call = there.call;
    r.worker = there.worker;
    r.since_ns = now_ns - there.age_ns;
    r.is_setting_up = there.is_setting_up != 0;
    r.is_earlier = there.is_earlier != 0;
    take(taker, &r);
  }
}

static void tell_works(const host *h, moons__take_running *take, void *taker) {
  for (unsigned i = 0; i < h->n_works; i++) {
    const work *w = &h->works[i];
    if (w->chunk == NULL || !w->is_sent) continue;
    moons__running r = running_of(h);
    r.call = w->chunk->first;
    r.n_calls = w->chunk->n_calls;
    r.since_ns = w->sent_ns;
    r.is_earlier = 1;
    take(taker, &r);
  }
}

void moons__hosts_tell(hosts *b, moons__take_running *take, void *taker) {
  uv_mutex_lock(&b->mutex);
  ask(b);
  await_answers(b);
  for (unsigned i = 0; i < b->n_hosts; i++) {
    const host *h = &b->hosts[i];
    if (h->phase != PHASE_UP || h->asked != b->n_questions) continue;
    if (h->answered == h->asked)
      tell_answer(h, take, taker);
    else
      tell_works(h, take, taker);
  }
  uv_mutex_unlock(&b->mutex);
}

/* An answer that comes too late is dropped. */
int moons__host_take_answer(host *h, const moons__frame *frame) {
  hosts *b = h->backend;
  moons__frame_order head;
  if (moons__arrival_text(&h->in, frame, &head, sizeof head, &h->text)) return -1;
  uv_mutex_lock(&b->mutex);
  h->running.n_bytes = 0;
  if (head.work == b->n_questions &&
      moons__buffer_append(&h->running, h->text.bytes, h->text.n_bytes) == 0)
    h->answered = head.work;
  uv_cond_broadcast(&b->news);
  uv_mutex_unlock(&b->mutex);
  return 0;
}
