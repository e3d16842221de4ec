#!/bin/sh
# Who may know what: prints each breach as file:line, and the rule that it breaks.
#
# The rules are the table below; file names are shell patterns, under runtime/.
#   only HEADERS : FILES     no other file may include any of HEADERS
#   never FILES : HEADERS    these files get none of HEADERS, not through another header either
#   both HEADERS :           no file gets all of HEADERS, not through another header either
#   just FILES : HEADERS     of the project's, libuv's and Lua's headers these include no others
#   calls FILES : WORDS      these words stand in no other files' code
#
# Not for any file: what is not safe in several threads. For main.c alone: what a library leaves to
# its program.
set -eu
cd "$(dirname "$0")/../runtime"

rules='
only uv.h : backend_*.c park.[ch] thread.[ch] deadline.c waiter.c queue.c runtime.c console.c
only lua.h lauxlib.h lualib.h : program.[ch] original.[ch] numbers.[ch] arena.[ch] image.[ch] wire*.[ch] raise.h capture.[ch] worker.[ch] stop.[ch] names.[ch] batch.[ch] sandbox.[ch] install.[ch] print.[ch] load.[ch] coroutines.[ch] stdlib.[ch] call.[ch] report.[ch] session.[ch] setup.[ch] places.[ch] pristine.[ch] traceback.[ch] binding*.[ch] prompt.[ch] main.c
both uv.h lua.h :
never job.[ch] chunk.[ch] moons.h limits.h console.h : uv.h lua.h lauxlib.h lualib.h
just backend_*.c : backend.h work.h worker.h park.h spin.h thread.h fork.h deadline.h machine.h limits.h moons.h uv.h
just prompt.[ch] : prompt.h keyboard.h lua.h lauxlib.h
just binding*.[ch] main.c : moons.h crash.h prompt.h keyboard.h traceback.h runtime.h program.h child.h binding_state.h binding_job.h console.h queue.h raise.h pristine.h wire.h setup.h failure.h names.h batch.h lua_sources.h numbers.h limits.h chunk.h buffer.h machine.h lua.h lauxlib.h lualib.h
calls main.c : exit _exit quick_exit abort getenv secure_getenv setenv putenv
calls main.c crash.c interrupt.c : sigaction
calls : strerror strtok localtime gmtime asctime ctime rand srand setlocale
calls main.c prompt.c keyboard.c print.c console.c program.c : printf vprintf puts putchar perror stdout stderr
'

breaches=0

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

printf '%s\n' "$rules" | awk '
# A shell pattern as a regular expression.
function regex(pattern) {
  gsub(/\./, "\\.", pattern)
  gsub(/\*/, ".*", pattern)
  return "^" pattern "$"
}

# Is name one of the patterns in list?
function among(name, list,    words, n, i) {
  n = split(list, words, " ")
  for (i = 1; i <= n; i++) if (name ~ regex(words[i])) return 1
  return 0
}

function breach(file, line, text) {
  printf "runtime/%s:%d: %s\n", file, line, text
  n_breaches++
}

# Everything that file gets by including, in gets[file, header] = the line that brings it.
function close_over(file, top, line,    i) {
  for (i = 1; i <= n_includes[file]; i++) {
    if (top == file) line = line_of[file, i]
    if ((top, header_of[file, i]) in gets) continue
    gets[top, header_of[file, i]] = line
    close_over(header_of[file, i], top, line)
  }
}

function read_file(file,    text, line, in_comment) {
  line = 0
  in_comment = 0
  while ((getline text < file) > 0) {
    line++
    if (text ~ /^[ \t]*#[ \t]*include[ \t]*[<"]/) {
      split(text, part, /[<">]/)
      # <limits.h> is not our "limits.h".
      if (text ~ /</ && part[2] !~ /^(uv|lua|lauxlib|lualib)\.h$/) continue
      n_includes[file]++
      header_of[file, n_includes[file]] = part[2]
      line_of[file, n_includes[file]] = line
      continue
    }
    gsub(/"([^"\\]|\\.)*"/, "\"\"", text)
    if (in_comment && !sub(/^.*\*\//, "", text)) continue
    in_comment = 0
    sub(/\/\/.*/, "", text)
    gsub(/\/\*[^*]*\*\//, "", text)
    if (sub(/\/\*.*/, "", text)) in_comment = 1
    while (match(text, /[A-Za-z_][A-Za-z_0-9]*/)) {
      word_lines[file, substr(text, RSTART, RLENGTH)] = word_lines[file, substr(text, RSTART, RLENGTH)] " " line
      text = substr(text, RSTART + RLENGTH)
    }
  }
  close(file)
}

function check_only(headers, files,    f, i, h) {
  for (f = 1; f < ARGC; f++) {
    if (among(ARGV[f], files)) continue
    for (i = 1; i <= n_includes[ARGV[f]]; i++) {
      h = header_of[ARGV[f], i]
      if (among(h, headers)) breach(ARGV[f], line_of[ARGV[f], i], "may not include " h)
    }
  }
}

function check_never(files, headers,    f, h, words, n) {
  n = split(headers, words, " ")
  for (f = 1; f < ARGC; f++)
    if (among(ARGV[f], files))
      for (h = 1; h <= n; h++)
        if ((ARGV[f], words[h]) in gets)
          breach(ARGV[f], gets[ARGV[f], words[h]], "gets " words[h] " by this include, and may not know it")
}

function check_both(headers,    f, words) {
  split(headers, words, " ")
  for (f = 1; f < ARGC; f++)
    if ((ARGV[f], words[1]) in gets && (ARGV[f], words[2]) in gets)
      breach(ARGV[f], gets[ARGV[f], words[2]], "gets both " words[1] " and " words[2])
}

function check_just(files, headers,    f, i, h) {
  for (f = 1; f < ARGC; f++) {
    if (!among(ARGV[f], files)) continue
    for (i = 1; i <= n_includes[ARGV[f]]; i++) {
      h = header_of[ARGV[f], i]
      if (!among(h, headers))
        breach(ARGV[f], line_of[ARGV[f], i], "may not include " h "; only " headers)
    }
  }
}

function check_calls(files, list,    f, w, words, n, lines, i, m) {
  n = split(list, words, " ")
  for (f = 1; f < ARGC; f++) {
    if (among(ARGV[f], files)) continue
    for (w = 1; w <= n; w++) {
      m = split(word_lines[ARGV[f], words[w]], lines, " ")
      for (i = 1; i <= m; i++)
        breach(ARGV[f], lines[i], "may not use " words[w] (files == "" ? "" : ", which is for " files))
    }
  }
}

BEGIN {
  for (f = 1; f < ARGC; f++) sub(/^\.\//, "", ARGV[f])
  for (f = 1; f < ARGC; f++) read_file(ARGV[f])
  for (f = 1; f < ARGC; f++) close_over(ARGV[f], ARGV[f], 0)
  while ((getline rule < "-") > 0) {
    if (rule !~ /:/) continue
    verb = rule; sub(/ .*/, "", verb)
    left = rule; sub(/^[a-z]+ +/, "", left); sub(/ *:.*/, "", left)
    right = rule; sub(/^[^:]*: */, "", right)
    if (verb == "only") check_only(left, right)
    else if (verb == "never") check_never(left, right)
    else if (verb == "both") check_both(left)
    else if (verb == "just") check_just(left, right)
    else if (verb == "calls") check_calls(left, right)
    else { print "layers.sh: no such rule: " rule; n_breaches++ }
  }
  exit n_breaches > 0
}
' ./*.c ./*.h || breaches=1

exit $breaches
