/*
** The hosts that a person names: "node1:16,ann@node2,gpu[01-04]:8", where a number says how many calls run there at once; and the
** commands that launch an agent on each.
*/
#ifndef MOONS_BACKEND_HOST_LIST_H
#define MOONS_BACKEND_HOST_LIST_H

#include <stddef.h>

/* How the command of the backend "hosts" is made where a person does not say; and for hosts of a Slurm allocation. */
extern const char moons__launch_by_ssh[];
extern const char moons__launch_by_slurm[];

enum { MOONS__LIST_WHY_BYTES = 512 };

typedef struct moons__host_name {
  char *name;
  unsigned n_workers; /* 0: as many as it has cores */
  int rank;           /* of MPI, in which its agent is started; 0: a command starts it */
} moons__host_name;

/* Zero-initialised: none. */
typedef struct moons__host_list {
  moons__host_name *hosts;
  unsigned n, capacity;
  const void *beside; /* a block, beside which they lie (allocate.h) */
} moons__host_list;

/* Reads such a text, or that of a file, "@hosts.txt", where each line is one, and # begins a comment, to memory beside that
** block (allocate.h). Returns 0, or -1 with nothing left: `why` says why, for a person. Any thread, as all functions here. */
int moons__host_list_read(moons__host_list *list, const void *beside, const char *text,
                          char why[MOONS__LIST_WHY_BYTES]);

/* Frees what the list has. */
void moons__host_list_free(moons__host_list *list);

/* The command for a host, a block beside that one (allocate.h), or NULL: no memory. In `launch` stands {host} for the name,
** {moons} for "moons --serve agent", and {folder} for that of `program`, where that is a path. */
char *moons__launch_command(const void *beside, const char *launch, const char *host,
                            const char *program);

/* The same for an agent on this machine, of a program that is a path, or a name on the PATH. */
char *moons__launch_here(const void *beside, const char *program);

/* Whether such a text launches anything. */
int moons__launch_is_valid(const char *launch);

#endif
