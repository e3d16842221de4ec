/*
** io.popen and os.execute, for calls and for the script that the command runs.
**
** They do what Lua's own do, but for this. Lua's io.popen first writes out all files of the process, and glibc keeps
** any other from being opened or closed while it waits for one of these that another thread reads. Here only the
** files of the state itself are written out, which nobody else uses. No program inherits the pipe of another. And
** os.execute leaves SIGINT as it is: whoever handles that ends the programs (child.h), or leaves it to them.
*/
#ifndef MOONS_WORKER_PROGRAM_H
#define MOONS_WORKER_PROGRAM_H

#include <lua.h>
#include <stdatomic.h>

#include "system/child.h"

/* What starts programs: the calls of a worker, or the script. */
typedef struct moons__starter {
  moons__children *children;
  int is_in_call;

  /* Is told before a program is started: writes out what was printed, and may raise an error. Returns the owner
  ** of the program. */
  const void *(*begin)(lua_State *L, void *data);
  int (*is_over)(void *data); /* whether what was just started must be killed; NULL: never */
  void *data;

  /* While calls have files from which programs read: what happens where one of these has ended. */
  moons__sigpipe sigpipe;
  unsigned n_written_to;

  /* Between the two, os.execute waits; `ended` is told the status of the program, and may raise an error. */
  atomic_int is_waiting;
  void (*ended)(lua_State *L, int status); /* NULL: nobody is told */
} moons__starter;

/* Puts the functions in their places in the libraries that are open; and io.open and io.tmpfile, which note what is
** to be written out before a program is started. May raise a memory error. The starter must outlive the state. */
void moons__program_install(lua_State *L, moons__starter *starter);

/* Writes out the files that the state has open, but for stdout, stderr and pipes. */
void moons__program_write_out(lua_State *L);

#endif
