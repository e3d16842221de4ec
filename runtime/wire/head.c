/*
** Only messages without lists are looked at, as the host's are: in others places may come before the values.
*/
#include "wire/head.h"

#include <stdint.h>

#include "wire/format.h"

typedef struct reader {
  const unsigned char *at, *end;
  int is_cut; /* a byte was asked for that is not there */
} reader;

static unsigned take_byte(reader *r) {
  if (r->at < r->end) return *r->at++;
  r->is_cut = 1;
  return 0;
}

static uint64_t take_varint(reader *r) {
  uint64_t n = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    unsigned byte = take_byte(r);
    n |= (uint64_t)(byte & 0x7F) << shift;
    if (byte < 0x80) return n;
  }
  return UINT64_MAX;
}

const char *moons__message_head(const char *bytes, size_t n_bytes, size_t *n_head) {
  const unsigned char *start = (const unsigned char *)bytes;
  reader r = {.at = start, .end = n_bytes > 0 ? start + n_bytes : start};
  uint64_t n;
  if (take_byte(&r) != 0 || take_varint(&r) == 0) return NULL;
  switch (take_byte(&r)) {
  case WIRE_STRING8: n = take_byte(&r); break;
  case WIRE_STRING: n = take_varint(&r); break;
  default: return NULL;
  }
  if (r.is_cut || n > (size_t)(r.end - r.at)) return NULL;
  *n_head = (size_t)n;
  return (const char *)r.at;
}
