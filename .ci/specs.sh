#!/bin/sh
# specs.sh [WORD...]: runs specs, each file in a process of its own, $JOBS of them at a time (default: one for
# each processor). Words are files and folders in spec/ (default: all), and busted's options -o TAP, -t, -v and those
# that choose by tag or name. Prints TAP where that is asked for; else a line for each file, with what failed in it,
# and a count. A file whose process crashes, or takes more than $FILE_LIMIT seconds, is one failure more. One file,
# one job, and other options are for one process of busted, whose output is its own.
# `make spec` sets what specs find in their environment.
set -u

run_busted() { build/moons .ci/busted.lua "$@"; }

# Called by xargs, for the file that is the last word: runs it into a file in $RESULTS, and prints that file's name,
# the status, how many seconds it took, and what it ran. A line that short comes whole, whoever else writes.
if [ -n "${RESULTS-}" ]; then
  for file; do :; done
  result=$(mktemp "$RESULTS/XXXXXX")
  began=$(date +%s)
  if timeout --foreground 9 true 2>/dev/null; then # in one process group, so that Ctrl-C reaches all
    run_busted() { timeout --foreground -k 10 "$FILE_LIMIT" build/moons .ci/busted.lua "$@"; }
  fi
  run_busted "$@" >"$result" 2>&1 </dev/null
  echo "$result $? $(($(date +%s) - began)) $file"
  exit 0
fi

: "${JOBS:=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}" "${FILE_LIMIT:=900}"

# What the words say, without changing them: they are for busted too, as they are.
is_tap=0
is_alone=
roots=
option=
for word; do
  case $option$word in
    -o | -t) option=$word; continue ;;
    -oTAP) is_tap=1 ;;
    -t* | --tags=* | --exclude-tags=* | --filter=* | --filter-out=* | -v) ;;
    spec | spec/*) roots="$roots $word" && [ -e "$word" ] || is_alone=yes ;;
    *) is_alone=yes ;;
  esac
  option=
done

# shellcheck disable=SC2086  # names of specs have no spaces
files=$(find ${roots:-spec} -name '*_spec.lua' | sort -u | xargs ls -S)
case $is_alone$files in
  *'
'*) ;;
  *) is_alone=yes ;;
esac
if [ "$JOBS" -le 1 ] || [ -n "$is_alone" ]; then
  run_busted "$@"
  exit
fi

# From now on the words are options alone, with TAP for all.
n_words=$#
for word; do
  case $word in spec | spec/*) ;; *) set -- "$@" "$word" ;; esac
done
shift "$n_words"
[ "$is_tap" -eq 1 ] || set -- "$@" -o TAP

RESULTS=$(mktemp -d)
trap 'rm -rf "$RESULTS"' EXIT
trap 'exit 130' INT TERM
export RESULTS FILE_LIMIT

form=short
[ "$is_tap" -eq 0 ] || form=TAP
echo "$files" | xargs -P "$JOBS" -n 1 sh "$0" "$@" | build/moons .ci/tap.lua "$(echo "$files" | wc -l)" "$form"
