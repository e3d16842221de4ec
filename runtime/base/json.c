/*
** JSON is UTF-8, and what scripts have in their strings need not be: so each character is checked, as RFC 3629 has it.
*/
#include "base/json.h"

#include <stdint.h>
#include <stdio.h>

typedef unsigned char byte;

static int is_tail(byte c) { return (c & 0xC0) == 0x80; }

size_t moons__json_character(const char *bytes, size_t n_bytes) {
  const byte *text = (const byte *)bytes;
  static const struct {
    byte first, last, low, high; /* of the first byte, and of the second */
    size_t n;
  } ROWS[] = {{0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
              {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
              {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
  if (text[0] < 0x80) return 1;
  for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
    if (text[0] < ROWS[i].first || text[0] > ROWS[i].last) continue;
    if (n_bytes < ROWS[i].n || text[1] < ROWS[i].low || text[1] > ROWS[i].high) return 0;
    for (size_t k = 2; k < ROWS[i].n; k++)
      if (!is_tail(text[k])) return 0;
    return ROWS[i].n;
  }
  return 0;
}

/* Whether a character cannot stand for itself. */
static int is_special(byte c) { return c < 0x20 || c == '"' || c == '\\' || c == 0x7F; }

static int append_special(moons__buffer *out, byte c) {
  static const char SHORT[] = "\"\"\\\\\nn\rr\tt";
  for (const char *at = SHORT; *at != '\0'; at += 2)
    if ((byte)*at == c) return moons__buffer_append(out, (char[]){'\\', at[1]}, 2);
  char escape[8];
  return moons__buffer_append(out, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", c));
}

/* What needs no change is appended together. */
int moons__json_text(moons__buffer *out, const char *text, size_t n_bytes) {
  size_t from = 0, i = 0;
  int error = 0;
  while (!error && i < n_bytes) {
    size_t n = moons__json_character(text + i, n_bytes - i);
    if (n > 1 || (n == 1 && !is_special((byte)text[i]))) {
      i += n;
      continue;
    }
    error = moons__buffer_append(out, text + from, i - from);
    if (!error && n == 0) error = moons__buffer_append(out, "\xEF\xBF\xBD", 3);
    if (!error && n == 1) error = append_special(out, (byte)text[i]);
    from = ++i;
  }
  return error ? error : moons__buffer_append(out, text + from, n_bytes - from);
}

size_t moons__json_whole(const char *text, size_t n_bytes) {
  while (n_bytes > 0 && is_tail((byte)text[n_bytes]))
    n_bytes--;
  return n_bytes;
}
