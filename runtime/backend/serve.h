/*
** The other end of the backend "processes": a worker process. It takes chunks from the process that has started it, runs them on
** a backend of its own, one after the other, and gives their results back, in memory that both have. It starts no process.
*/
#ifndef MOONS_BACKEND_SERVE_H
#define MOONS_BACKEND_SERVE_H

#include "backend/backend.h"
#include "backend/frame.h"

typedef struct moons__server moons__server;

/* Takes its place as the worker process that this process was started to be, says who it is, and learns how its states are to
** be. `terms`: what the host offers; it shares them. From then on the end of the other process is that of this one, and of all
** that it has started. NULL: there is nothing to serve. */
moons__server *moons__server_open(moons__frame_config *config, moons__terms *terms);

/* Where what it runs is noted; NULL: nowhere. It stays as long as the process. */
moons__trace *moons__server_trace(const moons__server *server);

/* The `write` of a runtime (runtime.h): passes on what calls print, before anything that comes after. Any thread. */
void moons__server_write(void *server, int stream, const char *bytes, size_t n_bytes);

/* The `wanted` of moons_options: asks for the place of one more worker. Any thread. */
void moons__server_want(void *server);

/* Runs chunks on a backend MOONS_LENT of at least as many workers as the number of this one, until no more will come. Returns 0, or
** MOONS_ENOMEM or MOONS_ETHREAD where it cannot begin. */
int moons__server_run(moons__server *server, moons__backend *lent_backend);

#endif
