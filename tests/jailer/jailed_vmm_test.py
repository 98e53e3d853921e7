"""jailed_vmm_test.py JAILER VMM: ember-vmm in a jail, asked over its API, with a guest where there is KVM.

Needs root, and a static VMM, for a jail holds no libraries. Writes JUnit XML where GTEST_OUTPUT says.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/guest"), str(ROOT / "scripts")]

import run  # noqa: E402
from benchmarks import payload, rows  # noqa: E402

USER = 61237
# mov dx, 0x64; mov al, 0xfe; out dx, al; hlt
RESET = b"\x66\xba\x64\x00\xb0\xfe\xee\xf4\xeb\xfd"
HALT = b"\xf4\xeb\xfd"
JAILER, VMM = sys.argv[1:3]


class JailedVmm(unittest.TestCase):
    def setUp(self):
        # The path of a socket is short.
        directory = tempfile.TemporaryDirectory(prefix="ej-", dir="/tmp")
        self.addCleanup(directory.cleanup)
        os.chmod(directory.name, 0o755)
        self.program = Path(directory.name) / "firecracker"
        shutil.copy(VMM, self.program)
        self.base = Path(directory.name) / "jails"
        self.root = self.base / "firecracker" / "m" / "root"
        self.root.mkdir(parents=True)

    def words(self, *more):
        return [JAILER, "--id", "m", "--exec-file", str(self.program), "--chroot-base-dir", str(self.base), *more]

    def start(self, *more):
        process = subprocess.Popen(self.words("--uid", str(USER), "--gid", str(USER), *more),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(self.kill, process)
        return process

    @staticmethod
    def kill(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def connect(self, process):
        path = str(self.root / "run/firecracker.socket")
        deadline = time.monotonic() + 30
        while (connection := rows.connect(path)) is None:
            if process.poll() not in (None, 0) or time.monotonic() > deadline:
                self.fail(process.communicate()[1].decode())
        return connection, path

    def clean_up(self):
        return subprocess.run(self.words("--cleanup"), capture_output=True, text=True, check=False)

    def test_it_answers_over_its_socket_in_the_jail_and_holds_the_lock(self):
        process = self.start()
        connection, _ = self.connect(process)
        with connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = connection.recv(65536).decode()
        self.assertEqual(json.loads(answer.split("\r\n\r\n")[1])["id"], "m")
        status = Path(f"/proc/{process.pid}/status").read_text()
        self.assertIn(f"Uid:\t{USER}\t{USER}\t{USER}\t{USER}", status)
        self.assertIn("CapPrm:\t0000000000000000", status)
        refused = self.clean_up()
        self.assertEqual(refused.returncode, 1)
        self.assertIn("the machine lives", refused.stderr)
        process.send_signal(signal.SIGTERM)
        process.wait()
        self.assertEqual(self.clean_up().returncode, 0)
        self.assertFalse(self.root.parent.exists())

    def guest(self, code):
        if not os.path.exists("/dev/kvm"):
            self.skipTest("this machine has no KVM")
        (self.root / "kernel").write_bytes(payload.image(code))
        config = {"drives": [], "boot-source": {"kernel_image_path": "/kernel"},
                  "machine-config": {"vcpu_count": 1, "mem_size_mib": 128}}
        (self.root / "config.json").write_text(json.dumps(config))
        for name in ("kernel", "config.json"):
            os.chmod(self.root / name, 0o644)

    def test_a_guest_runs_in_the_jail_to_its_end(self):
        self.guest(RESET)
        process = self.start("--", "--no-api", "--config-file", "/config.json")
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, errors.decode())
        self.assertEqual(self.clean_up().returncode, 0)

    def test_a_daemon_with_a_guest_is_ended_and_leaves_nothing(self):
        self.guest(HALT)
        process = self.start("--daemonize", "--new-pid-ns", "--", "--config-file", "/config.json")
        self.assertEqual(process.wait(timeout=60), 0)
        connection, _ = self.connect(process)
        connection.close()
        os.kill(int((self.root / "firecracker.pid").read_text()), signal.SIGKILL)
        deadline = time.monotonic() + 30
        while (cleaned := self.clean_up()).returncode != 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(cleaned.returncode, 0, cleaned.stderr)
        self.assertFalse(self.root.parent.exists())


def main():
    if reason := run.why_no_jail(VMM):
        print(f"NOT RUN: jailed_vmm_test: {reason}", file=sys.stderr)
        return run.NOT_RUN
    return run.run_here(unittest.defaultTestLoader.loadTestsFromTestCase(JailedVmm), "jailed_vmm_test")


if __name__ == "__main__":
    sys.exit(main())
