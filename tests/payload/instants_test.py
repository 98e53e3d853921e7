"""instants_test.py VMM SNAPSHOT_PROGRAM: a machine at work is saved at random instants.

On this machine's KVM. Each snapshot is restored in a new process, whose machine is the next to be saved: so
each is a generation deeper than the one before. The guest (work_guest.c) has four CPUs, each with memory of
its own that it checks all the time, and a disk, a network and a console that are never idle. A share of the
instants each time; with EMBER_LONG_TESTS thousands. Writes JUnit XML where GTEST_OUTPUT says, as GoogleTest
does.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from life import machine  # which finds the next
from chance import seeded_random
import run
from work import compile_work, TIMEOUT, Work

LONG = bool(os.environ.get("EMBER_LONG_TESTS"))
GENERATIONS = 2000 if LONG else 20
DIFF_GENERATIONS = 700 if LONG else 7  # of three diffs each, more or less
CPUS = 4
LONGEST_SECONDS = 0.03
LINE_BYTES = 10
LINES_QUEUED = 4


class Instants(unittest.TestCase):
    def setUp(self):
        self.random = seeded_random()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.files = Path(temporary.name)
        self.state, self.memory = self.files / "state", self.files / "memory"
        self.diff = self.files / "diff"
        self.kernel = compile_work(self.files, CPUS)
        self.lines = 0
        self.vm = Work(self.kernel, self.files, CPUS).__enter__()
        self.addCleanup(lambda: self.vm.__exit__(None, None, None))
        self.vm.boot()
        self.reported = self.vm.report()

    def wait(self):
        """Until the next instant: at once, or after some time, or after all work went forward."""
        time.sleep(self.random.choice((0, self.random.uniform(0, LONGEST_SECONDS))))
        if self.random.randrange(3) == 0:
            self.reported = self.vm.expect_progress(self.reported)

    def move(self):
        """The last snapshot goes on in a new process."""
        self.vm.process.kill()
        self.vm.__exit__(None, None, None)
        self.expect_lines()
        self.vm = Work(self.kernel, self.files, CPUS).__enter__()
        self.vm.load(self.state, self.memory)

    def expect_lines(self):
        """The console has every line that the machine said in its process. What the last process had in its
        queue, and wrote once the snapshot was made, is there a second time."""
        said = (self.files / "lines").read_text()
        counts = [int(count, 16) for count in re.findall(r"(?m)^#([0-9a-f]{8})$", said)]
        self.assertEqual(len(said), LINE_BYTES * len(counts))
        if not counts:
            return
        self.assertIn(counts[0], range(self.lines - LINES_QUEUED, self.lines + 1))
        self.assertEqual(counts, list(range(counts[0], counts[0] + len(counts))))
        self.lines = counts[-1] + 1

    def expect_good_end(self):
        self.reported = self.vm.expect_progress(self.reported)
        self.vm.type(b"q")
        self.vm.wait(code=0, timeout=TIMEOUT)
        self.expect_lines()
        self.assertGreater(self.lines, GENERATIONS)

    def save_diff(self):
        """Of the next instant, merged into what was saved before."""
        self.wait()
        self.vm.save("Diff", self.state, self.diff)
        words = [SNAPSHOT_PROGRAM, "merge", "--diff-state", self.state, "--diff-memory", self.diff,
                 "--base-memory", self.memory, "--out", self.memory]
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=TIMEOUT)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_machine_at_work_goes_on_from_whichever_instant(self):
        for _ in range(GENERATIONS):
            self.wait()
            self.vm.save("Full", self.state, self.memory)
            self.move()
        self.expect_good_end()

    def test_a_machine_at_work_goes_on_from_diffs_of_whichever_instants(self):
        self.vm.save("Full", self.state, self.memory)
        self.move()
        for _ in range(DIFF_GENERATIONS):
            # Of one machine, a chain of several, each merged into those before it.
            for _ in range(self.random.randint(1, 3)):
                self.save_diff()
                self.vm.call("PATCH", "/vm", {"state": "Resumed"})
            self.save_diff()
            self.move()
        self.expect_good_end()


if __name__ == "__main__":
    machine.VMM, SNAPSHOT_PROGRAM = sys.argv[1:]
    sys.exit(run.run_with_kvm("instants_test", Instants))
