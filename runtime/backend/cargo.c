/*
** The caller does not keep blocks alive for a process: it watches them (shared.h), and tells it now and then which have gone. A block
** that goes by its bytes is sent anew where its version is another one, for the script, or the results of a map, may have been
** written to it meanwhile; one that has a file is sent once.
*/
#include "backend/cargo.h"

#include <stdlib.h>
#include <string.h>

#include "base/allocate.h"
#include "moons.h"
#include "sizes.h"
#include "system/process.h"
#include "system/shared_file.h"

struct moons__sent_block {
  moons__shared *block; /* watched */
  int is_file;
  uint64_t version; /* in which it was sent by its bytes */
};

/* {== The caller's side ======================================================================= */

void moons__cargo_show(const moons__shared_list *blocks) {
  moons__shared_list_show(blocks, MOONS_SHOWN_BYTES);
}

int moons__cargo_show_plan(const moons__plan *plan) {
  moons__cargo_show(plan->luggage.shared);
  moons__shared *sink = plan->luggage.sink.block;
  return sink != NULL && sink->n_bytes > 0 ? moons__shared_show(sink) : 0;
}

moons__setup *moons__cargo_setup(const void *beside, const void *bytes, size_t n_bytes,
                                 uint64_t hash) {
  moons__shared *block = n_bytes >= MOONS_SHOWN_BYTES ? moons__shared_new(beside, n_bytes) : NULL;
  if (block == NULL) return moons__setup_new(beside, bytes, n_bytes, hash);
  memcpy(block->bytes, bytes, n_bytes);
  moons__shared_show(block);
  return moons__setup_of_block(block, hash);
}

int moons__cargo_send_setup(moons__link *link, int files, const moons__setup *setup,
                            uint32_t slot) {
  int has_file = files >= 0 && setup->block != NULL;
  int file = has_file ? moons__shared_descriptor(setup->block) : -1;
  moons__frame_setup head = {.hash = setup->hash, .slot = slot, .is_file = file >= 0};
  head.n_bytes = setup->n_bytes;
  const void *bytes = file < 0 ? setup->bytes : NULL;
  size_t n_bytes = file < 0 ? setup->n_bytes : 0;
  if (moons__link_write(link, MOONS__FRAME_SETUP, &head, sizeof head, bytes, n_bytes)) return -1;
  return file >= 0 ? moons__link_send_file(link, files, file) : 0;
}

static struct moons__sent_block *find_sent(const moons__sent *sent, const moons__shared *block) {
  for (unsigned i = sent->n; i > 0; i--)
    if (sent->blocks[i - 1].block == block) return &sent->blocks[i - 1];
  return NULL;
}

static struct moons__sent_block *note_sent(moons__sent *sent, moons__shared *block, int is_file) {
  if (sent->n == sent->capacity) {
    unsigned capacity = sent->capacity > 0 ? 2 * sent->capacity : 8;
    struct moons__sent_block *grown =
        moons__reallocate(block, sent->blocks, capacity * sizeof *grown);
    if (grown == NULL) return NULL;
    sent->blocks = grown;
    sent->capacity = capacity;
  }
  struct moons__sent_block *noted = &sent->blocks[sent->n++];
  *noted = (struct moons__sent_block){.block = moons__shared_watch(block), .is_file = is_file};
  return noted;
}

static int send_file(moons__link *link, int files, moons__frame_kind kind, moons__shared *block) {
  moons__frame_block head = {.id = block->id, .n_bytes = block->n_bytes, .is_file = 1};
  if (moons__link_write(link, kind, &head, sizeof head, NULL, 0)) return -1;
  return moons__link_send_file(link, files, moons__shared_descriptor(block));
}

static int send_bytes(moons__link *link, const moons__shared *block) {
  moons__frame_block head = {.id = block->id, .n_bytes = block->n_bytes};
  return moons__link_write(link, MOONS__FRAME_BLOCK, &head, sizeof head, block->bytes,
                           block->n_bytes);
}

/* A block that was sent by its bytes stays one, though it may have got a file. Its version is asked for first: what is written to it
** while it is sent counts as another one. */
static int send_block(moons__sent *sent, moons__link *link, int files, moons__shared *block) {
  uint64_t version = atomic_load(&block->version);
  struct moons__sent_block *known = find_sent(sent, block);
  int has_file = files >= 0 && moons__shared_descriptor(block) >= 0;
  int is_file = known != NULL ? known->is_file : has_file;
  if (known != NULL && (is_file || known->version == version)) return 0;
  if (known == NULL && (known = note_sent(sent, block, is_file)) == NULL) return -1;
  known->version = version;
  return is_file ? send_file(link, files, MOONS__FRAME_BLOCK, block) : send_bytes(link, block);
}

static int send_list(moons__sent *sent, moons__link *link, int files,
                     const moons__shared_list *list) {
  for (unsigned i = 0; list != NULL && i < list->n; i++)
    if (send_block(sent, link, files, list->blocks[i])) return -1;
  return 0;
}

/* Where no files go, it is one of the plan's blocks. */
static int send_sink(moons__sent *sent, moons__link *link, int files, moons__shared *sink) {
  if (files < 0 || sink == NULL || sink->n_bytes == 0 || sent->sink == sink->id) return 0;
  sent->sink = sink->id;
  return send_file(link, files, MOONS__FRAME_SINK, sink);
}

static int append_ids(moons__buffer *ids, const moons__shared_list *list) {
  for (unsigned i = 0; list != NULL && i < list->n; i++)
    if (moons__buffer_append(ids, &list->blocks[i]->id, sizeof list->blocks[i]->id)) return -1;
  return 0;
}

static int send_ids(moons__link *link, const moons__chunk *chunk) {
  const moons__luggage *luggage = &chunk->plan->luggage;
  moons__frame_cargo head = {.n_numbers = luggage->sink.n_numbers,
                             .type = (uint32_t)luggage->sink.type};
  moons__buffer ids = {0};
  if (luggage->sink.block != NULL) head.sink = luggage->sink.block->id;
  if (luggage->shared != NULL) head.n_of_plan = luggage->shared->n;
  int error =
      append_ids(&ids, luggage->shared) || append_ids(&ids, chunk->shared) ||
      moons__link_write(link, MOONS__FRAME_CARGO, &head, sizeof head, ids.bytes, ids.n_bytes);
  moons__buffer_free(&ids);
  return error ? -1 : 0;
}

/* Forgets blocks that have gone; their ids go to `ids`. */
static int drop_gone(moons__sent *sent, moons__buffer *ids) {
  unsigned n_kept = 0;
  int error = 0;
  for (unsigned i = 0; i < sent->n; i++) {
    struct moons__sent_block known = sent->blocks[i];
    if (error || !moons__shared_has_gone(known.block)) {
      sent->blocks[n_kept++] = known;
      continue;
    }
    error = moons__buffer_append(ids, &known.block->id, sizeof known.block->id);
    if (error)
      sent->blocks[n_kept++] = known;
    else
      moons__shared_unwatch(known.block);
  }
  sent->n = n_kept;
  return error;
}

/* Seldom enough that it costs nothing against sending. */
static int sweep(moons__sent *sent, moons__link *link) {
  enum { FEW = 8 };
  if (sent->n < 2 * sent->n_at_sweep + FEW) return 0;
  moons__buffer ids = {0};
  int error = drop_gone(sent, &ids);
  if (!error && ids.n_bytes > 0)
    error = moons__link_write(link, MOONS__FRAME_FORGET, NULL, 0, ids.bytes, ids.n_bytes);
  moons__buffer_free(&ids);
  sent->n_at_sweep = sent->n;
  return error ? -1 : 0;
}

int moons__cargo_send(moons__sent *sent, moons__link *link, int files, const moons__chunk *chunk) {
  const moons__plan *plan = chunk->plan;
  if (plan->luggage.shared == NULL && chunk->shared == NULL) return 0;
  if (sweep(sent, link)) return -1;
  if (send_list(sent, link, files, plan->luggage.shared)) return -1;
  if (send_sink(sent, link, files, plan->luggage.sink.block)) return -1;
  if (send_list(sent, link, files, chunk->shared)) return -1;
  return send_ids(link, chunk);
}

int moons__cargo_take_given(moons__link *link, const moons__frame *frame, const void *beside,
                            moons__shared_list **given, int *is_lost) {
  moons__frame_block head;
  if (moons__link_head(link, frame, &head, sizeof head)) return -1;
  if (head.n_bytes != frame->n_bytes || head.n_bytes > SIZE_MAX / 2) return -1;
  moons__shared *block = moons__shared_new(beside, (size_t)head.n_bytes);
  if (block == NULL || moons__shared_list_add(given, block)) *is_lost = 1;
  if (block != NULL) block->id = head.id;
  int error = block != NULL ? moons__link_read(link, block->bytes, block->n_bytes)
                            : moons__link_skip(link, head.n_bytes);
  moons__shared_release(block);
  return error;
}

void moons__cargo_fetch(const moons__chunk *chunk, uint32_t n_run) {
  const moons__sink *sink = &chunk->plan->luggage.sink;
  if (sink->block == NULL || n_run == 0 || sink->n_numbers == 0) return;
  size_t n_bytes = sink->n_numbers * moons__element_bytes(sink->type);
  moons__shared_fetch(sink->block, (size_t)(chunk->first - 1) * n_bytes, n_run * n_bytes);
}

void moons__sent_clear(moons__sent *sent) {
  for (unsigned i = 0; i < sent->n; i++)
    moons__shared_unwatch(sent->blocks[i].block);
  moons__free(sent->blocks);
  *sent = (moons__sent){0};
}

/* {== The process's side ====================================================================== */

static moons__shared *take_file(const moons__frame_block *head) {
  int file = moons__process_take_file(MOONS__PROCESS_FILES);
  return file >= 0 ? moons__shared_map(NULL, file, (size_t)head->n_bytes, head->id) : NULL;
}

/* Fills in the bytes, or drops the set-up. */
static moons__setup *read_setup(moons__link *link, moons__setup *setup) {
  if (setup == NULL || moons__link_read(link, setup->bytes, setup->n_bytes) == 0) return setup;
  moons__setup_release(setup);
  return NULL;
}

moons__setup *moons__held_take_setup(moons__link *link, const moons__frame *frame, uint32_t *slot) {
  moons__frame_setup head;
  if (moons__link_head(link, frame, &head, sizeof head)) return NULL;
  *slot = head.slot;
  if (!head.is_file)
    return read_setup(link, moons__setup_new(NULL, NULL, (size_t)frame->n_bytes, head.hash));
  moons__shared *block = take_file(&(moons__frame_block){.n_bytes = head.n_bytes});
  return block != NULL ? moons__setup_of_block(block, head.hash) : NULL;
}

/* One that it has gets the bytes that it has now. */
static moons__shared *take_bytes(moons__held *held, moons__link *link,
                                 const moons__frame_block *head) {
  moons__shared *block = moons__shared_list_find(held->blocks, head->id);
  block =
      block != NULL ? moons__shared_share(block) : moons__shared_new(NULL, (size_t)head->n_bytes);
  if (block == NULL) return NULL;
  block->id = head->id;
  moons__shared_change(block);
  if (block->n_bytes == head->n_bytes && moons__link_read(link, block->bytes, block->n_bytes) == 0)
    return block;
  moons__shared_release(block);
  return NULL;
}

int moons__held_take_block(moons__held *held, moons__link *link, const moons__frame *frame) {
  moons__frame_block head;
  if (moons__link_head(link, frame, &head, sizeof head)) return -1;
  moons__shared *block = head.is_file ? take_file(&head) : take_bytes(held, link, &head);
  if (block == NULL) return -1;
  int error = 0;
  if (moons__shared_list_find(held->blocks, head.id) == NULL)
    error = moons__shared_list_add(&held->blocks, block);
  moons__shared_release(block);
  return error;
}

int moons__held_take_sink(moons__held *held, moons__link *link, const moons__frame *frame) {
  moons__frame_block head;
  if (moons__link_head(link, frame, &head, sizeof head)) return -1;
  moons__shared_release(held->sink);
  held->sink = take_file(&head);
  return held->sink != NULL ? 0 : -1;
}

int moons__held_forget(moons__held *held, moons__link *link, const moons__frame *frame) {
  uint64_t id;
  for (uint64_t n = frame->n_bytes / sizeof id; n > 0; n--) {
    if (moons__link_read(link, &id, sizeof id)) return -1;
    moons__shared_list_remove(held->blocks, id);
  }
  return 0;
}

/* Reads n ids, and adds their blocks to a list. */
static int take_ids(const moons__held *held, moons__link *link, uint64_t n,
                    moons__shared_list **list) {
  uint64_t id;
  for (; n > 0; n--) {
    if (moons__link_read(link, &id, sizeof id)) return -1;
    moons__shared *block = moons__shared_list_find(held->blocks, id);
    if (block == NULL || moons__shared_list_add(list, block)) return -1;
  }
  return 0;
}

int moons__held_take_cargo(moons__held *held, moons__link *link, const moons__frame *frame) {
  moons__frame_cargo head;
  if (moons__link_head(link, frame, &head, sizeof head)) return -1;
  uint64_t n = frame->n_bytes / sizeof(uint64_t);
  if (head.n_of_plan > n || head.type >= MOONS__N_ELEMENTS) return -1;
  if (take_ids(held, link, head.n_of_plan, &held->luggage.shared)) return -1;
  if (take_ids(held, link, n - head.n_of_plan, &held->of_chunk)) return -1;
  if (head.sink == 0) return 0;
  moons__shared *sink = held->sink;
  if (sink == NULL || sink->id != head.sink)
    sink = moons__shared_list_find(held->blocks, head.sink); /* one without room for any number */
  held->luggage.sink = (moons__sink){
      .block = sink, .type = (moons__element)head.type, .n_numbers = (size_t)head.n_numbers};
  return sink != NULL ? 0 : -1;
}

void moons__held_begin(moons__held *held) {
  moons__shared_list_begin_reading(held->luggage.shared);
  moons__shared_list_begin_reading(held->of_chunk);
}

void moons__held_end(moons__held *held) {
  moons__shared_list_end_reading(held->luggage.shared);
  moons__shared_list_end_reading(held->of_chunk);
  moons__shared_list_release(held->luggage.shared);
  moons__shared_list_release(held->of_chunk);
  held->luggage = (moons__luggage){0};
  held->of_chunk = NULL;
}
