"""cgroup_v1_test.py JAILER VMM: what a jail's limits do in this machine's cgroups of version 1, on its KVM.

Debian's kernels no longer have memory and cpuset there, so the test bed tries version 2, and its own share
of version 1 (test_cgroup.py). Needs root, and a static VMM. Writes JUnit XML where GTEST_OUTPUT says.
"""

import os
import re
import signal
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/guest"))

import host_cgroups  # noqa: E402
from limited import Limited, PARENT, payload, Programs, SPIN, TIMEOUT, until  # noqa: E402
import run  # noqa: E402

OURS, THEIRS = 61263, 61264
LIMIT = 64 << 20
JAILER = VMM = None


class HostVersion1(unittest.TestCase):
    def setUp(self):
        # The path of a socket is short.
        self.directory = self.enterContext(tempfile.TemporaryDirectory(prefix="ec-", dir="/dev/shm"))
        os.chmod(self.directory, 0o755)
        self.addCleanup(host_cgroups.remove, PARENT)

    def machine(self, name, user, *limits):
        """In the version that is found, where none is named."""
        for limit in limits:
            if limit.split(".")[0] not in host_cgroups.version_1():
                self.skipTest(f"this machine has no cgroup v1 hierarchy for {limit}")
        machine = Limited(Programs(VMM, JAILER), self.directory, name, user, *limits)
        self.addCleanup(lambda: self.assertFalse(any(map(os.path.exists, self.cgroups_of(name)))))
        self.addCleanup(machine.end)
        return machine

    @staticmethod
    def cgroups_of(name):
        return [path / name for path in host_cgroups.parents(PARENT)]

    @staticmethod
    def read(machine, file):
        where = host_cgroups.version_1()[file.split(".")[0]]
        return (where / PARENT / machine.name / file).read_text().strip()

    def count(self, machine, file, name):
        return int(re.search(rf"(?m)^{name} (\d+)$", self.read(machine, file))[1])

    def test_a_guest_that_takes_more_than_its_memory_ends_and_nobody_else_does(self):
        # Where there is swap, it would be used.
        limits = [f"memory.limit_in_bytes={LIMIT}", "memory.swappiness=0"]
        other = self.machine("other", THEIRS, *limits).start()
        greedy = self.machine("greedy", OURS, *limits).start(payload.writing(256, 1), 256)
        self.assertEqual(greedy.process.wait(TIMEOUT), -signal.SIGKILL)
        self.assertGreaterEqual(self.count(greedy, "memory.oom_control", "oom_kill"), 1)
        self.assertLessEqual(int(self.read(greedy, "memory.max_usage_in_bytes")), LIMIT)
        self.assertEqual(self.count(other, "memory.oom_control", "oom_kill"), 0)
        self.assertGreater(int(self.read(other, "memory.usage_in_bytes")), 1 << 20)
        self.assertEqual(other.state(), "Running")

    def test_every_thread_of_a_machine_keeps_to_its_processors(self):
        one = self.machine("one", OURS, "cpuset.cpus=0").start(SPIN)
        self.assertEqual(self.read(one, "cpuset.cpus"), "0")
        self.assertNotEqual(self.read(one, "cpuset.mems"), "")  # nobody gave it any: its parent's
        tasks = list(Path(f"/proc/{one.process.pid}/task").iterdir())
        self.assertGreaterEqual(len(tasks), 3)
        for task in tasks:
            self.assertIn("Cpus_allowed_list:\t0\n", (task / "status").read_text())
            self.assertIn(f":cpuset:/{PARENT}/one\n", (task / "cgroup").read_text())

    def test_a_guest_that_spins_is_held_to_its_share_of_time(self):
        one = self.machine("one", OURS, "cpu.cfs_quota_us=20000", "cpu.cfs_period_us=100000").start(SPIN)
        until(lambda: self.count(one, "cpu.stat", "nr_throttled"), bool)

    def test_a_machine_with_fewer_threads_than_it_needs_ends_with_an_error(self):
        small = self.machine("small", OURS, "pids.max=1").launch()
        self.assertEqual(small.process.wait(TIMEOUT), 1)

    def test_only_the_hierarchies_of_the_limits_have_a_cgroup_of_the_machine(self):
        one = self.machine("one", OURS, "memory.limit_in_bytes=268435456", "pids.max=64").start()
        wanted = {host_cgroups.version_1()[name] / PARENT / "one" for name in ("memory", "pids")}
        self.assertEqual({path for path in self.cgroups_of("one") if path.exists()}, wanted)
        for cgroup in wanted:
            self.assertEqual((cgroup / "cgroup.procs").read_text().strip(), str(one.process.pid))

    def test_a_limit_that_the_kernel_refuses_is_named_and_nothing_runs(self):
        wrong = self.machine("wrong", OURS, "cpuset.cpus=9999").launch()
        _, errors = wrong.process.communicate(timeout=TIMEOUT)
        self.assertEqual(wrong.process.returncode, 1)
        self.assertIn("--cgroup cpuset.cpus=9999", errors.decode())


if __name__ == "__main__":
    JAILER, VMM = sys.argv[1:]
    sys.exit(run.run_jailed("cgroup_v1_test", VMM, HostVersion1))
