/*
** Names go into commands for a shell, so they are of letters that mean nothing there, and no option.
*/
#include "backend/host_list.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/allocate.h"
#include "base/buffer.h"
#include "moons.h"
#include "sizes.h"

/* No password is asked for, and a connection whose other end is silent ends. What ssh starts looks for `moons` in the folder of this
** one too: on hosts that share a file system nothing has to be installed. */
const char moons__launch_by_ssh[] =
    "exec ssh -T -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=5 "
    "-o ServerAliveCountMax=3 {host} 'env PATH=\"$PATH\":{folder} {moons}'";

/* A step on one node of the allocation, with all its cores, beside other steps; where the node is down it fails at once, and does not
** wait for it. */
const char moons__launch_by_slurm[] =
    "exec srun --immediate=20 --nodes=1 --ntasks=1 --overlap --unbuffered --quiet "
    "--nodelist={host} {folder}/{moons}";

static const char SERVING[] = "moons --serve agent", NOWHERE[] = "/usr/local/bin";

/* {== Lists =================================================================================== */

typedef struct reading {
  moons__host_list *list;
  char *why;
} reading;

static int refuse(const reading *r, const char *text, const char *what) {
  snprintf(r->why, MOONS__LIST_WHY_BYTES, text, what);
  return -1;
}

static int refuse_memory(const reading *r) {
  return refuse(r, "%s", moons_error_text(MOONS_ENOMEM));
}

static int is_name(const char *name) {
  if (name[0] == '\0' || name[0] == '-') return 0;
  for (; *name != '\0'; name++)
    if (!isalnum((unsigned char)*name) && strchr("._-@+%", *name) == NULL) return 0;
  return 1;
}

static int add(const reading *r, const char *name, unsigned n_workers) {
  moons__host_list *list = r->list;
  if (!is_name(name)) return refuse(r, "'%s' is no name of a host", name);
  if (list->n == list->capacity) {
    unsigned capacity = list->capacity > 0 ? 2 * list->capacity : 8;
    moons__host_name *grown =
        moons__reallocate(list->beside, list->hosts, capacity * sizeof *grown);
    if (grown == NULL) return refuse_memory(r);
    list->hosts = grown;
    list->capacity = capacity;
  }
  if (list->n == MOONS_MAX_WORKERS) return refuse(r, "%s", "these are too many hosts");
  list->hosts[list->n] =
      (moons__host_name){.name = moons__allocate_copy(list->beside, name), .n_workers = n_workers};
  return list->hosts[list->n++].name != NULL ? 0 : refuse_memory(r);
}

static int expand(const reading *r, const char *name, unsigned n_workers);

/* Adds a name for a number between what is before and behind its brackets, as wide as it was written. */
static int add_number(const reading *r, const char *name, size_t n_before, const char *behind,
                      unsigned long number, size_t width, unsigned n_workers) {
  char text[MOONS_HOST_BYTES];
  int n =
      snprintf(text, sizeof text, "%.*s%0*lu%s", (int)n_before, name, (int)width, number, behind);
  if (n < 0 || (size_t)n >= sizeof text) return refuse(r, "'%s' is no name of a host", name);
  return expand(r, text, n_workers);
}

/* "01-16" or "20" of "node[01-16,20]"; `*at` goes behind it. */
static int add_range(const reading *r, const char *name, const char **at, const char *end,
                     unsigned n_workers) {
  char *rest;
  size_t n_before = (size_t)(strchr(name, '[') - name);
  if (!isdigit((unsigned char)**at)) return refuse(r, "'%s' has no numbers in its brackets", name);
  unsigned long first = strtoul(*at, &rest, 10), last = first;
  size_t width = (size_t)(rest - *at);
  if (*rest == '-' && isdigit((unsigned char)rest[1])) last = strtoul(rest + 1, &rest, 10);
  if ((*rest != ',' && rest != end) || last < first || last - first >= MOONS_MAX_WORKERS)
    return refuse(r, "'%s' has no numbers in its brackets", name);
  for (; first <= last; first++)
    if (add_number(r, name, n_before, end + 1, first, width, n_workers)) return -1;
  *at = rest;
  return 0;
}

/* Adds what a name with brackets stands for, of which there may be several. */
static int expand(const reading *r, const char *name, unsigned n_workers) {
  const char *at = strchr(name, '['), *end = at != NULL ? strchr(at, ']') : NULL;
  if (at == NULL || end == NULL) return add(r, name, n_workers);
  do {
    at++;
    if (add_range(r, name, &at, end, n_workers)) return -1;
  } while (at != end);
  return 0;
}

/* "name" or "name:16". */
static int read_item(const reading *r, const char *item, size_t n_bytes) {
  char name[MOONS_HOST_BYTES], *end = name;
  unsigned long n_workers = 0;
  if (n_bytes >= sizeof name) return refuse(r, "%s", "a name of a host is too long");
  memcpy(name, item, n_bytes);
  name[n_bytes] = '\0';
  char *colon = strchr(name, ':');
  if (colon != NULL) {
    n_workers = strtoul(colon + 1, &end, 10);
    if (!isdigit((unsigned char)colon[1]) || *end != '\0' || n_workers < 1 ||
        n_workers > MOONS_MAX_WORKERS)
      return refuse(r, "'%s' wants a number of workers behind the colon", name);
    *colon = '\0';
  }
  return expand(r, name, (unsigned)n_workers);
}

/* How long the item is that a text begins with: commas in brackets are part of it. */
static size_t item_length(const char *text) {
  int depth = 0;
  size_t n = 0;
  for (; text[n] != '\0' && !isspace((unsigned char)text[n]); n++) {
    if (text[n] == '#' || (text[n] == ',' && depth == 0)) break;
    depth += (text[n] == '[') - (text[n] == ']');
  }
  return n;
}

static int read_items(const reading *r, const char *text) {
  while (*text != '\0') {
    size_t n = item_length(text);
    if (n > 0 && read_item(r, text, n)) return -1;
    text += n;
    if (*text == '#') text += strcspn(text, "\n");
    if (*text != '\0') text++;
  }
  return r->list->n > 0 ? 0 : refuse(r, "%s", "no host is named");
}

static int read_file(const reading *r, const char *path) {
  char text[4096];
  moons__buffer all = {.beside = r->list->beside};
  FILE *file = fopen(path, "r");
  if (file == NULL) return refuse(r, "cannot read '%s'", path);
  int error = 0;
  for (size_t n; !error && (n = fread(text, 1, sizeof text, file)) > 0;)
    error = moons__buffer_append(&all, text, n);
  fclose(file);
  if (!error) error = moons__buffer_append(&all, "", 1);
  error = error ? refuse_memory(r) : read_items(r, all.bytes);
  moons__buffer_free(&all);
  return error;
}

int moons__host_list_read(moons__host_list *list, const void *beside, const char *text,
                          char why[MOONS__LIST_WHY_BYTES]) {
  reading r = {.list = list, .why = why};
  *list = (moons__host_list){.beside = beside};
  why[0] = '\0';
  int error = text[0] == '@' ? read_file(&r, text + 1) : read_items(&r, text);
  if (error) moons__host_list_free(list);
  return error;
}

void moons__host_list_free(moons__host_list *list) {
  for (unsigned i = 0; i < list->n; i++)
    moons__free(list->hosts[i].name);
  moons__free(list->hosts);
  *list = (moons__host_list){0};
}

/* {== Commands ================================================================================ */

int moons__launch_is_valid(const char *launch) { return strstr(launch, "{moons}") != NULL; }

/* The folder of a path that a shell takes as it is; else one that is no worse than another. */
static size_t folder_of(const char *program, const char **folder) {
  const char *slash = strrchr(program, '/'), *at = program;
  while (isalnum((unsigned char)*at) || (*at != '\0' && strchr("/._-+", *at) != NULL))
    at++;
  int is_plain = program[0] == '/' && slash > program && *at == '\0';
  *folder = is_plain ? program : NOWHERE;
  return is_plain ? (size_t)(slash - program) : sizeof NOWHERE - 1;
}

char *moons__launch_command(const void *beside, const char *launch, const char *host,
                            const char *program) {
  const char *folder;
  size_t n_folder = folder_of(program, &folder);
  const struct {
    const char *mark, *text;
    size_t n_bytes;
  } MARKS[] = {{"{host}", host, strlen(host)},
               {"{moons}", SERVING, sizeof SERVING - 1},
               {"{folder}", folder, n_folder}};
  moons__buffer out = {.beside = beside};
  int error = 0;
  while (!error && *launch != '\0') {
    size_t n_read = 1, n_bytes = 1;
    const char *text = launch;
    for (size_t i = 0; i < sizeof MARKS / sizeof MARKS[0]; i++) {
      if (strncmp(launch, MARKS[i].mark, strlen(MARKS[i].mark)) != 0) continue;
      n_read = strlen(MARKS[i].mark);
      text = MARKS[i].text;
      n_bytes = MARKS[i].n_bytes;
    }
    error = moons__buffer_append(&out, text, n_bytes);
    launch += n_read;
  }
  if (!error) error = moons__buffer_append(&out, "", 1);
  if (!error) return out.bytes;
  moons__buffer_free(&out);
  return NULL;
}

/* A shell takes what is in quotes as it is, but for the quote that ends them. */
char *moons__launch_here(const void *beside, const char *program) {
  static const char BEGIN[] = "exec '", QUOTE[] = "'\\''", END[] = "' --serve agent";
  moons__buffer out = {.beside = beside};
  int error = moons__buffer_append(&out, BEGIN, sizeof BEGIN - 1);
  for (; !error && *program != '\0'; program++)
    error = *program == '\'' ? moons__buffer_append(&out, QUOTE, sizeof QUOTE - 1)
                             : moons__buffer_append(&out, program, 1);
  if (!error) error = moons__buffer_append(&out, END, sizeof END);
  if (!error) return out.bytes;
  moons__buffer_free(&out);
  return NULL;
}
