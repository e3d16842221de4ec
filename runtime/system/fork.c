/*
** A number that a handler of pthread_atfork changes in the child: comparing it costs a load.
*/
#include "system/fork.h"

#include <pthread.h>
#include <stdatomic.h>

static atomic_uint number;
static pthread_once_t is_watching = PTHREAD_ONCE_INIT;

static void in_child(void) { atomic_fetch_add_explicit(&number, 1, memory_order_relaxed); }

static void watch(void) { pthread_atfork(NULL, NULL, in_child); }

/* Relaxed: it changes while there is but one thread. */
unsigned moons__fork_number(void) {
  pthread_once(&is_watching, watch);
  return atomic_load_explicit(&number, memory_order_relaxed);
}
