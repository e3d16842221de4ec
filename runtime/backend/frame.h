/*
** What goes between a runtime and a worker process, or the agent of a host: frames over a stream, each a head, then as many bytes
** as that says. Numbers lie there as in memory: both ends are the same Moons (identity.h).
**
** frame = kind:u32 n_head:u32 n_bytes:u64, a struct of n_head bytes, and n_bytes more
*/
#ifndef MOONS_BACKEND_FRAME_H
#define MOONS_BACKEND_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "moons.h"
#include "sizes.h"
#include "system/trace.h"
#include "worker/job_options.h"

/* What comes before the first frame of a worker process, and of an agent, behind whatever its start has printed. */
#define MOONS__FRAME_MAGIC "\n\001moons worker\001\n"
#define MOONS__FRAME_AGENT_MAGIC "\n\001moons agent\001\n"

typedef enum moons__frame_kind {
  /* From the worker process, or the agent. */
  MOONS__FRAME_HELLO, /* its identity as bytes; of an agent behind moons__frame_cores */
  MOONS__FRAME_PRINT, /* moons__frame_print, the text */
  MOONS__FRAME_DONE,  /* moons__frame_done; the results, but those of a process are in its window */
  MOONS__FRAME_PARTED, /* moons__frame_order: n calls have left the end of the chunk */
  MOONS__FRAME_GIVEN,  /* moons__frame_block, its bytes: results that come speak of it */
  MOONS__FRAME_STORED, /* from an agent: moons__frame_order, what calls have put into the array of their plan; DONE is next */

  MOONS__FRAME_TRACED, /* events of a trace as bytes (trace.h); from a process those for which its memory has no room (front.h) */

  MOONS__FRAME_WANT, /* from a process: moons__frame_order: calls of the chunk could use the places of n more workers */
  MOONS__FRAME_RETURNED, /* from a process: moons__frame_order: the place of worker n, from 0 */

  MOONS__FRAME_RUNNING, /* from an agent: moons__frame_order with the number of a question, moons__frame_running of each call */

  /* To it. */
  MOONS__FRAME_CONFIG, /* moons__frame_config: before all others */
  MOONS__FRAME_SETUP,  /* moons__frame_setup, the bytes or their file: what the slot held goes */
  MOONS__FRAME_PLACE,  /* where the script is, as bytes (place.h) */
  MOONS__FRAME_BLOCK,  /* moons__frame_block, its bytes, or its file by the stream for these */
  MOONS__FRAME_SINK,   /* the same, with its file: where results of plans go that have one */
  MOONS__FRAME_FORGET, /* ids of blocks that no chunk will speak of */
  MOONS__FRAME_CARGO,  /* moons__frame_cargo, ids of blocks: what the next chunk speaks of */
  MOONS__FRAME_CHUNK,  /* moons__frame_chunk, the arguments */

  /* To it, to a process by a stream of their own: moons__frame_order, about a chunk that it has, or is about to get. */
  MOONS__FRAME_STOP,   /* begin no more calls */
  MOONS__FRAME_CANCEL, /* and end the one that runs */
  MOONS__FRAME_PART,   /* give away the part of one of n that share the calls */
  MOONS__FRAME_LEND, /* to a process: maps within its calls may use the place of worker n, from 0 */
  MOONS__FRAME_RECALL, /* to a process: that place is wanted back */

  MOONS__FRAME_ASK, /* to an agent: moons__frame_order with the number of the question what it runs */

  MOONS__FRAME_BYE, /* to it, by the stream for chunks: none will come, and it may end */

  /* Between an agent and its caller. */
  MOONS__FRAME_HEART, /* nothing, every second: whoever sends it is there */
  MOONS__FRAME_CLOCK  /* to it, before CONFIG: nothing; from it moons__frame_clock: the answer */
} moons__frame_kind;

typedef struct moons__frame_print {
  uint64_t
      plan; /* of the calls that have printed it, from an agent that knows; 0: of none, or of the chunk that runs */
  int32_t stream;
} moons__frame_print;

typedef struct moons__frame_cores {
  uint32_t n; /* that calls may use */
} moons__frame_cores;

typedef struct moons__frame_clock {
  uint64_t now_ns; /* moons__clock_ns there */
} moons__frame_clock;

typedef struct moons__frame_config {
  uint64_t states_bytes; /* 0, to an agent: what suits its machine */
  uint64_t images_bytes;
  uint32_t n_workers, number;
  uint32_t n_cores;          /* what parallel.cpus() says there; 0: what the machine has */
  moons__trace_origin trace; /* where what it runs stands */
} moons__frame_config;

typedef struct moons__frame_setup {
  uint64_t hash, n_bytes;
  uint32_t slot, is_file;
} moons__frame_setup;

typedef struct moons__frame_block {
  uint64_t id, n_bytes;
  uint32_t is_file;
} moons__frame_block;

typedef struct moons__frame_cargo {
  uint64_t sink, n_numbers; /* id; 0: there is none */
  uint32_t type, n_of_plan; /* the other ids are those of the chunk */
} moons__frame_cargo;

typedef struct moons__frame_chunk {
  uint64_t work;              /* its number: none is used twice in the life of who gets it */
  uint64_t plan;              /* that of its plan */
  moons__job_options options; /* but for the set-up, which is in a slot */
  uint64_t first;
  uint64_t output_bytes, result_bytes; /* of the terms, as `uses_host` and `rights` */
  uint32_t slot, n_calls, n_skipped, n_tries, prove_after, uses_host, rights, max_running;
  uint32_t n_workers; /* the first so many of an agent may run it */
} moons__frame_chunk;

typedef struct moons__frame_done {
  uint64_t work, n_bytes, busy_ns, first_failed, memory_bytes;
  uint32_t n_run, n_failed, n_retried, n_restored, n_proved, n_images, n_lost, n_tries;
  int32_t found, failed;
  int32_t
      is_given_up; /* of a process: it makes no more calls, since something in it does not end */
} moons__frame_done;

typedef struct moons__frame_order {
  uint64_t work;
  uint64_t row; /* of a trace, in which the calls of a worker stand that lends its place */
  uint32_t n;
} moons__frame_order;

/* A call that runs. */
typedef struct moons__frame_running {
  uint64_t call, age_ns; /* since it began, or, where `is_earlier`, what it is part of */
  uint32_t worker, is_setting_up, is_earlier;
  char position[MOONS_POSITION_BYTES];
} moons__frame_running;

typedef struct moons__frame {
  uint32_t kind, n_head;
  uint64_t n_bytes;
} moons__frame;

/* One end of a stream. */
enum { MOONS__LINK_BYTES = 16384 };
typedef struct moons__link {
  int stream;
  int (*waits)(
      void *
          data); /* asked now and then while the other end is waited for: whether to go on; NULL: always */
  void *data;
  int has_ended;       /* there is nothing more to read */
  uint64_t n_received; /* bytes */
  size_t at, end;      /* what has been read ahead */
  char ahead[MOONS__LINK_BYTES];
} moons__link;

void moons__link_open(moons__link *link, int stream, int (*waits)(void *data), void *data);

/* Writes a frame. Returns 0, or -1: the other end is gone, or is waited for no more. One thread at a time. */
int moons__link_write(moons__link *link, moons__frame_kind kind, const void *head, size_t n_head,
                      const void *bytes, size_t n_bytes);

/* Sends a file by a stream for files, as long as the link goes on. Returns 0 or -1. One thread at a time. */
int moons__link_send_file(moons__link *link, int stream, int file);

/* Reads up to a magic, at most MOONS_CHATTER_BYTES before it. What comes before becomes `said`, as far as there is room, and ends
** with a zero byte. Returns 0, or -1 where it does not come. */
int moons__link_find(moons__link *link, const char *magic, char *said, size_t n_said);

/* Reads so many bytes and forgets them. Returns 0 or -1. */
int moons__link_skip(moons__link *link, uint64_t n_bytes);

/* Read so many bytes; a frame's head, of which there must be so many. Return 0 or -1, as above, or where the head has another
** size. One thread at a time. */
int moons__link_read(moons__link *link, void *bytes, size_t n_bytes);
int moons__link_head(moons__link *link, const moons__frame *frame, void *head, size_t n_head);

#endif
