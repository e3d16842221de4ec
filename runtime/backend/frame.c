/*
** Small frames are one system call on each side: a frame is written whole where it is short, and what has come is read as far
** as there is room. What is long goes from and to its own place.
*/
#include "backend/frame.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "sizes.h"
#include "system/process.h"

void moons__link_open(moons__link *link, int stream, int (*waits)(void *data), void *data) {
  link->stream = stream;
  link->waits = waits;
  link->data = data;
  link->at = link->end = 0;
  link->n_received = 0;
  link->has_ended = 0;
}

/* Whether to try again after such an error. */
static int goes_on(moons__link *link, int error) {
  if (error == EINTR) return 1;
  if (error != EAGAIN && error != EWOULDBLOCK) return 0;
  return link->waits == NULL || link->waits(link->data);
}

static int write_bytes(moons__link *link, const void *bytes, size_t n_bytes) {
  size_t n_written = 0;
  int error;
  while ((error = moons__process_write(link->stream, bytes, n_bytes, &n_written)) != 0)
    if (!goes_on(link, error)) return -1;
  return 0;
}

int moons__link_write(moons__link *link, moons__frame_kind kind, const void *head, size_t n_head,
                      const void *bytes, size_t n_bytes) {
  enum { WHOLE = 4096 };
  char whole[WHOLE];
  moons__frame frame = {.kind = kind, .n_head = (uint32_t)n_head, .n_bytes = n_bytes};
  size_t n = sizeof frame + n_head;
  memcpy(whole, &frame, sizeof frame);
  if (n_head > 0) memcpy(whole + sizeof frame, head, n_head);
  int is_short = n_bytes <= WHOLE - n;
  if (is_short && n_bytes > 0) memcpy(whole + n, bytes, n_bytes);
  if (write_bytes(link, whole, is_short ? n + n_bytes : n)) return -1;
  return is_short ? 0 : write_bytes(link, bytes, n_bytes);
}

int moons__link_send_file(moons__link *link, int stream, int file) {
  int error;
  while ((error = moons__process_send_file(stream, file)) != 0)
    if (!goes_on(link, error)) return -1;
  return 0;
}

/* Reads what there is, at most `n_most` bytes; returns how many, 0: the other end is gone, or is waited for no more. */
static size_t receive(moons__link *link, char *to, size_t n_most) {
  ssize_t n;
  while ((n = read(link->stream, to, n_most)) < 0 && goes_on(link, errno))
    ;
  link->has_ended = n <= 0;
  if (n <= 0) return 0;
  link->n_received += (uint64_t)n;
  return (size_t)n;
}

static size_t take_ahead(moons__link *link, char *to, size_t n_bytes) {
  size_t n = link->end - link->at < n_bytes ? link->end - link->at : n_bytes;
  memcpy(to, link->ahead + link->at, n);
  link->at += n;
  return n;
}

int moons__link_read(moons__link *link, void *bytes, size_t n_bytes) {
  char *to = bytes;
  while (n_bytes > 0) {
    size_t n = take_ahead(link, to, n_bytes);
    to += n;
    n_bytes -= n;
    if (n_bytes == 0) break;
    if (n_bytes >= sizeof link->ahead) {
      if ((n = receive(link, to, n_bytes)) == 0) return -1;
      to += n;
      n_bytes -= n;
    } else {
      link->at = 0;
      if ((link->end = receive(link, link->ahead, sizeof link->ahead)) == 0) return -1;
    }
  }
  return 0;
}

int moons__link_head(moons__link *link, const moons__frame *frame, void *head, size_t n_head) {
  return frame->n_head == n_head ? moons__link_read(link, head, n_head) : -1;
}

int moons__link_find(moons__link *link, const char *magic, char *said, size_t n_said) {
  size_t n_matched = 0, n = 0;
  char c;
  said[0] = '\0';
  for (size_t n_read = 0; magic[n_matched] != '\0'; n_read++) {
    if (n_read == MOONS_CHATTER_BYTES || moons__link_read(link, &c, 1)) return -1;
    if (n + 1 < n_said) said[n++] = c;
    said[n] = '\0';
    n_matched = c == magic[n_matched] ? n_matched + 1 : c == magic[0];
  }
  return 0;
}

int moons__link_skip(moons__link *link, uint64_t n_bytes) {
  char bytes[MOONS__LINK_BYTES];
  for (size_t n; n_bytes > 0; n_bytes -= n) {
    n = n_bytes < sizeof bytes ? (size_t)n_bytes : sizeof bytes;
    if (moons__link_read(link, bytes, n)) return -1;
  }
  return 0;
}
