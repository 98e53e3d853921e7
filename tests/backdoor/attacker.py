"""An ember-vmm that was taken over: each of its threads makes the system calls that a test gives it
(backdoor.cc). In a jail or outside, with a guest that halts and devices with threads of their own."""

import ctypes
import mmap
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/guest"), str(ROOT / "scripts")]

from benchmarks import payload, rows  # noqa: E402
from live_process import of_each_thread, open_files  # noqa: E402

TIMEOUT = 30
THREADS = ("api", "ember-vmm", "vcpu-0", "vsock", "worker")
HALT = b"\xf4\xeb\xfd"
CID = 3

ORDER_BYTES = 65536
# Of backdoor.cc: address, number, six arguments, result, denied, done.
ORDER = struct.Struct("<Qq6Qqq")
DONE_AT = ORDER.size
MEMORY_AT = 4096
OUTLIVE_DENIALS, COPY_MEMORY = -1, -2
SYS_TGKILL = 234
FILTERED = 2
AT_FDCWD = -100

DENIED = "denied"  # by a filter


class Ended(Exception):
    """The process ended in place of an answer."""


class Outside:
    """How a machine without a jail is started, and what its files are called."""

    jailed = False

    def __init__(self, directory, vmm, *arguments):
        self.words = [vmm, "--api-sock", f"{directory}/api", "--log-path", f"{directory}/log", *arguments]
        self.files = Path(directory)
        self.environment = {**os.environ, "EMBER_BACKDOOR": f"{directory}/backdoor"}
        self.socket_path = f"{directory}/api"

    def inside(self, name):
        """The path by which the machine knows one of its files."""
        return str(self.files / name)

    def give(self, name, content):
        (self.files / name).write_bytes(content)

    def clean_up(self):
        """Nothing: the directory is the test's."""


class Jailed:
    """The same in a jail, as a user of its own."""

    jailed = True

    def __init__(self, directory, vmm, jailer, machine, user, *arguments):
        base = Path(directory) / "jails"
        program = Path(directory) / machine / "firecracker"
        program.parent.mkdir()
        shutil.copy(vmm, program)
        self.name = ["--id", machine, "--exec-file", str(program), "--chroot-base-dir", str(base)]
        self.jailer = jailer
        self.user = user
        at = arguments.index("--parent-cgroup") if "--parent-cgroup" in arguments else len(arguments)
        self.parent_cgroup = arguments[at:at + 2]
        self.words = [jailer, *self.name, "--uid", str(user), "--gid", str(user), *arguments, "--",
                      "--api-sock", "/run/api", "--log-path", "/log"]
        self.files = base / "firecracker" / machine / "root"
        self.files.mkdir(parents=True)
        self.environment = {}
        self.socket_path = str(self.files / "run/api")
        self.give("log", b"")

    @staticmethod
    def inside(name):
        return f"/{name}"

    def give(self, name, content):
        path = self.files / name
        path.write_bytes(content)
        os.chown(path, self.user, self.user)
        os.chmod(path, 0o600)

    def clean_up(self):
        subprocess.run([self.jailer, *self.name, *self.parent_cgroup, "--cleanup"], check=True)


class Machine:
    """One with a guest that halts, a disk and a vsock device on a thread of its own."""

    def __init__(self, place, io_engine="Async"):
        self.place = place
        self.io_engine = io_engine
        self.files = place.files
        self.process = self.order = None

    def __enter__(self):
        self.place.give("kernel", payload.image(HALT))
        self.place.give("disk", bytes(4096))
        self.place.give("backdoor", bytes(ORDER_BYTES))
        with open(self.files / "backdoor", "r+b") as file:
            self.order = mmap.mmap(file.fileno(), ORDER_BYTES)
        try:
            self.launch()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stderr.close()
        self.order.close()
        self.place.clean_up()

    def launch(self):
        self.process = subprocess.Popen(self.place.words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, env=self.place.environment)
        deadline = time.monotonic() + TIMEOUT
        while (connection := rows.connect(self.place.socket_path)) is None:
            assert self.process.poll() is None and time.monotonic() < deadline, self.process.communicate()
        connection.close()

    def put(self, path, body):
        rows.api_call(self.place.socket_path, "PUT", path, body)

    def start(self, confined=True):
        """Until every thread is confined."""
        inside = self.place.inside
        self.put("/machine-config", {"vcpu_count": 1, "mem_size_mib": 64})
        self.put("/boot-source", {"kernel_image_path": inside("kernel")})
        self.put("/drives/disk", {"drive_id": "disk", "path_on_host": inside("disk"),
                                  "is_root_device": False, "io_engine": self.io_engine})
        self.put("/vsock", {"guest_cid": CID, "uds_path": inside("v"), "thread": "Own"})
        self.put("/actions", {"action_type": "InstanceStart"})
        deadline = time.monotonic() + TIMEOUT
        while confined and not self.is_confined():
            assert time.monotonic() < deadline, self.threads()
        return self

    def threads(self):
        """The number of each thread, by name."""
        return {name.strip(): number for number, name in of_each_thread(self.process.pid, "comm")}

    def is_confined(self):
        modes = {re.search(r"(?m)^Seccomp:\t(\d)", status)[1]
                 for _, status in of_each_thread(self.process.pid, "status")}
        return modes == {str(FILTERED)}

    def thread(self, name):
        """By its name; main's has the program's, which in a jail is another."""
        return self.process.pid if name == "ember-vmm" else self.threads()[name]

    def log(self):
        return (self.files / "log").read_text(errors="replace")

    # What the attacker has.

    @property
    def memory(self):
        """Where the process has memory for arguments."""
        return ORDER.unpack_from(self.order)[0] + MEMORY_AT

    def write(self, content, at=0):
        """Puts it into that memory; returns its address."""
        self.order[MEMORY_AT + at:MEMORY_AT + at + len(content)] = content
        return self.memory + at

    def text(self, words, at=0):
        return self.write(os.fsencode(words) + b"\0", at)

    def read(self, count, at=0):
        return self.order[MEMORY_AT + at:MEMORY_AT + at + count]

    def call(self, thread, number, *arguments):
        """What becomes of a system call: its result, a negative error number, or DENIED."""
        words = [argument & (1 << 64) - 1 for argument in arguments] + [0] * (6 - len(arguments))
        address = ORDER.unpack_from(self.order)[0]
        ORDER.pack_into(self.order, 0, address, number, *words, 0, -1)
        struct.pack_into("<Q", self.order, DONE_AT, 0)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(SYS_TGKILL, self.process.pid, self.thread(thread), signal.SIGUSR2) != 0:
            raise OSError(ctypes.get_errno(), "tgkill")
        self.await_answer()
        *_, result, denied = ORDER.unpack_from(self.order)
        return DENIED if denied >= 0 else result

    def await_answer(self):
        deadline = time.monotonic() + TIMEOUT
        while struct.unpack_from("<Q", self.order, DONE_AT)[0] == 0:
            if self.process.poll() is not None:
                raise Ended(self.process.returncode)
            assert time.monotonic() < deadline, "a call that does not return"
            time.sleep(0)

    def outlive_denials(self):
        """Before the start: from then on a call that is denied is an answer, and not the end."""
        assert self.call("ember-vmm", OUTLIVE_DENIALS) == 0

    def descriptors(self, kind):
        """Those that /proc has as `kind`."""
        return [number for number, what in open_files(self.process.pid).items() if re.fullmatch(kind, what)]
