/*
** Whose rules there are. All on one thread.
*/
#ifndef SERVICE_TENANTS_H
#define SERVICE_TENANTS_H

#include <stddef.h>

#include "moons.h"

typedef struct tenants tenants;

/* There as long as the collection is. */
typedef struct tenant {
  struct tenant *next;
  moons_program *rules; /* NULL: none yet, or they were taken away */
  unsigned n_timeouts;  /* of these rules */
  size_t n_bytes;
  char name[];
} tenant;

/* An empty collection; NULL: there is no memory. */
tenants *tenants_new(void);
void tenants_free(tenants *all);

/* The tenant whose name has so many bytes, or NULL. */
tenant *tenants_find(const tenants *all, const char *name, size_t n_bytes);

/* The same; one that is not there is added. NULL: there is no memory. */
tenant *tenants_add(tenants *all, const char *name, size_t n_bytes);

/* Gives it these rules (NULL: none) in place of those it has, whose calls go on. */
void tenant_set(tenant *t, moons_program *rules);

#endif
