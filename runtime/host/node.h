/*
** A message of the wire, taken apart: what stands between the bytes, in which one thing refers to another and contents come late,
** and plain values, which are a block. Nodes point into the bytes, which must stay.
*/
#ifndef MOONS_HOST_NODE_H
#define MOONS_HOST_NODE_H

#include <stdint.h>

#include "base/element.h"
#include "base/errors.h"
#include "host/value.h"

/* A node is known by its number, for the list of all grows; 0 is none. */
typedef size_t moons__node_id;

typedef enum moons__node_kind {
  MOONS__NODE_PLAIN, /* `value` is whole, but that strings lie in the bytes */
  MOONS__NODE_RUN, /* elements of a table: numbers side by side; `value` is a sequence that lies in the bytes, unaligned */
  MOONS__NODE_WIDE, /* the same, of an array: `element` says how they lie there */
  MOONS__NODE_TABLE,
  MOONS__NODE_REF /* `target` in another place */
} moons__node_kind;

/* How far the layout of a node is. */
typedef enum moons__node_phase {
  MOONS__NODE_UNSEEN,
  MOONS__NODE_OPEN, /* what it holds is being looked at: who refers to it now is in it */
  MOONS__NODE_SEEN
} moons__node_phase;

typedef struct moons__node {
  moons__node_kind kind;
  moons__node_phase phase;
  moons__element element;
  moons_value value;
  moons__node_id target;
  moons__node_id next; /* in what holds it */

  /* Of a table: its parts, elements first, then keys and values. */
  moons__node_id first, last;
  size_t n_element_nodes; /* of the parts, those that are elements */
  size_t n_elements;
  size_t n_pairs;
  unsigned n_upvalues; /* of a function whose upvalues come late */

  /* For the layout. */
  moons__node_id outer,
      at; /* the table from which it was reached; the next of its own parts to look at */
  moons__node_id after; /* the next to lay out */
} moons__node;

typedef struct moons__nodes {
  moons__buffer list;         /* of moons__node; the first is unused */
  moons__node_id first, last; /* the values of the message */
  size_t n_values;
} moons__nodes;

static inline moons__node *moons__node_at(const moons__nodes *nodes, moons__node_id id) {
  return (moons__node *)(void *)nodes->list.bytes + id;
}

/* Takes a message apart; the nodes are zero-initialised, but that `list` lies beside some block. Returns 0, MOONS_ENOMEM or
** MOONS__EMALFORMED. Whatever it returns, moons__nodes_free frees the nodes. */
int moons__nodes_read(moons__nodes *nodes, const void *bytes, size_t n_bytes,
                      const moons__shared_list *shared);
void moons__nodes_free(moons__nodes *nodes);

#endif
