/*
** Texts as JSON has them.
*/
#ifndef MOONS_BASE_JSON_H
#define MOONS_BASE_JSON_H

#include <stddef.h>

#include "base/buffer.h"

/* Appends the text as it stands between quotes. Bytes that are not UTF-8 become U+FFFD. Returns 0 or MOONS_ENOMEM. */
int moons__json_text(moons__buffer *out, const char *text, size_t n_bytes);

/* How many bytes the first character of UTF-8 has; 0: it is none. There must be one byte. */
size_t moons__json_character(const char *bytes, size_t n_bytes);

/* How many of the first `n_bytes` to keep so that no character of UTF-8 is cut. */
size_t moons__json_whole(const char *text, size_t n_bytes);

#endif
