/*
** As many are kept as bytes allow: a program that maps some thirty functions in turn is as usual as one that maps two, and an
** embedding host may have a thousand. Where the memory of all states is short, a few must do: what idles here would be missing
** for calls.
**
** Sessions that need the same libraries take turns in the state of one base. One with a large image, which is not copied, has a
** base to itself; whether it will be large, the length of its set-up tells beforehand as a rule. Where that is wrong, the others
** of the base go.
*/
#include "worker/sessions.h"

#include <stdlib.h>
#include <string.h>

#include "base/allocate.h"
#include "moons.h"
#include "sizes.h"
#include "wire/setup.h"
#include "worker/job_options.h"

/* What a restored image needs of the slot is there, whichever image was there before. */
/* NOLINTBEGIN(misc-redundant-expression): they may be set apart */
_Static_assert(MOONS_COW_MIN_BYTES <= MOONS_ARENA_KEEP_BYTES, "what a slot keeps holds any image");
/* NOLINTEND(misc-redundant-expression) */

/* {== Bases =================================================================================== */

/* The sets that differ for a base: others are marks of what a call uses. */
#define OPENED (MOONS__LIBRARIES_ALL | MOONS__LIBRARIES_PARALLEL | MOONS__LIBRARIES_ARRAYS)

static moons__base *find_base(const moons__sessions *s, moons__libraries libraries,
                              moons__libraries allowed, uint32_t rights) {
  for (unsigned i = 0; i < s->n_bases; i++) {
    moons__base *base = s->bases[i];
    if (!base->is_taken && base->libraries == libraries && base->allowed == allowed &&
        base->rights == rights)
      return base;
  }
  return NULL;
}

/* The order of bases means nothing. */
static void drop_base(moons__sessions *s, moons__base *base) {
  unsigned i = 0;
  while (s->bases[i] != base)
    i++;
  s->bases[i] = s->bases[--s->n_bases];
  moons__base_close(base);
  moons__free(base);
}

/* Adds a base that is not open yet; NULL: no memory. */
static moons__base *add_base(moons__sessions *s) {
  moons__base **bases =
      moons__reallocate(s->beside, s->bases, ((size_t)s->n_bases + 1) * sizeof *bases);
  if (bases == NULL) return NULL;
  s->bases = bases;
  moons__base *base = moons__allocate_zeros(s->beside, sizeof *base);
  if (base != NULL) s->bases[s->n_bases++] = base;
  return base;
}

static moons__base *new_base(moons__sessions *s, moons__workshop *workshop,
                             moons__libraries libraries, moons__libraries allowed) {
  moons__base *base = add_base(s);
  if (base == NULL) {
    moons__workshop_fail_for_memory(workshop);
    return NULL;
  }
  if (moons__base_open(base, workshop, libraries, allowed) == 0 &&
      moons__base_keep(base, workshop) == 0)
    return base;
  drop_base(s, base);
  return NULL;
}

static moons__base *get_base(moons__sessions *s, moons__workshop *workshop, const moons__plan *plan,
                             moons__libraries libraries) {
  const moons__job_options *options = &plan->options;
  moons__libraries allowed = moons__setup_allowed(options->setup, options->setup_bytes);
  int is_large = options->setup_bytes >= MOONS_LARGE_SETUP_BYTES;
  uint32_t rights = moons__terms_of(plan->luggage.terms)->rights;
  moons__base *base = is_large ? NULL : find_base(s, libraries, allowed, rights);
  if (base != NULL) return base;
  base = new_base(s, workshop, libraries, allowed);
  if (base != NULL) base->is_taken = is_large;
  return base;
}

static unsigned count_idle(const moons__sessions *s) {
  unsigned n = 0;
  for (unsigned i = 0; i < s->n_bases; i++)
    n += s->bases[i]->n_sessions == 0;
  return n;
}

/* A few that nobody uses stay for the sessions to come. */
static void leave_base(moons__sessions *s, moons__base *base, int is_short) {
  if (base->n_sessions > 0) return;
  if (base->is_taken || is_short || count_idle(s) > MOONS_IDLE_BASES) drop_base(s, base);
}

/* {== Sessions ================================================================================ */

static size_t bytes_of(const moons__session *session) {
  return sizeof *session + moons__image_bytes(&session->image) +
         moons__names_bytes(&session->names);
}

static void count(moons__sessions *s, moons__kept_session *kept) {
  size_t n_bytes = bytes_of(kept->session);
  s->n_bytes += n_bytes - kept->n_bytes;
  kept->n_bytes = n_bytes;
}

/* Whether memory is short is asked before the session has given back what it held. */
static void close_at(moons__sessions *s, unsigned i) {
  moons__session *session = s->list[i].session;
  moons__base *base = session->base;
  int is_short = moons__budget_is_short(session->workshop->config.states, SIZE_MAX);
  s->n_bytes -= s->list[i].n_bytes;
  memmove(&s->list[i], &s->list[i + 1], (--s->n - i) * sizeof s->list[0]);
  moons__session_close(session);
  moons__free(session);
  leave_base(s, base, is_short);
}

void moons__sessions_close(moons__sessions *s) {
  while (s->n > 0)
    close_at(s, s->n - 1);
  while (s->n_bases > 0)
    drop_base(s, s->bases[0]);
  moons__free(s->bases);
  moons__free(s->list);
  *s = (moons__sessions){.beside = s->beside};
}

/* Moves a session to the front. */
static moons__session *use(moons__sessions *s, unsigned i) {
  moons__kept_session used = s->list[i];
  memmove(&s->list[1], &s->list[0], i * sizeof s->list[0]);
  s->list[0] = used;
  return used.session;
}

/* Where in the list the session for this plan is; s->n: nowhere. */
static unsigned find(const moons__sessions *s, const moons__plan *plan) {
  uint64_t hash = plan->setup->hash;
  unsigned i = 0;
  while (i < s->n && (s->list[i].hash != hash || !moons__session_has(s->list[i].session, plan)))
    i++;
  return i;
}

static int is_too_much(const moons__sessions *s, const moons__worker_config *config) {
  if (s->n >= MOONS_IMAGES_PER_WORKER || s->n_bytes > config->images_bytes) return 1;
  return s->n >= MOONS_IMAGES_AT_LEAST && moons__budget_is_short(config->states, SIZE_MAX);
}

static int need_room(moons__sessions *s) {
  if (s->n < s->n_room) return 1;
  unsigned n_room = s->n_room == 0 ? 8 : 2 * s->n_room;
  moons__kept_session *list = moons__reallocate(s->beside, s->list, n_room * sizeof *list);
  if (list == NULL) return 0;
  s->list = list;
  s->n_room = n_room;
  return 1;
}

/* A large image is in the slot for good: those of other sessions can no longer be put there. */
static void take_base(moons__sessions *s, const moons__session *session) {
  if (session->image.n_bytes < MOONS_COW_MIN_BYTES || session->base->is_taken) return;
  session->base->is_taken = 1;
  for (unsigned i = s->n; i-- > 0;)
    if (s->list[i].session->base == session->base && s->list[i].session != session) close_at(s, i);
}

static moons__session *open_session(moons__workshop *workshop, moons__base *base,
                                    moons__plan *plan) {
  moons__session *session = moons__allocate_zeros(workshop->config.beside, sizeof *session);
  if (session == NULL)
    moons__workshop_fail_for_memory(workshop);
  else if (moons__session_open_fresh(session, workshop, base, plan) == 0)
    return session;
  moons__free(session);
  return NULL;
}

static moons__session *add(moons__sessions *s, moons__workshop *workshop, moons__plan *plan,
                           moons__libraries libraries) {
  if (!need_room(s)) {
    moons__workshop_fail_for_memory(workshop);
    return NULL;
  }
  moons__base *base = get_base(s, workshop, plan, libraries);
  moons__session *session = base != NULL ? open_session(workshop, base, plan) : NULL;
  if (session == NULL) {
    if (base != NULL) leave_base(s, base, 0);
    return NULL;
  }
  s->list[s->n++] = (moons__kept_session){.hash = plan->setup->hash, .session = session};
  count(s, &s->list[s->n - 1]);
  take_base(s, session);
  return use(s, s->n - 1);
}

moons__session *moons__sessions_get(moons__sessions *s, moons__workshop *workshop,
                                    moons__plan *plan, moons__libraries needs) {
  if (s->n > 0) count(s, &s->list[0]); /* it was used, and may hold more now */
  unsigned i = find(s, plan);
  needs &= OPENED;
  if (i < s->n) {
    moons__libraries has = s->list[i].session->base->libraries;
    if ((needs & ~has) == 0) return use(s, i);
    needs |= has;
    close_at(s, i);
  }
  while (s->n > 0 && is_too_much(s, &workshop->config))
    close_at(s, s->n - 1);
  return add(s, workshop, plan, needs);
}
