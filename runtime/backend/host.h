/*
** What hosts.c, host_life.c and host_chunk.c share. Private to these.
**
** Each host has two threads here. The reader launches the agent, reads what it sends, and sees when the host is lost. The writer
** takes chunks from the queue while the host has a worker for them, and sends these, orders about them, and a sign of life. So
** neither end ever waits for the other to read before it reads itself.
*/
#ifndef MOONS_BACKEND_HOST_H
#define MOONS_BACKEND_HOST_H

#include <stdatomic.h>
#include <stdint.h>
#include <uv.h>

#include "backend/backend.h"
#include "backend/frame.h"
#include "backend/host_list.h"
#include "backend/outbox.h"
#include "moons.h"
#include "sizes.h"
#include "system/process.h"

enum { MOONS__HOST_WHY_BYTES = 1024 };

/* A chunk that a host has. */
typedef struct work {
  moons__chunk *chunk; /* NULL: none */
  uint64_t number;     /* of no other that this host ever has */
  int is_sent;         /* or about to be, */
  uint64_t sent_ns;    /* when */
  unsigned
      n_workers; /* of the host that may run it: the first, where nothing else ran when it was taken, and so on */
  int is_cancelled, is_stopped;
  uint64_t asked_ns; /* when it was last asked to share it; 0: never */

  /* Orders that wait for the writer. */
  int wants_cancel, wants_stop;
  unsigned wants_part; /* of so many; 0: none */
} work;

typedef enum phase {
  PHASE_STARTING, /* for the first time, or again */
  PHASE_UP,
  PHASE_OUT /* for good */
} phase;

typedef struct host {
  struct hosts *backend;
  const moons__host_name *name;
  char *command;
  uv_thread_t reader, writer;
  int has_reader, has_writer;

  /* Of the reader. */
  moons__process process; /* that the command is */
  moons__link in;
  uint64_t quiet_ns;    /* how long nothing has come, while that was waited for */
  uint64_t n_heard;     /* bytes that had come when that was last looked at */
  uint64_t looked_ns;   /* when others were last looked after */
  uint64_t deadline_ns; /* until when it has to end; 0: it has not */
  int has_been_up;
  int is_met; /* the agent is there, or was: what comes by stderr is of calls and their programs */
  int has_printed;
  int is_short;      /* there was no memory for what results speak of */
  unsigned n_losses; /* in a row, without a chunk that has run */
  moons__buffer text;
  moons__buffer stored;             /* numbers of the results that come next */
  moons__trace_writer traced;       /* what it runs */
  moons__trace_origin rows;         /* of it in the trace, by our clock; zero: there are none yet */
  moons__shared_list *given;        /* blocks that the next results speak of */
  char said[MOONS__HOST_WHY_BYTES]; /* by the command, to stderr, as far as there is room */
  char why[MOONS__HOST_WHY_BYTES];  /* it was lost, or is out */

  /* Of the writer, and of the reader while the writer has no host. */
  moons__link out;
  moons__outbox outbox;
  atomic_int is_broken; /* nothing can be sent any more */

  /* Guarded by the mutex of the backend. */
  phase phase;
  uv_cond_t wake;    /* the writer */
  int is_writing;    /* the writer is at work without the mutex */
  uint64_t heart_ns; /* when the next is due */
  uint64_t last_number;
  unsigned n_running;    /* works that have chunks */
  unsigned n_works;      /* that it may have at once */
  uint64_t asked;        /* number of the last question what it runs, */
  uint64_t answered;     /* and of the last that it has answered, */
  moons__buffer running; /* with this */
  int wants_answer;      /* the question waits for the writer */
  work *works;
  moons__host_stats stats; /* the counts of it */
} host;

typedef struct hosts {
  moons__backend_config config;
  struct moons__world *world; /* NULL: hosts are no ranks of MPI */
  unsigned n_cores;           /* of these all; 0: hosts say it */
  char *program;
  moons__host_list list;
  moons__teller teller;
  moons__entry *entry;

  uv_mutex_t mutex; /* guards all that follows */
  uv_cond_t news;   /* a host has come up, or is out; a writer rests; the end has come */
  moons__chunk_list queue;
  host *hosts;
  unsigned n_hosts, n_starting, n_out;
  unsigned n_connected; /* or about to be, or were: these have threads */
  uint64_t n_questions; /* that were asked */
  char *refusal;        /* why no chunk is run any more; NULL: they are */
  int closing;
} hosts;

/* {== Life ==================================================================================== */

/* The main of a reader: launches the agent, and again where the host is lost. */
void moons__host_read(void *data);

/* {== Its rows of a trace, on the reader ======================================================= */

/* Fills in where in the trace stands what an agent runs, by its clock; without a trace, nothing. Its agent has said who it is, and
** has got no config. Returns 0, or -1 as a link does. */
int moons__host_trace_start(host *h, moons__trace_origin *origin);

/* Takes events. Returns 0, or -1 as a link does. */
int moons__host_take_events(host *h, const moons__frame *frame);

/* {== What they run ========================================================================== */

/* Gives what all hosts run to `take`. Any thread but theirs. */
void moons__hosts_tell(hosts *b, moons__take_running *take, void *taker);

/* On the reader: takes the answer of a host. Returns 0, or -1 as a link does. */
int moons__host_take_answer(host *h, const moons__frame *frame);

/* {== Chunks ================================================================================== */

/* The main of a writer. */
void moons__host_write(void *data);

/* On the reader: takes a frame that the agent has sent. Returns 0, or -1 where it cannot be, or as a link does. */
int moons__host_take(host *h, const moons__frame *frame);

/* On the reader: gives back all chunks that the host has, to be run elsewhere. The host is not up, and its writer rests. */
void moons__host_give_up(host *h);

/* On the reader: has calls end that must, as part of one that does. */
void moons__host_look_after(host *h);

/* Where chunks wait, wakes a host that has a worker to spare and sends nothing. The mutex is held. */
void moons__hosts_call(hosts *b);

/* The number of the next worker of the host among those of all hosts: the first of each, then the second of each, and so on.
** UINT_MAX: all are busy, or it is not up. The mutex is held. */
unsigned moons__host_next_worker(const host *h);

#endif
