/*
** Threads that help a worker process with maps within its calls. The thread that reads chunks makes the calls of these, and what they
** map it may run alone; but where another worker of the host has nothing to do, that lends its place, and with it its core. Then
** a helper runs chunks at the desk of that worker until there are none, or the place is wanted back. So all workers of a host
** together use no more cores than it has.
**
** The process has the backend MOONS_LENT, and `wanted` of its options asks for places.
*/
#ifndef MOONS_BACKEND_HELPERS_H
#define MOONS_BACKEND_HELPERS_H

#include <stdint.h>

#include "backend/backend.h"

typedef struct moons__helpers moons__helpers;

/* Whom they tell, on threads of their own. */
typedef struct moons__helped {
  void (*returned)(void *data, unsigned number); /* the place of that worker is free again */
  void (*stuck)(
      void *
          data); /* a call within another does not end though it must, and the outer one need not */
  void *data;
} moons__helped;

/* The calling thread takes the desk `number`, from 0, of a backend that is served, for good: it runs chunks there with `run`. Returns
** 0, MOONS_ENOMEM or MOONS_ETHREAD. */
int moons__helpers_open(moons__helpers **helpers, moons__backend *backend, unsigned number,
                        const moons__helped *helped);

/* Worker `number`, below the number of desks, has lent its place, whose calls stand in that row of a trace: a helper begins
** there. Returns 0, or MOONS_ENOMEM or MOONS_ETHREAD: it goes back at once, and `returned` is not told. Any thread. */
int moons__helpers_lend(moons__helpers *helpers, unsigned number, uint64_t row);

/* The place is wanted back: its helper begins no more chunks. Any thread. */
void moons__helpers_recall(moons__helpers *helpers, unsigned number);

/* Sends all helpers away, and waits until they have left: the chunk has ended. Where one is stuck the process is to end, and nobody
** is waited for. On the thread that has opened them, in no call. */
void moons__helpers_dismiss(moons__helpers *helpers);

/* The same, and ends their threads. */
void moons__helpers_close(moons__helpers *helpers);

#endif
