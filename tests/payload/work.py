"""A machine whose guest works on all of its CPUs, its memory, a disk, a network and a console, and checks
it (work_guest.c): from its start or of a snapshot."""

import re
import struct
import time
from pathlib import Path
from typing import NamedTuple

from life import compile_guest, machine, MIB, Peer

MEMORY_MIB = 16
DISK_BYTES = MIB
TIMEOUT = 300  # fifty machines at work share the processors
FRAME_START = 14
CLOCK_MAGIC = 0x4b4c4356
CLOCK_CONSTANTS = 0x01ff0001  # version 1, no counter, TAI
CLOCK_FLAGS = 1 << 8 | 1 << 9  # a generation counter, and notifications
NEW_GENERATION = 2  # of ACPI's events
FIRST_SEED = 0x5eed0000  # as the guest has it


class Clock(NamedTuple):
    """What changes of a VMClock."""
    sequence: int
    disruptions: int
    generation: int
    events: int


def compile_work(directory, cpus):
    return compile_guest(directory, "work_guest.c", [f"-DCPUS={cpus}u", f"-DLAST_MIB={MEMORY_MIB}u"])


class Work(machine.Machine):
    """The machine, whose files and sockets are in a directory of its own. `cpus` is as many as its guest
    was compiled for."""

    def __init__(self, kernel, directory, cpus, **options):
        super().__init__(kernel, vcpus=cpus, memory_mib=MEMORY_MIB, **options)
        self.files = Path(directory)
        self.machine["track_dirty_pages"] = True
        self.seeds = set()  # of frames that came to the network's other end
        self.peer = None

    def path(self, name):
        return str(self.files / name)

    def __enter__(self):
        for name in ("net", "port", "port.ctl"):  # a process that is killed leaves its sockets
            (self.files / name).unlink(missing_ok=True)
        self.peer = Peer(self.path("net"), self.send_back)
        return super().__enter__()

    def __exit__(self, *what):
        """More than once does no harm."""
        try:
            return super().__exit__(*what)
        finally:
            if self.peer:
                self.peer.close()
            self.peer = None

    def send_back(self, client):
        """The network's other end: a frame after the other, each behind its length."""
        with client, client.makefile("rb") as frames:
            try:
                while head := frames.read(4):
                    frame = frames.read(struct.unpack(">I", head)[0])
                    self.seeds.add(struct.unpack_from("<I", frame, FRAME_START)[0])
                    client.sendall(head + frame)
            except (OSError, struct.error):  # the machine ends
                return

    def boot(self, io_engine="Async"):
        """From the beginning, with an empty disk."""
        with open(self.files / "disk", "wb") as file:
            file.truncate(DISK_BYTES)
        self.drives = [machine.drive(self.files / "disk", "disk", root=False, cache_type="Writeback",
                                     io_engine=io_engine)]
        self.devices = [
            ("/network-interfaces/net", {"iface_id": "net", "socket_path": self.path("net")}),
            ("/console", {"ports": [{"id": "port", "socket_path": self.path("port"),
                                     "output_path": self.path("lines"), "is_console": True}]})]
        self.start()
        self.expect("working\n", TIMEOUT)

    def load(self, state, memory, **more):
        """As the machine of a snapshot."""
        self.launch()
        self.call("PUT", "/snapshot/load", {
            "snapshot_path": str(state), "resume_vm": True, "track_dirty_pages": True,
            "mem_backend": {"backend_type": "File", "backend_path": str(memory)}, **more})

    def save(self, kind, state, memory):
        """The machine stays paused."""
        self.call("PATCH", "/vm", {"state": "Paused"})
        self.call("PUT", "/snapshot/create", {"snapshot_type": kind, "snapshot_path": str(state),
                                              "mem_file_path": str(memory)})

    def type(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def report(self):
        """How far each kind of work went, and how often it found all that this machine had written."""
        before = self.console()
        self.type(b"r")
        line = r"report \d+ went ([\d ]+) kept ([\d ]+)\n"
        said = self.expect(f"(?s){re.escape(before)}(.*{line})", TIMEOUT)
        assert "BAD" not in said[1], f"{said[1]}\n{self.log()}"
        return tuple(tuple(map(int, said[group].split())) for group in (2, 3))

    def clock(self):
        """VMClock and the events of ACPI, which are taken."""
        before = self.console()
        self.type(b"c")
        told = self.expect(f"(?s){re.escape(before)}.*clock ([\\d ]+)\n", TIMEOUT)[1]
        magic, size, constants, flags, *rest = map(int, told.split())
        assert (magic, size, flags) == (CLOCK_MAGIC, 4096, CLOCK_FLAGS), told
        assert constants == CLOCK_CONSTANTS, hex(constants)
        sequence, disruptions, low, high, events = rest
        return Clock(sequence, disruptions, low | high << 32, events)

    def await_report(self, is_enough, what):
        """The first report of which `is_enough` says so."""
        deadline = time.monotonic() + TIMEOUT
        while not is_enough(now := self.report()):
            assert time.monotonic() < deadline, f"{what}: {now}\n{self.log()}"
            time.sleep(0.005)
        return now

    def expect_progress(self, before):
        """Waits until all work went beyond what a report told; returns what is told then."""
        return self.await_report(
            lambda now: all(later > earlier for later, earlier in zip(now[0], before[0])),
            f"some work stands still since {before}")

    def become(self, seed):
        """From now on what it writes is unlike what any machine of another seed writes. Waits until it has
        gone over all its memory and its disk with it, and found everything so afterwards."""
        self.type(f"s{seed:08x}".encode())
        self.await_report(lambda now: min(now[1]) >= 2, f"not all is of the seed {seed:#x}")
