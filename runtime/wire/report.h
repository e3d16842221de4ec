/*
** The error that a state has raised, as a failure (failure.h) that can go home.
*/
#ifndef MOONS_WIRE_REPORT_H
#define MOONS_WIRE_REPORT_H

#include <lua.h>

#include "wire/failure.h"
#include "wire/wire.h"

typedef struct moons__reporter {
  moons__buffer traceback; /* of the last error, as the handler noted it */
} moons__reporter;

/* Pushes the message handler for lua_pcall: it notes the traceback and leaves the error value as it
** is. The reporter must outlive it. */
void moons__report_push_handler(lua_State *L, moons__reporter *reporter);

/* Appends a failure for the error value on top of the encoder's stack, which it pops, and for `status` of lua_pcall.
** `prefix` goes before the message. The value goes along where the encoder can send it. Returns 0 or MOONS_ENOMEM; raises
** nothing. */
int moons__report(moons__encoder *encoder, moons__reporter *reporter, int status,
                  moons__failure_kind kind, const char *prefix);

/* The same for a text of our own, without a value. */
int moons__report_text(moons__reporter *reporter, moons__failure_kind kind, const char *text,
                       moons__buffer *out);

#endif
