"""The rows of scripts/bench about snapshots. Files are in tmpfs, so that no disk is measured, but for
working sets."""

import contextlib
import ctypes
import fcntl
import functools
import mmap
import os
import re
import statistics
import struct
import tempfile
import time
from pathlib import Path

from benchmarks import payload
from benchmarks.rows import MIB, api_call, configure_payload, end, row

TMPFS = "/dev/shm"
RESTORED_MIB = (128, 512, 1024, 4096)
WRITTEN_MIB = 512
DIFF_MIB = 1024
DIRTY_STRIDE = 100  # every so many pages is written: one in a hundred
CLONES = 100
# Pages that a guest looks at: one in 256 KiB, in an order that no reader ahead could guess.
TOUCHED_PAGES, TOUCHED_SHIFT, TOUCHED_STEP = 2048, 18, 1237
FIRST_EXIT = b"Guest-boot-time"
FIRST_EXIT_TIME = re.compile(rb"Guest-boot-time = (\d+) us")
FILL_BYTES = 16 * MIB
# <linux/kvm.h>, <asm-generic/mman.h>
KVM_CREATE_VM, KVM_SET_USER_MEMORY_REGION = 0xAE01, 0x4020AE46
MAP_NORESERVE = 0x4000


def directory():
    return tempfile.TemporaryDirectory(dir=TMPFS)


def now_us():
    """Of the clock that --start-time-us is of."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


class Log:
    """A process's log by a FIFO, which tells of the guest's first exit as it happens."""

    def __init__(self, path):
        os.mkfifo(path)
        self.fd = os.open(path, os.O_RDWR)

    def await_first_exit(self):
        """Waits for it; returns how many microseconds after its --start-time-us the process saw it."""
        seen = b""
        while not (found := FIRST_EXIT_TIME.search(seen)):
            seen += os.read(self.fd, 65536)
        return int(found[1])


@contextlib.contextmanager
def guest(bench, where, memory_mib, code, **machine):
    """A machine of this code that has written the boot timer; its API's path."""
    process, _, path = bench.start_vmm(where, "--boot-timer")
    try:
        configure_payload(path, where, memory_mib, code)
        if machine:
            api_call(path, "PATCH", "/machine-config", machine)
        api_call(path, "PUT", "/actions", {"action_type": "InstanceStart"})
        while FIRST_EXIT not in Path(f"{where}/log").read_bytes():
            time.sleep(0.01)
        yield path
    finally:
        end(process)


def set_state(path, state):
    api_call(path, "PATCH", "/vm", {"state": state})


def save(path, state, memory, kind="Full"):
    """Returns how many milliseconds it took."""
    began = time.perf_counter()
    api_call(path, "PUT", "/snapshot/create",
             {"snapshot_path": state, "mem_file_path": memory, "snapshot_type": kind})
    return (time.perf_counter() - began) * 1000


def restored_from(state, memory):
    """What a load is asked for."""
    return {"snapshot_path": state, "resume_vm": True,
            "mem_backend": {"backend_type": "File", "backend_path": memory}}


def make_snapshot(bench, where, memory_mib, code=payload.BUSY_CODE):
    """Of a guest that leaves its vCPU all the time, and no page of whose memory is a hole."""
    state, memory = f"{where}/state", f"{where}/memory"
    with directory() as own, guest(bench, own, memory_mib, code) as path:
        set_state(path, "Paused")
        save(path, state, memory)
    content = os.urandom(FILL_BYTES)
    with open(memory, "r+b") as file:
        for at in range(payload.FREE_MEMORY, memory_mib * MIB, FILL_BYTES):
            os.pwrite(file.fileno(), content, at)
    return restored_from(state, memory)


def restore_sample(bench, load, waiting):
    """Milliseconds from exec of the process, or from the request to one that waits, to the guest's first
    exit. The process tells when that was: we may have to wait for a processor that the guest has."""
    with directory() as own:
        log = Log(f"{own}/log")
        began = started_us = now_us()
        process, _, path = bench.start_vmm(own, "--boot-timer", "--start-time-us", str(started_us))
        if waiting:
            time.sleep(0.02)
            began = now_us()
        api_call(path, "PUT", "/snapshot/load", load)
        took = started_us + log.await_first_exit() - began
        end(process)
        os.close(log.fd)
    time.sleep(0.05)  # the kernel goes on with the end of a machine for a while
    return took / 1000


@contextlib.contextmanager
def snapshots(bench, sizes):
    """What loads a snapshot of each of the sizes; their memory is in the page cache."""
    with contextlib.ExitStack() as stack:
        yield {mib: make_snapshot(bench, stack.enter_context(directory()), mib) for mib in sizes}


@functools.lru_cache(maxsize=1)
def restore_samples(bench):
    """By size, all in turns; two rows are about them."""
    taken = {mib: [] for mib in RESTORED_MIB}
    with snapshots(bench, RESTORED_MIB) as loads:
        for _ in range(bench.count(40)):
            for mib, load in loads.items():
                taken[mib].append(restore_sample(bench, load, waiting=False))
    return taken


def by_size(taken):
    return {f"{mib}_mib": statistics.median(samples) for mib, samples in taken.items()}


def restore(bench):
    """exec of the VMM to the first exit of the restored guest, p50; the slowest size counts."""
    taken = restore_samples(bench)
    medians = {mib: statistics.median(samples) for mib, samples in taken.items()}
    slowest = max(medians, key=medians.get)
    return {**row("restore_ms", "ms", {"ember": taken[slowest]}), "by_size": by_size(taken)}


def bare_slot_ms(memory_mib):
    """How long KVM takes by itself for a slot of so much memory in a machine that has nothing else."""
    with mmap.mmap(-1, memory_mib * MIB, mmap.MAP_PRIVATE | MAP_NORESERVE) as memory:
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        slot = struct.pack("<IIQQQ", 0, 0, 0, memory_mib * MIB, address)
        kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
        machine = fcntl.ioctl(kvm, KVM_CREATE_VM, 0)
        began = time.perf_counter()
        fcntl.ioctl(machine, KVM_SET_USER_MEMORY_REGION, slot)
        took = (time.perf_counter() - began) * 1000
        os.close(machine)
        os.close(kvm)
    return took


def growths(least, most):
    """For each GiB, by pairs of samples of the least and the most memory."""
    gib = (RESTORED_MIB[-1] - RESTORED_MIB[0]) / 1024
    return [(longer - shorter) / gib for shorter, longer in zip(least, most)]


def restore_per_gib(bench):
    """By how much it takes longer for each GiB of memory; the floor is KVM's own share of that."""
    taken = restore_samples(bench)
    least, most = RESTORED_MIB[0], RESTORED_MIB[-1]
    bare = [(bare_slot_ms(least), bare_slot_ms(most)) for _ in range(bench.count(40))]
    samples = {"ember": growths(taken[least], taken[most]), "kvm": growths(*zip(*bare))}
    return {**row("restore_ms_per_gib", "ms", samples, floor="kvm"), "by_size": by_size(taken)}


def restore_waiting(bench):
    """The request to a process that waits to the first exit of the restored guest, 128 MiB."""
    samples = {"ember": []}
    with snapshots(bench, RESTORED_MIB[:1]) as loads:
        for _ in range(bench.count(40)):
            samples["ember"].append(restore_sample(bench, *loads.values(), waiting=True))
    return row("restore_waiting_ms", "ms", samples)


def record(bench, load, path):
    """Writes the working set of a machine whose guest has gone to its end."""
    with directory() as own:
        log = Log(f"{own}/log")
        process, _, api = bench.start_vmm(own, "--boot-timer")
        backend = {**load["mem_backend"], "record_working_set": True}
        api_call(api, "PUT", "/snapshot/load", {**load, "mem_backend": backend})
        log.await_first_exit()
        set_state(api, "Paused")
        api_call(api, "PUT", "/snapshot/working-set", {"working_set_path": path})
        end(process)
        os.close(log.fd)


def forget_file(path):
    """Has the page cache hold nothing of the file, whose bytes are on the disk."""
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def restore_working_set(bench):
    """The request for a machine whose memory file is in no cache, to a process that waits, until its guest
    has looked at pages all over it: with their working set over without."""
    samples = {"ember": [], "without": []}
    memory_mib = (TOUCHED_PAGES << TOUCHED_SHIFT) // MIB + payload.FREE_MEMORY // MIB + 16
    with tempfile.TemporaryDirectory() as where:  # on a disk
        load = make_snapshot(bench, where, memory_mib,
                             payload.touching(TOUCHED_PAGES, TOUCHED_SHIFT, TOUCHED_STEP))
        memory = load["mem_backend"]["backend_path"]
        record(bench, load, f"{where}/set")
        with_set = {**load["mem_backend"], "working_set_path": f"{where}/set"}
        for _ in range(bench.count(10)):
            for side, backend in (("ember", with_set), ("without", load["mem_backend"])):
                forget_file(memory)
                samples[side].append(restore_sample(bench, {**load, "mem_backend": backend}, waiting=True))
    return row("restore_working_set_ratio", "ratio", samples, floor="without",
               value=statistics.median(samples["ember"]) / statistics.median(samples["without"]))


def pwrite_mib_per_s(where, content):
    """Bare writes of as much into a new file."""
    path = f"{where}/bare"
    began = time.perf_counter()
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    for at in range(0, len(content), MIB):
        os.pwrite(fd, content[at:at + MIB], at)
    took = time.perf_counter() - began
    os.close(fd)
    os.unlink(path)
    return len(content) / MIB / took


def snapshot_write(bench):
    """A full snapshot of a guest that has written to 512 MiB, over bare writes of as much, in MiB/s."""
    samples = {"ember": [], "pwrite": []}
    pages = mmap.mmap(-1, WRITTEN_MIB * MIB)
    content = memoryview(pages)
    for at in range(0, len(content), 4096):
        content[at] = 1
    memory_mib = WRITTEN_MIB + payload.FREE_MEMORY // MIB
    with directory() as where, guest(bench, where, memory_mib,
                                     payload.writing(memory_mib, 1)) as path:
        set_state(path, "Paused")
        for _ in range(bench.count(15)):
            samples["ember"].append(
                WRITTEN_MIB * 1000 / save(path, f"{where}/state", f"{where}/memory"))
            os.unlink(f"{where}/memory")
            samples["pwrite"].append(pwrite_mib_per_s(where, content))
    content.release()
    return row("snapshot_write_ratio", "ratio", samples, floor="pwrite",
               value=statistics.median(samples["ember"]) / statistics.median(samples["pwrite"]))


def diff(bench):
    """A diff of a guest of 1 GiB that has written to one page in a hundred since the one before."""
    samples = {"ember": []}
    memory_mib = DIFF_MIB + payload.FREE_MEMORY // MIB
    dirty_bytes = DIFF_MIB * MIB // DIRTY_STRIDE
    with directory() as where, guest(bench, where, memory_mib,
                                     payload.writing_forever(memory_mib, DIRTY_STRIDE),
                                     track_dirty_pages=True) as path:
        state, memory = f"{where}/state", f"{where}/memory"
        set_state(path, "Paused")
        save(path, state, memory)
        while len(samples["ember"]) < bench.count(30):
            os.unlink(memory)
            set_state(path, "Resumed")
            time.sleep(0.2)
            set_state(path, "Paused")
            took = save(path, state, memory, "Diff")
            written = os.stat(memory).st_blocks * 512
            if not dirty_bytes <= written <= dirty_bytes * 1.1:
                raise RuntimeError(f"the diff has {written} bytes, not {dirty_bytes}")
            samples["ember"].append(took)
    return row("diff_ms", "ms", samples)


def pss_untouched_mib(pid, memory):
    """PSS of all that a process has, but of the pages of the guest's that the guest wrote to."""
    total = touched = 0
    inside = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"^[0-9a-f]+-[0-9a-f]+ ", line):
            inside = line.endswith(memory)
        elif line.startswith("Pss:"):
            total += int(line.split()[1])
        elif inside and line.startswith("Anonymous:"):
            touched += int(line.split()[1])
    return (total - touched) / 1024


def clone_pss(bench):
    """PSS of each of a hundred clones of one snapshot whose guests are idle, but what they wrote to."""
    with contextlib.ExitStack() as stack:
        load = make_snapshot(bench, stack.enter_context(directory()), RESTORED_MIB[0], payload.CODE)
        clones = []
        for _ in range(CLONES):
            own = stack.enter_context(directory())
            process, _, path = bench.start_vmm(own)
            stack.callback(end, process)
            api_call(path, "PUT", "/snapshot/load", load)
            clones.append(process.pid)
        memory = load["mem_backend"]["backend_path"]
        samples = {"ember": [pss_untouched_mib(pid, memory) for pid in clones]}
    return row("clone_pss_mib", "MiB", samples)


ROWS = {
    "restore_ms": restore,
    "restore_ms_per_gib": restore_per_gib,
    "restore_waiting_ms": restore_waiting,
    "restore_working_set_ratio": restore_working_set,
    "snapshot_write_ratio": snapshot_write,
    "diff_ms": diff,
    "clone_pss_mib": clone_pss,
}
