/*
** SIGINT and SIGTERM of the command: what they end, and how soon. There is one process, one script, and one thread that
** runs it; all of this but the handlers is called on that thread.
*/
#ifndef MOONS_COMMAND_SIGNALS_H
#define MOONS_COMMAND_SIGNALS_H

#include <lua.h>

#include "system/trace.h"
#include "worker/program.h"

/* Catches both signals from now on, SIGTSTP, and SIGUSR1, which asks what runs (running.h, to be opened before); where that
** fails, they do what they do by default. The script starts its programs with `programs`, and what it runs is noted in `trace`,
** or nowhere; both stay. */
void moons__signals_open(moons__starter *programs, moons__trace *trace);

/* The state in which a signal raises an error; NULL: none. */
void moons__signals_tell(lua_State *L);

/* The first signal that came, 0: none. */
int moons__signals_taken(void);

/* The script's process is a rank of MPI: one that ends without leaving that has failed, to mpirun. So a script gets more time to end. */
void moons__signals_enter_mpi(void);

/* The script has ended, and the process ends when MPI has been left, which may take longer than a signal else lets it. A second signal
** ends it all the same. */
void moons__signals_leave(void);

/* The script waits for a program from begin to end, which is told whether the program has died of SIGINT. */
void moons__signals_begin_program(void);
void moons__signals_end_program(int has_died);

/* Code from the prompt runs from begin to end: SIGINT ends it, and no more than that. */
void moons__signals_begin_typed(void);
void moons__signals_end_typed(lua_State *L);

#endif
