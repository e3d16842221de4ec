#!/bin/sh
# embed.sh ROOT FILE...: prints Lua files as C arrays, for base/lua_sources.h.
# The module of ROOT/parallel/init.lua is "parallel", that of ROOT/parallel/x.lua is "parallel.x".
set -eu

root=$1
shift

module_of() {
  path=${1#"$root"/}
  path=${path%.lua}
  path=${path%/init}
  printf '%s\n' "$path" | tr / .
}

echo '#include "base/lua_sources.h"'
n=0
for file; do
  n=$((n + 1))
  printf '\nstatic const unsigned char source_%d[] = {\n' "$n"
  od -An -v -tx1 "$file" | sed 's/[[:space:]]*\([0-9a-f][0-9a-f]\)/0x\1,/g'
  echo '0x00};'  # an empty file is no empty array
done

printf '\nconst moons__lua_source moons__lua_sources[] = {\n'
n=0
for file; do
  n=$((n + 1))
  printf '  {"%s", source_%d, sizeof source_%d - 1},\n' "$(module_of "$file")" "$n" "$n"
done
echo '  {NULL, NULL, 0}};'
