/*
** Memory is committed ahead of need, in steps that grow with it, and taken from the budgets in steps of some pages. The least
** of all limits is kept as one number, so that the usual block compares once. What a budget or the system refuses, a caller
** may ask for again after a collection.
*/
#include "state/memory.h"

#include "moons.h"
#include "sizes.h"
#include "system/pages.h"

static size_t round_up(size_t n, size_t step) { return (n + step - 1) / step * step; }

/* Puts memory behind `n_bytes` more. */
static int commit(moons__arena *arena, size_t n_bytes) {
  size_t end = arena->committed_bytes + n_bytes;
  if (end > arena->reserved_bytes) {
    if (!arena->grows) return 0;
    size_t missing = end - arena->reserved_bytes;
    if (moons__pages_extend((char *)arena->heap + arena->reserved_bytes, missing)) return 0;
    arena->reserved_bytes = end;
  }
  if (moons__pages_commit((char *)arena->heap + arena->committed_bytes, n_bytes)) return 0;
  arena->committed_bytes = end;
  return 1;
}

/* Sees to it that there is memory up to `needed_bytes`: ahead of need, or near a limit just what is missing. */
static int need_memory(moons__arena *arena, size_t needed_bytes) {
  size_t step = arena->committed_bytes / 4; /* geometric: few calls however large it grows */
  if (step < MOONS_COMMIT_BYTES) step = MOONS_COMMIT_BYTES;
  size_t missing = needed_bytes - arena->committed_bytes, most = arena->max_bytes;
  size_t wanted = round_up(missing, step);
  if (wanted > most - arena->committed_bytes) wanted = most - arena->committed_bytes;
  return commit(arena, round_up(wanted, moons__pages_size())) ||
         commit(arena, round_up(missing, moons__pages_size()));
}

/* Up to where blocks need ask nobody: the least of all limits, so that the usual block compares one number. */
static void find_ready(moons__arena *arena) {
  size_t ready = arena->limit_bytes;
  if (arena->committed_bytes < ready) ready = arena->committed_bytes;
  if (arena->all != NULL && arena->all_bytes < ready) ready = arena->all_bytes;
  if (arena->call != NULL && arena->call_bytes < ready) ready = arena->call_bytes;
  arena->ready_bytes = ready;
}

/* Takes what is missing of `needed_bytes`, in steps, or where there is less, just that. */
static int take(const moons__arena *arena, moons__budget *budget, size_t *taken_bytes,
                size_t needed_bytes) {
  if (budget == NULL || needed_bytes <= *taken_bytes) return 1;
  size_t rounded = round_up(needed_bytes, MOONS_TAKE_BYTES), taken = *taken_bytes;
  size_t has = moons__arena_held_bytes(arena);
  if (moons__budget_take(budget, rounded - taken, has)) {
    if (moons__budget_take(budget, needed_bytes - taken, has)) return 0;
    rounded = needed_bytes;
  }
  *taken_bytes = rounded;
  return 1;
}

/* Where a later one refuses, what earlier ones gave stays taken until the arena
** settles: Lua asks again after a collection. */
int moons__memory_make_ready(moons__arena *arena, size_t needed_bytes) {
  int is_ready = take(arena, arena->call, &arena->call_bytes, needed_bytes) &&
                 take(arena, arena->all, &arena->all_bytes, needed_bytes) &&
                 (needed_bytes <= arena->committed_bytes || need_memory(arena, needed_bytes));
  find_ready(arena);
  return is_ready;
}

int moons__memory_take_again(moons__arena *arena, size_t n_bytes) {
  size_t has = moons__arena_held_bytes(arena);
  if (moons__budget_take(arena->all, n_bytes, has)) return 0;
  if (moons__budget_take(arena->call, n_bytes, has)) {
    moons__budget_give(arena->all, n_bytes);
    return 0;
  }
  arena->hole_bytes -= n_bytes;
  return 1;
}

/* Gives the budgets back what is more than before, or takes it. */
void moons__memory_count_holes(moons__arena *arena, size_t n_bytes) {
  size_t before = arena->hole_bytes;
  arena->hole_bytes = n_bytes;
  if (n_bytes >= before) {
    moons__budget_give(arena->all, n_bytes - before);
    moons__budget_give(arena->call, n_bytes - before);
  } else {
    moons__budget_force(arena->all, before - n_bytes);
    moons__budget_force(arena->call, before - n_bytes);
  }
}

/* Reserves all the space at once where it costs nothing, and otherwise, where the process has a limit of address space, the
** first of it. */
static int reserve(moons__arena *arena, size_t n_bytes) {
  void *start = moons__pages_limit() == SIZE_MAX ? moons__pages_reserve(n_bytes) : NULL;
  int grows = start == NULL;
  if (grows) start = moons__pages_reserve_far(MOONS_COMMIT_BYTES, n_bytes);
  if (start == NULL) return MOONS_ENOMEM;
  *arena = (moons__arena){.heap = start, .grows = grows};
  arena->reserved_bytes = grows ? MOONS_COMMIT_BYTES : n_bytes;
  return 0;
}

int moons__memory_open(moons__arena *arena, size_t max_bytes, size_t heap_bytes,
                       moons__budget *all) {
  if (max_bytes == 0) max_bytes = MOONS_ARENA_BYTES;
  if (max_bytes > SIZE_MAX / 2) max_bytes = SIZE_MAX / 2; /* sums of sizes stay below the end */
  size_t n_bytes = round_up(max_bytes + heap_bytes, moons__pages_size());
  if (n_bytes < MOONS_COMMIT_BYTES) n_bytes = MOONS_COMMIT_BYTES;
  if (reserve(arena, n_bytes)) return MOONS_ENOMEM;
  arena->max_bytes = n_bytes;
  if (!commit(arena, MOONS_COMMIT_BYTES)) {
    moons__pages_release(arena->heap, arena->reserved_bytes);
    *arena = (moons__arena){0};
    return MOONS_ENOMEM;
  }
  arena->max_bytes = max_bytes;
  arena->all = all;
  arena->all_bytes = MOONS_COMMIT_BYTES;
  moons__budget_force(all, arena->all_bytes);
  moons__arena_limit(arena, 0); /* from none */
  return 0;
}

void moons__memory_close(moons__arena *arena) {
  if (arena->heap != NULL) moons__pages_release(arena->heap, arena->reserved_bytes);
  moons__budget_give(arena->all, arena->all_bytes - arena->hole_bytes);
  moons__budget_give(arena->call, arena->call_bytes - arena->hole_bytes);
}

size_t moons__arena_held_bytes(const moons__arena *arena) {
  return arena->touched_bytes - arena->hole_bytes;
}

/* Gives the memory from there on back; where address space is short, that too. */
static void give_back(moons__arena *arena, size_t from) {
  char *start = (char *)arena->heap;
  size_t touched = round_up(arena->touched_bytes, moons__pages_size());
  size_t kept = from > MOONS_COMMIT_BYTES ? from : MOONS_COMMIT_BYTES;
  if (!arena->grows || kept >= arena->committed_bytes) {
    moons__pages_discard(start + from, touched - from);
    return;
  }
  moons__pages_release(start + kept, arena->reserved_bytes - kept);
  arena->reserved_bytes = arena->committed_bytes = kept;
  if (from < kept) moons__pages_discard(start + from, kept - from);
}

/* Gives the budget back what was taken for more than is touched. */
static void settle_all(moons__arena *arena) {
  size_t n_bytes = round_up(arena->touched_bytes, MOONS_TAKE_BYTES);
  if (n_bytes < MOONS_COMMIT_BYTES) n_bytes = MOONS_COMMIT_BYTES;
  if (n_bytes >= arena->all_bytes) return;
  moons__budget_give(arena->all, arena->all_bytes - n_bytes);
  arena->all_bytes = n_bytes;
}

void moons__arena_trim(moons__arena *arena, size_t keep_bytes) {
  if (arena->touched_bytes <= keep_bytes) return;
  size_t keep = round_up(keep_bytes, moons__pages_size());
  if (arena->touched_bytes <= keep) return;
  give_back(arena, keep);
  arena->touched_bytes = keep;
  settle_all(arena);
  find_ready(arena);
}

void moons__arena_limit(moons__arena *arena, size_t max_bytes) {
  int is_lower = max_bytes > 0 && max_bytes < arena->max_bytes;
  size_t limit = is_lower ? max_bytes : arena->max_bytes;
  if (limit == arena->limit_bytes) return;
  arena->limit_bytes = limit;
  find_ready(arena);
}

int moons__arena_charge(moons__arena *arena, moons__budget *budget) {
  moons__budget_give(arena->call, arena->call_bytes - arena->hole_bytes);
  arena->call_bytes = arena->hole_bytes;
  int is_taken = take(arena, budget, &arena->call_bytes, moons__memory_reach(arena));
  arena->call = is_taken ? budget : NULL;
  find_ready(arena);
  return is_taken ? 0 : MOONS_ENOMEM;
}

void moons__arena_charge_inner(moons__arena *arena, moons__budget *inner) {
  if (arena->call == NULL) arena->call_bytes = moons__memory_reach(arena);
  moons__budget_begin(inner, arena->call_bytes - arena->hole_bytes);
  arena->call = inner;
  find_ready(arena);
}

void moons__arena_settle(moons__arena *arena) {
  size_t n_bytes = moons__memory_reach(arena);
  if (arena->call == NULL || n_bytes >= arena->call_bytes) return;
  moons__budget_give(arena->call, arena->call_bytes - n_bytes);
  arena->call_bytes = n_bytes;
  find_ready(arena);
}

/* What was touched before counts as untouched meanwhile, so that reaching it is noticed. */
size_t moons__arena_begin_peak(moons__arena *arena) {
  size_t touched = arena->touched_bytes;
  arena->touched_bytes = arena->peak_bytes = moons__memory_reach(arena);
  return touched;
}

size_t moons__arena_end_peak(moons__arena *arena, size_t touched_bytes) {
  if (touched_bytes > arena->touched_bytes) arena->touched_bytes = touched_bytes;
  return arena->peak_bytes;
}
