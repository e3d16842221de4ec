/*
** A connection is not read while a request of it is under way: so clients wait, and not their bytes. What came with that request
** and belongs to the next one stays in the buffer.
*/
#include "http.h"

#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 20, PATH_BYTES = 256, BACKLOG = 128 };

typedef struct text {
  char *bytes;
  size_t n, room;
} text;

struct http_connection {
  uv_tcp_t tcp;
  uv_write_t write;
  http_server *server;
  http_connection *before, *next;
  http_parser parser;
  text in, body, out;
  size_t n_parsed; /* of `in` */
  char path[PATH_BYTES];
  int has_request, is_last;
};

struct http_server {
  uv_tcp_t tcp;
  http_handler *handle;
  void *data;
  void (*closed)(void *data); /* NULL: it takes requests */
  http_connection *connections;
  int is_shut; /* its socket is closed */
};

static int append(text *t, const char *bytes, size_t n) {
  if (t->n + n > MOST_BYTES) return -1;
  if (t->n + n > t->room) {
    size_t room = 2 * (t->n + n);
    char *grown = realloc(t->bytes, room);
    if (grown == NULL) return -1;
    t->bytes = grown;
    t->room = room;
  }
  memcpy(t->bytes + t->n, bytes, n);
  t->n += n;
  return 0;
}

/* {== The end ================================================================================= */

static void free_when_empty(http_server *s) {
  if (!s->is_shut || s->connections != NULL) return;
  s->closed(s->data);
  free(s);
}

static void free_connection(uv_handle_t *handle) {
  http_connection *c = handle->data;
  http_server *s = c->server;
  *(c->before != NULL ? &c->before->next : &s->connections) = c->next;
  if (c->next != NULL) c->next->before = c->before;
  free(c->in.bytes);
  free(c->body.bytes);
  free(c->out.bytes);
  free(c);
  free_when_empty(s);
}

static void hang_up(http_connection *c) {
  if (!uv_is_closing((uv_handle_t *)&c->tcp)) uv_close((uv_handle_t *)&c->tcp, free_connection);
}

static void shut(uv_handle_t *handle) {
  http_server *s = handle->data;
  s->is_shut = 1;
  free_when_empty(s);
}

void http_close(http_server *s, void (*closed)(void *data)) {
  s->closed = closed;
  for (http_connection *c = s->connections; c != NULL; c = c->next)
    if (!c->has_request) hang_up(c);
  uv_close((uv_handle_t *)&s->tcp, shut);
}

/* {== Requests ================================================================================ */

static int note_path(http_parser *parser, const char *bytes, size_t n) {
  http_connection *c = parser->data;
  size_t n_had = strlen(c->path);
  if (n_had + n >= PATH_BYTES) return -1;
  memcpy(c->path + n_had, bytes, n);
  c->path[n_had + n] = 0;
  return 0;
}

static int note_body(http_parser *parser, const char *bytes, size_t n) {
  http_connection *c = parser->data;
  return append(&c->body, bytes, n);
}

static int note_end(http_parser *parser) {
  http_connection *c = parser->data;
  c->has_request = 1;
  c->is_last = !http_should_keep_alive(parser);
  http_parser_pause(parser, 1);
  return 0;
}

static void pass_on(http_connection *c) {
  http_request request = {.method = http_method_str((enum http_method)c->parser.method),
                          .path = c->path,
                          .body = c->body.bytes,
                          .n_bytes = c->body.n};
  uv_read_stop((uv_stream_t *)&c->tcp);
  c->server->handle(c, &request, c->server->data);
}

/* Parses what was read, up to the end of a request. */
static void parse(http_connection *c) {
  static const http_parser_settings SETTINGS = {
      .on_url = note_path, .on_body = note_body, .on_message_complete = note_end};
  c->n_parsed +=
      http_parser_execute(&c->parser, &SETTINGS, c->in.bytes + c->n_parsed, c->in.n - c->n_parsed);
  if (c->has_request)
    pass_on(c);
  else if (HTTP_PARSER_ERRNO(&c->parser) != HPE_OK || c->parser.upgrade)
    hang_up(c);
  else
    c->in.n = c->n_parsed = 0;
}

static void give_room(uv_handle_t *handle, size_t n_wanted, uv_buf_t *buffer) {
  static char room[1 << 16]; /* of one loop, on one thread */
  (void)handle, (void)n_wanted;
  *buffer = uv_buf_init(room, sizeof room);
}

static void take(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer) {
  http_connection *c = stream->data;
  if (n == 0) return;
  if (n < 0 || append(&c->in, buffer->base, (size_t)n) != 0)
    hang_up(c);
  else
    parse(c);
}

static void drop_parsed(http_connection *c) {
  c->in.n -= c->n_parsed;
  if (c->in.n > 0) memmove(c->in.bytes, c->in.bytes + c->n_parsed, c->in.n);
  c->n_parsed = 0;
}

/* Reads the next request, of which there may be something already. */
static void await_request(http_connection *c) {
  drop_parsed(c);
  c->has_request = 0;
  c->path[0] = 0;
  c->body.n = c->out.n = 0;
  http_parser_pause(&c->parser, 0);
  uv_read_start((uv_stream_t *)&c->tcp, give_room, take);
  if (c->in.n > 0) parse(c);
}

/* {== Answers ================================================================================= */

static void answered(uv_write_t *write, int error) {
  http_connection *c = write->data;
  if (error || c->is_last)
    hang_up(c);
  else
    await_request(c);
}

static int write_answer(http_connection *c, int status, const char *body) {
  char head[256];
  int n =
      snprintf(head, sizeof head,
               "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n",
               status, http_status_str((enum http_status)status), strlen(body),
               c->is_last ? "Connection: close\r\n" : "");
  return append(&c->out, head, (size_t)n) || append(&c->out, body, strlen(body));
}

void http_answer(http_connection *c, int status, char *body) {
  if (c->server->closed != NULL) c->is_last = 1;
  int error = body == NULL || write_answer(c, status, body);
  free(body);
  c->write.data = c;
  uv_buf_t out = uv_buf_init(c->out.bytes, (unsigned)c->out.n);
  if (error || uv_write(&c->write, (uv_stream_t *)&c->tcp, &out, 1, answered) != 0) hang_up(c);
}

/* {== Connections ============================================================================= */

static void meet(uv_stream_t *listener, int error) {
  http_server *s = listener->data;
  http_connection *c = error ? NULL : calloc(1, sizeof *c);
  if (c == NULL) return;
  uv_tcp_init(listener->loop, &c->tcp);
  c->tcp.data = c->parser.data = c;
  c->server = s;
  c->next = s->connections;
  if (c->next != NULL) c->next->before = c;
  s->connections = c;
  http_parser_init(&c->parser, HTTP_REQUEST);
  uv_tcp_nodelay(&c->tcp, 1);
  if (uv_accept(listener, (uv_stream_t *)&c->tcp) == 0)
    await_request(c);
  else
    hang_up(c);
}

static int bind_to(http_server *s, int *port) {
  struct sockaddr_in address;
  int n_bytes = sizeof address;
  uv_ip4_addr("127.0.0.1", *port, &address);
  int error = uv_tcp_bind(&s->tcp, (const struct sockaddr *)&address, 0);
  if (!error) error = uv_listen((uv_stream_t *)&s->tcp, BACKLOG, meet);
  if (!error) error = uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&address, &n_bytes);
  if (!error) *port = ntohs(address.sin_port);
  return error;
}

int http_listen(http_server **server, uv_loop_t *loop, int *port, http_handler *handle,
                void *data) {
  http_server *s = *server = calloc(1, sizeof *s);
  if (s == NULL) return UV_ENOMEM;
  s->handle = handle;
  s->data = data;
  uv_tcp_init(loop, &s->tcp);
  s->tcp.data = s;
  return bind_to(s, port);
}
