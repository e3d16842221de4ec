/* Loaded before all else (LD_PRELOAD): a system that starts no more threads than the variable FEW_THREADS says. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef int create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *data);

__attribute__((visibility("default"))) int pthread_create(pthread_t *thread,
                                                          const pthread_attr_t *attributes,
                                                          void *(*run)(void *), void *data) {
  static atomic_int n_started;
  const char *most = getenv("FEW_THREADS");
  create *create_thread = (create *)dlsym(RTLD_NEXT, "pthread_create");
  if (most != NULL && atomic_fetch_add(&n_started, 1) >= atoi(most)) return EAGAIN;
  return create_thread(thread, attributes, run, data);
}
