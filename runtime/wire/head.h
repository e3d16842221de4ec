/*
** The first value of a message, for whoever must know it before the message is decoded: calls of a script begin with the name of
** their function.
*/
#ifndef MOONS_WIRE_HEAD_H
#define MOONS_WIRE_HEAD_H

#include <stddef.h>

/* The bytes of the first value where that is a string, in the message, or NULL. Any bytes may be given. */
const char *moons__message_head(const char *bytes, size_t n_bytes, size_t *n_head);

#endif
