/*
** What of the machine this process may really use. machine_linux.c counts affinity and a container's
** limits; machine_posix.c, the portable twin, what is there. Both count what machine.c does: limits of the process.
*/
#ifndef MOONS_SYSTEM_MACHINE_H
#define MOONS_SYSTEM_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* Cores; at least 1. */
unsigned moons__machine_cpus(void);

/* Memory in bytes, that of the machine or, where those are less, what its container or this process is limited to
** (`ulimit -v`, `ulimit -d`); 0 where the system does not say. Reads files: not for every call. */
size_t moons__machine_memory(void);

/* The less of `n_bytes` and the process's own limits of address space and data. */
size_t moons__machine_limited(size_t n_bytes);

/* How many of `n` pieces of address space there is room for, so that as much again stays free. */
unsigned moons__machine_room(unsigned n, size_t piece_bytes);

/* The thread that calls it computes: whoever wakes it is not interrupted for it. Where the system has no such
** thing, or refuses, nothing happens. */
void moons__machine_compute(void);

/* The cores that a thread may use. */
typedef struct moons__cores moons__cores;

/* Those of the calling thread, for threads that others start later; NULL: they are not known. A block of its own,
** beside that one (allocate.h). */
moons__cores *moons__machine_cores(const void *beside);

/* A number for the set of them, which processes have in common that share its cores; and of how many it is, where not of all that
** are online: else *n_bound is 0. */
uint64_t moons__machine_cores_key(unsigned *n_bound);

/* Lets the calling thread use these cores. Accepts NULL: then nothing happens. */
void moons__machine_use_cores(const moons__cores *cores);

/* Processor time of the thread that calls it. */
uint64_t moons__machine_cpu_ns(void);

/* Writes the name of this machine, or an empty one where it has none; ends with a zero byte. */
void moons__machine_host(char *name, size_t n_bytes);

/* Finds a program that was installed with this library: beside it, or in the folder `bin` of the place that it is in. Returns 0
** with its path, or -1. */
int moons__machine_find_beside(const char *name, char *path, size_t n_bytes);

/* Finds the command `moons`: the file of `program` where that is a path (NULL: it is not known), or what was installed with this library;
** else the path is its name, to be found on the PATH. */
void moons__machine_find_command(const char *program, char *path, size_t n_bytes);

/* A path that stands for the program that this process runs, whatever has become of its file; NULL: there is none. */
const char *moons__machine_self(void);

/* The path of a program's file, where it stands now, without links. Returns 0, or -1. */
int moons__machine_real_path(const char *program, char *path, size_t n_bytes);

/* Names the thread that calls it, in at most 15 bytes, where the system has names of threads. */
void moons__machine_name_thread(const char *name);

/* A number of the thread that calls it, by which other programs know it too where the system has such numbers. */
unsigned long long moons__machine_thread(void);

#endif
