/*
** Blocks up to SMALL_BYTES come from free lists, one for each size class, refilled from a "run", a
** larger stretch handed out from its start. Larger blocks, and the runs, are "spans": neighbours
** know each other through a header, so that free ones join, and free ones wait in bins by size.
** What lies above all spans is the top; a span that ends there can grow and shrink in place.
** Lua tells the size of each block it frees, so small blocks have no header at all.
**
** One block that lives on high up, as Lua's table of strings may, would keep all the memory below it. So where memory
** is short, free spans become "holes": their pages are given back, and count for nobody. What is needed of a hole later
** is cut off its start, and is taken like new memory.
**
** A free span has no free neighbour, and none ends at the top. Budgets and the system are asked only where the top rises or a
** hole is cut; what they refuse is NULL, upon which Lua collects garbage and asks once more.
*/
#include "state/arena.h"

#include <lua.h>
#include <stdint.h>
#include <string.h>

#include "moons.h"
#include "sizes.h"
#include "state/memory.h"
#include "system/pages.h"

enum {
  SMALL_BYTES = 512,
  FINE_BYTES = 128, /* classes are 8 bytes apart up to here, 32 above */
  N_CLASSES = FINE_BYTES / 8 + (SMALL_BYTES - FINE_BYTES) / 32 + 1,
  N_BINS = 32, /* two for each power of two, the last for all above */
  FIRST_BIN_LOG2 = 9,
  BIN_TRIES = 8,            /* spans looked at in the bin whose sizes straddle the one asked for */
  RUN_BYTES = 1024,         /* by which runs grow */
  MAX_RUN_BYTES = 16 * 1024 /* a run is given back as a whole, so one block must not hold much */
};

typedef struct block {
  struct block *next;
} block;

typedef struct span {
  size_t size;                      /* header included, and flags */
  struct span *prev;                /* the neighbour below; NULL for the first */
  struct span *bin_next, *bin_prev; /* only while free, or a hole */
} span;

/* All that the allocator knows of its blocks. It lies at the start of the stretch, so it is part of an image, and begins with
** the top, for memory.c. */
struct moons__heap {
  char *top;
  char *run, *run_end; /* what is left of the run */
  span *last;          /* the span that ends at the top */
  uint32_t bins_filled;
  uint32_t made_userdata; /* since the mark was cleared; stays at the most it can be */
  block *free_blocks[N_CLASSES];
  span *bins[N_BINS];
  span *holes;
};

_Static_assert(offsetof(moons__heap, top) == 0, "memory.c finds the top there");

enum { HEADER_BYTES = 2 * sizeof(void *), MIN_SPAN_BYTES = sizeof(span) };
enum { IN_USE = 1, IS_RUN = 2, IS_HOLE = 4, FLAGS = 15 }; /* in the low bits of a size */

static size_t round_up(size_t n, size_t step) { return (n + step - 1) / step * step; }

/* Spans. */

static char *first_span(moons__heap *heap) { return (char *)heap + round_up(sizeof *heap, 16); }

static size_t size_of(const span *c) { return c->size & ~(size_t)FLAGS; }
static int in_use(const span *c) { return (c->size & IN_USE) != 0; }
static int is_hole(const span *c) { return (c->size & IS_HOLE) != 0; }
static int is_free(const span *c) { return (c->size & (IN_USE | IS_HOLE)) == 0; }
static char *end_of(span *c) { return (char *)c + size_of(c); }

/* Of two sizes with the same highest bit the one below that decides. */
static unsigned bin_of(size_t size) {
  if (size < (size_t)1 << FIRST_BIN_LOG2) return 0;
  unsigned log2 = 63u - (unsigned)__builtin_clzll(size);
  unsigned bin = (log2 - FIRST_BIN_LOG2) * 2 + (unsigned)(size >> (log2 - 1) & 1);
  return bin < N_BINS ? bin : N_BINS - 1;
}

static void list_add(span **list, span *c) {
  c->bin_prev = NULL;
  c->bin_next = *list;
  if (c->bin_next != NULL) c->bin_next->bin_prev = c;
  *list = c;
}

static void list_remove(span **list, span *c) {
  if (c->bin_next != NULL) c->bin_next->bin_prev = c->bin_prev;
  if (c->bin_prev != NULL)
    c->bin_prev->bin_next = c->bin_next;
  else
    *list = c->bin_next;
}

static void bin_add(moons__heap *heap, span *c) {
  unsigned bin = bin_of(size_of(c));
  list_add(&heap->bins[bin], c);
  heap->bins_filled |= UINT32_C(1) << bin;
}

static void bin_remove(moons__heap *heap, span *c) {
  unsigned bin = bin_of(size_of(c));
  list_remove(&heap->bins[bin], c);
  if (heap->bins[bin] == NULL) heap->bins_filled &= ~(UINT32_C(1) << bin);
}

/* A free span of at least `size` bytes, or NULL. In its own bin only a few are looked at, so that the time does not grow with
** the number of spans; any of a larger bin fits. The last bin has all sizes above, so it is searched to its end; its shift
** gives 0, and so no larger bin. */
static span *bin_find(const moons__heap *heap, size_t size) {
  unsigned bin = bin_of(size);
  int tries = bin == N_BINS - 1 ? INT32_MAX : BIN_TRIES;
  for (span *c = heap->bins[bin]; c != NULL && tries > 0; c = c->bin_next, tries--)
    if (size_of(c) >= size) return c;
  uint32_t larger = heap->bins_filled & ~((UINT32_C(2) << bin) - 1);
  return larger != 0 ? heap->bins[__builtin_ctz(larger)] : NULL;
}

/* The neighbour above, or NULL where that is the top. */
static span *span_above(const moons__heap *heap, span *c) {
  return end_of(c) < heap->top ? (span *)(void *)end_of(c) : NULL;
}

static void set_below(moons__heap *heap, span *c) {
  span *above = span_above(heap, c);
  if (above != NULL)
    above->prev = c;
  else
    heap->last = c;
}

/* Moves the top up, over committed memory. Returns 0 when a limit or the machine refuses. */
static int top_raise(moons__arena *arena, size_t n_bytes) {
  moons__heap *heap = arena->heap;
  size_t used = moons__memory_reach(arena);
  if (n_bytes > arena->limit_bytes || used > arena->limit_bytes - n_bytes) return 0;
  size_t needed = used + n_bytes;
  if (needed > arena->ready_bytes && !moons__memory_make_ready(arena, needed)) return 0;
  heap->top += n_bytes;
  if (needed > arena->touched_bytes) {
    arena->touched_bytes = needed;
    if (needed > arena->peak_bytes) arena->peak_bytes = needed;
  }
  return 1;
}

static void span_free(moons__heap *heap, span *c);

/* Cuts what is beyond `size` off a span in use and frees it, where that makes a span. */
static void span_split(moons__heap *heap, span *c, size_t size) {
  size_t rest_size = size_of(c) - size;
  if (rest_size < MIN_SPAN_BYTES) return;
  c->size = size | IN_USE;
  span *rest = (span *)(void *)end_of(c);
  rest->size = rest_size | IN_USE;
  rest->prev = c;
  set_below(heap, rest);
  span_free(heap, rest);
}

/* Holes. */

/* The pages that lie wholly between, the header of what begins there excepted. */
static size_t pages_between(const moons__heap *heap, const char *start, const char *end,
                            char **first) {
  size_t page = moons__pages_size();
  size_t from = round_up((size_t)(start - (const char *)heap) + sizeof(span), page);
  size_t to = (size_t)(end - (const char *)heap) / page * page;
  *first = (char *)heap + from;
  return to > from ? to - from : 0;
}

/* What a span leaves to others as a hole. */
static size_t pages_of(const moons__heap *heap, span *c, char **first) {
  return pages_between(heap, (char *)c, end_of(c), first);
}

/* Makes the first `size` bytes of a hole a span in use; all of it where the rest would be small. Returns NULL, with
** nothing changed, where its memory is not to be had. */
static span *hole_cut(moons__arena *arena, span *c, size_t size) {
  moons__heap *heap = arena->heap;
  char *first, *end = end_of(c), *rest_at = (char *)c + size;
  size_t left = 0, n_bytes = pages_of(heap, c, &first);
  if (size_of(c) - size >= MOONS_TAKE_BYTES) left = pages_between(heap, rest_at, end, &first);
  if (!moons__memory_take_again(arena, n_bytes - left)) return NULL;
  list_remove(&heap->holes, c);
  if (left == 0) {
    c->size = size_of(c) | IN_USE;
    return c;
  }
  span *rest = (span *)(void *)rest_at;
  rest->size = (size_t)(end - rest_at) | IS_HOLE;
  rest->prev = c;
  set_below(heap, rest);
  list_add(&heap->holes, rest);
  c->size = size | IN_USE;
  return c;
}

static span *hole_alloc(moons__arena *arena, size_t size) {
  size_t step = round_up(size, MOONS_TAKE_BYTES);
  for (span *c = arena->heap->holes; c != NULL; c = c->bin_next) {
    if (size_of(c) < size) continue;
    span *cut = step < size_of(c) ? hole_cut(arena, c, step) : NULL;
    if (cut == NULL) cut = hole_cut(arena, c, size);
    if (cut != NULL) return cut;
  }
  return NULL;
}

static span *bin_alloc(moons__heap *heap, size_t size) {
  span *c = bin_find(heap, size);
  if (c == NULL) return NULL;
  bin_remove(heap, c);
  c->size |= IN_USE;
  return c;
}

static span *span_alloc(moons__arena *arena, size_t size) {
  moons__heap *heap = arena->heap;
  span *c = bin_alloc(heap, size);
  if (c == NULL && heap->holes != NULL) c = hole_alloc(arena, size);
  if (c != NULL) {
    span_split(heap, c, size);
    return c;
  }
  c = (span *)(void *)heap->top;
  if (!top_raise(arena, size)) return NULL;
  c->size = size | IN_USE;
  c->prev = heap->last;
  heap->last = c;
  return c;
}

/* Joins a span with the free one above it. */
static void join_above(moons__heap *heap, span *c, span *above) {
  bin_remove(heap, above);
  c->size += size_of(above);
  set_below(heap, c);
}

/* Joins it with free neighbours. Where it then ends at the top, the top comes down to it; holes stay where they are. */
static void span_free(moons__heap *heap, span *c) {
  c->size = size_of(c);
  span *above = span_above(heap, c);
  if (above != NULL && is_free(above)) join_above(heap, c, above);
  span *below = c->prev;
  if (below != NULL && is_free(below)) {
    bin_remove(heap, below);
    below->size += c->size;
    set_below(heap, below);
    c = below;
  }
  if (heap->last == c) {
    heap->top = (char *)c;
    heap->last = c->prev;
  } else {
    bin_add(heap, c);
  }
}

/* Makes a span in use `size` bytes large without moving it. Returns 0 where that cannot be. */
static int span_resize(moons__arena *arena, span *c, size_t size) {
  moons__heap *heap = arena->heap;
  if (size > size_of(c)) {
    span *above = span_above(heap, c);
    if (above == NULL) {
      if (!top_raise(arena, size - size_of(c))) return 0;
      c->size = size | IN_USE;
      return 1;
    }
    if (!is_free(above) || size_of(c) + size_of(above) < size) return 0;
    join_above(heap, c, above);
  }
  span_split(heap, c, size);
  return 1;
}

/* Blocks. */

static size_t class_of(size_t n_bytes) {
  return n_bytes <= FINE_BYTES ? (n_bytes + 7) / 8 - 1
                               : (n_bytes + 31) / 32 - FINE_BYTES / 32 - 1 + FINE_BYTES / 8;
}

static size_t class_bytes(size_t n_bytes) {
  return n_bytes <= FINE_BYTES ? round_up(n_bytes, 8) : round_up(n_bytes, 32);
}

static size_t span_bytes(size_t n_bytes) { return round_up(n_bytes + HEADER_BYTES, 16); }

/* Small blocks are not joined: Lua wants the same sizes again and again. Where memory runs out, reclaim() makes spans of whole
** runs. */
static void small_free(moons__heap *heap, void *at, size_t n_bytes) {
  block *b = at;
  size_t class = class_of(n_bytes);
  b->next = heap->free_blocks[class];
  heap->free_blocks[class] = b;
}

/* Hands what is left of the run to the free lists. */
static void run_retire(moons__heap *heap) {
  size_t left = (size_t)(heap->run_end - heap->run);
  while (left >= 8) {
    size_t n_bytes = left <= FINE_BYTES ? left : left < SMALL_BYTES ? left / 32 * 32 : SMALL_BYTES;
    small_free(heap, heap->run, n_bytes);
    heap->run += n_bytes;
    left -= n_bytes;
  }
}

/* Makes room for `n_bytes` in the run: by growing it at the top, or with a new one. */
static int run_refill(moons__arena *arena, size_t n_bytes) {
  moons__heap *heap = arena->heap;
  if (heap->run != NULL && heap->run_end == heap->top && size_of(heap->last) < MAX_RUN_BYTES) {
    if (!top_raise(arena, RUN_BYTES) && !top_raise(arena, round_up(n_bytes, 16))) return 0;
    heap->last->size += (size_t)(heap->top - heap->run_end);
    heap->run_end = heap->top;
    return 1;
  }
  if (heap->run != NULL) run_retire(heap);
  span *c = span_alloc(arena, RUN_BYTES);
  if (c == NULL) c = span_alloc(arena, span_bytes(n_bytes));
  if (c == NULL) {
    heap->run = heap->run_end = NULL;
    return 0;
  }
  c->size |= IS_RUN;
  heap->run = (char *)c + HEADER_BYTES;
  heap->run_end = end_of(c);
  return 1;
}

static void *small_alloc(moons__arena *arena, size_t n_bytes) {
  moons__heap *heap = arena->heap;
  block *b = heap->free_blocks[class_of(n_bytes)];
  if (b != NULL) {
    heap->free_blocks[class_of(n_bytes)] = b->next;
    return b;
  }
  n_bytes = class_bytes(n_bytes);
  if ((size_t)(heap->run_end - heap->run) < n_bytes && !run_refill(arena, n_bytes)) return NULL;
  void *at = heap->run;
  heap->run += n_bytes;
  return at;
}

/* Reclaiming: when memory has run out, runs of which every block is free become free spans. The free
** lists are sorted by address and then walked side by side with the spans. */

static size_t bytes_of_class(size_t class) {
  size_t n_fine = FINE_BYTES / 8;
  return class < n_fine ? (class + 1) * 8 : FINE_BYTES + (class - n_fine + 1) * 32;
}

static block *merge(block *a, block *b) {
  block *merged = NULL, **end = &merged;
  while (a != NULL && b != NULL) {
    block **lower = a < b ? &a : &b;
    *end = *lower;
    end = &(*end)->next;
    *lower = *lower == a ? a->next : b->next;
  }
  *end = a != NULL ? a : b;
  return merged;
}

/* A merge sort from below: sorted[i] holds 2^i blocks, or none. */
static block *sort(block *list) {
  block *sorted[64] = {NULL}, *all = NULL;
  while (list != NULL) {
    block *one = list;
    list = list->next;
    one->next = NULL;
    int i = 0;
    for (; sorted[i] != NULL; i++) {
      one = merge(sorted[i], one);
      sorted[i] = NULL;
    }
    sorted[i] = one;
  }
  for (int i = 0; i < 64; i++)
    all = merge(sorted[i], all);
  return all;
}

/* Where each list is in its walk: the first block not passed, and the link that leads to it. */
typedef struct walk {
  block **link[N_CLASSES];
} walk;

/* Passes the blocks below `end`; returns how many bytes they are. */
static size_t pass(walk *w, const char *end) {
  size_t n_bytes = 0;
  for (size_t class = 0; class < N_CLASSES; class ++)
    for (; *w->link[class] != NULL && (char *)*w->link[class] < end;
         n_bytes += bytes_of_class(class))
      w->link[class] = &(*w->link[class])->next;
  return n_bytes;
}

/* Takes the blocks between two places of a walk out of their lists. */
static void take_out(const walk *from, walk *to) {
  for (size_t class = 0; class < N_CLASSES; class ++) {
    *from->link[class] = *to->link[class];
    to->link[class] = from->link[class];
  }
}

/* Returns whether anything was gained. A run is free when its blocks in free lists fill it. */
static int reclaim(moons__heap *heap) {
  int gained = 0;
  walk at;
  if (heap->run != NULL) run_retire(heap);
  heap->run = heap->run_end = NULL;
  for (size_t class = 0; class < N_CLASSES; class ++) {
    heap->free_blocks[class] = sort(heap->free_blocks[class]);
    at.link[class] = &heap->free_blocks[class];
  }
  for (char *next = first_span(heap); next < heap->top;) {
    span *c = (span *)(void *)next;
    next = end_of(c);
    if (!(c->size & IS_RUN)) continue;
    walk before = at;
    if (pass(&at, next) != size_of(c) - HEADER_BYTES) continue;
    take_out(&before, &at);
    span_free(heap, c);
    gained = 1;
  }
  return gained;
}

/* Making holes: of all large spans that are free. */

static void unlist(moons__heap *heap, span *c) {
  if (is_hole(c))
    list_remove(&heap->holes, c);
  else
    bin_remove(heap, c);
}

/* Returns the bytes of the hole that it makes of a span and all above it that is not in use, or 0. */
static size_t make_hole(moons__arena *arena, span *c) {
  moons__heap *heap = arena->heap;
  unlist(heap, c);
  c->size = size_of(c);
  for (span *above; (above = span_above(heap, c)) != NULL && !in_use(above);) {
    unlist(heap, above);
    c->size += size_of(above);
    set_below(heap, c);
  }
  char *first;
  size_t n_bytes = pages_of(heap, c, &first);
  if (span_above(heap, c) == NULL || n_bytes < MOONS_TAKE_BYTES) {
    c->size |= IN_USE;
    span_free(heap, c);
    return 0;
  }
  c->size |= IS_HOLE;
  list_add(&heap->holes, c);
  moons__pages_discard(first, n_bytes);
  return n_bytes;
}

static void make_holes(moons__arena *arena) {
  moons__heap *heap = arena->heap;
  size_t n_bytes = 0;
  for (char *next = first_span(heap); next < heap->top;) {
    span *c = (span *)(void *)next;
    if (!in_use(c)) n_bytes += make_hole(arena, c);
    next = end_of(c);
  }
  moons__memory_count_holes(arena, n_bytes);
}

static void *block_try(moons__arena *arena, size_t n_bytes) {
  if (n_bytes <= SMALL_BYTES) return small_alloc(arena, n_bytes);
  if (n_bytes > arena->limit_bytes) return NULL;
  span *c = span_alloc(arena, span_bytes(n_bytes));
  return c != NULL ? (char *)c + HEADER_BYTES : NULL;
}

/* Reclaiming sorts all free blocks, so it comes only where nothing else is left. */
static void *block_alloc(moons__arena *arena, size_t n_bytes) {
  void *at = block_try(arena, n_bytes);
  if (at != NULL) return at;
  arena->was_refused = 1;
  return reclaim(arena->heap) ? block_try(arena, n_bytes) : NULL;
}

static span *span_of(void *at) { return (span *)(void *)((char *)at - HEADER_BYTES); }

static void block_free(moons__heap *heap, void *at, size_t n_bytes) {
  if (n_bytes <= SMALL_BYTES)
    small_free(heap, at, n_bytes);
  else
    span_free(heap, span_of(at));
}

/* Whether a block could be made `new_bytes` large where it is. Never from small to large or back: they lie in different
** ways. */
static int block_resize(moons__arena *arena, void *at, size_t old_bytes, size_t new_bytes) {
  if (old_bytes <= SMALL_BYTES || new_bytes <= SMALL_BYTES)
    return old_bytes <= SMALL_BYTES && new_bytes <= SMALL_BYTES &&
           class_of(old_bytes) == class_of(new_bytes);
  if (new_bytes > arena->limit_bytes) return 0;
  return span_resize(arena, span_of(at), span_bytes(new_bytes));
}

static void *block_move(moons__arena *arena, void *at, size_t old_bytes, size_t new_bytes) {
  void *moved = block_alloc(arena, new_bytes);
  if (moved == NULL) return NULL;
  memcpy(moved, at, old_bytes < new_bytes ? old_bytes : new_bytes);
  block_free(arena->heap, at, old_bytes);
  return moved;
}

/* Moves a large block that shrinks much to a free place below it, or returns NULL. What lies high, as Lua's table
** of strings does after much was made, would keep all below it from being given back. */
static void *block_move_down(moons__arena *arena, void *at, size_t old_bytes, size_t new_bytes) {
  if (new_bytes <= SMALL_BYTES || new_bytes > old_bytes / 2) return NULL;
  const span *below = bin_find(arena->heap, span_bytes(new_bytes));
  if (below == NULL || (const void *)below > at) return NULL;
  return block_move(arena, at, old_bytes, new_bytes);
}

/* A userdata that cannot be followed for lack of memory counts as alive for ever. */
static void userdata_born(moons__arena *arena, const void *at) {
  if (arena->heap->made_userdata < UINT32_MAX) arena->heap->made_userdata++;
  if (arena->newest == NULL) arena->newest = at;
  if (!arena->counts_userdata || at == NULL) return;
  arena->n_userdata++;
  (void)moons__ptrmap_put(&arena->userdata, at, 1);
}

static void maybe_userdata_died(moons__arena *arena, const void *at) {
  if (moons__ptrmap_get(&arena->userdata, at) != 1) return;
  (void)moons__ptrmap_put(&arena->userdata, at, 0); /* the entry is there, so this cannot fail */
  arena->n_userdata--;
}

static void *block_new(moons__arena *arena, size_t type, size_t n_bytes) {
  void *at = n_bytes > 0 ? block_alloc(arena, n_bytes) : NULL;
  if (type == LUA_TUSERDATA) userdata_born(arena, at);
  return at;
}

/* For a new block `old_bytes` is the type of the object (lua_Alloc in Lua's manual): so userdata are known. */
void *moons__arena_alloc(void *ud, void *at, size_t old_bytes, size_t new_bytes) {
  moons__arena *arena = ud;
  if (at == NULL) return block_new(arena, old_bytes, new_bytes);
  if (new_bytes == 0) {
    if (arena->n_userdata > 0) maybe_userdata_died(arena, at);
    block_free(arena->heap, at, old_bytes);
    return NULL;
  }
  void *moved = block_move_down(arena, at, old_bytes, new_bytes);
  if (moved != NULL) return moved;
  if (block_resize(arena, at, old_bytes, new_bytes)) return at;
  return block_move(arena, at, old_bytes, new_bytes);
}

/* Arenas. */

int moons__arena_open(moons__arena *arena, size_t max_bytes, moons__budget *all) {
  if (moons__memory_open(arena, max_bytes, sizeof(moons__heap), all)) return MOONS_ENOMEM;
  moons__arena_reset(arena);
  return 0;
}

void moons__arena_close(moons__arena *arena) {
  moons__memory_close(arena);
  moons__ptrmap_free(&arena->userdata);
  *arena = (moons__arena){0};
}

void moons__arena_reset(moons__arena *arena) {
  moons__heap *heap = arena->heap;
  memset(heap, 0, sizeof *heap);
  heap->top = first_span(heap);
  moons__memory_count_holes(arena, 0);
}

/* What is left of a run at the top is no part of an image: the top comes down to what is used, in steps of 16 as spans are
** aligned. */
size_t moons__arena_used_bytes(moons__arena *arena) {
  moons__heap *heap = arena->heap;
  if (heap->run != NULL && heap->run_end == heap->top) {
    size_t unused = (size_t)(heap->run_end - heap->run) / 16 * 16;
    heap->last->size -= unused;
    heap->run_end -= unused;
    heap->top -= unused;
  }
  return moons__memory_reach(arena);
}

/* In this order: what is reclaimed makes holes larger, and what lies at the top is no hole. */
void moons__arena_shrink(moons__arena *arena) {
  reclaim(arena->heap);
  make_holes(arena);
  moons__arena_trim(arena, moons__arena_used_bytes(arena));
}

void moons__arena_count_userdata(moons__arena *arena, int on) {
  arena->counts_userdata = on;
  arena->n_userdata = 0;
  moons__ptrmap_free(&arena->userdata);
}

int moons__arena_made_userdata(const moons__arena *arena) {
  return arena->heap->made_userdata != 0;
}

void moons__arena_begin_view(moons__arena *arena) { arena->newest = NULL; }

void moons__arena_end_view(moons__arena *arena) {
  if (arena->heap->made_userdata < UINT32_MAX) arena->heap->made_userdata--;
  if (arena->counts_userdata) maybe_userdata_died(arena, arena->newest);
}

void moons__arena_clear_mark(moons__arena *arena) { arena->heap->made_userdata = 0; }
