/*
** HTTP/1.1 on a libuv loop: one request of a connection at a time. All on the loop's thread.
*/
#ifndef SERVICE_HTTP_H
#define SERVICE_HTTP_H

#include <stddef.h>
#include <uv.h>

typedef struct http_server http_server;
typedef struct http_connection http_connection;

/* A request, there until it was answered. */
typedef struct http_request {
  const char *method, *path; /* "POST", "/rules/ada/total" */
  const char *body;
  size_t n_bytes;
} http_request;

/* Each request must be answered once, at once or later. */
typedef void http_handler(http_connection *connection, const http_request *request, void *data);

/* Listens on a port of this machine alone; 0: any, which *port becomes. Returns 0, or a code of libuv's. */
int http_listen(http_server **server, uv_loop_t *loop, int *port, http_handler *handle, void *data);

/* Answers with a status and a body of JSON, which is freed; NULL: there was no memory for it. */
void http_answer(http_connection *connection, int status, char *body);

/* Takes no more requests, and frees the server when those under way are answered; then calls `closed`. */
void http_close(http_server *server, void (*closed)(void *data));

#endif
