/*
** Letters are copies: what is sent goes on in the caller at once, and MPI may take its time.
*/
#include "backend/post.h"

#include <string.h>

#include "base/allocate.h"
#include "base/errors.h"
#include "moons.h"

int moons__post_open(moons__post *p, const moons__mpi *mpi, int n_ranks) {
  *p = (moons__post){.mpi = mpi, .n_ranks = n_ranks};
  p->last = &p->leaving;
  p->is_lost = moons__allocate_zeros(NULL, (size_t)n_ranks);
  return p->is_lost != NULL ? 0 : MOONS_ENOMEM;
}

/* What MPI may still read is left to it. */
void moons__post_close(moons__post *p) {
  moons__free(p->is_lost);
  p->is_lost = NULL;
}

static void lose(moons__post *p, int rank) {
  if (p->is_lost[rank]) return;
  p->is_lost[rank] = 1;
  p->is_shaky = 1;
  p->n_lost++;
}

static moons__letter *new_letter(int rank, size_t n_bytes) {
  moons__letter *l = moons__allocate(NULL, sizeof *l + n_bytes);
  if (l == NULL) return NULL;
  l->next = NULL;
  l->rank = rank;
  l->n_bytes = n_bytes;
  l->n_taken = 0;
  return l;
}

void moons__post_send(moons__post *p, int to, struct moons__letter_head head, const void *bytes,
                      size_t n_bytes) {
  if (p->is_lost[to]) return;
  moons__letter *l = new_letter(to, n_bytes);
  if (l != NULL) {
    l->head = head;
    if (n_bytes > 0) memcpy(l->bytes, bytes, n_bytes);
    l->sending = p->mpi->send(to, &l->head, (int)(sizeof l->head + n_bytes));
  }
  if (l == NULL || l->sending == NULL) {
    moons__free(l);
    lose(p, to);
    return;
  }
  *p->last = l;
  p->last = &l->next;
}

/* One that never will be sent stays where it is: MPI may still read it. */
size_t moons__post_look(moons__post *p) {
  size_t n = 0;
  for (moons__letter **at = &p->leaving; *at != NULL;) {
    moons__letter *l = *at;
    int is_sent = p->is_lost[l->rank] ? -1 : p->mpi->is_sent(l->sending);
    if (is_sent == 0) {
      at = &l->next;
      n++;
      continue;
    }
    *at = l->next;
    if (is_sent < 0)
      lose(p, l->rank);
    else
      moons__free(l);
  }
  p->last = &p->leaving;
  while (*p->last != NULL)
    p->last = &(*p->last)->next;
  return n;
}

/* Finds a letter where one rank, or more, is lost. */
static int probe_each(moons__post *p, int *from, int *n_bytes) {
  for (int rank = 0; rank < p->n_ranks; rank++) {
    int found = p->is_lost[rank] ? 0 : p->mpi->probe(rank, from, n_bytes);
    if (found > 0) return 1;
    if (found < 0) lose(p, rank);
  }
  return 0;
}

static int probe(moons__post *p, int *from, int *n_bytes) {
  int found = p->is_shaky ? -1 : p->mpi->probe(-1, from, n_bytes);
  if (found >= 0) return found;
  p->is_shaky = 1;
  return probe_each(p, from, n_bytes);
}

/* Without memory it stays where it is. */
moons__letter *moons__post_take(moons__post *p) {
  int from, n_bytes;
  if (!probe(p, &from, &n_bytes)) return NULL;
  size_t n_head = sizeof(struct moons__letter_head);
  moons__letter *l = new_letter(from, (size_t)n_bytes > n_head ? (size_t)n_bytes - n_head : 0);
  if (l == NULL) return NULL;
  if (p->mpi->receive(from, &l->head, n_bytes) == 0 && (size_t)n_bytes >= n_head) return l;
  moons__free(l);
  lose(p, from);
  return NULL;
}
