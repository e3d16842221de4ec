/*
** Memory outside all states, which the states of a process share: a block lives as long as anybody counts as its user, and lists
** of blocks go beside bytes that speak of them. A block holds what it holds by address in this process alone, so that one on
** a file that other processes map can stand in its place (shared_file.h).
*/
#ifndef MOONS_SYSTEM_SHARED_H
#define MOONS_SYSTEM_SHARED_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { MOONS__CHANGED_FOR_FILE = 1, MOONS__CHANGED_FOR_VERSION = 2, MOONS__CHANGED = 3 };

typedef struct moons__shared {
  uint64_t id; /* of no other block that this process ever has */
  char *bytes;
  size_t n_bytes;
  _Atomic(struct moons__shared_file *) file; /* that other processes may map; NULL: none; owned */
  int (*close_file)(
      struct moons__shared_file *file,
      const char *bytes); /* frees it; returns whether `bytes` are still to be freed */
  atomic_uint changes;    /* of MOONS__CHANGED_...: who may not know what it holds */
  atomic_uint_least64_t
      version; /* other bytes have another one, as far as moons__shared_list_show has seen */
  atomic_uint n_watchers; /* of this struct, whose bytes may be gone; all users are one */
  atomic_uint n_users;    /* who hold it */
  atomic_uint n_readers;  /* maps, and chunks of them, that read it now */
  atomic_uint n_writers;  /* maps that write to it now */
} moons__shared;

/* Makes a block of zeros, in memory beside that block (allocate.h) where it is not large; the caller is its first user. NULL: no
** memory. Any thread, as all functions here. */
moons__shared *moons__shared_new(const void *beside, size_t n_bytes);

/* The same of bytes that its file holds. */
moons__shared *moons__shared_of(const void *beside, char *bytes, size_t n_bytes, uint64_t id);

/* Add and remove a user; the last one frees it. Release accepts NULL. */
moons__shared *moons__shared_share(moons__shared *block);
void moons__shared_release(moons__shared *block);

/* Before the first block is made: ids begin behind this number. For a process that is given blocks with ids of another's. */
void moons__shared_number_from(uint64_t number);

/* Add and remove a watcher, who may ask for no more than whether the block has gone. */
moons__shared *moons__shared_watch(moons__shared *block);
void moons__shared_unwatch(moons__shared *block);
int moons__shared_has_gone(const moons__shared *block);

/* Notes that what it holds is about to change. Inline, for a script writes many numbers. */
static inline void moons__shared_change(moons__shared *block) {
  atomic_store_explicit(&block->changes, MOONS__CHANGED, memory_order_relaxed);
}

/* {== Lists =================================================================================== */

/* Blocks beside the bytes of messages, which tell them by their place in the list. Made by one thread; once it is shared, it
** no longer changes. */
typedef struct moons__shared_list {
  atomic_uint n_users;
  unsigned n, capacity;
  moons__shared *blocks[];
} moons__shared_list;

/* Adds a block, which the list shares, at the end of a list that has one user; *list is NULL for an empty one. Returns 0 or
** MOONS_ENOMEM with nothing changed. */
int moons__shared_list_add(moons__shared_list **list, moons__shared *block);

/* Adds all of another. */
int moons__shared_list_add_all(moons__shared_list **list, const moons__shared_list *others);

/* The block with this id; NULL: there is none. Accepts NULL. */
moons__shared *moons__shared_list_find(const moons__shared_list *list, uint64_t id);

/* Removes the block with this id from a list that has one user, where it is in it; others change their places. Accepts NULL. */
void moons__shared_list_remove(moons__shared_list *list, uint64_t id);

/* Add and remove a user of the list; the last one frees it. Both accept NULL. */
moons__shared_list *moons__shared_list_share(moons__shared_list *list);
void moons__shared_list_release(moons__shared_list *list);

/* Note that all blocks of it are read, or are no longer. Both accept NULL. */
void moons__shared_list_begin_reading(const moons__shared_list *list);
void moons__shared_list_end_reading(const moons__shared_list *list);

#endif
