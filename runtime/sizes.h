/*
** Every default, cap and size of Moons, each with its reason.
** A test build may set any of them smaller with -D.
*/
#ifndef MOONS_SIZES_H
#define MOONS_SIZES_H

/* Most workers that one runtime may have. A thread costs a stack and a state; more than this is a
** mistake in an argument, not a wish. */
#ifndef MOONS_MAX_WORKERS
#define MOONS_MAX_WORKERS 1024
#endif

/* Room for the path of a program, and its end. */
#ifndef MOONS_PATH_BYTES
#define MOONS_PATH_BYTES 4096
#endif

/* Room for the name of this machine: what POSIX lets a name have, and its end. */
#ifndef MOONS_HOST_BYTES
#define MOONS_HOST_BYTES 256
#endif

/* C stack of a worker thread, in bytes. Lua itself nests at most 200 C calls (some 300 KB at worst);
** the rest is room for maps within maps, which run on top of the call that waits for them. Only
** pages that are touched cost memory. */
#ifndef MOONS_STACK_BYTES
#define MOONS_STACK_BYTES ((size_t)16 << 20)
#endif

/* The same of threads that a host lends, where it does not say: what systems give a thread at least, and libuv those of its pool. */
#ifndef MOONS_LENT_STACK_BYTES
#define MOONS_LENT_STACK_BYTES ((size_t)2 << 20)
#endif

/* The least that a host may ask for. */
#ifndef MOONS_STACK_MIN_BYTES
#define MOONS_STACK_MIN_BYTES ((size_t)512 << 10)
#endif

/* C stack that must be left before a nested map is run on a worker's thread, in bytes. */
#ifndef MOONS_STACK_RESERVE_BYTES
#define MOONS_STACK_RESERVE_BYTES ((size_t)1 << 20)
#endif

/* How deep maps may be nested in maps. Each depth has a state of its own; a program that goes deeper
** has most likely no end. */
#ifndef MOONS_MAX_DEPTH
#define MOONS_MAX_DEPTH 200
#endif

/* The most that one state may hold, in bytes, where the system does not tell its memory. */
#ifndef MOONS_ARENA_BYTES
#define MOONS_ARENA_BYTES ((size_t)8 << 30)
#endif

/* All states together may hold this part of the memory that this process may use, where the host sets no limit: calls
** that grow without end get an error before the system has to kill the process. */
#ifndef MOONS_STATES_SHARE
#define MOONS_STATES_SHARE 2
#endif

/* Of what all states may hold together, the last eighth is for states that hold no more than a sixteenth: calls that grow
** without end leave something to small ones. */
#ifndef MOONS_LAST_SHARE
#define MOONS_LAST_SHARE 8
#endif
#ifndef MOONS_SMALL_SHARE
#define MOONS_SMALL_SHARE 16
#endif

/* States take memory from what there is for all of them in steps of this many bytes. Some pages: small against any state,
** and new memory costs a fault for each page anyway. */
#ifndef MOONS_TAKE_BYTES
#define MOONS_TAKE_BYTES ((size_t)64 << 10)
#endif

/* How often a place in the address space that has room behind it is looked for at random. */
#ifndef MOONS_RESERVE_TRIES
#define MOONS_RESERVE_TRIES 16
#endif

/* An arena commits at least this much at a time, in bytes: fewer system calls. */
#ifndef MOONS_COMMIT_BYTES
#define MOONS_COMMIT_BYTES ((size_t)256 << 10)
#endif

/* From this size on, in bytes, a block of the script's own state is a mapping on large pages. Smaller ones malloc takes again
** when they were freed, without a fault: glibc maps none below 32 MB once it has seen that. A power of two. */
#ifndef MOONS_LARGE_BLOCK_BYTES
#define MOONS_LARGE_BLOCK_BYTES ((size_t)32 << 20)
#endif

/* From this size on, in bytes, memory that an arena commits in one go is asked for in large pages (2 MB most
** often): of less, much might stay unused. */
#ifndef MOONS_LARGE_PAGES_BYTES
#define MOONS_LARGE_PAGES_BYTES ((size_t)4 << 20)
#endif

/* Memory beyond the image that a worker keeps between calls; what a call touched beyond it is given
** back to the system. Giving back costs a system call and page faults at the next call, so this is
** about what a level-2 cache holds. */
#ifndef MOONS_ARENA_KEEP_BYTES
#define MOONS_ARENA_KEEP_BYTES ((size_t)1 << 20)
#endif

/* While its finalizers run, a call that ends may hold its `memory` this many times: some take a little more, and where
** nothing is left, each try costs a whole collection. */
#ifndef MOONS_CLOSING_FACTOR
#define MOONS_CLOSING_FACTOR 2
#endif

/* From this size on, in bytes, an image is put back by dropping dirty pages (copy-on-write) where
** the system can; below it, copying is faster (measured: the two meet at about 1 MB). */
#ifndef MOONS_COW_MIN_BYTES
#define MOONS_COW_MIN_BYTES ((size_t)1 << 20)
#endif

/* The part of a copy-on-write image that is copied all the same, in bytes: the state's own
** structures, which every call writes to, lie there, and copying is cheaper than page faults. */
#ifndef MOONS_COW_HOT_BYTES
#define MOONS_COW_HOT_BYTES ((size_t)32 << 10)
#endif

/* How many images a worker keeps for the maps to come, how many also where the memory of all states is short, and how many
** bytes they may hold together. Scripts take turns between a few functions, some between dozens, hosts between a thousand
** programs; a small image holds some 8 KB, and making it anew takes as long as a hundred calls. */
#ifndef MOONS_IMAGES_PER_WORKER
#define MOONS_IMAGES_PER_WORKER 4096
#endif
#ifndef MOONS_IMAGES_AT_LEAST
#define MOONS_IMAGES_AT_LEAST 4
#endif
#ifndef MOONS_IMAGES_BYTES
#define MOONS_IMAGES_BYTES ((size_t)64 << 20)
#endif

/* From this size on, in bytes, a set-up is expected to give a large image (MOONS_COW_MIN_BYTES), which needs memory of its own. */
#ifndef MOONS_LARGE_SETUP_BYTES
#define MOONS_LARGE_SETUP_BYTES ((size_t)128 << 10)
#endif

/* States with libraries alone that a worker keeps though no session uses them. */
#ifndef MOONS_IDLE_BASES
#define MOONS_IDLE_BASES 2
#endif

/* How many set-ups a runtime keeps for the jobs to come, which often have the same: a stream of single calls. With
** the last one, whatever its size, they hold at most as much as images may. */
#ifndef MOONS_SETUPS_KEPT
#define MOONS_SETUPS_KEPT 4
#endif

/* Arrays that a state holds beyond this many bytes have it collect garbage, which may hold some: Lua knows nothing of their size.
** Large against what a collection touches of a state that works on such arrays. */
#ifndef MOONS_ARRAYS_BYTES
#define MOONS_ARRAYS_BYTES ((size_t)64 << 20)
#endif

/* How many functions with their captures a kept state (fresh = false) holds decoded. */
#ifndef MOONS_FUNCTIONS_PER_STATE
#define MOONS_FUNCTIONS_PER_STATE 16
#endif

/* After this many calls in a state that was put back for each, a proof is tried that its calls leave nothing behind: it takes as
** long as some dozens of calls, and short maps would not earn it. */
#ifndef MOONS_PROVE_AFTER
#define MOONS_PROVE_AFTER 200
#endif

/* Functions of a script of which a session knows whether they are proved: each is a few hundred bytes. Calls of others have their
** state put back. */
#ifndef MOONS_LANES_PER_SESSION
#define MOONS_LANES_PER_SESSION 256
#endif

/* Calls that leave nothing but garbage behind leave it where it is until there is this much of it, in bytes: putting the state
** back costs a few of such calls, and what is written to stays in the nearest caches. Below what starts a collection. */
#ifndef MOONS_GARBAGE_BYTES
#define MOONS_GARBAGE_BYTES ((size_t)64 << 10)
#endif

/* A call that takes this much more than the image, in bytes, is made again in a state that was put back: it may have come upon
** the limit of a stack (16 MB in Lua), which depends on what lies below the call. */
#ifndef MOONS_PROVED_BYTES
#define MOONS_PROVED_BYTES ((size_t)8 << 20)
#endif

/* From so many calls on it is told, where warnings are on, why a function could not be proved to leave no trace: putting its state
** back has taken some 10 ms by then. */
#ifndef MOONS_UNPROVED_CALLS
#define MOONS_UNPROVED_CALLS 100000
#endif

/* A proof that needs more is not made: bytes; instructions gone through, each as often as what it reads grows; and entries of
** captured tables. The longest takes some 50 ms, as much as 10000 calls in a state of 50 KB that is put back. */
#ifndef MOONS_PROOF_BYTES
#define MOONS_PROOF_BYTES ((size_t)32 << 20)
#endif
#ifndef MOONS_PROOF_STEPS
#define MOONS_PROOF_STEPS 300000
#endif
#ifndef MOONS_PROOF_ENTRIES
#define MOONS_PROOF_ENTRIES 1000000
#endif

/* Least that a call allocates before it starts a garbage collection, in bytes: a cycle touches every
** page of the image, and small images would otherwise collect every few kilobytes. */
#ifndef MOONS_FIRST_COLLECTION_BYTES
#define MOONS_FIRST_COLLECTION_BYTES ((size_t)256 << 10)
#endif

/* Values nested deeper than this are sent from a list of pending values and not by recursion, so
** that depth is limited by memory and not by the C stack. */
#ifndef MOONS_WIRE_DEPTH
#define MOONS_WIRE_DEPTH 100
#endif

/* Strings from this length on, in bytes, are sent once a message however often they occur. */
#ifndef MOONS_WIRE_SHARED_STRING_BYTES
#define MOONS_WIRE_SHARED_STRING_BYTES 41
#endif

/* Tables with the same string keys are sent without them from the third on, as long as they have at most SHAPE_KEYS:
** where keys are missing, space is wasted. A message keeps ALL_SHAPE_KEYS keys in all. */
#ifndef MOONS_WIRE_SHAPE_KEYS
#define MOONS_WIRE_SHAPE_KEYS 32
#endif
#ifndef MOONS_WIRE_ALL_SHAPE_KEYS
#define MOONS_WIRE_ALL_SHAPE_KEYS 240
#endif

/* How often the set-up of a map is made: again where arguments need modules or libraries that it does not bring. After
** the last time, what arguments hold of other modules goes with each of them. */
#ifndef MOONS_SETUPS_PER_JOB
#define MOONS_SETUPS_PER_JOB 4
#endif

/* Longest message that an error carries home, in bytes; Lua bounds tracebacks. */
#ifndef MOONS_ERROR_TEXT_BYTES
#define MOONS_ERROR_TEXT_BYTES ((size_t)16 << 10)
#endif

/* Chunks aim at this duration, in ns: long against a hand-over (some 10 us), short against what a
** person, a progress bar or the last worker waits for. */
#ifndef MOONS_CHUNK_TARGET_NS
#define MOONS_CHUNK_TARGET_NS 1000000.0
#endif

/* Where handing over a chunk takes long, chunks take this many times longer: half a percent is lost by it. */
#ifndef MOONS_HANDOVERS_PER_CHUNK
#define MOONS_HANDOVERS_PER_CHUNK 200.0
#endif

/* Most calls in one chunk: bounds what a chunk's bytes and a lazy source's lead can grow to. */
#ifndef MOONS_CHUNK_MAX_CALLS
#define MOONS_CHUNK_MAX_CALLS 16384u
#endif

/* Results of a worker process lie in a window of memory that it shares with its caller, in bytes: more than there is, for only
** what is written to takes memory. Before it stands the mark, on a page of its own. */
#ifndef MOONS_WINDOW_BYTES
#define MOONS_WINDOW_BYTES ((size_t)64 << 30)
#endif
#ifndef MOONS_MARK_BYTES
#define MOONS_MARK_BYTES 4096
#endif

/* Arrays of at least this many bytes are mapped by worker processes, and smaller ones sent to them: each that is mapped takes a file
** descriptor of the caller's. */
#ifndef MOONS_SHOWN_BYTES
#define MOONS_SHOWN_BYTES ((size_t)64 << 10)
#endif

/* Who waits for a worker process looks this often, in ns, whether it must end, or has ended. With MOONS_GRACE_NS it is what a
** timeout may be late. */
#ifndef MOONS_PROCESS_LOOK_NS
#define MOONS_PROCESS_LOOK_NS 50000000
#endif

/* A worker process that has not said who it is after this many ns never will. Long against what a busy machine, or a slow disk,
** takes to start a program. */
#ifndef MOONS_PROCESS_START_NS
#define MOONS_PROCESS_START_NS 30000000000u
#endif

/* What is skipped before a worker process, or an agent behind the login shell of its host, says that it is there, in bytes. */
#ifndef MOONS_CHATTER_BYTES
#define MOONS_CHATTER_BYTES ((size_t)64 << 10)
#endif

/* A host that has said nothing for this many ns is lost: long against what a busy machine, or a network that drops packets, may
** keep silent, since its agent says every second that it is there. A connection that ends is seen at once. */
#ifndef MOONS_HOST_SILENCE_NS
#define MOONS_HOST_SILENCE_NS 30000000000u
#endif

/* An agent that has heard nothing for this many seconds ends: long, since a person may stop the script for a while (Ctrl-Z). */
#ifndef MOONS_AGENT_SILENCE_S
#define MOONS_AGENT_SILENCE_S 600u
#endif

/* How often both say that they are there, in ns. */
#ifndef MOONS_HEART_NS
#define MOONS_HEART_NS 1000000000
#endif

/* A host that was lost, and cannot be reached when it is to be started again, is tried once more after this many ns: a cable is put
** back, a switch starts anew. */
#ifndef MOONS_HOST_PAUSE_NS
#define MOONS_HOST_PAUSE_NS 10000000000u
#endif

/* At most so many hosts are connected at once: an sshd drops connections that come too fast (MaxStartups, 10). */
#ifndef MOONS_HOSTS_AT_ONCE
#define MOONS_HOSTS_AT_ONCE 8u
#endif

/* So many bytes may be on their way to a rank of MPI, or wait to be taken there, on each channel: enough to keep a fast network
** busy. */
#ifndef MOONS_CHANNEL_BYTES
#define MOONS_CHANNEL_BYTES ((size_t)1 << 20)
#endif

/* A rank of MPI looks for letters again after a 64th of the time for which there have been none, but at least and at most after
** so many ns: MPI has nothing to wait for. An idle rank takes some 1% of a core so. */
#ifndef MOONS_RANK_LOOK_LEAST_NS
#define MOONS_RANK_LOOK_LEAST_NS 20000
#endif
#ifndef MOONS_RANK_LOOK_MOST_NS
#define MOONS_RANK_LOOK_MOST_NS 1000000
#endif

/* At the end ranks have so many ns to end their agents; if one is silent, MPI is told to end all. */
#ifndef MOONS_RANK_END_NS
#define MOONS_RANK_END_NS 10000000000u
#endif

/* A call that so many hosts in a row were lost with has failed. */
#ifndef MOONS_HOST_LOSSES
#define MOONS_HOST_LOSSES 3u
#endif

/* A host that was asked to share a chunk, and has not answered, is asked again after this many ns. */
#ifndef MOONS_HOST_ASK_NS
#define MOONS_HOST_ASK_NS 20000000
#endif

/* Plans that an agent knows: what the calls of the last few maps have in common. */
#ifndef MOONS_AGENT_PLANS
#define MOONS_AGENT_PLANS 16
#endif

/* At the end an agent has this many ns to close the states of its workers and to pass on what they print. */
#ifndef MOONS_HOST_END_NS
#define MOONS_HOST_END_NS 2000000000
#endif

/* Chunks of more bytes of arguments are not sent whole where one call of them is to run by itself. */
#ifndef MOONS_SMALL_CHUNK_BYTES
#define MOONS_SMALL_CHUNK_BYTES 4096
#endif

/* So many worker processes in a row that cannot be started, or that die before a call could begin, are no accident. */
#ifndef MOONS_PROCESS_TRIES
#define MOONS_PROCESS_TRIES 3u
#endif

/* Where a function was written, as text: what Lua makes of the name of its file (LUA_IDSIZE), and a line. */
#ifndef MOONS_POSITION_BYTES
#define MOONS_POSITION_BYTES 80
#endif

/* Threads have a stack of this size for handlers of faults: when their own has overflowed, there is no other. A handler of
** a program that tells where it was needs some kilobytes, and the system four for the registers alone. */
#ifndef MOONS_SIGNAL_STACK_BYTES
#define MOONS_SIGNAL_STACK_BYTES ((size_t)64 << 10)
#endif

/* A chunk takes no more calls once its arguments have this many bytes: they count as memory only when it is whole. */
#ifndef MOONS_CHUNK_BYTES
#define MOONS_CHUNK_BYTES ((size_t)4 << 20)
#endif

/* Bytes of a chunk leave their memory to the next chunk's up to this size: large blocks are new pages
** from the system each time. About what a chunk of numbers needs. */
#ifndef MOONS_SPARE_BYTES
#define MOONS_SPARE_BYTES ((size_t)192 << 10)
#endif

/* A worker that goes to sleep keeps no more of it than this. */
#ifndef MOONS_IDLE_SPARE_BYTES
#define MOONS_IDLE_SPARE_BYTES ((size_t)16 << 10)
#endif

/* How many functions a state remembers how long their calls took. */
#ifndef MOONS_COSTS
#define MOONS_COSTS 32
#endif

/* Chunks under way for each worker: one that runs and one that waits, so that no worker idles while
** the caller encodes. */
#ifndef MOONS_CHUNKS_PER_WORKER
#define MOONS_CHUNKS_PER_WORKER 2u
#endif

/* Short chunks are under way in greater number, so that each worker has this much to do, in ns: the caller shares the
** cores with the workers, and may have to wait that long for its turn. And the most of them for each worker. */
#ifndef MOONS_AHEAD_NS
#define MOONS_AHEAD_NS 8000000.0
#endif
#ifndef MOONS_MOST_CHUNKS_PER_WORKER
#define MOONS_MOST_CHUNKS_PER_WORKER 12u
#endif

/* Most results for which room is made before the first one is there. A table that grows as it fills
** ends up with up to twice the room that it needs, and copies all of it each time; but a map may fail
** early, and its length be a mistake. A longer map gets more room when what it has is full: this many
** times more, so that the copies cost little, and at most for all its results. */
#ifndef MOONS_RESULTS_AT_ONCE
#define MOONS_RESULTS_AT_ONCE (1 << 22)
#endif
#ifndef MOONS_RESULTS_GROWTH
#define MOONS_RESULTS_GROWTH 32
#endif

/* A thread that waits for calls looks this often, in ns, whether something else has come up: its own call must end, a signal has
** set a hook, or a worker is free on which it may run calls itself (MOONS_LENT). */
#ifndef MOONS_LOOK_NS
#define MOONS_LOOK_NS 5000000
#endif

/* The watcher of a pool that a call has made looks this often, in ns, whether that call has ended: nobody tells it. */
#ifndef MOONS_LOOK_OUT_NS
#define MOONS_LOOK_OUT_NS 50000000
#endif

/* Where a host does not say how many workers its scripts may bring about beside its own, it is as many as those, and at least so
** many: pools of a few workers that wait are usual on two cores, too. */
#ifndef MOONS_BROUGHT_AT_LEAST
#define MOONS_BROUGHT_AT_LEAST 8u
#endif

/* All pools that calls have made may have this many threads together: enough for some in each of many calls, while calls
** that make pools within each other without end are stopped. */
#ifndef MOONS_POOL_THREADS
#define MOONS_POOL_THREADS 256u
#endif

/* When a thread has waited this many ns and workers have nothing to do, they share the calls that others have not
** begun: a chunk takes longer than expected. */
#ifndef MOONS_SHARE_NS
#define MOONS_SHARE_NS 2000000
#endif

/* Calls that take no longer than this together, in ns, are run by the thread that waits for them: a worker that sleeps needs as
** long to be woken and to tell that it is done. */
#ifndef MOONS_CALLER_NS
#define MOONS_CALLER_NS 20000.0
#endif

/* Up to this long together, in ns, the thread that waits makes its part of the calls beside the workers. None of them can be given
** up meanwhile, so it is not long. */
#ifndef MOONS_HELP_NS
#define MOONS_HELP_NS (10 * MOONS_CALLER_NS)
#endif

/* A thread that helps with maps within the calls of a worker process waits so many ns for the next chunk before it gives back the
** place of the worker that has lent it: asking for that anew takes some 100 us. */
#ifndef MOONS_HELPER_NS
#define MOONS_HELPER_NS 2000000
#endif

/* After this many ns Moons gives up a call that was told to end and has not: it is in something that cannot be stopped.
** Another worker takes the place of its own. Long against the longest that a script has to wait for a core, short
** against a person's patience. */
#ifndef MOONS_GRACE_NS
#define MOONS_GRACE_NS 500000000
#endif

/* A thread that waits for work or for results does so busily for at most this many ns before it goes to
** sleep, where that has paid off lately: about what going to sleep and waking up take. */
#ifndef MOONS_SPIN_NS
#define MOONS_SPIN_NS 50000
#endif

/* A thread of a host that takes calls, many of which are under way, sleeps for a share of the time in which these come, and
** takes what has come: being woken up for each costs some 6 µs of processor time. The most and the least ns of that; systems may
** add some 50 µs. */
#ifndef MOONS_DOZE_NS
#define MOONS_DOZE_NS 1000000
#endif
#ifndef MOONS_DOZE_LEAST_NS
#define MOONS_DOZE_LEAST_NS 100000
#endif

/* After this many ns of that the thread yields its core between looks: systems like to put a thread on the core of the
** one that wakes it, and then nothing can happen there before. Each yield is a system call of some 0.4 µs. */
#ifndef MOONS_SPIN_ALONE_NS
#define MOONS_SPIN_ALONE_NS 2000
#endif

/* A string written by a call that holds no newline is kept back up to this length, in bytes. */
#ifndef MOONS_LINE_BYTES
#define MOONS_LINE_BYTES ((size_t)64 << 10)
#endif

/* A number as text, with its zero byte, of which calls write one: those of 64 bits take 25 at most, and a long double
** that Lua was built with some 50. */
#ifndef MOONS_NUMBER_BYTES
#define MOONS_NUMBER_BYTES 128
#endif

/* Longest status line, in bytes: no terminal has more columns. */
#ifndef MOONS_STATUS_BYTES
#define MOONS_STATUS_BYTES 512
#endif

/* A program whose call must end is asked to end, and killed this many ns later. Short against the 100 ms in which Ctrl-C
** ends a map, long against what most programs need to remove their files. */
#ifndef MOONS_PROGRAM_GRACE_NS
#define MOONS_PROGRAM_GRACE_NS 50000000
#endif

/* A program that a call has left open has this many ns, after the call, to end by itself once its pipe is closed.
** Such a program most often has what it needs and is about to end; one that never does must not keep the map
** from ending. */
#ifndef MOONS_PROGRAM_PATIENCE_NS
#define MOONS_PROGRAM_PATIENCE_NS 1000000000
#endif

/* How many programs that a program has started are ended with it, where they are no group of processes: a pipeline
** has a few. */
#ifndef MOONS_PROGRAM_KIN
#define MOONS_PROGRAM_KIN 64
#endif

/* What a call prints is on its way when its chunk has ended, and after at most this many ns. To a person that is at once,
** and a call that prints line after line makes 50 system calls a second for it. */
#ifndef MOONS_PRINT_NS
#define MOONS_PRINT_NS 20000000
#endif

/* In a chunk of at most so many calls it is noted when each began, so that a person who asks what runs (SIGUSR1) is told since
** when. A map of calls that take 0.3 ms or more has such chunks. */
#ifndef MOONS_FEW_CALLS
#define MOONS_FEW_CALLS 16
#endif

/* How long a host may take to say what it runs, in ns: Ctrl-C may wait behind the question. */
#ifndef MOONS_HOST_ANSWER_NS
#define MOONS_HOST_ANSWER_NS 500000000
#endif

/* The largest file that `moons --trace` writes, in bytes: some ten million calls. What shows traces takes several times as
** much memory. */
#ifndef MOONS_TRACE_BYTES
#define MOONS_TRACE_BYTES 1000000000
#endif

/* A worker writes what it has of a trace in blocks of this many bytes, some 300 calls; and at the end of a chunk that took
** long, or where it has kept some for so many ns: what a killed process has not written is lost. */
#ifndef MOONS_TRACE_BLOCK_BYTES
#define MOONS_TRACE_BLOCK_BYTES ((size_t)32 << 10)
#endif

/* How often a host is asked for its clock where there is a trace: the best of some answers over ssh on one machine was 2 to 7 us
** off, the first one up to ten times as much. */
#ifndef MOONS_CLOCK_ROUNDS
#define MOONS_CLOCK_ROUNDS 8
#endif

/* Most bytes of events that a worker process, or a host, sends at once. */
#ifndef MOONS_TRACED_BYTES
#define MOONS_TRACED_BYTES ((size_t)1 << 20)
#endif
#ifndef MOONS_TRACE_LONG_NS
#define MOONS_TRACE_LONG_NS 1000000
#endif
#ifndef MOONS_TRACE_KEPT_NS
#define MOONS_TRACE_KEPT_NS 100000000
#endif

#endif
