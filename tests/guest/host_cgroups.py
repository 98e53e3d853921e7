"""The cgroups that this machine's hierarchies have for a test, of either version."""

import contextlib
import os
from pathlib import Path

LIMITS_1 = {"memory.limit_in_bytes": 256 << 20, "pids.max": 100, "cpuset.cpus": 0, "cpu.shares": 512}
LIMITS_2 = {"memory.max": 256 << 20, "pids.max": 100, "cpu.weight": 50}


def mounts(kind):
    """(where, its options) of each hierarchy of a kind that root may change."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        path = Path(before.split()[4])
        if after.split()[0] == kind and os.access(path, os.W_OK):
            yield path, after.split()[2].split(",")


def version_1():
    """Controller → where its hierarchy is."""
    return {name: path for path, options in mounts("cgroup") for name in options}


def of_controllers(limits, controllers):
    return [f"{file}={value}" for file, value in limits.items() if file.split(".")[0] in controllers]


def choices():
    """(version, limits of all controllers that it has), for each version that there is."""
    if limits := of_controllers(LIMITS_1, version_1()):
        yield 1, limits
    for path, _ in mounts("cgroup2"):
        enabled = (path / "cgroup.subtree_control").read_text().split()
        yield 2, [*of_controllers(LIMITS_2, enabled), "cgroup.max.depth=3"]


def parents(name):
    """The cgroup that has machines below it, in each hierarchy where there is one."""
    found = {path / name for kind in ("cgroup", "cgroup2") for path, _ in mounts(kind)}
    return [path for path in sorted(found) if path.exists()]


def children(parent):
    return [str(path) for each in parents(parent) for path in each.iterdir() if path.is_dir()]


def remove(parent):
    """With what a test that failed left below it."""
    for path in [*map(Path, children(parent)), *parents(parent)]:
        with contextlib.suppress(OSError):
            path.rmdir()
