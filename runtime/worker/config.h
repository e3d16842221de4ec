/*
** What the states of a worker are like, and what their calls may reach: one answer for all workers of a runtime.
*/
#ifndef MOONS_WORKER_CONFIG_H
#define MOONS_WORKER_CONFIG_H

#include <stddef.h>

#include "base/seats.h"
#include "state/budget.h"
#include "worker/roster.h"

struct lua_State;
struct moons__alarm;

typedef struct moons__worker_config {
  const void *
      beside; /* a block, beside which workers have their memory (allocate.h); outlives the worker */
  size_t state_bytes;    /* the most that one state may hold; 0: MOONS_ARENA_BYTES */
  size_t images_bytes;   /* the most that the images it keeps may hold */
  moons__budget *states; /* that of all states, or NULL; outlives the worker */
  void (*write)(void *data, int stream, const char *bytes,
                size_t n_bytes); /* takes what calls print whose terms do not say who does */
  void (*flush)(void *data);  /* passes on what `write` keeps back; NULL: it keeps back nothing */
  void *write_data;           /* of both */
  struct moons__trace *trace; /* what it runs is noted there; NULL: nowhere; outlives the worker */
  unsigned pool;              /* which of the runtimes of that process; 0: the script's own */
  moons__seats *seats;        /* of threads that run workers; outlives the worker */
  moons__roster *roster;      /* where a crash finds the worker, or NULL; outlives the worker */
  int stop_signal; /* sent to the thread of a call that must end; open (interrupt.h), or 0 */
  struct moons__alarm
      *alarm; /* of the backend, which looks after calls; NULL: none does; outlives the worker */
  struct moons__children
      *children; /* the programs of the calls (child.h); NULL: Lua's own start them */
  void (*preload)(struct lua_State *L, void *data); /* gives the state the module `parallel` */
  void *preload_data;

  /* In a worker process: waits until what calls have started has ended, as it was told to. Returns 0, or -1: something does not
  ** end. On a thread whose call, an outermost one, has ended. NULL: nobody waits. */
  int (*await_within)(void *data);
  void *await_data;
} moons__worker_config;

#endif
