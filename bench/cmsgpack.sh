#!/bin/sh
# cmsgpack.sh FILE: writes the source of lua-cmsgpack there. Distributions do not package it for Lua
# 5.4; Debian's source of redis contains it, and apt-get brings that. Nothing is installed.
set -u

case $1 in /*) file=$1 ;; *) file=$PWD/$1 ;; esac
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

give_up() {
  echo "lua-cmsgpack: $1; its rows are left out" >&2
  exit 1
}

command -v apt-get >/dev/null || give_up 'its source comes with apt-get only'
mkdir -p "$folder/lists/partial"
# The sources are where the packages come from.
# shellcheck disable=SC2016  # apt-get fills these in
apt-get indextargets --format 'deb-src $(REPO_URI) $(RELEASE) main' \
  'Created-By: Packages' 'Origin: Debian' 'Component: main' >"$folder/sources.list"
apt() {
  apt-get -qq -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=- \
    -o Dir::State::Lists="$folder/lists" -o APT::Sandbox::User="$(id -un)" "$@" >/dev/null 2>&1
}
cd "$folder" || exit 1
{ apt update && apt source --download-only redis; } || give_up 'apt-get cannot download the source of redis'
tar -xzf redis_*.orig.tar.gz --wildcards '*/lua_cmsgpack.c' || give_up 'it is not in the source of redis'
mv redis-*/deps/lua/src/lua_cmsgpack.c "$file"
