"""What the two pools of python.py share: the protocol of run.lua, and the plain loops."""

import gc
import os
import statistics
import sys
import time


def square(x):
    return x**2


def nothing(_=None):
    return None


def spin(loops):
    x = 0.5
    for _ in range(loops):
        x = 3.7 * x * (1 - x)
    return x


def timed_once(f, *arguments):
    start_s = time.perf_counter()
    result = f(*arguments)
    return time.perf_counter() - start_s, result


def timed(f, *arguments):
    gc.collect()
    return timed_once(f, *arguments)


def loop(f, xs):
    return [f(x) for x in xs]


def floats(n):
    return [float(i) for i in range(1, n + 1)]


def check(results):
    return int(sum(i % 1009 * (r % 10007) for i, r in enumerate(results, 1)))


def private_bytes(pid):
    """Memory of a process that it shares with no other; None where the system does not tell."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as lines:
            return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private"))
    except OSError:
        return None


def children_but(word):
    """Pids of this process's children whose command line does not have the word."""
    pids = []
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children") as children:
            pids += children.read().split()
    return [pid for pid in pids if word not in open(f"/proc/{pid}/cmdline").read()]


class Runner:
    """Answers commands with a pool that has `open`, `map(f, xs)`, `apply(f)` and `pids()`."""

    def __init__(self, pool):
        self.pool = pool

    def hello(self):
        return self.pool.name

    def start(self):
        return "%.9f" % timed(self.pool.open)[0]

    def memory(self):
        sizes = [private_bytes(pid) for pid in self.pool.pids()]
        return "none" if None in sizes else "%d" % (sum(sizes) / len(sizes))

    def squares(self, n, map=None):
        took_s, results = timed(map or self.pool.map, square, floats(int(n)))
        return "%.9f %d" % (took_s, check(results))

    def loop(self, n):
        return self.squares(n, loop)

    def apply(self, n):
        return "%.9f" % statistics.median(timed_once(self.pool.apply, nothing)[0] for _ in range(int(n)))

    def wait(self, n, seconds):
        return "%.9f" % timed(self.pool.map, time.sleep, [float(seconds)] * int(n))[0]

    def spin(self, n, loops, map=None):
        took_s, results = timed(map or self.pool.map, spin, [int(loops)] * int(n))
        return "%.9f %r" % (took_s, results[-1])

    def spin_loop(self, n, loops):
        return self.spin(n, loops, loop)


def serve(pool):
    runner = Runner(pool)
    # Not sys.stdin by iteration: nothing is read ahead, also where a worker is forked in between.
    while (line := sys.stdin.readline()) not in ("", "quit\n"):
        command, *arguments = line.split()
        print(getattr(runner, command, lambda *_: "none")(*arguments), flush=True)


def python_version():
    return "Python " + sys.version.split()[0]


N_WORKERS = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else os.cpu_count()
