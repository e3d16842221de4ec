#!/bin/sh
# deps.sh [build]: installs what is missing of the things that building (and checking) Moons needs.
# Says nothing, and takes a moment, when all is there.
# shellcheck disable=SC2046,SC2086  # lists of package names are meant to be split
set -u

lua54() {
  for lua in lua5.4 lua-5.4 lua54 lua; do
    "$lua" -e 'assert(_VERSION == "Lua 5.4")' 2>/dev/null && echo "$lua" && return
  done
}

known() {  # is one of these pkg-config modules there?
  for name; do pkg-config --exists "$name" 2>/dev/null && return; done
  return 1
}

missing_to_build() {
  command -v cc >/dev/null || echo 'a C compiler'
  command -v make >/dev/null || echo make
  command -v pkg-config >/dev/null || echo pkg-config
  known 'lua5.4 >= 5.4 lua5.4 < 5.5' 'lua-5.4 >= 5.4 lua-5.4 < 5.5' 'lua54 >= 5.4 lua54 < 5.5' \
    'lua >= 5.4 lua < 5.5' || echo 'Lua 5.4 and its headers'
  known 'libuv >= 1.34' || echo 'libuv and its headers'
}

missing_to_check() {
  known 'sqlite3 >= 3.24' || echo 'SQLite and its headers'
  for tool in gcc clang clang-format clang-tidy cppcheck luacheck gnuplot; do
    command -v "$tool" >/dev/null || echo "$tool"
  done
  if [ "$(uname -s)" = Linux ]; then command -v valgrind >/dev/null || echo valgrind; fi
  lua=$(lua54)
  if [ -z "$lua" ]; then
    echo 'the command of Lua 5.4'
    return
  fi
  "$lua" -e '
    for _, name in ipairs { "busted", "lpeg", "lfs", "cjson", "pl.data" } do
      if not package.searchpath(name, package.path .. ";" .. package.cpath) then
        print("the module " .. name .. " for Lua 5.4")
      end
    end'
}

has_mpi() {
  { command -v mpicc && command -v mpirun; } >/dev/null || [ -x /usr/lib64/openmpi/bin/mpicc ]
}

missing() {
  missing_to_build
  [ "$for_what" = build ] || missing_to_check
}

# What each package manager calls them: to build; to check.
packages() {
  case $1 in
  apt-get)
    echo gcc libc6-dev make pkg-config lua5.4 liblua5.4-dev libuv1-dev
    check='clang libclang-rt-dev clang-format clang-tidy cppcheck valgrind libsqlite3-dev gnuplot-nox lua-busted lua-check lua-lpeg lua-filesystem lua-cjson lua-penlight libcjson-dev libhttp-parser-dev'
    ;;
  dnf)
    echo gcc make pkgconf-pkg-config lua lua-devel lua-static libuv-devel
    check='clang clang-tools-extra libasan-static libubsan-static libtsan cppcheck valgrind sqlite-devel gnuplot lua-lpeg lua-filesystem luarocks cjson-devel http-parser-devel'
    ;;
  pacman)
    echo gcc make pkgconf lua54 libuv
    check='clang cppcheck valgrind sqlite gnuplot luarocks'
    ;;
  apk)
    echo gcc musl-dev make pkgconf lua5.4 lua5.4-dev libuv-dev
    check='clang clang-extra-tools cppcheck valgrind sqlite-dev gnuplot lua5.4-lpeg lua5.4-filesystem lua5.4-cjson luarocks5.4'
    ;;
  brew)
    echo pkgconf lua@5.4 libuv
    check='llvm cppcheck sqlite gnuplot luarocks'
    ;;
  esac
  [ "$for_what" = build ] || echo "$check"
}

# Open MPI, which checks can do without.
mpi_packages() {
  case $1 in
  apt-get) echo openmpi-bin libopenmpi-dev ;;
  dnf) echo openmpi openmpi-devel ;;
  pacman) echo openmpi ;;
  apk) echo openmpi openmpi-dev ;;
  brew) echo open-mpi ;;
  esac
}

# install MANAGER NAME...
install() {
  manager=$1
  shift
  case $manager in
  apt-get)
    $as_root apt-get update -qq
    # A package that this release does not have must not keep the others away.
    names=$(for name; do
      apt-cache show "$name" >/dev/null 2>&1 && echo "$name"
    done)
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 $names
    ;;
  dnf) $as_root dnf install -y --skip-unavailable "$@" ;;
  pacman) $as_root pacman -S --needed --noconfirm "$@" ;;
  apk) $as_root apk add "$@" ;;
  brew) brew install "$@" ;;
  esac
}

install_with() {
  install "$1" $(packages "$1")

  # Systems without packages of the test runner and its kin.
  rocks=$(command -v luarocks-5.4 || command -v luarocks) || return
  [ "$for_what" = build ] && return
  for rock in busted:busted luacheck:luacheck lpeg:lpeg luafilesystem:lfs lua-cjson:cjson penlight:pl.data; do
    missing_to_check | grep -qw "${rock#*:}" && $as_root "$rocks" --lua-version 5.4 install "${rock%:*}"
  done
}

for_what=${1:-all}
as_root=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null && as_root=sudo
  [ -t 0 ] || as_root=${as_root:+sudo -n}  # nobody there to ask for a password
fi

manager=$(for name in apt-get dnf pacman apk brew; do
  command -v "$name" >/dev/null && echo "$name" && break
done)
if [ "$manager" = brew ]; then as_root=; fi

wanted=$(missing)
if [ -n "$wanted" ]; then
  echo "Missing: $(echo "$wanted" | paste -s -d, - | sed 's/,/, /g')"
  if [ -n "$manager" ]; then
    echo "Installing with $manager"
    install_with "$manager" </dev/null
  fi
fi
if [ "$for_what" != build ] && ! has_mpi; then
  [ -z "$manager" ] || install "$manager" $(mpi_packages "$manager") </dev/null
  has_mpi || echo 'Open MPI is not to be had here: the specs of the backend mpi are pending' >&2
fi

wanted=$(missing)
[ -n "$wanted" ] || exit 0
{
  echo 'Still missing:'
  echo "$wanted" | sed 's/^/  /'
  echo 'Please install these and try again. On Debian, as root:'
  echo "  apt-get install $(packages apt-get | paste -s -d' ' -)"
} >&2
exit 1
