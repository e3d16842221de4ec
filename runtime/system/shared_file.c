/*
** A file is made when a block is first shown. A mapping of whole pages is then replaced by one of the file, at the same place: who
** reads it meanwhile finds the same there. Pages of zeros are left out, for they may never have been touched.
*/
#include "system/shared_file.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/allocate.h"
#include "moons.h"
#include "system/blocks.h"
#include "system/process.h"

struct moons__shared_file {
  int descriptor; /* -1: another process has made it */
  char *map;      /* the mirror, or what the block lies in */
  size_t n_bytes;
};

/* Guards making files, and bringing them up to date: states on several threads may show one block. */
static pthread_mutex_t showing = PTHREAD_MUTEX_INITIALIZER;

enum { PAGE_BYTES = 4096 };

static char *map_file(int descriptor, size_t n_bytes, void *place) {
  int flags = MAP_SHARED | (place != NULL ? MAP_FIXED : 0);
  void *map = mmap(place, n_bytes, PROT_READ | PROT_WRITE, flags, descriptor, 0);
  return map != MAP_FAILED ? map : NULL;
}

static int is_zero(const char *bytes, size_t n_bytes) {
  static const char ZEROS[PAGE_BYTES];
  return memcmp(bytes, ZEROS, n_bytes) == 0;
}

/* The file is all zeros. */
static void fill(char *map, const char *bytes, size_t n_bytes) {
  for (size_t at = 0, n; at < n_bytes; at += n) {
    n = n_bytes - at < PAGE_BYTES ? n_bytes - at : PAGE_BYTES;
    if (!is_zero(bytes + at, n)) memcpy(map + at, bytes + at, n);
  }
}

/* Puts the block, which is a mapping, into the file. */
static int move_in(moons__shared *block, moons__shared_file *file) {
  fill(file->map, block->bytes, block->n_bytes);
  munmap(file->map, file->n_bytes);
  file->map = map_file(file->descriptor, file->n_bytes, block->bytes);
  return file->map != NULL ? 0 : MOONS_ENOMEM;
}

/* Pages of a file that this process has made go at once, though others still map it. */
static int close_file(moons__shared_file *file, const char *bytes) {
  int is_foreign = file->descriptor < 0;
  if (!is_foreign) {
    moons__process_forget(file->map, 0, file->n_bytes);
    close(file->descriptor);
  }
  if (is_foreign || file->map != bytes) munmap(file->map, file->n_bytes);
  moons__free(file);
  return !is_foreign;
}

static int open_file(moons__shared_file *file, size_t n_bytes) {
  file->n_bytes = n_bytes;
  file->descriptor = moons__process_memory(n_bytes);
  if (file->descriptor < 0) return MOONS_ENOMEM;
  file->map = map_file(file->descriptor, n_bytes, NULL);
  if (file->map != NULL) return 0;
  close(file->descriptor);
  return MOONS_ENOMEM;
}

static int make_file(moons__shared *block) {
  moons__shared_file *file = moons__allocate_zeros(block, sizeof *file);
  if (file == NULL || open_file(file, block->n_bytes)) {
    moons__free(file);
    return MOONS_ENOMEM;
  }
  if (moons__block_is_mapping(block->n_bytes) && move_in(block, file)) {
    close(file->descriptor);
    moons__free(file);
    return MOONS_ENOMEM;
  }
  block->close_file = close_file;
  atomic_store(&block->file, file);
  return 0;
}

static int show(moons__shared *block) {
  moons__shared_file *file = atomic_load(&block->file);
  if (block->n_bytes == 0) return MOONS_ENOMEM;
  if (file == NULL && make_file(block)) return MOONS_ENOMEM;
  file = atomic_load(&block->file);
  if (file->map == block->bytes || atomic_load(&block->n_writers) > 0) return 0;
  if (atomic_fetch_and(&block->changes, ~(unsigned)MOONS__CHANGED_FOR_FILE) &
      MOONS__CHANGED_FOR_FILE)
    memcpy(file->map, block->bytes, block->n_bytes);
  return 0;
}

int moons__shared_show(moons__shared *block) {
  pthread_mutex_lock(&showing);
  int error = show(block);
  pthread_mutex_unlock(&showing);
  return error;
}

/* One that is being written to is another one each time. */
static void count_version(moons__shared *block) {
  const unsigned changed = MOONS__CHANGED_FOR_VERSION;
  pthread_mutex_lock(&showing);
  if (atomic_load(&block->n_writers) > 0 || (atomic_fetch_and(&block->changes, ~changed) & changed))
    atomic_fetch_add(&block->version, 1);
  pthread_mutex_unlock(&showing);
}

void moons__shared_list_show(const moons__shared_list *list, size_t least_bytes) {
  for (unsigned i = 0; list != NULL && i < list->n; i++) {
    moons__shared *block = list->blocks[i];
    count_version(block);
    if (block->n_bytes >= least_bytes || atomic_load(&block->file) != NULL)
      moons__shared_show(block);
  }
}

int moons__shared_descriptor(moons__shared *block) {
  const moons__shared_file *file = atomic_load(&block->file);
  return file != NULL ? file->descriptor : -1;
}

void moons__shared_fetch(moons__shared *block, size_t at, size_t n_bytes) {
  const moons__shared_file *file = atomic_load(&block->file);
  if (file->map != block->bytes) memcpy(block->bytes + at, file->map + at, n_bytes);
}

moons__shared *moons__shared_map(const void *beside, int descriptor, size_t n_bytes, uint64_t id) {
  moons__shared_file *file = moons__allocate_zeros(beside, sizeof *file);
  char *map = file != NULL ? map_file(descriptor, n_bytes, NULL) : NULL;
  moons__shared *block = map != NULL ? moons__shared_of(beside, map, n_bytes, id) : NULL;
  close(descriptor);
  if (block != NULL) {
    *file = (moons__shared_file){.descriptor = -1, .map = map, .n_bytes = n_bytes};
    block->close_file = close_file;
    atomic_store(&block->file, file);
    return block;
  }
  if (map != NULL) munmap(map, n_bytes);
  moons__free(file);
  return NULL;
}
