/*
** A scope has no list of what it started: those look upward, each time before they begin something. So ending it is one
** store, and what it started may end, and be freed, in any order. Scopes are linked as calls are nested, at most
** MOONS_MAX_DEPTH of them.
*/
#include "worker/scope.h"

#include <stdlib.h>

#include "base/allocate.h"

moons__scope *moons__scope_new(const void *beside, moons__scope *outer, size_t memory_bytes,
                               uint64_t deadline_ns) {
  moons__scope *scope = moons__allocate_zeros(beside, sizeof *scope);
  if (scope == NULL) return NULL;
  scope->outer = moons__scope_share(outer);
  scope->budget.max_bytes = memory_bytes;
  scope->budget.outer = moons__scope_budget(outer);
  scope->deadline_ns = deadline_ns;
  atomic_init(&scope->n_printed, 0);
  atomic_init(&scope->n_users, 1);
  return scope;
}

moons__scope *moons__scope_share(moons__scope *scope) {
  if (scope != NULL) atomic_fetch_add_explicit(&scope->n_users, 1, memory_order_relaxed);
  return scope;
}

/* Releasing orders what each user did before what the last one frees. The last user of an inner scope may be the last of
** all those around it, too. */
void moons__scope_release(moons__scope *scope) {
  while (scope != NULL &&
         atomic_fetch_sub_explicit(&scope->n_users, 1, memory_order_acq_rel) == 1) {
    moons__scope *outer = scope->outer;
    moons__free(scope);
    scope = outer;
  }
}

atomic_size_t *moons__scope_printed(moons__scope *scope) {
  while (scope != NULL && scope->outer != NULL)
    scope = scope->outer;
  return scope != NULL ? &scope->n_printed : NULL;
}

/* Without a limit of its own a call has nothing to count; what it takes counts with the next one around it that has. */
moons__budget *moons__scope_budget(moons__scope *scope) {
  if (scope == NULL) return NULL;
  return scope->budget.max_bytes > 0 ? &scope->budget : scope->budget.outer;
}

/* Either the chunk sees that the call has ended, and begins nothing, or the call sees that the chunk runs: what each notes is in
** one order with what it looks at, here and in moons__scope_is_busy (seq_cst). */
void moons__scope_begin_chunk(moons__scope *scope) {
  atomic_fetch_add(&scope->n_running, 1);
  atomic_thread_fence(memory_order_seq_cst);
}

/* Releasing orders what the chunk did before what the call does that has waited for it. */
void moons__scope_end_chunk(moons__scope *scope) {
  atomic_fetch_sub_explicit(&scope->n_running, 1, memory_order_release);
}

int moons__scope_is_busy(const moons__scope *scope) {
  atomic_thread_fence(memory_order_seq_cst);
  return atomic_load_explicit(&scope->n_running, memory_order_acquire) > 0;
}

/* The first to say so decides since when: the time after which a call is given up counts from there. */
void moons__scope_end(moons__scope *scope, uint64_t since_ns) {
  uint64_t none = 0;
  if (scope != NULL) atomic_compare_exchange_strong(&scope->ended_ns, &none, since_ns);
}

void moons__scope_look(moons__scope *scope, uint64_t now_ns) {
  for (; scope != NULL; scope = scope->outer)
    if (now_ns >= scope->deadline_ns) moons__scope_end(scope, scope->deadline_ns);
}

uint64_t moons__scope_ended_since(const moons__scope *scope) {
  uint64_t since_ns = 0;
  for (; scope != NULL && since_ns == 0; scope = scope->outer)
    since_ns = atomic_load(&scope->ended_ns);
  return since_ns;
}

/* Asked before each call, so the order in which memory changes is not paid for: seeing it late costs one call more, which the
** watcher ends. */
int moons__scope_is_over(const moons__scope *scope) {
  for (; scope != NULL; scope = scope->outer)
    if (atomic_load_explicit(&scope->ended_ns, memory_order_relaxed) != 0) return 1;
  return 0;
}

int moons__scope_is_kept(const moons__scope *scope) {
  while (scope != NULL && !scope->is_kept)
    scope = scope->outer;
  return scope != NULL;
}

uint64_t moons__scope_deadline(const moons__scope *scope) {
  uint64_t at_ns = UINT64_MAX;
  for (; scope != NULL; scope = scope->outer)
    if (scope->deadline_ns < at_ns) at_ns = scope->deadline_ns;
  return at_ns;
}
