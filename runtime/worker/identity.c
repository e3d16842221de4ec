/*
** A line for people as well: where two differ, an error shows both.
*/
#include "worker/identity.h"

#include <lua.h>

#include "moons.h"

#define TEXT_OF_(number) #number
#define TEXT_OF(number) TEXT_OF_(number)

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define ORDER "big-endian"
#else
#define ORDER "little-endian"
#endif

#if defined(__SIZEOF_POINTER__)
#define POINTER TEXT_OF(__SIZEOF_POINTER__)
#else
#define POINTER "?"
#endif

#define IDENTITY                                                                                   \
  "Moons " MOONS_VERSION ", " LUA_RELEASE ", integers as " LUA_INTEGER_FMT                         \
  ", floats as " LUA_NUMBER_FMT ", pointers of " POINTER " bytes, " ORDER

const char *moons__identity(int has_host) {
  return has_host ? IDENTITY ", with functions of a host" : IDENTITY;
}
