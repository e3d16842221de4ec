/*
** The texts of error codes, from the one table that has them (moons.h).
*/
#include "base/errors.h"

#include "moons.h"

const char *moons_error_text(int error) {
  switch (error) {
#define MOONS_ERROR_TEXT(name, code, text)                                                         \
  case MOONS_##name: return text;
    MOONS_ERRORS(MOONS_ERROR_TEXT)
#undef MOONS_ERROR_TEXT
  case MOONS__EMALFORMED: return "malformed bytes";
  case MOONS__ESTOPPED: return "the job has stopped";
  default: return error == 0 ? "no error" : "unknown error";
  }
}
