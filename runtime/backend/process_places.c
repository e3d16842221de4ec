/*
** Workers that have nothing to do lend their places, and so their cores, to calls of others that map. A keeper without a chunk lends
** its own itself, before it sleeps: to the process that has got the fewest of those that want any. It is woken when the place is
** free again: when that is given back, when the chunk for which it was lent has ended, or the process has died. A chunk that finds no
** keeper wants a place back, and so does a process that has got two less than another; helpers there then end the chunk that
** they run, and no call.
**
** The mutex is held in all these functions.
*/
#include "backend/keeper.h"

/* Of those that want a place, and know one of that number, the one that has got the fewest; NULL: none wants it. */
static keeper *neediest(const moons__backend *b, unsigned number) {
  keeper *best = NULL;
  for (keeper *k = b->keepers; k != NULL; k = k->next)
    if (k->n_wanted > 0 && number < k->n_places &&
        (best == NULL || k->n_borrowed < best->n_borrowed))
      best = k;
  return best;
}

/* Of those below `n_workers` whose places were lent, and are not wanted back yet, one whose borrower has got the most; NULL: there is
** none. */
static keeper *find_lent(const moons__backend *b, unsigned n_workers) {
  keeper *best = NULL;
  for (keeper *k = b->keepers; k != NULL; k = k->next) {
    int is_lent = k->borrower != NULL && !k->is_recalled && k->sleeper.number < n_workers;
    if (!is_lent) continue;
    if (best == NULL || k->borrower->n_borrowed > best->borrower->n_borrowed) best = k;
  }
  return best;
}

static void recall(keeper *lender) {
  lender->is_recalled = 1;
  moons__keeper_order(lender->borrower, MOONS__FRAME_RECALL, lender->sleeper.number);
}

int moons__place_lend(keeper *k) {
  moons__backend *b = k->backend;
  keeper *borrower = b->n_wanted > 0 && !b->closing ? neediest(b, k->sleeper.number) : NULL;
  if (borrower == NULL) return 0;
  b->n_wanted--;
  borrower->n_wanted--;
  borrower->n_borrowed++;
  k->borrower = borrower;
  k->is_recalled = 0;
  moons__frame_order order = {.work = borrower->work, .row = k->row_number, .n = k->sleeper.number};
  moons__keeper_send(borrower, MOONS__FRAME_LEND, &order);
  return 1;
}

static void free_place(keeper *lender) {
  lender->borrower->n_borrowed--;
  lender->borrower = NULL;
  moons__sleeper_wake(&lender->sleeper);
}

void moons__place_recall(moons__backend *b, unsigned n_workers) {
  keeper *lender = find_lent(b, n_workers);
  if (lender != NULL) recall(lender);
}

void moons__places_want(keeper *k, unsigned n) {
  moons__backend *b = k->backend;
  k->n_wanted += n;
  b->n_wanted += n;
  for (moons__sleeper *s; n > 0 && (s = moons__park_call(&b->park, k->n_places)) != NULL; n--)
    moons__sleeper_wake(s);
  while (n > 0 && moons__keeper_add(b, k->n_places) == 0)
    n--;
  keeper *lender = n > 0 ? find_lent(b, k->n_places) : NULL;
  if (lender != NULL && lender->borrower->n_borrowed >= k->n_borrowed + 2) recall(lender);
}

void moons__places_return(const keeper *k, unsigned number) {
  for (keeper *l = k->backend->keepers; l != NULL; l = l->next)
    if (l->borrower == k && l->sleeper.number == number) free_place(l);
}

void moons__places_forget(keeper *k) {
  k->backend->n_wanted -= k->n_wanted;
  k->n_wanted = 0;
  for (keeper *l = k->backend->keepers; l != NULL && k->n_borrowed > 0; l = l->next)
    if (l->borrower == k) free_place(l);
}
