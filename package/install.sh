#!/bin/sh
# install.sh MODE:FILE:PATH DESTDIR: copies a file to its path under DESTDIR, whose folders it makes.
set -eu
mode=${1%%:*} rest=${1#*:}
to=$2${rest#*:}
mkdir -p "${to%/*}"
# A file of its own: one that runs, or is loaded, keeps what it was.
rm -f "$to"
cp "${rest%%:*}" "$to"
chmod "$mode" "$to"
