/*
** A descriptor that is readable while a flag is up, for hosts whose loop waits for descriptors.
*/
#ifndef MOONS_SYSTEM_FLAG_H
#define MOONS_SYSTEM_FLAG_H

/* Callers on several threads lock. */
typedef struct moons__flag {
  int descriptor; /* that others wait for; -1: it is not open */
  int other;      /* what makes it readable */
  int is_up;
} moons__flag;

/* Opens one that is down. Returns 0 or -1: no descriptor is to be had. */
int moons__flag_open(moons__flag *flag);

/* Accepts one that is not open. */
void moons__flag_close(moons__flag *flag);

/* Puts it up or down; one that is not open stays as it is. */
void moons__flag_set(moons__flag *flag, int is_up);

#endif
