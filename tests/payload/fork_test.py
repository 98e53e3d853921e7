"""fork_test.py VMM: machines that are forked while they run, on this machine's KVM.

A guest of our own (fork_guest.c) that checks all its memory all the time is forked into processes that
wait. All of them go on, each with a pattern of its own, whatever becomes of the others. A share of the
instants each time; EMBER_LONG_TESTS makes it many more. Writes JUnit XML where GTEST_OUTPUT
says, as GoogleTest does.
"""

import array
import os
import random
import re
import socket
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

from life import compile_guest, machine, TIMEOUT
import run

NOT_RUN = 77
FORKS = 200 if os.environ.get("EMBER_LONG_TESTS") else 3
CLONES = 3
MANY_CLONES = 50 if os.environ.get("EMBER_LONG_TESTS") else 10
GENERATIONS = 8 if os.environ.get("EMBER_LONG_TESTS") else 3
MEMORY_MIB = 32
ROUND = re.compile(r"^(\w+) ([0-9a-f]{8}) ([0-9a-f]{8})$", re.M)


class Guest(machine.Machine):
    """A process that waits, or whose guest is the one above."""

    def __init__(self, kernel, **more):
        super().__init__(kernel, memory_mib=MEMORY_MIB, **more)
        self.machine["forkable"] = True

    def boot(self):
        self.launch()
        self.call("PUT", "/machine-config", self.machine)
        self.call("PUT", "/boot-source", self.boot_source)
        for path, body in self.devices:
            self.call("PUT", path, body)
        self.call("PUT", "/actions", {"action_type": "InstanceStart"})
        self.check()
        return self

    def rounds(self):
        return ROUND.findall(self.console())

    def check(self):
        """Waits for two whole rounds more; returns the last one's pattern."""
        before, deadline = len(self.rounds()), time.monotonic() + TIMEOUT
        while len(self.rounds()) < before + 2:
            assert time.monotonic() < deadline and self.process.poll() is None, self.log()
            time.sleep(0.002)
        assert "BAD" not in self.console(), self.console()
        return self.rounds()[-1][1]

    def fork_to(self, paths, **more):
        """The answer to a fork; each clone with the same changes."""
        status, answer = self.request("PUT", "/fork", {
            "timeout_ms": 60000, "clones": [{"socket_path": str(path), **more} for path in paths]})
        assert status == 200, answer
        return answer

    def fork(self, clones, **more):
        """As fork_to(), for processes that take the machine."""
        answer = self.fork_to([clone.socket_path for clone in clones], **more)
        assert not any("error" in clone for clone in answer["clones"]), answer
        return answer


class Forks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.shared.cleanup)
        cls.kernel = compile_guest(cls.shared.name, "fork_guest.c")

    def setUp(self):
        seed = int(os.environ.get("EMBER_SEED", time.time_ns() % 1000000))
        print(f"  EMBER_SEED={seed}", flush=True)
        self.random = random.Random(seed)
        self.files = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def guest(self, **more):
        vm = Guest(self.kernel, **more)
        self.addCleanup(vm.close)
        return vm

    def waiting(self, count=CLONES):
        """Processes that wait for a machine."""
        return [self.guest().launch() for _ in range(count)]

    def test_parent_and_clones_go_on_each_with_its_own_memory(self):
        for _ in range(FORKS):
            parent, clones = self.guest().boot(), self.waiting()
            time.sleep(self.random.uniform(0, 0.05))
            parent.fork(clones)
            patterns = {vm.check() for vm in [parent, *clones]}
            self.assertEqual(len(patterns), 1 + CLONES)
            for vm in [parent, *clones]:
                self.assertEqual(vm.request("GET", "/")[1]["state"], "Running")
            victim = self.random.choice(clones)
            victim.process.kill()
            victim.process.wait(TIMEOUT)
            others = [vm for vm in [parent, *clones] if vm is not victim]
            for vm in others:
                vm.check()
            parent.process.kill()
            for vm in others[1:]:
                vm.check()
            for vm in [parent, *clones]:
                vm.close()

    def test_a_clone_that_is_to_wait_is_paused(self):
        parent, (clone,) = self.guest().boot(), self.waiting(1)
        parent.fork([clone], resume_vm=False)
        self.assertEqual(clone.request("GET", "/")[1]["state"], "Paused")
        self.assertEqual(clone.rounds(), [])
        parent.check()
        clone.call("PATCH", "/vm", {"state": "Resumed"})
        clone.check()

    def test_a_paused_machine_is_forked_and_stays_paused(self):
        parent, clones = self.guest().boot(), self.waiting()
        parent.call("PATCH", "/vm", {"state": "Paused"})
        parent.fork(clones)
        said = parent.console()
        for clone in clones:
            clone.check()
        self.assertEqual(parent.console(), said)
        parent.call("PATCH", "/vm", {"state": "Resumed"})
        parent.check()

    def test_a_machine_whose_working_set_is_recorded_is_not_forked(self):
        parent, (recorded, clone) = self.guest().boot(), self.waiting(2)
        state, memory = str(self.files / "state"), str(self.files / "memory")
        parent.call("PATCH", "/vm", {"state": "Paused"})
        parent.call("PUT", "/snapshot/create", {"snapshot_path": state, "mem_file_path": memory})
        recorded.call("PUT", "/snapshot/load", {"snapshot_path": state, "resume_vm": True, "mem_backend": {
            "backend_type": "File", "backend_path": memory, "record_working_set": True}})
        status, answer = recorded.request("PUT", "/fork", {"clones": [
            {"socket_path": str(clone.socket_path)}]})
        self.assertEqual(status, 400)
        self.assertIn("whose working set is recorded cannot be forked", answer["fault_message"])
        recorded.check()
        self.assertEqual(clone.request("GET", "/")[1]["state"], "Not started")

    def test_clones_that_fail_touch_neither_the_machine_nor_other_clones(self):
        parent, (clone, busy, dying) = self.guest().boot(), self.waiting(3)
        busy.configure()
        dying.process.kill()
        dying.process.wait()
        silent = socket.socket(socket.AF_UNIX)
        self.addCleanup(silent.close)
        silent.bind(str(self.files / "silent"))
        silent.listen()
        status, answer = parent.request("PUT", "/fork", {"timeout_ms": 2000, "clones": [
            {"socket_path": str(path)} for path in
            (self.files / "absent", clone.socket_path, busy.socket_path, dying.socket_path,
             self.files / "silent", parent.socket_path)]})
        self.assertEqual(status, 200)
        for wanted, got in zip(["No such file", None, "after configuring", "refused", "within 2000 ms",
                                "after starting"], answer["clones"]):
            self.assertIn(wanted, got["error"]) if wanted else self.assertNotIn("error", got)
        parent.check()
        clone.check()
        # Who refused a machine is there for another one.
        busy.call("PUT", "/actions", {"action_type": "InstanceStart"})
        busy.check()

    def test_a_clone_that_is_killed_while_it_is_made_touches_nobody(self):
        for _ in range(FORKS):
            parent, (clone, victim) = self.guest().boot(), self.waiting(2)
            kill = threading.Timer(self.random.uniform(0, 0.03), victim.process.kill)
            kill.start()
            answer = parent.fork_to([clone.socket_path, victim.socket_path])
            kill.join()
            self.assertNotIn("error", answer["clones"][0])
            parent.check()
            clone.check()
            for vm in [parent, clone, victim]:
                vm.close()

    def test_many_clones_at_once_have_each_all_of_their_memory(self):
        parent, clones = self.guest().boot(), self.waiting(MANY_CLONES)
        parent.fork(clones)
        vms = [parent, *clones]
        self.assertEqual(len({vm.check() for vm in vms}), len(vms))
        # All of them are there at once to the end.
        for vm in vms:
            vm.check()

    def test_forks_are_forked_and_fork_again(self):
        vms = [self.guest().boot()]
        for _ in range(GENERATIONS):
            clones = self.waiting(2)
            vms[-1].fork(clones)
            vms += clones
        again = self.waiting(2)
        for parent, clone in zip(vms, again):
            parent.fork([clone])
        vms += again
        self.assertEqual(len({vm.check() for vm in vms}), len(vms))

    def test_a_machine_that_was_not_made_for_it_is_forked_too(self):
        parent, clones = self.guest(), self.waiting()
        parent.machine["forkable"] = False
        parent.boot().fork(clones)
        vms = [parent, *clones]
        self.assertEqual(len({vm.check() for vm in vms}), len(vms))

    def test_devices_of_clones_are_their_own(self):
        disk = self.files / "disk"
        disk.write_bytes(bytes(1 << 20))
        parent = self.guest(devices=[
            ("/vsock", {"guest_cid": 3, "uds_path": str(self.files / "parent")}), ("/entropy", {}),
            ("/balloon", {"amount_mib": 1, "deflate_on_oom": True}),
            ("/drives/disk", {"drive_id": "disk", "path_on_host": str(disk), "is_root_device": False,
                              "is_read_only": True})]).boot()
        clone, other = self.waiting(2)
        status, answer = parent.request("PUT", "/fork", {"clones": [
            {"socket_path": clone.socket_path, "vsock_override": {"uds_path": str(self.files / "clone")}},
            {"socket_path": other.socket_path}]})
        self.assertEqual(status, 200)
        self.assertNotIn("error", answer["clones"][0])
        self.assertIn("Address already in use", answer["clones"][1]["error"])
        self.assertTrue((self.files / "clone").is_socket())
        parent.check()
        clone.check()

    def test_a_request_without_a_machine_beside_it_makes_none(self):
        (vm,) = self.waiting(1)
        status, answer = vm.request("PUT", "/fork/receive", {})
        self.assertEqual(status, 400)
        self.assertIn("2 descriptors", answer["fault_message"])
        with open("/dev/null", "rb") as null, socket.socket(socket.AF_UNIX) as client:
            client.connect(vm.socket_path)
            client.sendmsg([b"PUT /fork/receive HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"],
                           [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null.fileno()] * 2))])
            self.assertIn(b"not a file in memory", client.recv(4096))
        vm.configure()
        vm.call("PUT", "/actions", {"action_type": "InstanceStart"})
        vm.check()


def main():
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("NOT RUN: payload tier: no /dev/kvm to use", file=sys.stderr)
        return NOT_RUN
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Forks)
    return run.run_here(suite, "fork_test")


if __name__ == "__main__":
    machine.VMM, = sys.argv[1:]
    sys.exit(main())
