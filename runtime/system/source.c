/*
** A line is read when its name is wanted, as a debugger does it: nothing is kept with the function, so names cost nothing as
** long as nobody asks. A file that has changed since may give a wrong name; the position stands beside it.
*/
#include "system/source.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char KEYWORD[] = "function";
enum { LINE_BYTES = 1024 };

/* Reads line `number`, as far as it fits. Returns 0 where there is none. */
static int read_line(const char *path, long number, char line[LINE_BYTES]) {
  FILE *file = fopen(path, "re");
  int has_line = file != NULL;
  for (long n = 1; has_line && n <= number;) {
    has_line = fgets(line, LINE_BYTES, file) != NULL;
    if (has_line && (strchr(line, '\n') != NULL || n == number)) n++;
  }
  if (file != NULL) fclose(file);
  return has_line;
}

static int is_part_of_name(char c) { return isalnum((unsigned char)c) || c == '_'; }

static int is_part_of_path(char c) { return is_part_of_name(c) || c == '.' || c == ':'; }

/* The keyword in the text, as a word of its own, or NULL. */
static const char *find_keyword(const char *line, const char *text) {
  while ((text = strstr(text, KEYWORD)) != NULL) {
    const char *end = text + strlen(KEYWORD);
    if ((text == line || !is_part_of_name(text[-1])) && !is_part_of_name(*end)) return text;
    text = end;
  }
  return NULL;
}

/* The name from `first` to `end`; 0: there is none, or it is too long. */
static int take(const char *first, const char *end, char *name) {
  size_t n_bytes = (size_t)(end - first);
  if (n_bytes == 0 || n_bytes >= MOONS__FUNCTION_NAME_BYTES) return 0;
  memcpy(name, first, n_bytes);
  name[n_bytes] = '\0';
  return 1;
}

static int name_after(const char *at, char *name) {
  while (isspace((unsigned char)*at))
    at++;
  const char *end = at;
  while (is_part_of_path(*end))
    end++;
  return take(at, end, name);
}

static const char *skip_spaces_before(const char *line, const char *at) {
  while (at > line && isspace((unsigned char)at[-1]))
    at--;
  return at;
}

static int name_before(const char *line, const char *at, char *name) {
  at = skip_spaces_before(line, at);
  if (at == line || at[-1] != '=') return 0;
  const char *end = skip_spaces_before(line, at - 1), *first = end;
  while (first > line && is_part_of_path(first[-1]))
    first--;
  return take(first, end, name);
}

int moons__source_name(const char *position, char name[MOONS__FUNCTION_NAME_BYTES]) {
  char path[MOONS_POSITION_BYTES], line[LINE_BYTES];
  name[0] = '\0';
  const char *colon = strrchr(position, ':');
  if (colon == NULL || (size_t)(colon - position) >= sizeof path) return 0;
  memcpy(path, position, (size_t)(colon - position));
  path[colon - position] = '\0';
  if (!read_line(path, strtol(colon + 1, NULL, 10), line)) return 0;
  const char *at = find_keyword(line, line);
  if (at == NULL || find_keyword(line, at + 1) != NULL) return 0;
  return name_after(at + strlen(KEYWORD), name) || name_before(line, at, name);
}

const char *moons__source_title(const char *position, char title[MOONS__FUNCTION_TITLE_BYTES]) {
  char name[MOONS__FUNCTION_NAME_BYTES];
  if (moons__source_name(position, name))
    snprintf(title, MOONS__FUNCTION_TITLE_BYTES, "%s (%s)", name, position);
  else
    snprintf(title, MOONS__FUNCTION_TITLE_BYTES, "%s", position);
  return title;
}
