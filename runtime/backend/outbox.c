/*
** What it has got is known here and never asked for: it forgets as this does.
*/
#include "backend/outbox.h"

#include <string.h>

#include "backend/passed.h"

void moons__outbox_open(moons__outbox *o, moons__link *link, int files) {
  o->link = link;
  o->files = files;
}

/* The slot that has the set-up, which is sent where none does. What the slot had goes, there as here. */
static int send_setup(moons__outbox *o, moons__setup *setup, uint32_t *slot) {
  for (*slot = 0; *slot < MOONS_SETUPS_KEPT; ++*slot)
    if (o->setups[*slot] == setup) return 0;
  *slot = o->next_slot++ % MOONS_SETUPS_KEPT;
  moons__setup_release(o->setups[*slot]);
  o->setups[*slot] = moons__setup_share(setup);
  return moons__cargo_send_setup(o->link, o->files, setup, *slot);
}

/* Where the script is, where that is not where it is. */
static int send_place(moons__outbox *o, const moons__buffer *place) {
  moons__buffer *there = &o->place;
  if (there->n_bytes == place->n_bytes && memcmp(there->bytes, place->bytes, place->n_bytes) == 0)
    return 0;
  there->n_bytes = 0;
  if (moons__buffer_append(there, place->bytes, place->n_bytes)) return -1;
  return moons__link_write(o->link, MOONS__FRAME_PLACE, NULL, 0, place->bytes, place->n_bytes);
}

int moons__outbox_send(moons__outbox *o, const moons__chunk *chunk, uint64_t work,
                       unsigned n_workers) {
  moons__frame_chunk head = {.work = work,
                             .n_workers = n_workers,
                             .plan = chunk->plan->number,
                             .options = chunk->plan->options,
                             .first = chunk->first,
                             .n_calls = chunk->n_calls,
                             .n_skipped = chunk->n_skipped,
                             .n_tries = chunk->n_tries,
                             .prove_after = chunk->plan->prove_after};
  moons__passed_write(&head, chunk->plan->luggage.terms);
  head.options.setup = NULL;
  if (send_place(o, &chunk->plan->place) || send_setup(o, chunk->plan->setup, &head.slot) ||
      moons__cargo_send(&o->sent, o->link, o->files, chunk))
    return -1;
  return moons__link_write(o->link, MOONS__FRAME_CHUNK, &head, sizeof head, chunk->bytes,
                           chunk->n_bytes);
}

void moons__outbox_clear(moons__outbox *o) {
  for (unsigned i = 0; i < MOONS_SETUPS_KEPT; i++) {
    moons__setup_release(o->setups[i]);
    o->setups[i] = NULL;
  }
  moons__sent_clear(&o->sent);
  o->place.n_bytes = 0;
}

void moons__outbox_close(moons__outbox *o) {
  moons__outbox_clear(o);
  moons__buffer_free(&o->place);
}
