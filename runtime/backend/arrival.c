/*
** What has become of a chunk goes field by field, since frames hold no pointers.
*/
#include "backend/arrival.h"

#include <stdio.h>
#include <string.h>

#include "base/allocate.h"
#include "sizes.h"
#include "worker/identity.h"

/* Another one may have a head of another size. */
int moons__arrival_greet(moons__link *link, moons__greeting *greeting, char *why, size_t n_why) {
  moons__frame frame;
  char other[256], skipped[64];
  if (moons__link_find(link, greeting->magic, why, n_why)) return -1;
  if (moons__link_read(link, &frame, sizeof frame) || frame.kind != MOONS__FRAME_HELLO) return -1;
  if (frame.n_head > sizeof skipped || frame.n_bytes >= sizeof other) return -1;
  if (moons__link_read(link, skipped, frame.n_head)) return -1;
  if (moons__link_read(link, other, (size_t)frame.n_bytes)) return -1;
  other[frame.n_bytes] = '\0';
  greeting->has_host = strcmp(other, moons__identity(1)) == 0;
  if (frame.n_head == greeting->n_head &&
      (greeting->has_host || strcmp(other, moons__identity(0)) == 0)) {
    if (greeting->n_head > 0) memcpy(greeting->head, skipped, greeting->n_head);
    return 0;
  }
  snprintf(why, n_why, "'%s' is another one: %s; this is %s", greeting->name, other,
           moons__identity(0));
  return -1;
}

/* The bytes of a frame, in place of what the text was. */
static int take_text(moons__link *link, const moons__frame *frame, moons__buffer *text) {
  size_t n_bytes = (size_t)frame->n_bytes;
  text->n_bytes = 0;
  if (moons__buffer_reserve(text, n_bytes)) return -1;
  text->n_bytes = n_bytes;
  return moons__link_read(link, text->bytes, n_bytes);
}

int moons__arrival_print(moons__link *link, const moons__frame *frame, moons__frame_print *head,
                         moons__buffer *text) {
  if (moons__link_head(link, frame, head, sizeof *head)) return -1;
  return head->stream < 1 || head->stream > 2 ? -1 : take_text(link, frame, text);
}

int moons__arrival_text(moons__link *link, const moons__frame *frame, void *head, size_t n_head,
                        moons__buffer *text) {
  if (frame->n_bytes > MOONS_TRACED_BYTES || moons__link_head(link, frame, head, n_head)) return -1;
  return take_text(link, frame, text);
}

int moons__arrival_pass_on(const moons__worker_config *config, const moons__terms *terms,
                           void *call_data, int stream, const moons__buffer *text) {
  const moons_terms *given = moons__terms_of(terms);
  int is_own = given->write == NULL;
  if (is_own)
    config->write(config->write_data, stream, text->bytes, text->n_bytes);
  else
    given->write(given->data, call_data, stream, text->bytes, text->n_bytes);
  return is_own;
}

moons__chunk *moons__arrival_part(moons__chunk *chunk, uint32_t n_taken, uv_mutex_t *lock) {
  if (n_taken == 0) return NULL;
  moons__chunk *rest = NULL;
  char *bytes = moons__allocate(chunk->plan, chunk->n_bytes + 1);
  if (bytes != NULL) memcpy(bytes, chunk->bytes, chunk->n_bytes);
  uv_mutex_lock(lock);
  if (bytes != NULL) rest = moons__chunk_cut(chunk, chunk->n_calls - n_taken, bytes);
  if (rest == NULL) chunk->is_given_up = 1;
  uv_mutex_unlock(lock);
  if (rest == NULL) moons__free(bytes);
  return rest;
}

moons__frame_done moons__arrival_tell(const moons__chunk *chunk, uint64_t work) {
  return (moons__frame_done){.work = work,
                             .n_bytes = chunk->results.n_bytes,
                             .busy_ns = chunk->busy_ns,
                             .first_failed = chunk->first_failed,
                             .n_run = chunk->n_run,
                             .n_failed = chunk->n_failed,
                             .n_retried = chunk->n_retried,
                             .n_restored = chunk->n_restored,
                             .n_proved = chunk->n_proved,
                             .n_images = chunk->n_images,
                             .memory_bytes = chunk->memory_bytes,
                             .n_lost = chunk->n_lost,
                             .n_tries = chunk->n_tries,
                             .found = chunk->found,
                             .failed = chunk->failed,
                             .is_given_up = chunk->is_given_up};
}

int moons__arrival_take(const moons__frame_done *done, moons__chunk *chunk) {
  if (done->n_run > chunk->n_calls) return -1;
  chunk->n_run = done->n_run;
  chunk->n_failed = done->n_failed;
  chunk->n_retried = done->n_retried;
  chunk->n_restored = done->n_restored;
  chunk->n_proved = done->n_proved;
  chunk->n_images = done->n_images;
  chunk->memory_bytes = (size_t)done->memory_bytes;
  chunk->n_lost = done->n_lost;
  chunk->n_tries = done->n_tries;
  chunk->found = done->found;
  chunk->failed = done->failed;
  chunk->first_failed = done->first_failed;
  chunk->busy_ns = done->busy_ns;
  if (done->is_given_up) chunk->is_given_up = 1;
  return 0;
}
