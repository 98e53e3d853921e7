"""Snapshots of Linux under load: restored in new processes, where the load goes on and verifies.

The emulated processor of the test bed loses a guest now and then, by a triple fault or with registers that
are not the guest's. A chain of snapshots that ends so begins once more with another boot, and another clone
takes the place of one that does; that is counted, printed and bounded (Losses). Nothing else is let pass.
"""

import contextlib
import itertools
import os
import time
import unittest

from chance import seeded_random
from loads import Loads
from machine import EMULATED, ENDED, Machine, device_machine, drive, small_machine
from network import Tap
from pattern import pattern
from saved import Files, Losses, Restored
from stray import is_stray
from streams import Answering, summary_of
from test_block import MIB, sparse

LONG = bool(os.environ.get("EMBER_LONG_TESTS"))
# The emulator loses far more of the guests that run on two of its processors at once.
PROCESSORS = {0} if EMULATED else None


class Chains(unittest.TestCase):
    """Guests that go on in one process after the other, each restored from a snapshot of the one before."""

    CHAINS = 25 if LONG else 1
    GENERATIONS = 20 if LONG else 4
    MOST_SECONDS = 1.0  # from the load's first progress to the snapshot
    losses = Losses(CHAINS // 2)  # one in about 100 generations is lost

    def setUp(self):
        self.random = seeded_random()

    def boot(self, number):
        """The second, where there are several, has four vCPUs; the third one of Debian's kernels."""
        if number == 2:
            return device_machine(vcpus=2, memory_mib=256)
        return small_machine(vcpus=4 if number == 1 else 2)

    def save(self, vm, files, kind):
        """Some diffs follow another one that nobody is restored from."""
        files.save(vm, kind)
        if kind == "Diff" and self.random.random() < 0.25:
            vm.api.patch_vm(state="Resumed")
            time.sleep(self.random.uniform(0, 0.2))
            files.save(vm, kind)

    def run_chain(self, number):
        with Files() as files, Loads(files.directory) as loads:
            self.vm = self.boot(number)
            self.addCleanup(lambda: self.vm.close())
            self.vm.machine["track_dirty_pages"] = True
            self.vm.processors = PROCESSORS
            loads.describe(self.vm)
            self.vm.start_agent()
            loads.start(self.vm)
            for generation in range(self.GENERATIONS):
                loads.go_on(self.vm)
                time.sleep(self.random.uniform(0, self.MOST_SECONDS))
                kind = self.random.choice(("Full", "Diff")) if generation else "Full"
                self.save(self.vm, files, kind)
                files.end(self.vm, *loads.SOCKETS)
                loads.check_console()
                self.vm = Restored(self.vm, files)
                print(f"  chain {number}, generation {generation + 1}, {kind}", flush=True)
            loads.go_on(self.vm)
            self.check_generations()
            loads.finish(self.vm)

    def check_generations(self):
        """A kernel that knows VMGenID has heard of every move, and none has complained of anything."""
        if "yes" in self.vm.run("[ -d /sys/bus/acpi/drivers/vmgenid ] && echo yes; true"):
            self.vm.until("dmesg | grep -c 'virtual machine fork'; true", str(self.GENERATIONS))
        self.assertEqual(self.vm.run("dmesg | grep -E 'BUG|Oops|I/O error'; true").strip(), "")

    def check_chain(self, number):
        while True:
            try:
                self.run_chain(number)
                return
            except ENDED:
                if not self.losses.may_be(self.vm, f"chain {number}"):
                    raise


def add_chains():
    """A case for each, so that each is told of alone."""
    for number in range(Chains.CHAINS):
        name = f"test_loads_go_on_in_new_processes_and_verify_{number}"
        setattr(Chains, name, lambda self, number=number: self.check_chain(number))


add_chains()


class Clones(unittest.TestCase):
    """Many machines of one snapshot at once."""

    CLONES = 50 if LONG else 2
    OWN_BYTES = MIB // 4
    MEMORY_MIB = 72
    TIMEOUT = 3000 if LONG else 240
    PORT = 5300
    losses = Losses(CLONES // 5)

    def setUp(self):
        self.files = self.enterContext(Files())
        self.base = sparse(self.files.directory / "disk", MIB)
        self.numbers = itertools.count()

    def save(self):
        """The machine that all are made of."""
        directory = self.files.directory
        tap = Tap("clone", "10.78.0.0/24")
        self.addCleanup(tap.remove)
        with small_machine(memory_mib=self.MEMORY_MIB, devices=[
                ("/vsock", {"guest_cid": 3, "uds_path": str(directory / "vsock")}),
                ("/network-interfaces/net", {"iface_id": "net", "host_dev_name": tap.name})]) as vm:
            vm.processors = PROCESSORS
            vm.drives.append(drive(self.base, "data", root=False, cache_type="Writeback"))
            vm.start_agent()
            vm.run("echo before > /tmp/mark; mkfifo /tmp/said /tmp/go")
            self.files.save(vm)
            self.files.end(vm, "vsock")
            return vm

    def clone(self, saved):
        """With a disk, a socket device and a network of its own."""
        directory, number = self.files.directory, next(self.numbers)
        tap = Tap(f"clone{number}", f"10.77.{number}.0/24")
        self.addCleanup(tap.remove)
        answering = Answering.at_path(directory / f"vsock{number}_{self.PORT}")
        self.addCleanup(answering.close)
        vm = Restored(
            saved, self.files,
            drive_overrides=[{"drive_id": "data", "path_on_host": str(self.base),
                              "overlay_path": str(directory / f"overlay{number}")}],
            network_overrides=[{"iface_id": "net", "host_dev_name": tap.name}],
            vsock_override={"uds_path": str(directory / f"vsock{number}"), "guest_cid": 10 + number})
        self.addCleanup(vm.close)
        return vm, tap, number

    def own(self, number):
        return f"pattern {number + 1} {self.OWN_BYTES}"

    def run_in_all(self, clones, command, check):
        """All run a command of their own at once; `check` is given a clone and what it printed. Returns the
        clones whose guests are not lost."""
        sent = [clone[0].send(command(*clone)) for clone in clones]
        kept = []
        for clone, number in zip(clones, sent, strict=True):
            try:
                printed, status = clone[0].done(number, self.TIMEOUT)
                self.assertEqual(status, 0, printed)
                check(clone, printed)
                kept.append(clone)
            except ENDED:
                if not self.losses.may_be(clone[0], f"clone {clone[2]}"):
                    raise
        return kept

    def write(self, _, tap, number):
        """Memory, all that can be had, is written last, and held until all have. Nothing polls: many guests
        that did would have all of the processor."""
        return (f"ip addr add {tap.guest_cidr} dev eth0; ip link set eth0 up; echo {number} >> /tmp/mark; "
                f"{self.own(number)} > /dev/vdb; sync; echo 3 > /proc/sys/vm/drop_caches; "
                f"exec 3<> /tmp/said; (memory_check 80 4 {number + 1} /tmp/go; echo ended with $?) >&3 & "
                "read said <&3; echo $said")

    def check_written(self, _, said):
        self.assertEqual(said.strip(), "EMBER-MEMCHECK written")

    def check(self, _, tap, number):
        return ("exec 3<> /tmp/said; : > /tmp/go; read said <&3; echo $said; cat /tmp/mark; "
                f"{self.own(number)} | cmp -n {self.OWN_BYTES} - /dev/vdb && echo disk; "
                f"{self.own(number)} | nc {tap.host} {self.PORT}; "
                f"vsock send 2 {self.PORT} {number + 1} {self.OWN_BYTES}")

    def check_own(self, clone, said):
        vm, _, number = clone
        expected = summary_of(pattern(number + 1, self.OWN_BYTES))
        memory, *others = said.strip().split("\n")
        self.assertRegex(memory, "^EMBER-MEMCHECK ok")
        self.assertEqual(others, ["before", str(number), "disk", *[expected] * 3])
        vm.power_off()

    def check_clones(self, saved, count):
        """That many hold their memory at once; again for as many as are lost after."""
        clones = []
        while missing := count - len(clones):
            new = [self.clone(saved) for _ in range(missing)]
            clones += self.run_in_all(new, self.write, self.check_written)
        kept = self.run_in_all(clones, self.check, self.check_own)
        if len(kept) < count:
            self.check_clones(saved, count - len(kept))

    def test_clones_of_one_snapshot_have_nothing_of_each_other(self):
        saved = self.save()
        self.enterContext(contextlib.closing(Answering.at_port(self.PORT)))
        self.check_clones(saved, self.CLONES)
        self.assertFalse(self.base.read_bytes().strip(b"\0"))


class Refusals(unittest.TestCase):
    def test_a_snapshot_without_its_memory_is_refused_and_the_process_serves_on(self):
        files = self.enterContext(Files())
        with small_machine() as vm:
            vm.named_later = [files.state]
            vm.start_agent()
            self.assertFalse(is_stray(vm))
            files.save(vm)
            vm.api.patch_vm(state="Resumed")
            vm.run("true")
            vm.power_off()
        elsewhere = files.memory.rename(files.directory / "elsewhere")
        other = Machine(vm.boot_source["kernel_image_path"])
        other.named_later = [files.state, vm.drives]
        self.addCleanup(other.close)
        body = {"snapshot_path": str(files.state), "mem_file_path": str(files.memory)}
        other.launch()
        status, answer = other.request("PUT", "/snapshot/load", body)
        self.assertEqual(status, 400)
        self.assertIn(str(files.memory), answer["fault_message"])
        elsewhere.rename(files.memory)
        other.call("PUT", "/snapshot/load", {**body, "resume_vm": True})
        other.run("true")
        other.power_off()


if __name__ == "__main__":
    unittest.main()
