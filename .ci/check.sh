#!/bin/sh
# Runs every check of the project. The last line counts them: a spec is one, any other step is one.
set -u
cd "$(dirname "$0")/.." || exit 1

n_passed=0
n_failed=0
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
spec_jobs=$((jobs + 1)) # specs wait for a third of their time
log=$(mktemp)
fixed_addresses=
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM

# A make that calls us would hand its own flags and variables down to every step.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

# limited SECONDS COMMAND...: a step that hangs is a step that failed. Limits are three times what a step takes on two
# busy cores, or more: they guard against nothing else.
if command -v timeout >/dev/null; then
  limited() { timeout -k 10 "$@"; }
else
  limited() { shift; "$@"; }
fi

# attempt SECONDS COMMAND...: runs it into $log; sets status and took.
attempt() {
  began=$(date +%s)
  limited "$@" >"$log" 2>&1 </dev/null
  status=$?
  took=$(($(date +%s) - began))
  [ "$status" -ne 124 ] || echo "stopped: it ran for more than $1 s" >>"$log"
}

pass() {
  n_passed=$((n_passed + 1))
  echo "   ok, $took s"
}

fail() {
  n_failed=$((n_failed + 1))
  cat "$log"
  echo "   FAILED after $took s"
}

# step NAME SECONDS COMMAND...
step() {
  echo "== $1"
  shift
  attempt "$@"
  if [ "$status" -eq 0 ]; then pass; else fail; fi
}

# tally: the counts of the specs in $log (TAP). A run that ends before its plan (1..N) has crashed.
tally() {
  n_skip=$(grep -c '^ok [0-9]* - # SKIP' "$log")
  n_ok=$(($(grep -c '^ok [0-9]' "$log") - n_skip))
  n_not_ok=$(grep -c '^not ok [0-9]' "$log")
  if ! grep -q '^1\.\.[0-9]' "$log" || [ "$((n_ok + n_not_ok))" -eq 0 ] ||
    { [ "$status" -ne 0 ] && [ "$n_not_ok" -eq 0 ]; }; then
    n_not_ok=$((n_not_ok + 1))
    echo "the run of the specs ended early, or ran none (status $status)" >>"$log"
  fi
}

# slowest: the files of the specs in $log that took longest, with their seconds.
slowest() {
  sed -n 's|^# spec/\(.*\)_spec\.lua: [0-9]*, \([0-9]*\) s$|\2 \1|p' "$log" | sort -rn | head -n 4 | tr '\n' ',' |
    sed 's/,$//; s/,/, /g'
}

# specs NAME SECONDS MAKE-ARGUMENTS...: each spec counts.
specs() {
  echo "== $1"
  limit=$2
  shift 2
  attempt "$limit" make -s -j "$jobs" spec JOBS="$spec_jobs" "$@"
  tally
  n_passed=$((n_passed + n_ok))
  n_failed=$((n_failed + n_not_ok))
  [ "$n_not_ok" -eq 0 ] || sed '/^ok [0-9]/d' "$log"
  echo "   $n_ok ok, $n_not_ok failed, $n_skip skipped, $took s ($(slowest))"
}

# specs_again NAME SECONDS REPORTS MAKE-ARGUMENTS...: the specs against another build, one check.
# A sanitizer writes what it finds to REPORTS.<pid>: a spec that expects a failure cannot hide it.
specs_again() {
  echo "== $1"
  limit=$2
  reports=$3
  shift 3
  rm -f "$reports".*
  # shellcheck disable=SC2086  # none, or a command and its option
  attempt "$limit" $fixed_addresses make -s -j "$jobs" spec JOBS="$spec_jobs" "$@"
  tally
  set -- "$reports".*
  echo "   $n_ok ok, $n_not_ok failed, $n_skip skipped ($(slowest))"
  if [ "$n_not_ok" -eq 0 ] && [ ! -e "$1" ]; then
    pass
  else
    [ ! -e "$1" ] || cat "$@" >>"$log"
    sed '/^ok [0-9]/d' "$log" >"$log.short"
    mv "$log.short" "$log"
    fail
  fi
}

step "build with $(cc --version | head -n 1), warnings are errors" 600 make -j "$jobs"
step "build with $(clang --version | head -n 1), warnings are errors" 600 make -j "$jobs" CC=clang
step 'layers: who may include what' 200 make layers
step 'luacheck' 200 make luacheck
step 'clang-format' 200 make format-check
step 'clang-tidy' 1200 make -k -j "$jobs" tidy
step 'cppcheck' 600 make cppcheck
step 'instructions of the hot paths, against those accepted' 600 make instructions
specs 'specs' 1800 ARGS='-o TAP'
# The twins are of pages, machines and programs: what travels, errors, progress and the command's texts know none.
specs_again 'specs, built without what only one system has' 1800 build/portable/report PORTABLE=1 \
  ARGS='-o TAP --exclude-tags=linux spec/c spec/embed spec/limits spec/map spec/pool spec/regression spec/state'

# What threads do, on worker processes.
specs_again 'specs of threads, on worker processes' 1800 build/report BACKEND=processes \
  ARGS='-o TAP -t threads --exclude-tags=here'

# The same over two agents, as on two hosts.
specs_again 'specs of threads, on two hosts' 1800 build/report BACKEND=hosts \
  ARGS='-o TAP -t threads --exclude-tags=here'

# Proofs at once, and states compared with their images: of the specs that do much in calls.
specs_again 'specs with proofs checked against images' 2400 build/images/report IMAGES=1 \
  ARGS='-o TAP --exclude-tags=large spec/state spec/map spec/wire spec/regression'

# Older sanitizers want their shadow where a kernel with much address randomness may put code.
if setarch -R true 2>/dev/null; then fixed_addresses='setarch -R'; fi

ASAN_OPTIONS="log_path=$PWD/build/asan/report:allocator_may_return_null=1"
UBSAN_OPTIONS="log_path=$PWD/build/asan/report:print_stacktrace=1"
TSAN_OPTIONS="log_path=$PWD/build/tsan/report:halt_on_error=1:second_deadlock_stack=1"
case $(uname -s) in Linux) ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=1 ;; esac
export ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS
specs_again 'specs, address and undefined behaviour sanitizers' 2400 build/asan/report \
  SANITIZE=address,undefined ARGS='-o TAP --exclude-tags=unsanitized'
specs_again 'specs of threads, thread sanitizer' 2400 build/tsan/report \
  SANITIZE=thread ARGS='-o TAP -t threads --exclude-tags=unsanitized'

echo "$n_passed passed, $n_failed failed"
[ "$n_failed" -eq 0 ]
