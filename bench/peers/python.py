"""Runs the work of run.lua on a library: `python3 python.py WORKERS LIBRARY`, which is multiprocessing or joblib."""

import multiprocessing
import sys

import common


class Multiprocessing:
    name = common.python_version() + ", multiprocessing.Pool"

    def open(self):
        self.pool = multiprocessing.Pool(common.N_WORKERS)
        self.pool.map(common.nothing, range(common.N_WORKERS), 1)
        self.map, self.apply = self.pool.map, self.pool.apply

    def pids(self):
        return [child.pid for child in multiprocessing.active_children()]


class Joblib:
    """With its default backend, loky."""

    def __init__(self):
        import joblib

        self.joblib = joblib
        self.name = "joblib %s, %s" % (joblib.__version__, common.python_version())

    def open(self):
        self.parallel = self.joblib.Parallel(n_jobs=common.N_WORKERS).__enter__()
        self.map(common.nothing, range(common.N_WORKERS))

    def map(self, f, xs):
        return self.parallel(self.joblib.delayed(f)(x) for x in xs)

    def apply(self, f):
        return self.parallel([self.joblib.delayed(f)()])

    def pids(self):
        return common.children_but("tracker")


if __name__ == "__main__":
    common.serve({"multiprocessing": Multiprocessing, "joblib": Joblib}[sys.argv[2]]())
