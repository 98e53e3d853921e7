"""What the limits of a jail's cgroups do: the jailer where the kernel and its hierarchies are ours, with
machines whose guests use what they get. Needs root."""

import contextlib
import errno
import json
import os
import random
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests/backdoor")]

from attacker import Jailed  # noqa: E402
from benchmarks import payload, rows  # noqa: E402

VMM, JAILER = os.environ["EMBER_VMM"], os.environ["EMBER_JAILER"]
UNIFIED = Path("/sys/fs/cgroup")
PARENT = f"ember-test-{os.getpid()}"
OURS, THEIRS = 61260, 61261
KILLS = 1000 if "EMBER_LONG_TESTS" in os.environ else 8
TIMEOUT = 60
HALT, SPIN = b"\xf4\xeb\xfd", b"\xeb\xfe"
REFUSED = (errno.EACCES, errno.EPERM)
DEVICES = {
    "machine-config": {"vcpu_count": 1, "mem_size_mib": 64},
    "boot-source": {"kernel_image_path": "/kernel"},
    "drives": [{"drive_id": "disk", "path_on_host": "/disk", "is_root_device": False, "io_engine": "Async"}],
    "network-interfaces": [{"iface_id": "n", "host_dev_name": "tap0"}],
    "vsock": {"guest_cid": 3, "uds_path": "/v"},
}


def until(what, seen):
    """Waits until `seen` is true of what `what` returns; that."""
    deadline = time.monotonic() + TIMEOUT
    while not seen(value := what()):
        if time.monotonic() > deadline:
            raise AssertionError(f"still {value!r}")
        time.sleep(0.01)
    return value


def kill_by_file(path):
    """The machine of which the file has the number, if it lives: in a namespace of its own it may outlive the
    jailer. Nobody of ours is its parent, so its end is waited for."""
    if not path.exists() or not (number := path.read_text()):
        return
    with contextlib.suppress(ProcessLookupError):
        with open(os.pidfd_open(int(number)), "rb", buffering=0) as process:
            signal.pidfd_send_signal(process.fileno(), signal.SIGKILL)
            ended, _, _ = select.select([process], [], [], TIMEOUT)
        assert ended, f"{path}: it does not end"


class Machine:
    """One in a jail, with a cgroup of its own: `limits` are FILE=VALUE."""

    def __init__(self, directory, name, user, *limits, options=()):
        words = [word for limit in limits for word in ("--cgroup", limit)]
        self.place = Jailed(directory, VMM, JAILER, name, user, "--parent-cgroup", PARENT, *words, *options)
        self.name = name
        self.process = None

    def launch(self):
        self.process = subprocess.Popen(self.place.words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, env={})
        return self

    def start(self, code=HALT, memory_mib=64):
        """With a guest that runs."""
        self.place.give("kernel", payload.image(code))
        self.launch()
        until(self.answers, bool)
        self.put("/machine-config", {"vcpu_count": 1, "mem_size_mib": memory_mib})
        self.put("/boot-source", {"kernel_image_path": "/kernel"})
        self.put("/actions", {"action_type": "InstanceStart"})
        return self

    def put(self, path, body):
        rows.api_call(self.place.socket_path, "PUT", path, body)

    def answers(self):
        if (connection := rows.connect(self.place.socket_path)) is None:
            assert self.process.poll() is None, self.process.communicate()
            return False
        connection.close()
        return True

    def state(self):
        with rows.connect(self.place.socket_path) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return json.loads(connection.recv(65536).decode().split("\r\n\r\n")[1])["state"]

    def end(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stderr.close()
        subprocess.run([JAILER, *self.place.name, "--parent-cgroup", PARENT, "--cleanup"], check=True)


class Cgroup(unittest.TestCase):
    hierarchy = UNIFIED

    def setUp(self):
        # The path of a socket is short.
        self.directory = self.enterContext(tempfile.TemporaryDirectory(prefix="ec-", dir="/dev/shm"))
        os.chmod(self.directory, 0o755)

    def machine(self, name, user, *limits, **more):
        machine = Machine(self.directory, name, user, *limits, **more)
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
        machine = Machine(directory, "m", OURS, "pids.max=64", options=("--netns", network, *options))
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
        words = ["mount", "-t", "cgroup", "-o", "pids", "cgroup", str(self.hierarchy)]
        until(lambda: subprocess.run(words, check=False).returncode, lambda status: status == 0)
        self.addCleanup(subprocess.run, ["umount", str(self.hierarchy)], check=True)
        self.addCleanup(lambda: (self.hierarchy / PARENT).rmdir())

    def test_version_1_is_found_by_itself_and_its_limit_is_in_force(self):
        one = self.machine("one", OURS, "pids.max=64").start()
        self.assertEqual(self.read(one, "pids.max"), "64")
        self.assertEqual(self.read(one, "cgroup.procs"), str(one.process.pid))
        self.assertIn(f":pids:/{PARENT}/one\n", Path(f"/proc/{one.process.pid}/cgroup").read_text())
        small = self.machine("small", THEIRS, "pids.max=1").launch()
        self.assertEqual(small.process.wait(TIMEOUT), 1)
        self.assertFalse((UNIFIED / PARENT).exists())
