#include "worker/lanes.h"

#include <string.h>

#include "base/allocate.h"
#include "sizes.h"

/* Puts the i-th before all others. */
static moons__lane *use(moons__lanes *lanes, unsigned i) {
  moons__named_lane *used = lanes->list[i];
  memmove(&lanes->list[1], &lanes->list[0], i * sizeof *lanes->list);
  lanes->list[0] = used;
  return &used->lane;
}

static int need_room(moons__lanes *lanes) {
  if (lanes->n < lanes->n_room) return 1;
  unsigned n_room = lanes->n_room == 0 ? 1 : 4 * lanes->n_room;
  moons__named_lane **list = moons__reallocate(lanes->beside, lanes->list, n_room * sizeof *list);
  if (list == NULL) return 0;
  lanes->list = list;
  lanes->n_room = n_room;
  return 1;
}

static moons__lane *add(moons__lanes *lanes, const char *name, size_t n_bytes) {
  if (lanes->n >= MOONS_LANES_PER_SESSION || !need_room(lanes)) return NULL;
  moons__named_lane *new = moons__allocate_zeros(lanes->beside, sizeof *new + n_bytes + 1);
  if (new == NULL) return NULL;
  memcpy(new->name, name, n_bytes);
  new->n_bytes = n_bytes;
  lanes->list[lanes->n] = new;
  return use(lanes, lanes->n++);
}

moons__lane *moons__lanes_get(moons__lanes *lanes, const char *name, size_t n_bytes) {
  for (unsigned i = 0; i < lanes->n; i++)
    if (lanes->list[i]->n_bytes == n_bytes && memcmp(lanes->list[i]->name, name, n_bytes) == 0)
      return use(lanes, i);
  return add(lanes, name, n_bytes);
}

const char *moons__lane_name(const moons__lane *lane) {
  return ((const moons__named_lane *)(const void *)lane)->name;
}

void moons__lanes_free(moons__lanes *lanes) {
  for (unsigned i = 0; i < lanes->n; i++)
    moons__free(lanes->list[i]);
  moons__free(lanes->list);
  *lanes = (moons__lanes){.beside = lanes->beside};
}
