"""A machine in a jail of ember-jailer's, with a cgroup of its own; and how it is ended. Needs root."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests/backdoor")]

from attacker import Jailed  # noqa: E402
from benchmarks import payload, rows  # noqa: E402

PARENT = f"ember-test-{os.getpid()}"
TIMEOUT = 60
HALT, SPIN = b"\xf4\xeb\xfd", b"\xeb\xfe"
# The VMM and the jailer under test.
Programs = namedtuple("Programs", "vmm jailer")


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


class Limited:
    """`limits` are FILE=VALUE of its cgroup, `options` more words for the jailer."""

    def __init__(self, programs, directory, name, user, *limits, options=()):
        words = [word for limit in limits for word in ("--cgroup", limit)]
        self.place = Jailed(directory, programs.vmm, programs.jailer, name, user, "--parent-cgroup", PARENT, *words,
                            *options)
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
        self.place.clean_up()
