/*
** A pairing heap: two are joined by putting the one with the greater key below the other. What was below a node that goes is
** joined in pairs, and these from the last to the first, which keeps a removal at the logarithm of the number on average.
*/
#include "base/pairing.h"

#include <stddef.h>

/* Of two trees, either may be empty. */
static moons__pairing_node *join(moons__pairing_node *a, moons__pairing_node *b) {
  if (a == NULL) return b;
  if (b == NULL) return a;
  if (b->key < a->key) return join(b, a);
  b->before = a;
  b->next = a->child;
  if (a->child != NULL) a->child->before = b;
  a->child = b;
  return a;
}

/* Takes the first tree off a chain of them. */
static moons__pairing_node *take_first(moons__pairing_node **chain) {
  moons__pairing_node *first = *chain;
  if (first == NULL) return NULL;
  *chain = first->next;
  first->next = first->before = NULL;
  return first;
}

/* Makes one tree of a chain. Pairs go onto a chain of their own, the last one first. */
static moons__pairing_node *join_all(moons__pairing_node *chain) {
  moons__pairing_node *pairs = NULL, *all = NULL, *pair;
  while (chain != NULL) {
    moons__pairing_node *first = take_first(&chain);
    pair = join(first, take_first(&chain));
    pair->next = pairs;
    pairs = pair;
  }
  while ((pair = take_first(&pairs)) != NULL)
    all = join(all, pair);
  return all;
}

void moons__pairing_put(moons__pairing *heap, moons__pairing_node *node, uint64_t key) {
  *node = (moons__pairing_node){.key = key};
  heap->least = join(heap->least, node);
}

/* Takes a tree out of the chain that it is in. */
static void cut(moons__pairing_node *node) {
  moons__pairing_node *before = node->before;
  *(before->child == node ? &before->child : &before->next) = node->next;
  if (node->next != NULL) node->next->before = before;
}

void moons__pairing_remove(moons__pairing *heap, moons__pairing_node *node) {
  moons__pairing_node *below = join_all(node->child);
  if (node != heap->least) cut(node);
  moons__pairing_node *rest = node == heap->least ? NULL : heap->least;
  *node = (moons__pairing_node){.key = node->key};
  heap->least = join(rest, below);
}
