"""clones_test.py VMM: many machines of one snapshot at once, on this machine's KVM.

Each is a process of its own, with an overlay over the one disk and a network of its own. Each writes what
no other does over all of its memory and its disk, and finds it there later; so does the machine that comes
of the snapshot when all are gone. Some each time; 50 with EMBER_LONG_TESTS. Writes JUnit XML where
GTEST_OUTPUT says, as GoogleTest does.
"""

import contextlib
import os
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from life import machine
import run
from work import Clock, compile_work, FIRST_SEED, NEW_GENERATION, TIMEOUT, Work

CLONES = 50 if os.environ.get("EMBER_LONG_TESTS") else 8


class Clone(Work):
    """A machine of the snapshot, that is unlike the others."""

    def __init__(self, kernel, directory, origin, seed):
        directory.mkdir()
        super().__init__(kernel, directory, 1)
        self.origin, self.seed = origin, seed

    def load_own(self):
        self.load(self.origin / "state", self.origin / "memory",
                  drive_overrides=[{"drive_id": "disk", "path_on_host": str(self.origin / "disk"),
                                    "overlay_path": self.path("overlay")}],
                  network_overrides=[{"iface_id": "net", "socket_path": self.path("net")}],
                  console_overrides=[{"id": "port", "socket_path": self.path("port"),
                                      "output_path": self.path("lines")}])


class Clones(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.files = Path(temporary.name)
        self.origin = self.files / "origin"
        self.origin.mkdir()
        self.kernel = compile_work(self.origin, 1)

    def save(self):
        with Work(self.kernel, self.origin, 1) as vm:
            vm.boot(io_engine="Sync")  # overlays have no other
            vm.expect_progress(vm.report())
            vm.save("Full", self.origin / "state", self.origin / "memory")

    @contextlib.contextmanager
    def copy(self):
        """The machine of the snapshot, with the files of the one that was saved."""
        with Work(self.kernel, self.origin, 1) as vm:
            vm.load(self.origin / "state", self.origin / "memory")
            yield vm

    def clone(self, name, seed):
        vm = Clone(self.kernel, self.files / name, self.origin, seed).__enter__()
        self.addCleanup(vm.__exit__, None, None, None)
        return vm

    def kept_files(self):
        return {name: (self.origin / name).read_bytes() for name in ("state", "memory", "disk")}

    def test_machines_of_one_snapshot_have_nothing_of_each_other(self):
        self.save()
        before = self.kept_files()
        clones = [self.clone(f"clone{i}", 0x1000000 * (i + 1) + 0xabc) for i in range(CLONES)]
        with ThreadPoolExecutor(CLONES) as all_at_once:
            list(all_at_once.map(Clone.load_own, clones))
            list(all_at_once.map(lambda vm: vm.become(vm.seed), clones))
            # While all of them are what they are.
            told = list(all_at_once.map(Clone.report, clones))
            list(all_at_once.map(Clone.expect_progress, clones, told))
        for vm in clones:
            self.assertLessEqual(vm.seeds, {FIRST_SEED, vm.seed}, "frames of another machine's")
            self.assertIn(vm.seed, vm.seeds)
            vm.type(b"q")
            vm.wait(code=0, timeout=TIMEOUT)
        self.assertEqual(self.kept_files(), before)
        last = self.clone("last", FIRST_SEED)
        last.load_own()
        last.expect_progress(last.report())
        self.assertEqual(last.seeds, {FIRST_SEED})

    def test_each_machine_of_a_snapshot_has_a_generation_of_its_own(self):
        with Work(self.kernel, self.origin, 1) as vm:
            vm.boot(io_engine="Sync")
            self.assertEqual(vm.clock(), Clock(0, 0, 0, events=0))
            vm.save("Full", self.origin / "state", self.origin / "memory")
        generations = {0}
        for number in range(1, 4):
            # Each is a copy of the one before it.
            with self.copy() as vm:
                told = vm.clock()
                self.assertEqual(told, Clock(2 * number, number, told.generation, events=NEW_GENERATION))
                self.assertEqual(vm.clock(), told._replace(events=0))
                vm.save("Full", self.origin / "state", self.origin / "memory")
            generations.add(told.generation)
        for _ in range(2):
            with self.copy() as vm:
                generations.add(vm.clock().generation)
        self.assertEqual(len(generations), 6)


if __name__ == "__main__":
    machine.VMM, = sys.argv[1:]
    sys.exit(run.run_with_kvm("clones_test", Clones))
