"""lifecycle_kill_test.py JAILER VMM: SIGKILL at any instant of a jailed machine's life, on this machine's KVM.

A life: the jailer joins a network and cgroups and makes the jail, a guest drives its devices, among them a
tap, is saved or goes on from what was saved, and ends; then the jail is cleaned up. Whatever is killed at
whatever instant, jailer, machine or clean-up, the clean-up that is let finish leaves no file, cgroup,
mount, namespace, process or socket, and the tap to the next. Some each time; EMBER_LONG_TESTS makes it
10,000. Needs root, and a static VMM. Writes JUnit XML where GTEST_OUTPUT says.
"""

import collections
import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/guest"), str(ROOT / "tests/payload")]

from chance import seeded_random  # noqa: E402
import host_cgroups  # noqa: E402
from life import CLONE_NEWNET, CLONE_NEWNS, compile_guest, in_own_namespaces, MIB  # noqa: E402
from limited import kill_by_file, Limited, PARENT, Programs, TIMEOUT, until  # noqa: E402
from live_process import lives  # noqa: E402
from machine import Transport  # noqa: E402
import run  # noqa: E402

KILLS = 10_000 if os.environ.get("EMBER_LONG_TESTS") else 150
USER = 61262
MEMORY_MIB = 8
SAVED = {"snapshot_path": "/state", "mem_file_path": "/memory"}
LOADED = {"snapshot_path": "/state", "mem_backend": {"backend_type": "File", "backend_path": "/memory"},
          "resume_vm": True}
CONFIG = {
    "machine-config": {"vcpu_count": 2, "mem_size_mib": MEMORY_MIB},
    "boot-source": {"kernel_image_path": "/kernel"},
    "drives": [{"drive_id": "disk", "path_on_host": "/disk", "is_root_device": False, "io_engine": "Async"},
               {"drive_id": "own", "path_on_host": "/own", "is_root_device": False, "thread": "Own"}],
    "network-interfaces": [{"iface_id": "n", "host_dev_name": "tap0"}],
    "vsock": {"guest_cid": 3, "uds_path": "/v"},
    "console": {"ports": [{"id": "a", "socket_path": "/a"}]},
    "entropy": {},
    "metrics": {"metrics_path": "/metrics"},
}
# What a client meets whose machine is killed.
GONE = (OSError, http.client.HTTPException)
JAILER = VMM = None


class Life(Limited):
    """One machine; `reached` is what it is about."""

    def __init__(self, directory, name, limits, options):
        super().__init__(Programs(VMM, JAILER), directory, name, USER, *limits, options=options)
        self.asks = Transport(self.place.socket_path, timeout=TIMEOUT)
        self.reached = "not answering"
        self.deadline = time.monotonic() + TIMEOUT
        self.pid_file = self.place.files / "firecracker.pid"

    def begin(self, *arguments):
        self.place.words += arguments
        self.launch()

    def call(self, method, path, body):
        answer = self.asks.send(method, path, body)
        assert answer.status < 300, f"{method} {path}: {answer}"
        return answer.value()

    def first_answer(self):
        while True:
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                return self.call("GET", "/", None)
            if self.gone():
                raise ConnectionResetError
            self.pause()

    def pause(self):
        """Between two looks at a life that takes a twentieth of a second."""
        assert time.monotonic() < self.deadline, f"it hangs: {self.reached}"
        time.sleep(0.0002)

    def gone(self):
        """Whether nobody will answer: the jailer of a machine in a namespace of its own ends before it."""
        if self.process.poll() is None:
            return False
        pid = self.pid_file.read_text() if self.pid_file.exists() else ""
        return not pid or not lives(pid)

    def step(self, what, *request):
        self.reached = what
        if request:
            self.call(*request)

    def live(self, saved):
        """To its end, by API and signal."""
        self.first_answer()
        if saved:
            self.step("loading", "PUT", "/snapshot/load", LOADED)
        self.step("running", "PATCH", "/vm", {"state": "Paused"})
        self.step("saving", "PUT", "/snapshot/create", {**SAVED, "snapshot_path": "/state2"})
        self.step("resuming", "PATCH", "/vm", {"state": "Resumed"})
        self.step("ending")
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(self.pid_file.read_text()), signal.SIGTERM)
        while not self.gone():
            self.pause()

    def kill(self):
        """The jailer, or the machine that it became; else the machine that it made, too."""
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        kill_by_file(self.pid_file)
        self.asks.close()


class LifecycleKill(unittest.TestCase):
    def setUp(self):
        self.random = seeded_random()
        # The path of a socket is short, and what is written does not wait for a disk.
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="ek-", dir="/dev/shm")))
        self.directory.chmod(0o755)
        self.kernel = compile_guest(self.directory).read_bytes()
        self.saved = {}
        self.cgroups = list(host_cgroups.choices())
        self.addCleanup(host_cgroups.remove, PARENT)
        self.names = 0

    def machine(self, saved):
        """One that boots, or has what is to be loaded."""
        self.names += 1
        options, limits = ["--netns", f"/proc/{os.getpid()}/task/{threading.get_native_id()}/ns/net"], []
        if self.cgroups:
            version, limits = self.random.choice(self.cgroups)
            options += ["--cgroup-version", str(version)]
        for option in ("--new-pid-ns", "--daemonize"):
            if self.random.random() < 0.3:
                options.append(option)
        life = Life(self.directory, str(self.names), limits, options)
        for name in ("disk", "own"):
            life.place.give(name, b"")
            os.truncate(life.place.files / name, MIB)
        life.place.give("metrics", b"")
        if saved:
            for name, content in self.saved.items():
                life.place.give(name, content)
            life.begin()
        else:
            life.place.give("kernel", self.kernel)
            life.place.give("config", json.dumps(CONFIG).encode())
            life.begin("--config-file", "/config")
        return life

    def save(self):
        """What machines are to go on from."""
        life = self.machine(False)
        life.first_answer()
        time.sleep(0.1)  # the guest is somewhere in its round
        life.call("PATCH", "/vm", {"state": "Paused"})
        life.call("PUT", "/snapshot/create", SAVED)
        self.saved = {name: (life.place.files / name).read_bytes() for name in ("state", "memory")}
        life.kill()
        self.clean_up(life)

    def whole(self, saved):
        """How long a life takes that is not killed."""
        life = self.machine(saved)
        began = time.monotonic()
        life.live(saved)
        took = time.monotonic() - began
        life.kill()
        self.clean_up(life)
        return took

    def clean_up(self, life):
        words = [JAILER, *life.place.name, *life.place.parent_cgroup, "--cleanup"]
        if self.random.random() < 0.3:
            with subprocess.Popen(words, stderr=subprocess.DEVNULL) as first:
                time.sleep(self.random.uniform(0, 0.006))
                first.kill()
        # A machine that nobody knows yet notices that its jailer has ended, and ends.
        until(lambda: subprocess.run(words, stderr=subprocess.PIPE, check=False),
              lambda done: done.returncode == 0)
        shutil.rmtree(self.directory / life.name)  # the program, which is the test's

    def kill_one(self, saved, usual):
        """Returns what it was about as it was killed."""
        life = self.machine(saved)
        killer = threading.Timer(self.random.uniform(0, usual), self.kill_now, [life])
        killer.start()
        with contextlib.suppress(*GONE):
            life.live(saved)
        killer.join()
        life.kill()
        self.clean_up(life)
        return life.reached

    @staticmethod
    def kill_now(life):
        life.process.kill()
        kill_by_file(life.pid_file)

    def left(self):
        """What could be left of machines, by kind."""
        jails = self.directory / "jails/firecracker"
        thread = Path(f"/proc/self/task/{threading.get_native_id()}")
        return {"files": sorted(path.name for path in self.directory.iterdir()), "jails": os.listdir(jails),
                "cgroups": host_cgroups.children(PARENT), "mounts": (thread / "mountinfo").read_text(),
                "sockets": (thread / "net/unix").read_text().count("\n"),
                "devices": sorted(line.split(":")[0] for line in (thread / "net/dev").read_text().splitlines())}

    def processes(self):
        return [path.name for path in Path("/proc").iterdir() if self.is_ours(path) and lives(path.name)]

    def is_ours(self, process):
        """A machine, by its user, or a jailer, by its words."""
        if not process.name.isdecimal():
            return False
        with contextlib.suppress(OSError):
            return (process.stat().st_uid == USER or
                    str(self.directory).encode() in (process / "cmdline").read_bytes())
        return False

    def test_clean_up_leaves_nothing_whatever_was_killed_at_whatever_instant(self):
        in_own_namespaces(CLONE_NEWNET | CLONE_NEWNS, self.kill_all)

    def kill_all(self):
        """Where nobody else has sockets, mounts or a tap."""
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["ip", "tuntap", "add", "tap0", "mode", "tap", "user", str(USER)], check=True)
        subprocess.run(["ip", "link", "set", "tap0", "up"], check=True)
        self.save()
        usual = {saved: max(self.whole(saved) for _ in range(3)) for saved in (False, True)}
        before, reached = self.left(), collections.Counter()
        for number in range(KILLS):
            reached[self.kill_one(number % 2 == 1, usual[number % 2 == 1])] += 1
            until(self.processes, lambda found: not found)  # one that nobody waits for takes a moment
            self.assertEqual(self.left(), before)
        print(f"  {KILLS} killed: {dict(reached)}; a life takes {usual} s", flush=True)
        self.assertGreaterEqual(len(reached), 4)
        self.whole(True)  # the tap is nobody's, or this machine could not have it


if __name__ == "__main__":
    JAILER, VMM = sys.argv[1:]
    sys.exit(run.run_jailed("lifecycle_kill_test", VMM, LifecycleKill))
