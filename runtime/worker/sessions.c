/*
** As many are kept as bytes allow: a program that maps some thirty functions in turn is as usual as one that maps two, and a
** session made anew costs as much as a thousand calls. Where the memory of all states is short, a few must do: what idles
** here would be missing for calls.
*/
#include "worker/sessions.h"

#include <stdlib.h>
#include <string.h>

#include "moons.h"
#include "sizes.h"

static void close_at(moons__sessions *s, unsigned i) {
  moons__session *session = s->list[i];
  memmove(&s->list[i], &s->list[i + 1], (--s->n - i) * sizeof s->list[0]);
  moons__session_close(session);
  free(session);
}

void moons__sessions_close(moons__sessions *s) {
  while (s->n > 0)
    close_at(s, s->n - 1);
  free(s->list);
  s->list = NULL;
}

/* Moves a session to the front. */
static moons__session *use(moons__sessions *s, unsigned i) {
  moons__session *session = s->list[i];
  memmove(&s->list[1], &s->list[0], i * sizeof s->list[0]);
  s->list[0] = session;
  return session;
}

static int is_too_much(const moons__sessions *s, const moons__budget *states) {
  size_t n_bytes = 0;
  for (unsigned i = 0; i < s->n; i++)
    n_bytes += s->list[i]->image.n_bytes;
  if (s->n >= MOONS_IMAGES_PER_WORKER || n_bytes > MOONS_IMAGES_BYTES) return 1;
  return s->n >= MOONS_IMAGES_AT_LEAST && moons__budget_is_short(states, SIZE_MAX);
}

/* A closed session at the front, or NULL. */
static moons__session *add(moons__sessions *s) {
  if (s->list == NULL) s->list = calloc(MOONS_IMAGES_PER_WORKER, sizeof s->list[0]);
  moons__session *session = s->list != NULL ? calloc(1, sizeof *session) : NULL;
  if (session == NULL) return NULL;
  s->list[s->n++] = session;
  return use(s, s->n - 1);
}

moons__session *moons__sessions_get(moons__sessions *s, moons__workshop *workshop,
                                    moons__plan *plan, moons__libraries needs) {
  unsigned i = 0;
  while (i < s->n && !moons__session_has(s->list[i], plan))
    i++;
  if (i < s->n && (needs & ~s->list[i]->libraries) == 0) return use(s, i);
  if (i < s->n) {
    needs |= s->list[i]->libraries;
    close_at(s, i);
  }
  while (s->n > 0 && is_too_much(s, workshop->config.states))
    close_at(s, s->n - 1);
  moons__session *session = add(s);
  if (session == NULL) {
    moons__workshop_fail_for_memory(workshop);
    return NULL;
  }
  if (moons__session_open(session, workshop, needs, plan) == 0) return session;
  close_at(s, 0);
  return NULL;
}
