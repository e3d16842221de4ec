/*
** JSON and plain values.
*/
#ifndef SERVICE_JSON_H
#define SERVICE_JSON_H

#include "moons.h"

/* A value that was read, with all that it points to. */
typedef struct document document;

/* Reads JSON; no bytes are null. Returns NULL where it is none, or there is no memory. Numbers without a fraction become integers;
** null in an object is a field that is not there, in an array a hole. */
document *document_read(const char *text, size_t n_bytes);
const moons_value *document_value(const document *d);
void document_free(document *d);

/* Writes a value as JSON, for the caller to free; NULL: there is no memory. What JSON has not becomes null; NULL is null. */
char *json_write(const moons_value *value);

/* Writes {"error": kind, "message": message}, for the caller to free. */
char *json_error(const char *kind, const char *message);

#endif
