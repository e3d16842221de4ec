/*
** A host's rows of a trace. Its agent and worker processes write events as they stand in the file, so they must know from when the
** trace counts by their own clock. What that shows at a moment here is asked for a few times; of the answer that came soonest the
** moment is known best, to half of the time that it took.
*/
#include "backend/arrival.h"
#include "backend/host.h"
#include "sizes.h"
#include "system/clock.h"

/* Asks once. Returns 0, or -1 as a link does. `*ahead_ns` is by how much its clock is ahead, modulo 2^64. */
static int ask_clock(host *h, uint64_t *ahead_ns, uint64_t *took_ns) {
  moons__frame frame;
  moons__frame_clock there;
  uint64_t asked_ns = moons__clock_ns();
  if (moons__link_write(&h->out, MOONS__FRAME_CLOCK, NULL, 0, NULL, 0)) return -1;
  if (moons__link_read(&h->in, &frame, sizeof frame) || frame.kind != MOONS__FRAME_CLOCK) return -1;
  if (moons__link_head(&h->in, &frame, &there, sizeof there)) return -1;
  *took_ns = moons__clock_ns() - asked_ns;
  *ahead_ns = there.now_ns - (asked_ns + *took_ns / 2);
  return 0;
}

static int compare_clocks(host *h, uint64_t *ahead_ns) {
  uint64_t least_ns = UINT64_MAX;
  for (int i = 0; i < MOONS_CLOCK_ROUNDS; i++) {
    uint64_t one_ns, took_ns;
    if (ask_clock(h, &one_ns, &took_ns)) return -1;
    if (took_ns >= least_ns) continue;
    least_ns = took_ns;
    *ahead_ns = one_ns;
  }
  return 0;
}

int moons__host_trace_start(host *h, moons__trace_origin *origin) {
  const moons__worker_config *config = &h->backend->config.worker;
  uint64_t ahead_ns = 0;
  if (config->trace == NULL) return 0;
  if (compare_clocks(h, &ahead_ns)) return -1;
  if (h->rows.process == 0) {
    unsigned place = (unsigned)(h - h->backend->hosts) + 1;
    h->rows =
        moons__trace_add_machine(config->trace, config->pool, place, h->name->name, h->n_works);
  }
  *origin = h->rows;
  origin->start_ns += ahead_ns;
  return 0;
}

int moons__host_take_events(host *h, const moons__frame *frame) {
  if (moons__arrival_text(&h->in, frame, NULL, 0, &h->text)) return -1;
  if (h->traced.trace == NULL) return 0;
  moons__trace_add(&h->traced, h->text.bytes, h->text.n_bytes);
  moons__trace_rest(&h->traced, 0, moons__clock_ns());
  return 0;
}
