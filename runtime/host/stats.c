/*
** What a runtime, or one of its programs, has done: in a struct that may be older or newer than the library.
*/
#include "base/sized.h"
#include "host/program.h"
#include "schedule/counts.h"

static int check(const moons_runtime *runtime, const moons_program *program,
                 const moons_stats *stats, size_t struct_bytes) {
  if (runtime == NULL || stats == NULL || !moons__sized_can_be(struct_bytes)) return MOONS_EINVAL;
  if (program != NULL && program->runtime != runtime) return MOONS_EINVAL;
  return moons__runtime_is_forked(runtime) ? MOONS_EFORKED : 0;
}

int moons_stats_sized(moons_runtime *runtime, moons_program *program, moons_stats *stats,
                      size_t struct_bytes) {
  moons_stats own;
  int error = check(runtime, program, stats, struct_bytes);
  if (error) return error;
  if (program != NULL)
    moons__line_stats(program->line, &own);
  else
    moons__runtime_stats(runtime, &own);
  moons__sized_fill(stats, struct_bytes, &own, sizeof own);
  return 0;
}
