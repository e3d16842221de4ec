/*
** A list in each of many buckets.
*/
#include "tenants.h"

#include <stdlib.h>
#include <string.h>

enum { N_BUCKETS = 1024 };

struct tenants {
  tenant *buckets[N_BUCKETS];
};

tenants *tenants_new(void) { return calloc(1, sizeof(tenants)); }

void tenants_free(tenants *all) {
  for (size_t i = 0; all != NULL && i < N_BUCKETS; i++)
    for (tenant *t = all->buckets[i], *next; t != NULL; t = next) {
      next = t->next;
      moons_program_free(t->rules);
      free(t);
    }
  free(all);
}

/* FNV-1a. */
static size_t bucket_of(const char *name, size_t n_bytes) {
  size_t hash = 2166136261u;
  for (size_t i = 0; i < n_bytes; i++)
    hash = (hash ^ (unsigned char)name[i]) * 16777619u;
  return hash % N_BUCKETS;
}

tenant *tenants_find(const tenants *all, const char *name, size_t n_bytes) {
  tenant *t = all->buckets[bucket_of(name, n_bytes)];
  while (t != NULL && (t->n_bytes != n_bytes || memcmp(t->name, name, n_bytes) != 0))
    t = t->next;
  return t;
}

tenant *tenants_add(tenants *all, const char *name, size_t n_bytes) {
  tenant **bucket = &all->buckets[bucket_of(name, n_bytes)];
  tenant *t = tenants_find(all, name, n_bytes);
  if (t != NULL) return t;
  t = calloc(1, sizeof *t + n_bytes);
  if (t == NULL) return NULL;
  memcpy(t->name, name, t->n_bytes = n_bytes);
  t->next = *bucket;
  return *bucket = t;
}

void tenant_set(tenant *t, moons_program *rules) {
  moons_program_free(t->rules);
  t->rules = rules;
  t->n_timeouts = 0;
}
