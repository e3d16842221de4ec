#!/bin/sh
# deps.sh [peers FOLDER]: installs gnuplot; with `peers`, also the libraries that Moons is compared with,
# of which Node's goes into FOLDER. Says what cannot be had; that is left out of the measurements, and
# never a failure. Says nothing, and takes a moment, when all is there.
set -u

for_what=${1:-charts}
folder=${2:-}

has_luv() {
  for lua in lua5.4 lua-5.4 lua54 lua; do
    "$lua" -e 'assert(_VERSION == "Lua 5.4") require "luv"' 2>/dev/null && return
  done
  return 1
}

has_python() {  # a module of it
  for python in /usr/bin/python3 python3; do
    "$python" -c "import $1" 2>/dev/null && return
  done
  return 1
}

missing() {
  command -v gnuplot >/dev/null || echo gnuplot
  [ "$for_what" = peers ] || return
  has_python multiprocessing || echo python3
  has_python joblib || echo joblib
  command -v node >/dev/null || echo node
  command -v npm >/dev/null || echo npm
  has_luv || echo luv
  command -v Rscript >/dev/null || echo R
}

# package MANAGER THING: what it is called there.
package() {
  case $1:$2 in
  apt-get:gnuplot) echo gnuplot-nox ;;
  apt-get:joblib | dnf:joblib) echo python3-joblib ;;
  pacman:joblib) echo python-joblib ;;
  apk:joblib) echo py3-joblib ;;
  apt-get:node | dnf:node | pacman:node | apk:node) echo nodejs ;;
  dnf:npm) echo nodejs-npm ;;
  apt-get:luv | dnf:luv | pacman:luv) echo lua-luv ;;
  apk:luv) echo lua5.4-luv ;;
  pacman:python3) echo python ;;
  apt-get:R) echo r-base-core ;;
  dnf:R) echo R-core ;;
  pacman:R | brew:R) echo r ;;
  *) echo "$2" ;;
  esac
}

install_with() {
  manager=$1
  package=$2
  case $manager in
  apt-get)
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      -o DPkg::Lock::Timeout=300 "$package"
    ;;
  dnf) $as_root dnf install -y "$package" ;;
  pacman) $as_root pacman -S --needed --noconfirm "$package" ;;
  apk) $as_root apk add "$package" ;;
  brew) brew install "$package" ;;
  esac
}

install_missing() {
  for manager in apt-get dnf pacman apk brew; do
    command -v "$manager" >/dev/null || continue
    [ "$manager" != apt-get ] || $as_root apt-get update -qq
    # One by one: what cannot be had must not keep the others away.
    for thing in $wanted; do
      name=$(package "$manager" "$thing")
      echo "Installing $name with $manager"
      install_with "$manager" "$name" </dev/null >"$log" 2>&1 || tail -n 3 "$log"
    done
    return
  done
}

as_root=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null && as_root=sudo
  [ -t 0 ] || as_root=${as_root:+sudo -n}  # nobody there to ask for a password
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

wanted=$(missing)
[ -z "$wanted" ] || install_missing

if [ "$for_what" = peers ] && command -v npm >/dev/null && ! [ -d "$folder/node_modules/piscina" ]; then
  echo 'Installing piscina with npm'
  mkdir -p "$folder"
  npm install --prefix "$folder" --no-audit --no-fund --silent piscina@5 </dev/null >"$log" 2>&1 ||
    { tail -n 3 "$log"; echo 'Could not be installed, and is left out: piscina'; }
fi

left=$(missing | paste -s -d, - | sed 's/,/, /g')
[ -z "$left" ] || echo "Could not be installed, and is left out: $left"
exit 0
