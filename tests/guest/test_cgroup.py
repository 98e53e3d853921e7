"""What the limits of a jail's cgroups do: the jailer where the kernel and its hierarchies are ours, with
machines whose guests use what they get. Needs root."""

import errno
import json
import os
import random
import re
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from limited import HALT, kill_by_file, Limited, PARENT, payload, Programs, SPIN, TIMEOUT, until

PROGRAMS = Programs(os.environ["EMBER_VMM"], os.environ["EMBER_JAILER"])
UNIFIED = Path("/sys/fs/cgroup")
OURS, THEIRS = 61260, 61261
KILLS = 100 if "EMBER_LONG_TESTS" in os.environ else 8  # thousands are lifecycle_kill_test.py's
REFUSED = (errno.EACCES, errno.EPERM)
DEVICES = {
    "machine-config": {"vcpu_count": 1, "mem_size_mib": 64},
    "boot-source": {"kernel_image_path": "/kernel"},
    "drives": [{"drive_id": "disk", "path_on_host": "/disk", "is_root_device": False, "io_engine": "Async"}],
    "network-interfaces": [{"iface_id": "n", "host_dev_name": "tap0"}],
    "vsock": {"guest_cid": 3, "uds_path": "/v"},
}


class Cgroup(unittest.TestCase):
    hierarchy = UNIFIED

    def setUp(self):
        # The path of a socket is short.
        self.directory = self.enterContext(tempfile.TemporaryDirectory(prefix="ec-", dir="/dev/shm"))
        os.chmod(self.directory, 0o755)

    def machine(self, name, user, *limits, **more):
        machine = Limited(PROGRAMS, self.directory, name, user, *limits, **more)
        self.addCleanup(self.expect_nothing_left, machine)
        self.addCleanup(machine.end)
        return machine

    def expect_nothing_left(self, machine):
        self.assertFalse(machine.place.files.parent.exists())
        self.assertFalse(self.of(machine).exists())

    def of(self, machine):
        return self.hierarchy / PARENT / machine.name

    def read(self, machine, file):
        return (self.of(machine) / file).read_text().strip()

    def count(self, machine, file, name):
        return int(re.search(rf"(?m)^{name} (\d+)$", self.read(machine, file))[1])


class Version2(Cgroup):
    def setUp(self):
        super().setUp()
        self.control = UNIFIED / "cgroup.subtree_control"
        self.before = self.control.read_text().split()
        self.addCleanup(self.give_back)

    def give_back(self):
        """The parent, and what the jailer enabled for it: version 1 can have the controllers then."""
        (UNIFIED / PARENT).rmdir()
        for controller in set(self.control.read_text().split()) - set(self.before):
            self.control.write_text(f"-{controller}")

    def test_every_limit_is_in_force_in_a_cgroup_of_the_machines_own(self):
        limits = {"memory.max": str(96 << 20), "memory.high": str(90 << 20), "pids.max": "64",
                  "cpu.max": "20000 100000", "cpu.weight": "50", "cpuset.cpus": "0"}
        one = self.machine("one", OURS, *[f"{file}={value}" for file, value in limits.items()]).start(SPIN)
        self.assertEqual({file: self.read(one, file) for file in limits}, limits)
        self.assertEqual(self.read(one, "cgroup.procs"), str(one.process.pid))
        of_process = Path(f"/proc/{one.process.pid}")
        self.assertEqual((of_process / "cgroup").read_text().splitlines()[-1], f"0::/{PARENT}/one")
        self.assertIn("Cpus_allowed_list:\t0\n", (of_process / "status").read_text())
        until(lambda: self.count(one, "cpu.stat", "nr_throttled"), bool)
        self.assertGreater(int(self.read(one, "memory.current")), 1 << 20)
        self.assertEqual(int(self.read(one, "pids.current")), len(list((of_process / "task").iterdir())))

    def test_a_guest_that_takes_more_than_memory_max_ends_and_nobody_else_does(self):
        other = self.machine("other", THEIRS, "memory.max=100663296").start()
        greedy = self.machine("greedy", OURS, "memory.max=67108864").start(payload.writing(256, 1), 256)
        self.assertEqual(greedy.process.wait(TIMEOUT), -signal.SIGKILL)
        self.assertGreaterEqual(self.count(greedy, "memory.events", "oom_kill"), 1)
        self.assertLessEqual(int(self.read(greedy, "memory.peak")), 64 << 20)
        self.assertEqual(self.count(other, "memory.events", "oom_kill"), 0)
        self.assertIsNone(other.process.poll())
        self.assertEqual(other.state(), "Running")

    def test_a_machine_with_fewer_threads_than_it_needs_ends_with_an_error(self):
        small = self.machine("small", OURS, "pids.max=1").launch()
        self.assertEqual(small.process.wait(TIMEOUT), 1)
        self.assertGreaterEqual(self.count(small, "pids.events", "max"), 1)

    def test_a_limit_that_the_kernel_refuses_is_named_and_nothing_runs(self):
        wrong = self.machine("wrong", OURS, "memory.max=much").launch()
        _, errors = wrong.process.communicate(timeout=TIMEOUT)
        self.assertEqual(wrong.process.returncode, 1)
        self.assertIn("--cgroup memory.max=much", errors.decode())

    def attempts(self, target):
        """What another user tries against a machine, its parent's cgroup and its own."""
        pid, files, cgroup = target.process.pid, target.place.files, self.of(target)
        opens = [(path, os.O_RDONLY) for path in (files, files / "disk", files / "log", f"/proc/{pid}/mem")]
        opens += [(where / name, os.O_WRONLY) for where in (cgroup, cgroup.parent, cgroup.parent / "ours")
                  for name in ("cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.freeze", "memory.max",
                               "cgroup.subtree_control") if (where / name).exists()]
        tries = {f"open {path}": lambda path=path, flags=flags: os.open(path, flags) for path, flags in opens}
        connection = socket.socket(socket.AF_UNIX)
        tries["connect"] = lambda: connection.connect(target.place.socket_path)
        tries["kill"] = lambda: os.kill(pid, signal.SIGTERM)
        tries["mkdir"] = lambda: os.mkdir(cgroup / "mine")
        tries["rmdir"] = lambda: os.rmdir(cgroup)
        tries["limits"] = lambda: os.sched_setaffinity(pid, [0])
        return tries

    def test_the_user_of_one_machine_changes_and_reaches_nothing_of_anothers(self):
        self.machine("ours", OURS, "memory.max=100663296", "pids.max=64").start()
        theirs = self.machine("theirs", THEIRS, "memory.max=100663296", "pids.max=64").start()
        tries = self.attempts(theirs)
        self.assertGreater(len(tries), 20)
        for name, result in self.as_user(OURS, tries):
            self.assertIn(result, REFUSED, name)
        self.assertEqual(theirs.state(), "Running")
        self.assertEqual(self.read(theirs, "cgroup.procs"), str(theirs.process.pid))

    @staticmethod
    def as_user(user, tries):
        """What becomes of each in a process of that user's, outside of any jail: an error number, or 0."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            for attempt in tries.values():
                result = 0
                try:
                    attempt()
                except OSError as error:
                    result = error.errno
                os.write(writer, b"%d\n" % result)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as results:
            found = [int(line) for line in results]
        os.waitpid(child, 0)
        return zip(tries, found, strict=True)

    def network(self):
        """A namespace with the tap of one machine, which must be its alone; its path."""
        name = f"ember-test-{os.getpid()}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.addCleanup(subprocess.run, ["ip", "netns", "del", name], check=True)
        subprocess.run(["ip", "-n", name, "tuntap", "add", "tap0", "mode", "tap", "user", str(OURS), "vnet_hdr"],
                       check=True)
        return f"/run/netns/{name}"

    def machine_with_devices(self, directory, network, *options):
        """One whose guest runs without a word of a client's, with what can be left behind."""
        os.mkdir(directory)
        machine = Limited(PROGRAMS, directory, "m", OURS, "pids.max=64", options=("--netns", network, *options))
        machine.place.give("kernel", payload.image(HALT))
        machine.place.give("disk", bytes(4096))
        machine.place.give("config", json.dumps(DEVICES).encode())
        machine.place.words += ["--config-file", "/config"]
        return machine.launch()

    def run_through(self, directory, network):
        """A whole life; how long it took."""
        began = time.monotonic()
        machine = self.machine_with_devices(directory, network)
        until(machine.answers, bool)
        until(machine.state, lambda state: state == "Running")
        machine.end()
        self.expect_nothing_left(machine)
        return time.monotonic() - began

    def test_clean_up_leaves_nothing_after_a_kill_at_any_instant(self):
        instants = random.Random(1)
        network = self.network()
        mounts = Path("/proc/self/mountinfo").read_text()
        whole = self.run_through(f"{self.directory}/first", network)
        for number in range(KILLS):
            options = ["--new-pid-ns"] if number % 2 else []
            machine = self.machine_with_devices(f"{self.directory}/{number}", network, *options)
            time.sleep(instants.uniform(0, whole))
            machine.process.kill()
            machine.process.wait()
            if options:
                kill_by_file(machine.place.files / "firecracker.pid")
            machine.end()
            self.expect_nothing_left(machine)
        self.assertEqual(Path("/proc/self/mountinfo").read_text(), mounts)
        # The tap is nobody's, or this machine could not have it.
        self.run_through(f"{self.directory}/last", network)


class Version1(Cgroup):
    """Beside version 2, as far as that leaves it controllers."""

    def setUp(self):
        super().setUp()
        self.hierarchy = Path(self.directory) / "pids"
        self.hierarchy.mkdir()
        until(self.mount, bool)
        self.addCleanup(until, self.give_back, bool)
        self.addCleanup(lambda: (self.hierarchy / PARENT).rmdir())

    def mount(self):
        """Whether it could be: not while version 2 uses the controller."""
        words = ["mount", "-t", "cgroup", "-o", "pids", "cgroup", str(self.hierarchy)]
        return subprocess.run(words, check=False).returncode == 0

    def give_back(self):
        """Whether version 2 has the controller again, within a second. A hierarchy stays that is unmounted
        while the kernel still has something of its cgroups: it must be mounted once more."""
        if os.path.ismount(self.hierarchy):
            subprocess.run(["umount", str(self.hierarchy)], check=True)
        for _ in range(100):
            if "pids" in (UNIFIED / "cgroup.controllers").read_text().split():
                return True
            time.sleep(0.01)
        self.mount()
        return False

    def test_version_1_is_found_by_itself_and_its_limit_is_in_force(self):
        one = self.machine("one", OURS, "pids.max=64").start()
        self.assertEqual(self.read(one, "pids.max"), "64")
        self.assertEqual(self.read(one, "cgroup.procs"), str(one.process.pid))
        self.assertIn(f":pids:/{PARENT}/one\n", Path(f"/proc/{one.process.pid}/cgroup").read_text())
        small = self.machine("small", THEIRS, "pids.max=1").launch()
        self.assertEqual(small.process.wait(TIMEOUT), 1)
        self.assertFalse((UNIFIED / PARENT).exists())
