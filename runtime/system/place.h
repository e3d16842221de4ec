/*
** Where a process is: its folder and its locale, which calls find as the script has them. In other processes they must be told.
*/
#ifndef MOONS_SYSTEM_PLACE_H
#define MOONS_SYSTEM_PLACE_H

#include "base/buffer.h"

/* Appends them. Returns 0 or MOONS_ENOMEM. On the thread that may change them. */
int moons__place_tell(moons__buffer *out);

/* Goes there, as far as that can be. */
void moons__place_take(const char *bytes, size_t n_bytes);

#endif
