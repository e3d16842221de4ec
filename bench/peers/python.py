"""Runs the work of run.lua on multiprocessing.Pool: `python3 python.py WORKERS`."""

import multiprocessing

import common


class Pool:
    name = common.python_version() + ", multiprocessing.Pool"

    def open(self):
        self.pool = multiprocessing.Pool(common.N_WORKERS)
        self.pool.map(common.nothing, range(common.N_WORKERS), 1)

    def map(self, f, xs):
        return self.pool.map(f, xs)

    def apply(self, f):
        return self.pool.apply(f)

    def pids(self):
        return [child.pid for child in multiprocessing.active_children()]


if __name__ == "__main__":
    common.serve(Pool())
