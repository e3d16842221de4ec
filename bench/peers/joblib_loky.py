"""Runs the work of run.lua on joblib with its default backend, loky: `python3 joblib_loky.py WORKERS`."""

import joblib

import common


class Pool:
    name = "joblib %s, %s" % (joblib.__version__, common.python_version())

    def open(self):
        self.parallel = joblib.Parallel(n_jobs=common.N_WORKERS).__enter__()
        self.map(common.nothing, range(common.N_WORKERS))

    def map(self, f, xs):
        return self.parallel(joblib.delayed(f)(x) for x in xs)

    def apply(self, f):
        return self.parallel([joblib.delayed(f)()])

    def pids(self):
        return common.children_but("tracker")


if __name__ == "__main__":
    common.serve(Pool())
