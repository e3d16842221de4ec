/*
** A channel goes when both ends have said that theirs is gone. Its number is never used again, so letters that come late are known
** as such.
*/
#include "backend/channel.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/allocate.h"
#include "sizes.h"

/* {== Flows =================================================================================== */

static void open_flow(moons__flow *f, int file) {
  *f = (moons__flow){.file = file};
  f->last = &f->first;
}

static void send_letter(moons__channels *c, const moons__channel *ch, moons__letter_kind kind,
                        int flow, const void *bytes, size_t n_bytes) {
  struct moons__letter_head head = {
      .kind = (uint16_t)kind, .flow = (uint16_t)flow, .channel = ch->number};
  moons__post_send(c->post, ch->rank, head, bytes, n_bytes);
}

static int may_read(const moons__flow *f) {
  return f->file >= 0 && f->n_ahead + MOONS__LETTER_BYTES <= MOONS_CHANNEL_BYTES;
}

/* Returns how many bytes were sent; 0: none are there now; -1: none will come. */
static ssize_t read_flow(moons__channels *c, moons__channel *ch, int flow) {
  moons__flow *f = &ch->flows[flow];
  if (!may_read(f)) return 0;
  ssize_t n = read(f->file, c->bytes, sizeof c->bytes);
  if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
  if (n == 0) return -1;
  f->n_ahead += (size_t)n;
  send_letter(c, ch, MOONS__LETTER_DATA, flow, c->bytes, (size_t)n);
  return n;
}

static void pop(moons__flow *f) {
  moons__letter *l = f->first;
  f->first = l->next;
  if (f->first == NULL) f->last = &f->first;
  moons__free(l);
}

/* Tells the other end how much was taken, when that is worth a letter. */
static void tell_taken(moons__channels *c, moons__channel *ch, int flow, size_t n_bytes) {
  uint64_t n_owed = ch->flows[flow].n_owed += n_bytes;
  if (n_owed < MOONS_CHANNEL_BYTES / 4) return;
  ch->flows[flow].n_owed = 0;
  send_letter(c, ch, MOONS__LETTER_MORE, flow, &n_owed, sizeof n_owed);
}

/* Writes what waits, as far as that goes. What nobody reads is dropped: that its file has ended is seen where that is read. */
static void write_flow(moons__channels *c, moons__channel *ch, int flow) {
  moons__flow *f = &ch->flows[flow];
  while (f->first != NULL) {
    moons__letter *l = f->first;
    if (moons__process_write(f->file, l->bytes, l->n_bytes, &l->n_taken) == EAGAIN) return;
    tell_taken(c, ch, flow, l->n_bytes);
    pop(f);
  }
}

static void close_flow(moons__flow *f) {
  while (f->first != NULL)
    pop(f);
  if (f->file >= 0) close(f->file);
  f->file = -1;
}

/* {== Channels ================================================================================ */

moons__channel *moons__channel_new(moons__channels *c, uint32_t number, int rank, int work,
                                   int said) {
  moons__channel *ch = moons__allocate_zeros(NULL, sizeof *ch);
  if (ch == NULL) return NULL;
  ch->number = number;
  ch->rank = rank;
  open_flow(&ch->flows[MOONS__FLOW_WORK], work);
  open_flow(&ch->flows[MOONS__FLOW_SAID], said);
  ch->at = SIZE_MAX;
  ch->next = c->first;
  c->first = ch;
  c->n++;
  return ch;
}

/* What it has said last still goes. */
static void end_agent(moons__channels *c, moons__channel *ch) {
  moons__process_kill(&ch->agent);
  while (read_flow(c, ch, MOONS__FLOW_SAID) > 0)
    ;
  moons__process_wait(&ch->agent);
}

static int is_closed(const moons__channel *ch) { return ch->flows[MOONS__FLOW_WORK].file < 0; }

/* This end goes. */
static void end(moons__channels *c, moons__channel *ch) {
  if (is_closed(ch)) return;
  if (ch->agent.pid != 0) end_agent(c, ch);
  for (int i = 0; i < MOONS__FLOWS; i++)
    close_flow(&ch->flows[i]);
  send_letter(c, ch, MOONS__LETTER_END, 0, NULL, 0);
}

/* The other end is gone: so is an agent; rank 0 takes what has come before. */
static void follow(moons__channels *c, moons__channel *ch) {
  int has_all = ch->flows[MOONS__FLOW_WORK].first == NULL;
  if (ch->is_over && (ch->agent.pid != 0 || has_all)) end(c, ch);
}

void moons__channels_end(moons__channels *c) {
  for (moons__channel *ch; (ch = c->first) != NULL;) {
    end(c, ch);
    c->first = ch->next;
    moons__free(ch);
  }
  c->n = 0;
}

/* {== Reading and writing ===================================================================== */

/* What the agent says is read in its rank, and written in rank 0. */
static struct pollfd await_flow(const moons__channel *ch, int flow) {
  const moons__flow *f = &ch->flows[flow];
  int is_read = flow == MOONS__FLOW_WORK || ch->agent.pid != 0;
  short events = (short)((is_read && may_read(f) ? POLLIN : 0) | (f->first != NULL ? POLLOUT : 0));
  return (struct pollfd){.fd = events != 0 ? f->file : -1, .events = events};
}

void moons__channels_await(moons__channels *c, struct pollfd *files) {
  size_t at = 0;
  for (moons__channel *ch = c->first; ch != NULL; ch = ch->next) {
    ch->at = at;
    for (int i = 0; i < MOONS__FLOWS; i++)
      files[at++] = await_flow(ch, i);
  }
}

/* Returns 0, or -1: the file has ended. */
static int move_flow(moons__channels *c, moons__channel *ch, int flow, const struct pollfd *file) {
  if (file->fd < 0 || file->revents == 0) return 0;
  if ((file->events & POLLOUT) != 0) write_flow(c, ch, flow);
  return (file->events & POLLIN) != 0 && read_flow(c, ch, flow) < 0 ? -1 : 0;
}

/* An agent that closes stderr is still there. */
static void move(moons__channels *c, moons__channel *ch, const struct pollfd *files) {
  if (ch->at == SIZE_MAX) return; /* it has come since */
  if (move_flow(c, ch, MOONS__FLOW_SAID, &files[ch->at + MOONS__FLOW_SAID]))
    close_flow(&ch->flows[MOONS__FLOW_SAID]);
  if (move_flow(c, ch, MOONS__FLOW_WORK, &files[ch->at + MOONS__FLOW_WORK])) end(c, ch);
}

static void open_channel(moons__channels *c, moons__channel *ch) {
  if (ch->is_open) return;
  ch->is_open = 1;
  send_letter(c, ch, MOONS__LETTER_OPEN, 0, NULL, 0);
}

void moons__channels_move(moons__channels *c, const struct pollfd *files) {
  for (moons__channel **at = &c->first, *ch; (ch = *at) != NULL;) {
    open_channel(c, ch);
    move(c, ch, files);
    ch->is_over |= c->post->is_lost[ch->rank];
    follow(c, ch);
    if (!is_closed(ch) || !ch->is_over) {
      at = &ch->next;
      continue;
    }
    *at = ch->next;
    moons__free(ch);
    c->n--;
  }
}

/* {== Letters ================================================================================= */

static moons__channel *find(const moons__channels *c, uint32_t number) {
  moons__channel *ch = c->first;
  while (ch != NULL && ch->number != number)
    ch = ch->next;
  return ch;
}

/* It is written at once where that goes: most letters are short. Returns whether the letter is still to be freed. */
static int take_data(moons__channels *c, moons__channel *ch, moons__letter *l) {
  moons__flow *f = &ch->flows[l->head.flow];
  if (f->file < 0) return 1;
  *f->last = l;
  f->last = &l->next;
  write_flow(c, ch, l->head.flow);
  return 0;
}

static void take_more(moons__channel *ch, const moons__letter *l) {
  uint64_t n_taken;
  if (l->n_bytes != sizeof n_taken) return;
  memcpy(&n_taken, l->bytes, sizeof n_taken);
  ch->flows[l->head.flow].n_ahead -= (size_t)n_taken;
}

void moons__channels_take(moons__channels *c, moons__letter *l) {
  moons__channel *ch = find(c, l->head.channel);
  int is_left = 1;
  switch (ch != NULL && l->head.flow < MOONS__FLOWS ? l->head.kind : MOONS__LETTER_HEART) {
  case MOONS__LETTER_DATA: is_left = take_data(c, ch, l); break;
  case MOONS__LETTER_MORE: take_more(ch, l); break;
  case MOONS__LETTER_END: ch->is_over = 1; break;
  default: break; /* it comes too late */
  }
  if (is_left) moons__free(l);
}
