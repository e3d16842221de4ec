/*
** The other end of the backend "hosts": the agent of a host, a process that a command of the caller's has launched, with whom it
** talks by stdin and stdout. It makes no call itself: chunks that come are run by worker processes of its own, so that whatever
** calls do to their process costs no other.
*/
#ifndef MOONS_BACKEND_AGENT_H
#define MOONS_BACKEND_AGENT_H

#include "backend/backend.h"
#include "backend/frame.h"

typedef struct moons__agent moons__agent;

/* Takes stdin and stdout, says who it is, and learns how its states are to be. From then on the end of the caller, or of the
** connection, is that of this process. NULL: there is nobody to serve. Before other threads run. */
moons__agent *moons__agent_open(moons__frame_config *config);

/* Where what its workers run is noted; NULL: nowhere. It stays as long as the process. */
moons__trace *moons__agent_trace(const moons__agent *agent);

/* The `write` of moons_options: passes on what calls print. Any thread. */
void moons__agent_write(void *agent, int stream, const char *bytes, size_t n_bytes);

/* Runs chunks on a backend of worker processes until the caller says that no more will come: then that is to be closed. Returns 0,
** or an error of threads or memory where it cannot begin. */
int moons__agent_run(moons__agent *agent, const moons__backend_functions *functions,
                     moons__backend *backend);

/* Passes on what was printed last; the process may end. */
void moons__agent_close(moons__agent *agent);

#endif
