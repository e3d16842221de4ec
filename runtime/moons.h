/*
** Moons: Lua functions in parallel, each call in a Lua state of its own.
**
** A program makes a runtime (a pool of workers). It gives it to its own Lua states with moons_open, whose scripts call
** `parallel.map` and its kin; or it loads scripts with moons_program_load, whose functions it calls with plain C values:
** by moons_run, which waits, or by moons_submit, in any event loop. All of these mix.
**
** There is no global state: any number of runtimes may live side by side. The library sets no signal handler,
** except that of `stop_signal` where a program asks for one. It reads no environment variables, prints nothing
** of its own accord, and never ends the process. What calls print, and the progress that a script asks for, goes
** to stdout and stderr, or to `write` of terms.
**
** In the child of a fork, functions that return a code refuse the parent's runtimes with MOONS_EFORKED.
** Functions that free or close these return at once and free nothing, and so does lua_close of a state that was
** given to such a runtime. New runtimes work there. For this a process has a counter and a handler of
** pthread_atfork. A child that is made without calling such handlers (vfork, posix_spawn) must not use a runtime.
**
** Functions that can fail return 0 or one of the negative codes below.
*/
#ifndef MOONS_H
#define MOONS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define MOONS_API
#else
#define MOONS_API __attribute__((visibility("default")))
#endif

#define MOONS_VERSION_MAJOR 0
#define MOONS_VERSION_MINOR 2
#define MOONS_VERSION_PATCH 0
#define MOONS_VERSION "0.2.0"
#define MOONS_VERSION_NUMBER 200 /* major * 10000 + minor * 100 + patch */

struct lua_State;
typedef struct moons_runtime moons_runtime;

/* Errors: name, code, text. */
#define MOONS_ERRORS(X)                                                                            \
  X(ENOMEM, -1, "not enough memory")                                                               \
  X(EINVAL, -2, "invalid argument")                                                                \
  X(ETHREAD, -3, "a thread could not be started")                                                  \
  X(ECLOSED, -4, "the runtime is closed")                                                          \
  X(EDEPTH, -5, "maps are nested too deeply")                                                      \
  X(EUNSUPPORTED, -7, "not supported by this system")                                              \
  X(EEND, -8, "nothing is left to take")                                                           \
  X(ETIMEDOUT, -10, "timed out")                                                                   \
  X(EFORKED, -11, "the runtime belongs to the parent process")                                     \
  X(EBUSY, -12, "too many calls wait already")                                                     \
  X(ESCRIPT, -13, "the script failed")                                                             \
  X(EFOREIGN, -14, "the Lua state was made by another Lua")

enum {
#define MOONS_ERROR_CODE(name, code, text) MOONS_##name = (code),
  MOONS_ERRORS(MOONS_ERROR_CODE)
#undef MOONS_ERROR_CODE
};

/* The text of an error code, a constant string. Any thread. */
MOONS_API const char *moons_error_text(int error);

/* The version of the library at run time, as MOONS_VERSION and MOONS_VERSION_NUMBER are those of the header. Any thread. */
MOONS_API const char *moons_version(void);
MOONS_API int moons_version_number(void);

/* How many cores this process may really use, by affinity and the quota of its container. At least 1.
** Any thread. */
MOONS_API unsigned moons_cpus(void);

/* {== Values ================================================================================== */

/* A Lua value as C data. To send one, build it with the functions below: nothing is allocated or freed, and what a value
** points to must stay until the value was used. What comes home is laid out the same way, and belongs to its call. Sequences
** of numbers of one kind travel as C arrays. A value that is sent nests at most 100 deep; its keys are neither nil nor NaN. */
typedef enum moons_type {
  MOONS_NIL,
  MOONS_BOOLEAN,
  MOONS_INTEGER,
  MOONS_FLOAT,
  MOONS_STRING,   /* any bytes; what comes home has a zero byte after them */
  MOONS_INTEGERS, /* a sequence of integers */
  MOONS_FLOATS,   /* a sequence of floats */
  MOONS_LIST,     /* a sequence of any values */
  MOONS_TABLE, /* keys and values: 2 * n of them, side by side; what comes home is sorted: numbers, then strings by their
                  ** bytes, then others. An empty table comes home as one of these */
  MOONS_POINTER, /* a light userdata: a handle of the host's; to another process NULL alone */
  MOONS_OTHER /* only home: a function or the like, named in `as.string`: "function", "string.format"; a zero byte after it */
} moons_type;

typedef struct moons_value {
  moons_type type;
  size_t n; /* of what `as` points to: bytes, numbers, values, or pairs */
  union {
    int64_t integer; /* also of a boolean: 0 or 1 */
    double number;
    const char *string;
    const int64_t *integers;
    const double *numbers;
    const struct moons_value *values;
    void *pointer;
  } as;
} moons_value;

/* Building. Each gives a value that points to what it was given. Any thread. */
MOONS_API moons_value moons_nil(void);
MOONS_API moons_value moons_boolean(int x);
MOONS_API moons_value moons_integer(int64_t x);
MOONS_API moons_value moons_number(double x);
MOONS_API moons_value moons_string(const char *text); /* ends with a zero byte; NULL: nil */
MOONS_API moons_value moons_bytes(const void *bytes, size_t n_bytes);
MOONS_API moons_value moons_integers(const int64_t *x, size_t n);
MOONS_API moons_value moons_floats(const double *x, size_t n);
MOONS_API moons_value moons_list(const moons_value *x, size_t n);
MOONS_API moons_value moons_table(const moons_value *x,
                                  size_t n_pairs); /* key, value, key, value, ... */
MOONS_API moons_value moons_pointer(void *x);

/* Reading. They take NULL and values of any type, and give the default where nothing fits, so that what a stranger's
** script returns can be taken apart in one expression. moons_field looks a string key up; moons_item the n-th of any kind of
** sequence, from 1, and in a table the key n. The value is kept in *room where it stands in no memory yet. Any thread. */
MOONS_API const moons_value *moons_field(const moons_value *table, const char *key);
MOONS_API const moons_value *moons_item(const moons_value *list, size_t n, moons_value *room);
MOONS_API int64_t moons_to_integer(const moons_value *value,
                                   int64_t otherwise); /* 3.0 is 3, "3" is none */
MOONS_API double moons_to_number(const moons_value *value, double otherwise);
MOONS_API const char *moons_to_string(const moons_value *value, const char *otherwise);
MOONS_API int moons_to_boolean(const moons_value *value); /* as Lua: nil, false and NULL are 0 */

/* Pushes a value, as Lua has it. May raise memory errors, and an error for a value that is malformed: nested too deeply, with
** a key that is nil or NaN, or of the type MOONS_OTHER. The state's thread. */
MOONS_API void moons_push_value(struct lua_State *L, const moons_value *value);

/* {== Terms: what scripts may do, and how much ================================================ */

/* Rights of calls. What a right is missing for is not there: the name is nil, as if Lua had been built without it. What `open` of the
** terms adds is there in any case. `require` gives what is loaded already, the standard libraries as far as they are there, and
** more where a right says so. */
enum {
  MOONS_MAY_FILES = 1 << 0,       /* io but popen; os.remove, rename, tmpname; loadfile, dofile */
  MOONS_MAY_PROCESSES = 1 << 1,   /* os.execute, io.popen; pools of worker processes or on hosts */
  MOONS_MAY_ENVIRONMENT = 1 << 2, /* os.getenv, os.setlocale */
  MOONS_MAY_CLOCKS = 1 << 3,      /* os.time, os.clock, os.date, and a seed from the system */
  MOONS_MAY_MODULES = 1 << 4,     /* require of Lua files; package */
  MOONS_MAY_LIBRARIES = 1 << 5,   /* require of C libraries, package.loadlib */
  MOONS_MAY_LOAD = 1 << 6,        /* load of text; bytecode never */
  MOONS_MAY_DEBUG = 1 << 7,       /* debug but traceback, which is always there */
  MOONS_MAY_PRINT = 1 << 8,       /* print, warn, io.write */
  MOONS_MAY_MAPS = 1 << 9,        /* parallel: maps within calls, on the workers that are there */
  MOONS_MAY_POOLS =
      1 << 10, /* parallel.pool, and `workers` beyond those that are there: more threads. Pools of
               ** worker processes or on hosts want MOONS_MAY_PROCESSES too */
  MOONS_MAY_ALL = (1 << 11) - 1,
  MOONS_MAY_COMPUTE = MOONS_MAY_LOAD | MOONS_MAY_PRINT | MOONS_MAY_MAPS
};

/* They hold for each call and for all that it starts: inner maps share the call's time, memory and output, and no script
** can ask for more than it was given. But in a pool of worker processes or on hosts that a call makes, memory and output are
** measured out to each of its calls. 0 of a limit: none. Functions that take terms copy them; NULL: the defaults. */
typedef struct moons_terms {
  size_t struct_bytes;
  uint32_t rights;     /* MOONS_MAY_ALL; trusted scripts */
  uint64_t timeout_ns; /* how long a call may run, and the script when it is loaded */
  size_t memory_bytes; /* what a call's state, and those of maps within it, may hold together */

  /* What a call may print, its finalizers counted, and the script when it is loaded: more is dropped, and the call fails with kind
  ** OUTPUT. */
  size_t output_bytes;

  /* What it may send home: more is an error of kind MEMORY. What is thrown may be as much; more comes home as MOONS_OTHER, which says
  ** so. Of a Lua state: what each call of its maps may. */
  size_t result_bytes;

  /* A tenant's share of the workers: no more than so many run calls of a program, or of all maps of a Lua state, maps and
  ** futures within these calls included; a call that waits for its own map runs parts of it meanwhile. A call that runs in a
  ** worker process, or has a pool of its own, runs all parts of its map there itself. Each map on a pool that the script of a Lua
  ** state has made has so many for itself. And calls of a program that wait: then moons_submit and moons_run return
  ** MOONS_EBUSY. */
  unsigned max_running;
  unsigned max_waiting;

  /* Call i's math.random depends on (seed, i); 0: from the system. The calls of a Lua state's maps count on from one to the
  ** next; what a script has given the option `seed`, and a pool, has its own, which depends on this one. */
  uint64_t seed;

  /* Called in each state before its image is taken, after the libraries that the rights allow, before the script: adds
  ** what the host offers. It may raise Lua errors: they are those of moons_program_load, or of the calls that needed
  ** the state. Any worker, several at once, often. What it leaves should be tables, C functions, strings, numbers
  ** and light userdata: a full userdata or a __gc costs 10 to 100 us for each call, for the state is built anew
  ** then. For memory and handles of the host's see moons_push_floats, moons_worker and moons_defer. */
  void (*open)(struct lua_State *L, void *data);

  /* Takes what calls print, in whole lines as far as they end: `stream` is 1 for stdout, 2 for stderr. NULL: C's streams.
  ** Any worker, several at once; the lines of the option `progress` go to stream 2 too, on the caller's thread, and a bar appears
  ** only where this is NULL. `call_data` is that of moons_submit; otherwise NULL. */
  void (*write)(void *data, void *call_data, int stream, const char *bytes, size_t n_bytes);

  void *data; /* of both, and of `gone`, until which it must live */

  /* Nothing of these terms runs any more, calls that were given up included, and no state of a worker that is kept
  ** (`fresh = false`) is left; may be NULL. Called once for each time that a function was given the terms, also where that has
  ** failed, unless their size could not be. Any thread. */
  void (*gone)(void *data);
} moons_terms;

/* Fills in the defaults: all rights, no limits. */
#define moons_terms_init(terms) moons_terms_init_sized(terms, sizeof(moons_terms))
MOONS_API void moons_terms_init_sized(moons_terms *terms, size_t struct_bytes);

/* {== Runtimes ================================================================================ */

/* A pool of workers. Their threads start when there are calls for them. On Linux they have the cores of the thread that makes
** the runtime, whichever starts them, and are scheduled as threads that compute (SCHED_BATCH): they get their share of the
** processor, but do not interrupt a thread that wakes one of them.
**
** Where threads have names, workers are named moons/0, moons/1, ...; the thread that watches them is moons/t, the
** one that passes on what calls print is moons/print. All of them block every signal except those of faults
** (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS) and, where the thread that makes the runtime does
** not block it, SIGPIPE: so signals sent to the process reach the program's own threads. A C function that starts
** programs from a call must give them a mask that blocks none: they would inherit this one. */

/* Where calls run. A runtime of MOONS_INLINE only one thread at a time may use. Worker processes start when there is work for them;
** a call that crashes, or ends its process, costs no other call. */
typedef enum moons_backend {
  MOONS_THREADS,   /* on threads of the runtime's own */
  MOONS_INLINE,    /* on the thread that waits, one by one: to debug, and as the reference */
  MOONS_LENT,      /* on threads of the host, of its loop's pool say: `wanted`, moons_lend */
  MOONS_PROCESSES, /* in processes of their own (`program`): a crash costs one call */
  MOONS_HOSTS, /* in such processes on other machines (`hosts`): a machine that is lost costs no result */
  MOONS_MPI /* the same on the nodes of `mpirun -n 4 moons -b mpi`, which the command has alone: else MOONS_EINVAL */
} moons_backend;

typedef struct moons_options {
  size_t struct_bytes;
  moons_backend backend;

  /* Workers that there may be; 0: moons_cpus(), or as many as the hosts run. With MOONS_THREADS and MOONS_PROCESSES a map may ask for
  ** more: from then on there may be so many. Elsewhere it does with these. */
  unsigned n_workers;

  /* Workers that scripts may bring about beside these, by pools and the option `workers`, all together; beyond that it is an error
  ** of kind "system". Those of inline pools and of hosts do not count. 0: as many as n_workers, at least 8. */
  unsigned max_workers;

  /* Threads with calls that were given up and go on (a C function that does not return), of which each has another in its
  ** place; those of pools count. Of more none has: where no worker is left calls fail with kind LOST at once, until one of them
  ** ends. 0: as many as n_workers. MOONS_THREADS alone. */
  unsigned max_lost;

  /* C stack of each worker thread in bytes; 0: 16 MiB. Lua needs 512 KiB, and less becomes that; maps
  ** within maps need more. With MOONS_LENT: that of the host's threads; 0: 2 MiB. */
  size_t stack_bytes;

  /* The most that all states may hold together, in bytes. States of pools that scripts make on this runtime count,
  ** and so do the images from which states are put back. 0: half of the machine's memory, or of its container's, or
  ** of the address space that the process may have. A call that would take more fails for memory. The last eighth is
  ** left to states that hold no more than a sixteenth, so calls that grow without end leave something to the others.
  ** Every state gets its first 256 KB, so some MB more than this may be in use. */
  size_t states_bytes;

  size_t images_bytes;     /* images that a worker keeps, of any number of programs; 0: 64 MiB */
  const char *thread_name; /* NULL: "moons": threads are moons/0, moons/1, ..., moons/t; copied */

  /* For all memory but that of states, which is mapped, as large arrays are; as lua_Alloc, with blocks aligned as malloc's. Calls,
  ** programs and Lua states have theirs from there until they are freed, after the runtime it may be, and so do threads with calls
  ** that were given up: until then `alloc_data` must live. What the C library and libuv need for themselves, for threads and
  ** locks, is not asked of it. NULL: malloc. Any thread, several at once; it may call no function of the library. */
  void *(*alloc)(void *data, void *old, size_t old_bytes, size_t new_bytes);
  void *alloc_data;

  /* Told on each worker's thread, first and last, also on those of pools that scripts make; for connections, priorities, CPUs.
  ** `worker` is that of moons_worker: no two threads have the same at a time. A thread whose call was given up tells of its
  ** end when that call ends, unless the runtime was closed by then. With MOONS_INLINE there are no such threads; with
  ** MOONS_LENT a thread is told each time that it comes to run calls, and goes; with MOONS_PROCESSES those that
  ** moons_worker_main runs on are told. */
  void (*thread)(void *data, unsigned worker, int begins);
  void *thread_data;

  /* With MOONS_LENT: one more thread could run calls now, up to n_workers: have one call moons_lend, soon. On any thread,
  ** so libuv's uv_queue_work has to be called by way of uv_async_send. It may call functions of the library, but not wait for
  ** calls, as of `notify` of moons_queue_new. NULL: threads come by themselves. */
  void (*wanted)(void *data);
  void *wanted_data;

  /* The signal that ends calls whose time is over, or that are cancelled. The library sends it to the thread of the
  ** call, where its handler makes Lua raise an error at the next instruction, as Lua allows signal handlers to do.
  ** SIGURG is a good choice: its own use is rare, and one too many does no harm. The handler is the library's
  ** (SA_RESTART, SA_ONSTACK) as long as a runtime has the signal. A handler that the program had set before gets the
  ** signals that the library has not sent, and is put back when the last of these runtimes ends. Meanwhile a program
  ** must not set another one, nor block the signal on a thread that uses an inline runtime. Pools that scripts make
  ** use the same signal. 0: no signal. Then another thread sets the hook, which can crash the process, however
  ** rarely: SECURITY.md says when. */
  int stop_signal;

  /* What MOONS_PROCESSES, and pools of scripts that ask for it, start as their workers: the path of the command `moons`, or a
  ** name to be found on the PATH. It must be of the same version as the library, built with the same Lua; with `open` it must be
  ** this program, whose main calls moons_worker_main, since another one offers other functions. NULL: the command beside the
  ** library or in the folder `bin` of the same place; else `moons` on the PATH. Copied. */
  const char *program;

  /* Where MOONS_HOSTS runs calls: names of machines, with how many calls each runs at once, "node1:16,ann@node2", and brackets for
  ** many, "node[01-16]:8"; or the file that has them, "@hosts.txt". A host without a number runs as many as it has cores, and
  ** moons_runtime_new waits until it has answered. Terms with `open` are refused there. Copied. */
  const char *hosts;

  /* The command, for a shell, that starts `moons` on a host, with {host} for the name and {moons} for what to start; its stdin and
  ** stdout are the connection. NULL: ssh. Copied. */
  const char *launch;
} moons_options;

/* Fills in the defaults. */
#define moons_options_init(options) moons_options_init_sized(options, sizeof(moons_options))
MOONS_API void moons_options_init_sized(moons_options *options, size_t struct_bytes);

/* For programs whose terms have `open` and that use MOONS_PROCESSES (also in pools of scripts), whose workers are the program itself
** (`program`): to be called at the top of main, with the options of the runtime and the terms; all terms on that runtime that
** have an `open` offer what these do. Where the process was not started as a worker, returns -1 at once, with nothing done. In
** a worker it makes calls until there are no more and returns the status for main to return, 0 or 1; the process and its group
** are killed where the one that has started it ends. Of the options it uses `stack_bytes`, `thread_name`, `thread` and
** `stop_signal`, of the terms `open` and `data`. */
MOONS_API int moons_worker_main(int argc, char **argv, const moons_options *options,
                                const moons_terms *terms);

/* Makes a runtime; NULL options: the defaults. The options are copied. No thread starts before there is a call, except
** where the address space or the data of the process is limited: then all workers start here. On failure *runtime is NULL and
** nothing is left behind: MOONS_EINVAL (too many workers, too large a stack, no such backend, a signal that cannot be
** had), MOONS_ENOMEM, MOONS_ETHREAD (no room for so many workers). Any thread. */
MOONS_API int moons_runtime_new(moons_runtime **runtime, const moons_options *options);

/* Closes it for all who hold it: takes no more calls, waits for those under way, after `timeout_ns` (negative: as long as it
** takes; 0: at once) cancels those that have not ended, and waits until none is left: where a call does not end, till it is
** given up. Pools that its scripts have made close with it. From then on, and to begin something already while it waits, all on
** it returns MOONS_ECLOSED: moons_program_load, moons_run, moons_submit, moons_submit_map, moons_queue_new, moons_open, at the
** end moons_lend; maps of Lua states raise an error, "the runtime is closed". What has finished, cancelled calls too, can still
** be taken; then moons_next returns MOONS_ECLOSED. At the end it ends the workers, those of pools too.
**
** On a runtime of MOONS_INLINE it runs the calls that wait. On a runtime of MOONS_LENT the thread lends itself, and waits for
** every call, as none there can be given up. May be called again, and by several threads at once: the shortest timeout counts.
** Returns how many threads, those of pools too, go on with calls that were given up; or MOONS_EINVAL (NULL, or on a worker),
** MOONS_EFORKED. Any thread but a worker, and not within `notify`. */
MOONS_API int moons_runtime_close(moons_runtime *runtime, int64_t timeout_ns);

/* Gives up the caller's hold. The last one, which a program or a Lua state may have, waits for the calls that are running, ends
** the workers and frees the runtime. It does not wait for a call that was cancelled and is in a C function that does not
** return: the thread and the state of that call go when the function returns; until then it calls neither `open` nor
** `write`. Accepts NULL. Any thread but a worker. */
MOONS_API void moons_runtime_free(moons_runtime *runtime);

/* Lends this thread to a runtime of MOONS_LENT: runs calls until none wait, at once where enough threads do already. Returns how
** many chunks of calls it has run, or MOONS_EINVAL, MOONS_ECLOSED, MOONS_EFORKED. Any thread, while the runtime is held.
**
** Threads that wait for calls as long as it takes (moons_run, moons_next, moons_program_load, a map of a Lua state) lend
** themselves, within some ms of when a worker is free. A call on a lent thread cannot be given up: one that was cancelled, or whose
** time is over, and that is in a C function that does not return, keeps the thread, and moons_runtime_free waits for it. */
MOONS_API int moons_lend(moons_runtime *runtime);

/* A script that was loaded, under its terms. It holds its runtime. */
typedef struct moons_program moons_program;

/* What a runtime, or a program of it, has done and holds. Counted when a chunk of calls has ended: what a call under way does
** is not there yet. */
typedef struct moons_stats {
  size_t struct_bytes;
  unsigned n_workers; /* that there may be; of a program: that it may have at once */
  unsigned n_running; /* calls, or chunks of a map, that workers have */
  unsigned n_waiting; /* those that wait for a worker, or for their program's turn */
  unsigned n_lost;    /* calls whose worker was given up, or for which no worker was left */
  uint64_t n_done, n_failed, n_retried; /* calls; those that failed are among those done */
  uint64_t n_restored;                  /* calls in a state that was put back */
  uint64_t n_images;                    /* states that were built from nothing */
  uint64_t busy_ns;                     /* in chunks, summed over the workers */
  uint64_t
      waited_ns; /* between moons_submit, or moons_run, and the worker; not of maps of Lua states */
  uint64_t sent_bytes, received_bytes; /* arguments to calls, results from calls */

  /* Of states, with their images and with garbage, those of pools counted; nothing of other processes. Of a program, not of all its
  ** states: what the state of the call held that has ended last; and the most that the state of any call held. */
  size_t memory_bytes, memory_peak_bytes;

  uint64_t
      n_proved; /* calls that were proved to leave their state as it was, so that it need not be put back */
} moons_stats;

/* Fills in what the runtime has done; with a program, what the calls and maps have done that were made of that program, its loading
** counted: but maps within its calls count for the runtime alone. Returns 0; or MOONS_EINVAL (no runtime, a program of another
** one, no stats, a size that cannot be) or MOONS_EFORKED, with nothing filled in. Any thread, workers as well. */
#define moons_stats_of(runtime, program, stats)                                                    \
  moons_stats_sized(runtime, program, stats, sizeof(moons_stats))
MOONS_API int moons_stats_sized(moons_runtime *runtime, moons_program *program, moons_stats *stats,
                                size_t struct_bytes);

/* {== Programs ================================================================================ */

/* One call: under way, then finished with results or an error. Finished it holds nothing but what it has brought home. */
typedef struct moons_call moons_call;

/* Where finished calls wait for one thread of the host. It holds its runtime. */
typedef struct moons_queue moons_queue;

/* Loads a script: compiles it and runs it once on a worker, under the terms (NULL: the defaults). Its global functions, and
** those in the table that it returns, can be called from then on, each call in a state as the script left it; one in a table
** is named with a point ("rules.total"), and of two with one name that in the returned table is meant. Text only. It has the
** global `parallel`. `name` stands in messages ("=rules" or "@rules.lua"). What is passed in is copied, but for `data`.
**
** Another worker runs the script again, before its first call of the program, and so does one that has dropped its image
** (`images_bytes`): with the same random numbers, and what it prints is dropped then, but not what its maps print. So it should
** define things and leave the same each time, whatever the time, a file or a function of the host tell it. A script that leaves a
** userdata or a finalizer (an open file, what a map of its own leaves) is run again for each call.
**
** Returns 0, or MOONS_ESCRIPT where the script does not compile or run; then, too, *program is set: moons_program_error says
** why. Otherwise *program is NULL: MOONS_EINVAL, MOONS_ENOMEM, MOONS_ETHREAD, MOONS_ECLOSED, MOONS_EFORKED, MOONS_EUNSUPPORTED. Any
** thread; not on a worker. */
MOONS_API int moons_program_load(moons_program **program, moons_runtime *runtime,
                                 const char *source, size_t n_bytes, const char *name,
                                 const moons_terms *terms);

/* Gives up the caller's hold; calls that run or wait go on. Accepts NULL. Any thread. */
MOONS_API void moons_program_free(moons_program *program);

/* Why a call or a program failed. */
typedef enum moons_kind {
  MOONS_KIND_ERROR, /* the script raised an error */
  MOONS_KIND_TIMEOUT,
  MOONS_KIND_MEMORY,
  MOONS_KIND_OUTPUT,
  MOONS_KIND_CANCELLED,
  MOONS_KIND_MARSHAL, /* something cannot be sent, or cannot be a plain value */
  MOONS_KIND_LOST,
  MOONS_KIND_LOAD /* the script does not compile */
} moons_kind;

/* The strings are never NULL, and belong to what failed. */
typedef struct moons_error {
  moons_kind kind;
  const char *kind_name; /* "timeout" */
  const char *message, *traceback;
  uint64_t index;    /* of a map: which item, from 1; otherwise 0 */
  moons_value value; /* what was thrown; MOONS_OTHER where it cannot be sent, and then says why */
} moons_error;

/* NULL where it loaded, and for NULL. Any thread. */
MOONS_API const moons_error *moons_program_error(const moons_program *program);

/* {== Calls =================================================================================== */

/* Calls `function` ("total", or "rules.total") and waits. Returns 0 with *call finished: moons_results has what it returned; or
** MOONS_ESCRIPT with *call finished too: moons_call_error says why. Otherwise *call is NULL: MOONS_EINVAL (no such function, a
** bad value), MOONS_ENOMEM, MOONS_EBUSY, MOONS_ETHREAD, MOONS_ECLOSED, MOONS_EFORKED. Any thread; not on a worker, where it is
** MOONS_EINVAL. */
MOONS_API int moons_run(moons_call **call, moons_program *program, const char *function,
                        const moons_value *arguments, size_t n_arguments);

/* Makes a queue for finished calls. `notify`, which may be NULL, is told when something can be taken where before there was
** nothing: it calls uv_async_send, or what else wakes a loop up. It runs on whichever thread has ended the call, or has submitted
** it (backend "inline"). It may call functions of the library, but not free the queue, nor wait for calls, which may need this
** thread: moons_next does not wait there, and moons_run, moons_program_load and moons_runtime_close are MOONS_EINVAL (the first two
** not on MOONS_INLINE). Whoever is told takes until nothing is left, for it is not told of each call. Returns 0, or with *queue NULL
** MOONS_EINVAL, MOONS_ENOMEM, MOONS_ECLOSED, MOONS_EFORKED. Any thread.
**
** A queue, and the calls that are taken from it, belong to one thread at a time. Calls may be submitted by any threads. */
MOONS_API int moons_queue_new(moons_queue **queue, moons_runtime *runtime,
                              void (*notify)(void *data), void *data);

/* Cancels its calls, frees those that have finished, and waits for `notify` where that runs; does not wait for calls that
** run. Calls that were not taken are gone then. Accepts NULL. Not on a worker. */
MOONS_API void moons_queue_free(moons_queue *queue);

/* A descriptor that is readable while something can be taken, for poll, epoll, kqueue or uv_poll: made at the first call, and
** closed with the queue. Never read from it. Returns it, or MOONS_EINVAL, MOONS_EFORKED, or MOONS_EUNSUPPORTED where none is to be
** had. Any thread. */
MOONS_API int moons_queue_fd(moons_queue *queue);

/* Starts a call and does not wait. Calls of one program begin in the order in which they were submitted; programs take turns.
** What is passed in is copied, but for `data`, which is the host's (moons_call_data). *call, where `call` is not NULL, is for
** moons_call_cancel: the call is still the queue's. Returns 0, or with *call NULL an error as of moons_run, but for those of the
** script: these come home with the call. MOONS_EINVAL also where queue and program are of two runtimes. Any thread; not on a
** worker.
**
** `data` must live until the call was taken. Two kinds of calls go on after that, for which `write` and functions of the host may
** use it still: those that run when their queue is freed, until the runtime is closed (moons_runtime_close) or their terms are gone,
** and those that were given up in a C function, until that returns. Such a function looks at moons_is_ending, or has what it uses
** of `data` kept for the time, and given back by moons_defer. */
MOONS_API int moons_submit(moons_queue *queue, moons_program *program, const char *function,
                           const moons_value *arguments, size_t n_arguments, void *data,
                           moons_call **call);

/* The same for a map: one call for each item of a sequence, spread over the workers. Its result is one value, a sequence of the first
** values that these calls return: numbers of one kind are MOONS_INTEGERS or MOONS_FLOATS, all else is a MOONS_LIST. Of several
** errors the first ends the map; moons_error has the item's index. `chunk` calls travel together, 16384 at most; 0: measured.
** Limits of time and memory are each call's, result_bytes that of all. MOONS_EINVAL also where `items` is no sequence. */
MOONS_API int moons_submit_map(moons_queue *queue, moons_program *program, const char *function,
                               const moons_value *items, uint32_t chunk, void *data,
                               moons_call **call);

/* Takes a call that has finished, well or with an error: it is the caller's from then on. Waits for one for up to `timeout_ns`
** (0: does not, negative: as long as it takes). Each call is given exactly once, cancelled ones too. Where many are under way
** and come faster than a thread is woken up, they are taken in groups: up to 0.2 ms after they have finished. On the backend
** "inline" calls run here, with a timeout of 0 one at a time. Returns 0, or with *call NULL MOONS_ETIMEDOUT, MOONS_EEND where
** none is under way, MOONS_ECLOSED where none can be any more, MOONS_EINVAL, MOONS_EFORKED. Not on a worker. */
MOONS_API int moons_next(moons_queue *queue, int64_t timeout_ns, moons_call **call);

/* Ends a call: where it has begun, at its next instruction in Lua. It comes home with kind CANCELLED, unless it has just ended by
** itself. One that was taken stays as it is. Accepts NULL. Any thread, until the call is taken. */
MOONS_API void moons_call_cancel(moons_call *call);

/* Frees a call that was taken, or given by moons_run, with all that it has brought home; others stay. Accepts NULL. Any thread. */
MOONS_API void moons_call_free(moons_call *call);

/* What it returned: *n_results values. NULL and 0 where it failed, is under way, or is NULL. `n_results` may be NULL. */
MOONS_API const moons_value *moons_results(const moons_call *call, size_t *n_results);

/* Why it failed; NULL where it did not, is under way, or is NULL. */
MOONS_API const moons_error *moons_call_error(const moons_call *call);

/* The `data` of moons_submit; NULL for a call of moons_run, and for NULL. */
MOONS_API void *moons_call_data(const moons_call *call);

/* How long it ran, of a map all its calls together; 0 while it is under way, and for NULL. */
MOONS_API uint64_t moons_call_ns(const moons_call *call);

/* {== In host functions ======================================================================= */

/* For C functions that calls call. They need only the state that they get; where that is none of a call's, NULL too, they give
** NULL, 0 or MOONS_EINVAL. The call's thread. */

/* `data` of the terms: the tenant. In `open` and while a script is loaded, too. */
MOONS_API void *moons_data(struct lua_State *L);

/* `data` of moons_submit: the request; NULL where the call is of another kind, and in `open` and while a script is loaded or set up,
** for the calls of all requests start from what these leave. In maps that a call makes, that of the call. A call can come home while
** a C function of it still runs, where it was given up, and so can the queue be freed: see moons_submit. */
MOONS_API void *moons_data_of_call(struct lua_State *L);

/* Which thread runs the call, from 0: no two of a runtime, pools of its scripts included, have the same number at a time, and they
** are as low as can be: for a connection for each. As long as no call is given up and no script makes a pool, they are below
** n_workers. */
MOONS_API unsigned moons_worker(struct lua_State *L);

/* Whether the call has timed out or was cancelled: a C function that takes long looks now and then, and returns. */
MOONS_API int moons_is_ending(struct lua_State *L);

/* Has `release(pointer)` called when the call is over, however it ends: for memory and handles that would want a __gc. The last
** deferred is released first, on the call's thread, after finalizers; a call that is tried again is another one. Returns 0,
** MOONS_ENOMEM after calling it at once, or MOONS_EINVAL, with nothing done, outside of a call: in `open`, and while a script is
** loaded or set up. */
MOONS_API int moons_defer(struct lua_State *L, void (*release)(void *pointer), void *pointer);

/* Push a view of memory of the host's, which is read and never copied: v[i], a number, or of bytes one from 0 to 255, nil where
** it is out of range; its length; v:sum(i, j); v:copy(i, j), a sequence, or of bytes a string. i and j count from 1, by default
** all. In `open`, as in any function: a view may stand in an image, and makes no call slower. Scripts cannot write to it. The
** memory must stay, and not be written to while calls run, until the terms are gone; it does not count as memory of calls. Inner
** maps have a view that `open` leaves in a global by its name; to be returned, or sent otherwise, is an error that names v:copy.
** NULL with 0 is empty. May raise memory errors, and one for NULL with more. The state's thread. */
MOONS_API void moons_push_floats(struct lua_State *L, const double *numbers, size_t n);
MOONS_API void moons_push_bytes(struct lua_State *L, const void *bytes, size_t n_bytes);

/* {== Lua ===================================================================================== */

/* Gives the module `parallel` to a state of the host's: `require "parallel"`, of Lua's library `package`, finds it, and it works on
** `runtime`. Its calls run under the terms (NULL: the defaults). Every global that the state has by then counts as the host's
** and is not sent to workers: calls have those that `open` of the terms gives them, and naming another is an error that says so.
** The state holds the runtime, and the terms, until it is closed. Its own code is not limited: run what is not trusted as a
** program.
**
** Protected: returns 0, or MOONS_ENOMEM, MOONS_ECLOSED, MOONS_EFORKED, MOONS_EFOREIGN (the library of its base functions is not
** the Lua that Moons uses: link both with the same, and only once), MOONS_EUNSUPPORTED (worker processes would lack what `open`
** adds), or MOONS_EINVAL, also for a state that has the module already, or is that of a call. The state's thread. */
MOONS_API int moons_open(struct lua_State *L, moons_runtime *runtime, const moons_terms *terms);

/* Ends what a state of the host's waits for or runs, with an error, "interrupted!": from a signal handler on its thread, or from
** another thread. It sets a hook, as Lua allows signal handlers to do. From another thread that is safe while the state waits for
** calls; while it runs Lua it can crash the process, however rarely: better send a signal to its thread, whose handler calls this.
** `L` is the main thread, or the coroutine that runs. A call that MOONS_INLINE runs on this thread ends first. Does nothing to NULL
** and to the state of a call. */
MOONS_API void moons_interrupt(struct lua_State *L);

/* The lua_CFunction behind `require "parallel"` in stock lua5.4: returns the module. The state
** makes a runtime of its own at the first map and frees it when it is closed. */
MOONS_API int luaopen_parallel(struct lua_State *L);

/* The same behind `require "parallel.experiment"`, which Lua finds in the file of `parallel`. */
MOONS_API int luaopen_parallel_experiment(struct lua_State *L);

#ifdef __cplusplus
}
#endif

#endif
