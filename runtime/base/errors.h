/*
** Error codes that stay within the library: no function of moons.h returns them.
*/
#ifndef MOONS_BASE_ERRORS_H
#define MOONS_BASE_ERRORS_H

enum {
  MOONS__EMALFORMED = -6, /* malformed bytes */
  MOONS__ESTOPPED = -9    /* the job has stopped */
};

#endif
