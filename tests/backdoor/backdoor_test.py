"""backdoor_test.py BACKDOOR VMM JAILER: what somebody can do who has taken over a thread of ember-vmm.

BACKDOOR is ember-vmm with a backdoor through which each thread makes the system calls that are asked for
here, once it is confined: outside a jail, with --allow-path and without, and in one. Beside it another
machine lives in a jail of its own. With EMBER_LONG_TESTS each attempt of each thread ends a process of
its own. Writes JUnit XML where GTEST_OUTPUT says, as GoogleTest does.
"""

import ctypes
import errno
import os
import signal
import socket
import struct
import sys
import tempfile
import unittest
from pathlib import Path

from attacker import AT_FDCWD, DENIED, Ended, Jailed, Machine, Outside, THREADS
from attempts import ATTEMPTS, KVM, WORKERS
from ring import Ring
import run

BACKDOOR, VMM, JAILER = sys.argv[1:]
OURS, THEIRS = 61250, 61251
OPENAT, CLOSE, SOCKET, CONNECT, UNLINK, IOCTL, GETPID = 257, 3, 41, 42, 87, 16, 39
CAPSET, CLONE3, IO_URING_SETUP, IO_URING_ENTER = 126, 435, 425, 426
# IORING_OP_*: sendmsg, recvmsg, accept, connect, openat, close, statx, splice, send, shutdown, renameat,
# unlinkat, symlinkat, setxattr, socket, a command to a device
RING_NOP, RING_OTHERS = 0, (9, 10, 13, 16, 18, 19, 21, 26, 30, 34, 35, 36, 38, 42, 45, 46)
X32 = 0x40000000
SYS_LANDLOCK_CREATE_RULESET, LANDLOCK_CREATE_RULESET_VERSION = 444, 1
BAD_CALL = 148
REFUSED = (-errno.EACCES, -errno.EPERM)
# What is not there cannot be reached: in a jail.
ABSENT = (-errno.ENOENT, -errno.ENOTDIR)
WITH_SOCKETS = ("ember-vmm", "vsock", "worker")
# What succeeds where nothing is confined, by root: the attempts are what they are called.
UNCONFINED = ["open", "inotify_init1", "process_vm_readv", "pidfd_open",
              "an internet socket", "an internet socket of datagrams", "a netlink socket", "socketpair",
              "setpriority", "ioprio_set", "mmap of code", "mmap of code to write",
              "mprotect to code", "setfsuid", "setresuid", "prctl with dumps", "memfd_create",
              "openat of a file it was given"]


def address(path):
    """sockaddr_un."""
    return struct.pack("<H108s", socket.AF_UNIX, os.fsencode(path))


def landlock_version():
    """Of the kernel's interface; below 1 where it has none."""
    return ctypes.CDLL(None).syscall(SYS_LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_CREATE_RULESET_VERSION)


def pids_hierarchy():
    """Where cgroups of version 1 with the pids controller are, or None."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup" and "pids" in options.split(","):
            return Path(where)
    return None


class World:
    """What is around a machine that was taken over: the host's files, and another machine."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.folder = f"{directory}/folder"
        os.mkdir(self.folder)
        self.secret = f"{directory}/secret"
        Path(self.secret).write_text("secret")
        os.chmod(self.secret, 0o600)
        self.absent = f"{directory}/folder/absent"
        self.program = "/bin/true"
        self.given = None
        cgroup = []
        self.parent_cgroup = None
        if hierarchy := pids_hierarchy():
            self.parent_cgroup = hierarchy / f"ember-backdoor-{os.getpid()}"
            cgroup = ["--cgroup", "pids.max=100", "--parent-cgroup", self.parent_cgroup.name]
        self.other = Machine(Jailed(directory, VMM, JAILER, "victim", THEIRS, *cgroup))

    def __enter__(self):
        self.other.__enter__()
        self.other.start()
        return self

    def __exit__(self, *_):
        self.other.__exit__()
        if self.parent_cgroup:
            self.parent_cgroup.rmdir()

    def others_cgroup(self):
        """The files of the other machine's cgroup by which its processes and limits are changed."""
        if not self.parent_cgroup:
            return []
        return [self.parent_cgroup / "victim" / name for name in ("cgroup.procs", "tasks", "pids.max")]

    @property
    def victim(self):
        return self.other.process.pid

    @property
    def victim_address(self):
        maps = Path(f"/proc/{self.victim}/maps").read_text().splitlines()
        return int(maps[0].split("-")[0], 16)


class Backdoor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # The path of a socket is short.
        shared = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="eb-", dir="/tmp"))
        os.chmod(shared, 0o755)
        cls.world = cls.enterClassContext(World(shared))
        cls.count = 0

    def tearDown(self):
        self.assertIsNone(self.world.other.process.poll(), "the other machine has ended")

    def machine(self, kind, **more):
        """One to be taken over; `kind` says what is around it."""
        type(self).count += 1
        if kind == "jailed":
            place = Jailed(self.world.directory, BACKDOOR, JAILER, str(self.count), OURS)
        else:
            directory = self.world.directory / str(self.count)
            directory.mkdir()
            words = {"limited": ["--allow-path", str(directory)], "free": ["--no-seccomp"]}.get(kind, [])
            place = Outside(directory, BACKDOOR, *words)
        self.world.given = place.inside("disk")
        return Machine(place, **more)

    def lives(self, *kinds, **more):
        """Machines whose threads are confined, and live on when a call is denied."""
        for kind in kinds:
            with self.subTest(kind), self.machine(kind, **more) as attacker:
                attacker.outlive_denials()
                attacker.start()
                yield attacker

    def attempt(self, attacker, thread, name, table):
        number, arguments = table[name]
        return attacker.call(thread, number, *arguments(attacker, self.world))

    def expect_one_of(self, expected, result, *what):
        self.assertIn(result, expected, what)

    def test_what_no_thread_needs_is_denied_to_each(self):
        for attacker in self.lives("limited", "open", "jailed"):
            for thread in THREADS:
                for name in ATTEMPTS:
                    self.assertEqual(self.attempt(attacker, thread, name, ATTEMPTS), DENIED, (thread, name))
                self.assertGreater(attacker.call(thread, GETPID), 0)

    def test_what_the_worker_needs_is_denied_to_the_others(self):
        for attacker in self.lives("limited", "jailed"):
            for thread in THREADS:
                for name in WORKERS:
                    result = self.attempt(attacker, thread, name, WORKERS)
                    self.assertEqual(result == DENIED, thread != "worker", (thread, name, result))
            self.assertGreaterEqual(self.attempt(attacker, "worker", "memfd_create", WORKERS), 0)
            self.assertGreaterEqual(self.attempt(attacker, "worker", "openat of a file it was given", WORKERS), 0)

    def test_a_processors_thread_and_the_apis_change_no_machine(self):
        for attacker in self.lives("limited", "jailed"):
            descriptors = attacker.descriptors("anon_inode:kvm.*") + [-1]
            self.assertGreater(len(descriptors), 2)
            for thread in ("api", "vcpu-0"):
                for name, request in KVM.items():
                    for descriptor in descriptors:
                        result = attacker.call(thread, IOCTL, descriptor, request, attacker.write(bytes(512)))
                        self.assertEqual(result, DENIED, (thread, name))

    def test_no_thread_has_a_power_of_roots(self):
        for attacker in self.lives("limited", "open", "jailed"):
            header = attacker.write(struct.pack("<II", 0x20080522, 0))
            wanted = attacker.write(struct.pack("<6I", *[0xFFFFFFFF, 0xFFFFFFFF, 0] * 2), 64)
            for thread in THREADS:
                result = attacker.call(thread, CAPSET, header, wanted)
                self.assertEqual(result, -errno.EPERM if thread == "worker" else DENIED, thread)
            # Which says that there is no such call, so that the C library takes another.
            self.assertEqual(attacker.call("worker", CLONE3, attacker.write(bytes(88)), 88), -errno.ENOSYS)

    @staticmethod
    def kinds_with_files():
        """Where files of the same user are out of reach."""
        return ["limited", "jailed"] if landlock_version() >= 1 else ["jailed"]

    def test_files_that_it_was_not_given_are_not_opened_made_or_removed(self):
        for attacker in self.lives(*self.kinds_with_files()):
            refused = REFUSED + ABSENT if attacker.place.jailed else REFUSED
            for path, flags in [(self.world.secret, os.O_RDONLY), (self.world.secret, os.O_WRONLY | os.O_TRUNC),
                                (self.world.absent, os.O_CREAT | os.O_WRONLY), ("/bin/true", os.O_RDONLY),
                                ("/etc/passwd", os.O_RDONLY), ("../" * 40 + "etc/passwd", os.O_RDONLY),
                                (str(self.world.other.files / "disk"), os.O_RDWR)]:
                result = attacker.call("worker", OPENAT, AT_FDCWD, attacker.text(path), flags, 0o600)
                self.expect_one_of(refused, result, path, flags)
            for thread in ("ember-vmm", "worker"):
                result = attacker.call(thread, UNLINK, attacker.text(self.world.secret))
                self.expect_one_of(refused, result, thread)
        self.assertEqual(Path(self.world.secret).read_text(), "secret")
        self.assertFalse(os.path.exists(self.world.absent))

    def test_another_machines_process_is_not_looked_into(self):
        for attacker in self.lives("limited", "open", "jailed"):
            for name in ("mem", "maps", "environ", "fd/0", "root/disk", "cwd/disk", "task/1/mem", "pagemap"):
                path = f"/proc/{self.world.victim}/{name}"
                for flags in (os.O_RDONLY, os.O_RDWR):
                    result = attacker.call("worker", OPENAT, AT_FDCWD, attacker.text(path), flags)
                    self.expect_one_of(REFUSED + ABSENT, result, path)

    def test_another_machines_files_and_sockets_are_not_reached(self):
        theirs = self.world.other.files
        self.assertTrue((theirs / "v").is_socket() and (theirs / "run/api").is_socket())
        for attacker in self.lives("limited", "open", "jailed"):
            for name in ("run/api", "v"):
                for thread in WITH_SOCKETS:
                    self.expect_one_of(REFUSED + ABSENT, self.connect(attacker, thread, address(theirs / name)),
                                       thread, name)
            # By the host's path, and by the way from one jail to the next.
            for where in (str(theirs), "../../victim/root"):
                for name in ("disk", "log", "kernel", "dev/kvm", "firecracker.pid"):
                    for flags in (os.O_RDONLY, os.O_RDWR):
                        path = attacker.text(f"{where}/{name}")
                        result = attacker.call("worker", OPENAT, AT_FDCWD, path, flags)
                        self.expect_one_of(REFUSED + ABSENT, result, where, name)

    def test_another_machines_cgroup_is_not_changed(self):
        for attacker in self.lives(*self.kinds_with_files()):
            for path in self.world.others_cgroup():
                self.assertTrue(path.exists(), path)
                result = attacker.call("worker", OPENAT, AT_FDCWD, attacker.text(str(path)), os.O_WRONLY)
                self.expect_one_of(REFUSED + ABSENT, result, path)

    def connect(self, attacker, thread, where):
        made = attacker.call(thread, SOCKET, socket.AF_UNIX, socket.SOCK_STREAM, 0)
        self.assertGreaterEqual(made, 0, thread)
        result = attacker.call(thread, CONNECT, made, attacker.write(where), len(where))
        attacker.call(thread, CLOSE, made)
        return result

    @staticmethod
    def listen_without_a_path(listener):
        """Gives it an abstract address; returns that."""
        listener.bind("")
        listener.listen()
        return struct.pack("<H", socket.AF_UNIX) + listener.getsockname()

    def test_a_socket_of_the_hosts_that_has_no_path_is_not_reached(self):
        if landlock_version() < 6:
            self.skipTest("this kernel's Landlock knows no abstract sockets")
        with socket.socket(socket.AF_UNIX) as listener:
            where = self.listen_without_a_path(listener)
            for attacker in self.lives("limited", "open", "jailed"):
                for thread in WITH_SOCKETS:
                    self.assertEqual(self.connect(attacker, thread, where), -errno.EPERM, thread)

    def test_a_disks_ring_does_nothing_but_a_disks_work(self):
        for attacker in self.lives("limited", "jailed"):
            ring = Ring(attacker)
            path = attacker.text(attacker.place.inside("disk"))
            for thread in ("ember-vmm", "worker"):
                self.assertEqual(ring.submit(thread, RING_NOP), 0)
                for operation in RING_OTHERS:
                    result = ring.submit(thread, operation, AT_FDCWD, path, os.O_RDONLY)
                    self.assertEqual(result, -errno.EACCES, operation)
            for thread in ("api", "vcpu-0"):
                self.assertEqual(attacker.call(thread, IO_URING_ENTER, ring.descriptor, 0, 0, 0), DENIED)

    def test_no_ring_is_made(self):
        params = bytes(120)
        for io_engine in ("Sync", "Async"):
            for attacker in self.lives("limited", "jailed", io_engine=io_engine):
                for thread in THREADS:
                    result = attacker.call(thread, IO_URING_SETUP, 8, attacker.write(params))
                    self.assertEqual(result, DENIED, thread)

    def test_a_call_that_is_denied_ends_the_process_and_is_told(self):
        some = {thread: ["an internet socket"] for thread in THREADS}
        if "EMBER_LONG_TESTS" in os.environ:
            some = {thread: list(ATTEMPTS) for thread in THREADS}
        for kind in ("limited", "jailed"):
            for thread, names in some.items():
                for name in names:
                    with self.subTest(kind, thread=thread, name=name):
                        self.expect_end(kind, thread, name)

    def expect_end(self, kind, thread, name):
        with self.machine(kind) as attacker:
            attacker.start()
            with self.assertRaises(Ended) as ended:
                self.attempt(attacker, thread, name, ATTEMPTS)
            self.assertEqual(ended.exception.args, (BAD_CALL,))
            last = attacker.log().splitlines()[-1]
            told = f"Shutting down VM after intercepting a bad syscall ({ATTEMPTS[name][0]}); exit code 148"
            self.assertTrue(last.endswith(told), last)
            if thread != "ember-vmm":  # main's has the program's name
                self.assertIn(f":{thread}]", last)

    def test_a_call_by_the_numbers_of_another_abi_ends_the_process(self):
        for thread in THREADS:
            with self.subTest(thread), self.machine("limited") as attacker:
                attacker.outlive_denials()
                attacker.start()
                with self.assertRaises(Ended) as ended:
                    attacker.call(thread, X32 | 520, attacker.text("/bin/true"), 0, 0)
                self.assertEqual(ended.exception.args, (-signal.SIGSYS,))

    def test_without_confinement_the_attempts_succeed(self):
        with self.machine("free") as attacker:
            attacker.start(confined=False)
            for name in UNCONFINED:
                result = self.attempt(attacker, "ember-vmm", name, ATTEMPTS | WORKERS)
                self.assertTrue(result != DENIED and result >= 0, (name, result))
            self.assertEqual(self.connect(attacker, "ember-vmm", address(self.world.other.files / "run/api")), 0)
            with socket.socket(socket.AF_UNIX) as listener:
                self.assertEqual(self.connect(attacker, "ember-vmm", self.listen_without_a_path(listener)), 0)
            path = attacker.text(f"/proc/{self.world.victim}/mem")
            self.assertGreaterEqual(attacker.call("ember-vmm", OPENAT, AT_FDCWD, path, os.O_RDWR), 0)

    def test_the_program_that_is_installed_has_no_backdoor(self):
        for word in (b"EMBER_BACKDOOR", b"/backdoor"):
            self.assertIn(word, Path(BACKDOOR).read_bytes())
            self.assertNotIn(word, Path(VMM).read_bytes())
        # Nor does it handle the signal.
        status = Path(f"/proc/{self.world.victim}/status").read_text()
        caught = int(status.split("SigCgt:\t")[1].split()[0], 16)
        self.assertEqual(caught >> (signal.SIGUSR2 - 1) & 1, 0)


if __name__ == "__main__":
    sys.exit(run.run_jailed("backdoor_test", VMM, Backdoor))
