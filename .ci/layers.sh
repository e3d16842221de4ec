#!/bin/sh
# layers.sh [ROOT [OBJECTS]]: who may know what. Prints each breach as file:line, and the rule that it breaks.
#
# A file includes its own floor and those below it, moons.h and sizes.h, and no circle of files comes of that. Floors
# with threads do not know Lua, and those with Lua not libuv. What the objects call is asked of them: what leaves the
# library to its program, or is not safe in several threads.
set -eu
root=$(cd "${1:-$(dirname "$0")/..}" && pwd)
objects=${2:-$root/build/obj}
case $objects in /*) ;; *) objects=$PWD/$objects ;; esac
cd "$root/runtime"

# From the lowest to the highest.
floors='base system state wire worker backend schedule module host store command'
with_threads='system backend schedule'
with_lua='state wire worker module host store command'

# Values are trees: what encodes one calls itself. Its files are one room.
room_of_many='wire/encode'

# files : symbols that no others may call.
callers='
command/ : exit _exit quick_exit abort getenv secure_getenv setenv putenv
command/ worker/interrupt : sigaction
base/allocate system/blocks command/ : malloc calloc realloc strdup strndup aligned_alloc posix_memalign
command/ worker/print worker/program system/console : printf vprintf puts putchar perror stdout stderr
nobody : strerror strtok localtime gmtime asctime ctime rand srand
'

files=$(find . -name '*.[ch]' | sed 's|^\./||' | sort)
found=$(mktemp)
trap 'rm -f "$found"' EXIT

# Prints each breach, and for each include from one room to another "circle FROM TO".
# shellcheck disable=SC2086  # lists
awk -v floors="$floors" -v with_threads="$with_threads" -v with_lua="$with_lua" -v many="$room_of_many" '
function floor_of(path) { return index(path, "/") ? substr(path, 1, index(path, "/") - 1) : "" }
function room_of(path) {
  sub(/\.[ch]$/, "", path)
  return index(path, many) == 1 ? many : path
}
function has(list, word) { return index(" " list " ", " " word " ") > 0 }
function breach(text) { printf "runtime/%s:%d: %s\n", FILENAME, FNR, text }
function check_own(header, floor, other) {
  other = floor_of(header)
  if (other == "") {
    if (header != "moons.h" && header != "sizes.h") breach("no such header: \"" header "\"; begin with its floor")
  } else if (!(other in height)) {
    breach("no such floor: " other)
  } else if (floor != "" && height[other] > height[floor]) {
    breach(floor " may not include " other ", which is above it")
  } else if (floor == "") {
    breach("it may include no floor")
  }
  if (other != "" && room_of(header) != room_of(FILENAME)) print "circle", room_of(FILENAME), room_of(header)
}
BEGIN { n = split(floors, names, " "); for (i = 1; i <= n; i++) height[names[i]] = i }
/^[ \t]*#[ \t]*include[ \t]*"/ { split($0, part, "\""); check_own(part[2], floor_of(FILENAME)) }
/^[ \t]*#[ \t]*include[ \t]*</ {
  split($0, part, /[<>]/)
  if (part[2] == "uv.h" && !has(with_threads, floor_of(FILENAME))) breach("only " with_threads " may include uv.h")
  if (part[2] ~ /^(lua|lauxlib|lualib)\.h$/ && !has(with_lua, floor_of(FILENAME)))
    breach("only " with_lua " may include " part[2])
  if (part[2] == "sqlite3.h" && floor_of(FILENAME) != "store") breach("only store may include sqlite3.h")
}' $files >"$found"

breaches=0
if grep -v '^circle ' "$found"; then breaches=1; fi
if ! circle=$(sed -n 's/^circle //p' "$found" | tsort 2>&1 >/dev/null); then
  printf '%s\n' "$circle" '  -- these files include each other in a circle'
  breaches=1
fi

# The symbols that each object wants, as "FILE SYMBOL": one call of nm, for it takes longest.
called=$(mktemp)
trap 'rm -f "$found" "$called"' EXIT
if [ -d "$objects" ]; then
  (cd "$objects" && find . -name '*.o' -exec nm -A -u {} + 2>/dev/null) |
    sed 's|^\./||; s|\.o:.* |.c |; s|@.*||; s| _\{0,2\}\([a-z]*\)_chk$| \1|' | sort -u >"$called"
fi

# breaches_of PATTERN SYMBOL...: the places where files whose path does not match call them.
breaches_of() {
  allowed=$1
  shift
  for name; do
    sed -n "s/ $name\$//p" "$called" | grep -vE "$allowed" | while read -r file; do
      [ -f "$file" ] || continue # made, or of a file that is gone
      grep -nw "$name" "$file" | sed "s|^\([0-9]*\):.*|runtime/$file:\1: may not use $name|" | head -n 1
    done
  done
}

printf '%s\n' "$callers" | while IFS=: read -r who symbols; do
  [ -n "$symbols" ] || continue
  # shellcheck disable=SC2086
  breaches_of "^($(echo $who | tr ' ' '|'))" $symbols
done >"$found"
if [ -s "$found" ]; then
  cat "$found"
  breaches=1
fi

# Deleting progress.lua breaks nothing else: one place names it, and requires it when it is used.
named=$(grep -n 'parallel\.progress["'\'']' ../lua/parallel/*.lua | sed 's|^\.\./||' || true)
if printf '%s\n' "$named" | grep ':[0-9]*:local '; then
  echo '  -- progress is to be required where it is used'
  breaches=1
fi
if [ "$(printf '%s\n' "$named" | grep -c .)" -gt 1 ]; then
  printf '%s\n' "$named" '  -- one place may name progress'
  breaches=1
fi

exit $breaches
