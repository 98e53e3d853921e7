"""device_stress_test.py VMM: all devices of two machines loaded at once, on this machine's KVM.

Guests of our own (storm_guest.c) keep every queue of twelve devices busy and check what comes back, while
clients change, ask, attach and pause (storm.py). Nothing fails, nothing stands still, and nothing of the
VMM grows. Some seconds; half an hour with EMBER_LONG_TESTS; EMBER_STRESS_SECONDS says otherwise. Writes
JUnit XML where GTEST_OUTPUT says, as GoogleTest does.
"""

import json
import os
import re
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

from life import compile_guest, machine, TIMEOUT
from host_load import HostLoad
import run
from storm import Storm

LONG = bool(os.environ.get("EMBER_LONG_TESTS"))
SECONDS = int(os.environ.get("EMBER_STRESS_SECONDS", 1800 if LONG else 12))
WARM_UP_SECONDS = 60 if LONG else 8
WINDOW_SECONDS = 15 if LONG else 4
MACHINES = 2
GROWTH_KIB = 1024
ANSWER_SECONDS = 5
QUEUES = 25  # of all twelve devices
# (type, queue) of what comes back only where the machine is of a snapshot: vsock's events.
SILENT = {(19, 2)}
# What the clients bring about: rude ones, one that wants less memory while the guest plugs some, and one
# that changes a limit as its wait ends.
EXPECTED_FAILURES = (r"vsock\.(muxer_event|tx_write|tx_flush|rx_read)_fails|memory_hotplug\.plug_fails|"
                     r"block(_\w+)?\.event_fails")


def failures_in(metrics, within=""):
    """The names of what counts failures and does not stand at zero."""
    failures = set()
    for name, value in metrics.items():
        if isinstance(value, dict):
            failures |= failures_in(value, f"{within}{name}.")
        elif value and name.endswith(("_fails", "failures", "breaches", "faults", "ignored_accesses")):
            failures.add(within + name)
    return failures


class DeviceStress(unittest.TestCase):
    def setUp(self):
        self.sanitized = b"__asan_init" in Path(machine.VMM).read_bytes()
        self.stop = threading.Event()

    def storms(self):
        """The machines, each with a folder of its own."""
        machines = []
        for _ in range(MACHINES):
            directory = tempfile.TemporaryDirectory()
            self.addCleanup(directory.cleanup)
            vm = Storm(compile_guest(directory.name, "storm_guest.c"), directory.name, self.stop)
            self.addCleanup(vm.__exit__, None, None, None)
            machines.append(vm.__enter__())
        return machines

    def load(self, machines, seconds):
        """Has all clients at work for that long, and sees each queue go forward in each window."""
        self.stop.clear()
        before = [vm.chains() for vm in machines]
        loads = [HostLoad(f"{name} of machine {number}", work, self.stop)
                 for number, vm in enumerate(machines) for name, work in vm.loads().items()]
        idle = threading.Event()
        try:
            for _ in range(0, seconds, WINDOW_SECONDS):
                idle.wait(WINDOW_SECONDS)
                self.expect_well(machines, loads)
                before = [self.expect_progress(number, vm, then)
                          for number, (vm, then) in enumerate(zip(machines, before))]
        finally:
            self.stop.set()
            for load in loads:
                load.join()
        self.expect_well(machines, loads)
        for load in loads:
            self.assertGreater(load.rounds, 0, load.name)
        print(f"  {seconds} s: " + ", ".join(f"{load.name} {load.rounds}" for load in loads), flush=True)

    def expect_well(self, machines, loads):
        for load in loads:
            if load.error is None:
                continue
            for vm in machines:
                vm.said()  # a guest's complaint says more
            self.fail(f"{load.name}: {load.error!r}; what counts failures on each machine, with where it "
                      f"stands: {[vm.failures() for vm in machines]}")

    def expect_progress(self, number, vm, before):
        """What came back of each queue by now, which is more than before; a starved guest has a while."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            now = vm.chains()
            still = [queue for queue, count in now.items()
                     if count == before.get(queue, 0) and queue[1:] not in SILENT]
            if len(now) == QUEUES and not still:
                return now
            self.assertLess(time.monotonic(), deadline,
                            f"machine {number}: (device, type, queue) of what stands still: {still}\n{now}")
            time.sleep(1)

    def test_all_devices_of_two_machines_under_load_and_nothing_grows(self):
        machines = self.storms()
        for vm in machines:
            vm.start()
            vm.chains()  # with every driver up
        descriptors = [vm.descriptors_without_clients() for vm in machines]
        self.load(machines, WARM_UP_SECONDS)
        before = [vm.settled_residue(count) for vm, count in zip(machines, descriptors)]
        self.load(machines, SECONDS)
        for number, (vm, then) in enumerate(zip(machines, before)):
            now = vm.settled_residue(descriptors[number])
            slowest, what = vm.slowest
            print(f"  machine {number}: (KiB, descriptors, threads) {then} -> {now}; slowest call "
                  f"{slowest:.3f} s, {what}; chains {sum(vm.chains().values())}", flush=True)
            if not self.sanitized:  # which keeps what is freed
                self.assertLess(now[0], then[0] + GROWTH_KIB)
            self.assertEqual(now[1:], (descriptors[number], then[2]), "descriptors and threads")
            self.assertLess(slowest, ANSWER_SECONDS, what)
            self.expect_good_end(vm)

    def expect_good_end(self, vm):
        vm.type(b"q")
        vm.wait(code=0, timeout=TIMEOUT)
        vm.said()
        self.assertNotRegex(vm.log(), r"(?i)\b(warn|warning|error)\b")
        for line in (vm.files / "metrics").read_text().splitlines():
            failures = {name for name in failures_in(json.loads(line))
                        if not re.fullmatch(EXPECTED_FAILURES, name)}
            self.assertEqual(failures, set())


if __name__ == "__main__":
    machine.VMM, = sys.argv[1:]
    sys.exit(run.run_with_kvm("device_stress_test", DeviceStress))
