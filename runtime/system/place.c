/*
** place = locale, a zero byte, path of the folder, a zero byte
*/
#include "system/place.h"

#include <locale.h>
#include <unistd.h>

#include "moons.h"
#include "sizes.h"

/* Not every folder has a path: then none is told. */
int moons__place_tell(moons__buffer *out) {
  char path[MOONS_PATH_BYTES];
  const char *locale = setlocale(LC_ALL, NULL);
  if (locale == NULL) locale = "C";
  if (getcwd(path, sizeof path) == NULL) path[0] = '\0';
  int error = moons__buffer_append(out, locale, strlen(locale) + 1);
  return error ? error : moons__buffer_append(out, path, strlen(path) + 1);
}

void moons__place_take(const char *bytes, size_t n_bytes) {
  const char *end = memchr(bytes, '\0', n_bytes);
  if (end == NULL || bytes[n_bytes - 1] != '\0' || end + 1 == bytes + n_bytes) return;
  setlocale(LC_ALL, bytes);
  if (end[1] != '\0' && chdir(end + 1) != 0) return; /* it is gone, as it may be for the script */
}
