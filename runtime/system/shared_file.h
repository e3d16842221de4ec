/*
** Files that blocks have so that other processes can map them. A large block lies in its file; a small one, which malloc has given,
** has a mirror there, which is brought up to date when the block is shown, and from which is fetched what others have written.
*/
#ifndef MOONS_SYSTEM_SHARED_FILE_H
#define MOONS_SYSTEM_SHARED_FILE_H

#include "system/shared.h"

typedef struct moons__shared_file moons__shared_file;

/* Gives the block a file, where it has none, with all that it holds. Nobody may write to the block meanwhile; where somebody does who
** was shown it (`n_writers`), the file stays as it is. Returns 0, or MOONS_ENOMEM: there is no file to be had. */
int moons__shared_show(moons__shared *block);

/* Shows all of a list that have a file already, or at least so many bytes. Accepts NULL. Where there is no file to be had for one, it
** has none. Gives those that may have changed another version: who has a block in the version that it has afterwards has what it holds,
** until it is shown again. */
void moons__shared_list_show(const moons__shared_list *list, size_t least_bytes);

/* Its descriptor; -1: it has none. */
int moons__shared_descriptor(moons__shared *block);

/* Takes over what other processes have written at a place. */
void moons__shared_fetch(moons__shared *block, size_t at, size_t n_bytes);

/* Maps the file of another process's block as a block, which has that one's id, in memory beside `beside` (allocate.h), and
** closes the descriptor. NULL: no memory. */
moons__shared *moons__shared_map(const void *beside, int descriptor, size_t n_bytes, uint64_t id);

#endif
