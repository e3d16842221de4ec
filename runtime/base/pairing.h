/*
** The least of some things that wait: a heap whose nodes lie in the things themselves, so that nothing is allocated.
*/
#ifndef MOONS_BASE_PAIRING_H
#define MOONS_BASE_PAIRING_H

#include <stdint.h>

/* Its key does not change while it is in a heap. */
typedef struct moons__pairing_node {
  uint64_t key;
  struct moons__pairing_node *child;  /* the first below it; none of these has a lesser key */
  struct moons__pairing_node *next;   /* beside it */
  struct moons__pairing_node *before; /* beside it, or above it where it is the first there */
} moons__pairing_node;

/* Zero-initialised: empty. Callers on several threads lock. */
typedef struct moons__pairing {
  moons__pairing_node *least; /* NULL: it is empty */
} moons__pairing;

/* Adds a node, which is in no heap, with this key. */
void moons__pairing_put(moons__pairing *heap, moons__pairing_node *node, uint64_t key);

/* Takes a node out of the heap that it is in. */
void moons__pairing_remove(moons__pairing *heap, moons__pairing_node *node);

#endif
