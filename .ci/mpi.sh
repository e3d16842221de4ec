#!/bin/sh
# mpi.sh MAKE BUILD: the specs of the backend mpi under Open MPI and under MPICH, both with the same command and each with a plugin of its own;
# and what threads do, on ranks. Needs both, as Debian installs them, or Fedora.
set -u
make=$1
build=$2
status=0

# path_of PROGRAM MPI: where this one has it.
path_of() {
  command -v "$1.$2" || { [ -x "/usr/lib64/$2/bin/$1" ] && echo "/usr/lib64/$2/bin/$1"; }
}

# specs MPI ARGUMENTS...
specs() {
  mpi=$1
  shift
  "$make" --no-print-directory spec MPICC="$mpicc" MPIRUN="$mpirun" MPI_SO="$build/mpi/$mpi/moons_mpi.so" "$@" || status=1
}

for mpi in openmpi mpich; do
  if ! mpicc=$(path_of mpicc $mpi) || ! mpirun=$(path_of mpirun $mpi); then
    echo "mpi.sh: there is no $mpi; on Debian: apt-get install openmpi-bin libopenmpi-dev mpich libmpich-dev" >&2
    status=1
    continue
  fi
  echo "== specs of the backend mpi, under $mpi"
  specs "$mpi" ARGS=spec/mpi
  echo "== specs of threads, on ranks of $mpi"
  specs "$mpi" BACKEND=mpi ARGS='-t threads --exclude-tags=here'
done
exit $status
