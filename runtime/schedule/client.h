/*
** Closing a runtime while others hold it: what can have calls under way is in one list, so that they are found, waited for and
** ended. Pools that scripts make on a runtime share its list, and close with it.
*/
#ifndef MOONS_SCHEDULE_CLIENT_H
#define MOONS_SCHEDULE_CLIENT_H

/* Something that has calls, which it lies in. Zero-initialised but for the functions. */
typedef struct moons__client {
  struct moons__client *next, *before; /* in the list */
  int is_ended;                        /* `end` was called */

  /* Whether calls of it are under way. The list is locked. */
  int (*is_busy)(struct moons__client *client);

  /* Ends these. Returns whether `tell` is due, and then the client stays until that. The list is locked. */
  int (*end)(struct moons__client *client);

  /* Tells others of what was ended. No lock is held. */
  void (*tell)(struct moons__client *client);
} moons__client;

typedef enum moons__phase {
  MOONS__OPEN,
  MOONS__CLOSING, /* no call is taken */
  MOONS__ENDING,  /* and those under way are ended */
  MOONS__CLOSED   /* and none is under way */
} moons__phase;

#endif
