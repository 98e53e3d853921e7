"""snapshot_kill_test.py VMM SNAPSHOT_PROGRAM: SIGKILL while a snapshot is written, on this machine's KVM.

At whatever instant a process is killed, its files are the snapshot that was there before or the new
one, whole: a process that restores it goes on with a guest that checks all its memory all the time.
The same for the program that merges diffs. A share of the instants each time; EMBER_LONG_TESTS makes
it 25 times as long. Writes JUnit XML where GTEST_OUTPUT says, as GoogleTest does.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/guest"), str(ROOT / "scripts")]

from chance import seeded_random  # noqa: E402
import machine  # noqa: E402
import run  # noqa: E402
from benchmarks import payload  # noqa: E402

KILLS = 200 if os.environ.get("EMBER_LONG_TESTS") else 8  # of each of the tests
TIMEOUT = 60
MEMORY_MIB = 32
FIRST, LAST = 0x400000, MEMORY_MIB << 20


def guest_code():
    """Round by round, writes the round's number into every page, after a look that the last round's is
    there. A dot on the console for each round, an exclamation mark and the end where one was not."""
    check = b"\x8b\x07\x40\x39\xd8"  # mov eax, [edi]; inc eax; cmp eax, ebx
    # mov [edi], ebx; add edi, 4096; cmp edi, LAST
    write = b"\x89\x1f\x81\xc7" + struct.pack("<I", 4096) + b"\x81\xff" + struct.pack("<I", LAST)
    dot = b"\x66\xba\xf8\x03\xb0.\xee"
    begin = b"\x43\xbf" + struct.pack("<I", FIRST)  # inc ebx; mov edi, FIRST
    past_write = len(write) + 2 + len(dot) + 2  # with the jumps behind both
    page = check + b"\x75" + struct.pack("<b", past_write) + write
    page += b"\x72" + struct.pack("<b", -(len(page) + 2))
    rounds = begin + page + dot
    rounds += b"\xeb" + struct.pack("<b", -(len(rounds) + 2))
    return b"\x31\xdb" + rounds + b"\x66\xba\xf8\x03\xb0!\xee\xf4\xeb\xfd"


class Guest(machine.Machine):
    """A process whose guest is the one above, from its beginning or from a snapshot."""

    def __init__(self, directory):
        kernel = directory / "kernel"
        kernel.write_bytes(payload.image(guest_code()))
        super().__init__(kernel, memory_mib=MEMORY_MIB)
        self.machine["track_dirty_pages"] = True

    def boot(self):
        self.launch()
        self.call("PUT", "/machine-config", self.machine)
        self.call("PUT", "/boot-source", self.boot_source)
        self.call("PUT", "/actions", {"action_type": "InstanceStart"})
        return self

    def load(self, state, memory):
        """Returns the answer's status and body."""
        return self.request("PUT", "/snapshot/load", {
            "snapshot_path": str(state), "resume_vm": True, "track_dirty_pages": True,
            "mem_backend": {"backend_type": "File", "backend_path": str(memory)}})

    def check(self):
        """Waits for a whole round, of which nothing was done when this was called."""
        self.expect_more(self.console(), "..", TIMEOUT)
        assert "!" not in self.console(), "the guest's memory is not what it was"


class Kills(unittest.TestCase):
    def setUp(self):
        self.random = seeded_random()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name)
        self.files = self.directory / "files"
        self.files.mkdir()
        self.state, self.memory = self.files / "state", self.files / "memory"
        # Of a machine that can be gone back to.
        self.last_state, self.last_memory = self.files / "last_state", self.files / "last_memory"
        self.usual = {}  # how long each kind takes
        self.vm = self.guest().boot()
        self.vm.check()

    def guest(self):
        vm = Guest(self.directory)
        self.addCleanup(vm.close)
        return vm

    def pause(self):
        self.vm.call("PATCH", "/vm", {"state": "Paused"})

    def save(self, kind, state, memory):
        """A snapshot that nothing disturbs. The machine goes on."""
        self.pause()
        began = time.monotonic()
        self.vm.call("PUT", "/snapshot/create", self.creation(kind, state, memory))
        self.usual[kind] = time.monotonic() - began
        self.vm.call("PATCH", "/vm", {"state": "Resumed"})

    def creation(self, kind, state, memory):
        return {"snapshot_path": str(state), "mem_file_path": str(memory), "snapshot_type": kind}

    def instant(self, usual):
        """How long after its beginning something is killed that usually takes so long."""
        return self.random.uniform(0, 1.2 * usual)

    def save_killed(self, kind):
        """Kills the process while it writes a snapshot; returns whether it had said that it was done."""
        time.sleep(self.random.uniform(0, 0.02))
        self.pause()
        body = json.dumps(self.creation(kind, self.state, self.memory))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(self.vm.socket_path)
            connection.sendall(f"PUT /snapshot/create HTTP/1.1\r\nHost: localhost\r\n"
                               f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
            time.sleep(self.instant(self.usual[kind]))
            self.vm.process.kill()
            self.vm.process.wait()
            answer = b""
            try:
                answer = connection.recv(65536)
            except ConnectionResetError:
                pass
        return answer.startswith(b"HTTP/1.1 204")

    def name(self, state):
        """The snapshot's, by its state file; None where there is no such file."""
        if not state.exists():
            return None
        done = subprocess.run([machine.VMM, "--describe-snapshot", str(state)], check=False,
                              capture_output=True, text=True, timeout=TIMEOUT)
        self.assertEqual(done.returncode, 0, done.stderr)
        return dict(line.split(": ", 1) for line in done.stdout.splitlines()[1:])["name"]

    def merge_words(self):
        return [SNAPSHOT_PROGRAM, "merge", "--diff-state", self.state, "--diff-memory", self.memory,
                "--base-memory", self.last_memory, "--out", self.last_memory]

    def merge(self):
        began = time.monotonic()
        done = subprocess.run(self.merge_words(), check=False, capture_output=True, text=True,
                              timeout=TIMEOUT)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.usual["merge"] = time.monotonic() - began

    def go_on(self, state, memory):
        """The machine of a snapshot takes the place of the one that was killed."""
        self.vm.close()
        self.vm = self.guest()
        self.vm.launch()
        status, answer = self.vm.load(state, memory)
        self.assertEqual(status, 204, answer)
        self.vm.check()

    def clean_up(self, *kept):
        """Of what killed processes left under other names."""
        for path in self.files.iterdir():
            if path not in (self.last_state, self.last_memory, self.state, self.memory, *kept):
                path.unlink()

    def remove(self):
        for path in (self.state, self.memory):
            path.unlink(missing_ok=True)

    def test_a_snapshot_over_another_is_that_one_or_the_new_one(self):
        self.save("Full", self.state, self.memory)
        old, outcomes = self.name(self.state), set()
        for _ in range(KILLS):
            said = self.save_killed("Full")
            new = self.name(self.state)
            outcomes.add(new != old)
            self.assertTrue(new != old or not said)
            self.go_on(self.state, self.memory)
            self.clean_up(self.files / f"memory.{new}")
            old = new
        self.assertIn(False, outcomes)

    def test_a_snapshot_where_none_was_is_none_or_whole(self):
        self.save("Full", self.last_state, self.last_memory)
        for _ in range(KILLS):
            said = self.save_killed("Full")
            if self.name(self.state) is None:
                self.assertFalse(said or self.memory.exists())
                self.go_on(self.last_state, self.last_memory)
            else:
                self.go_on(self.state, self.memory)
            self.remove()
            self.clean_up()

    def begin_diffs(self):
        """Afterwards there is a diff, merged."""
        self.save("Full", self.last_state, self.last_memory)
        self.save("Diff", self.state, self.memory)
        self.merge()
        self.last_state.write_bytes(self.state.read_bytes())

    def go_on_by_diff(self):
        """With what there is: a diff that is merged, one that is not, or none."""
        new = self.name(self.state)
        if new not in (None, self.name(self.last_state)):
            self.merge()
            self.last_state.write_bytes(self.state.read_bytes())
        self.go_on(self.last_state, self.last_memory)

    def test_a_diff_over_another_is_that_one_or_the_new_one(self):
        self.begin_diffs()
        for _ in range(KILLS):
            old = self.name(self.state)
            said = self.save_killed("Diff")
            self.assertTrue(self.name(self.state) != old or not said)
            self.go_on_by_diff()
            self.clean_up()

    def test_a_diff_where_none_was_is_none_or_whole(self):
        self.begin_diffs()
        for _ in range(KILLS):
            self.remove()
            said = self.save_killed("Diff")
            self.assertTrue(self.state.exists() or not said)
            self.assertTrue(self.state.exists() or not self.memory.exists())
            self.go_on_by_diff()
            self.clean_up()

    def test_a_merge_over_its_base_is_the_base_or_the_outcome(self):
        self.begin_diffs()
        for _ in range(KILLS):
            self.save("Diff", self.state, self.memory)
            with subprocess.Popen(self.merge_words(), stdout=subprocess.DEVNULL) as merging:
                time.sleep(self.instant(self.usual["merge"]))
                merging.kill()
            self.vm.close()
            self.vm = self.guest()
            self.vm.launch()
            status, answer = self.vm.load(self.state, self.last_memory)
            if status != 204:
                self.assertIn("is not the memory of", answer["fault_message"])
                self.merge()
                self.go_on(self.state, self.last_memory)
            self.vm.check()
            self.clean_up()


class Merging(unittest.TestCase):
    """What the program that merges says of files that it cannot merge."""

    def merge(self, state):
        with tempfile.TemporaryDirectory() as directory:
            words = [SNAPSHOT_PROGRAM, "merge", "--diff-state", state, "--diff-memory", "/nowhere/d",
                     "--base-memory", "/nowhere/b", "--out", f"{directory}/out"]
            done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=TIMEOUT)
            self.assertEqual(os.listdir(directory), [])
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        return done.stderr

    def test_a_file_that_is_not_what_it_should_be_is_named_and_nothing_is_made(self):
        without_drives = ROOT / "tests/vmm/snapshot/golden/machine_v1_diff.bin"
        for state in ("/nowhere/state", __file__, without_drives):
            self.assertIn(str(state), self.merge(state))


if __name__ == "__main__":
    machine.VMM, SNAPSHOT_PROGRAM = sys.argv[1:]
    sys.exit(run.run_with_kvm("snapshot_kill_test", Kills, Merging))
