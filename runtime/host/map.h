/*
** Maps from inside: calls for the items of a sequence, which come home as one sequence.
*/
#ifndef MOONS_HOST_MAP_H
#define MOONS_HOST_MAP_H

#include "host/call.h"

/* A call that is a map. Returns 0, or with *call NULL MOONS_ENOMEM, or MOONS_EINVAL for items that are no sequence or have a bad
** value. */
int moons__host_map_new(moons_call **call, moons_program *program, const char *function,
                        const moons_value *items, uint32_t chunk, void *data);

/* The map is over: reads what it has brought. Any thread. */
void moons__host_map_read(moons_call *call);

/* The results of a spread that is whole, as one value (value.h). Returns 0, MOONS_ENOMEM, or with *index the item, from 1,
** MOONS_EDEPTH for a result that contains itself. */
int moons__gather(moons_call *call, uint64_t *index);

#endif
