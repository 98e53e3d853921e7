"""The rows of scripts/bench about virtio devices."""

import contextlib
import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

from benchmarks.rows import ROOT, row

BLOCK_FILE_MIB = 256
GUEST_IO_SECONDS = 600
TESTBED_TIMEOUT = 124


def queue_chains(bench):
    """Chains of one descriptor through the queue engine and a device that does nothing with them."""
    measured = bench.probe("queue_probe", bench.count(25))
    samples = {"ember": measured["chains_per_s"], "driver_alone": measured["driver_chains_per_s"]}
    return row("queue_chains_per_s", "1/s", samples)


@contextlib.contextmanager
def random_file(bench):
    """A file of random bytes on the disk of the build."""
    with tempfile.NamedTemporaryFile(dir=bench.vmm.parent) as file:
        for _ in range(BLOCK_FILE_MIB):
            file.write(os.urandom(1 << 20))
        os.fsync(file.fileno())
        yield file


def block_ratio(bench, name, how, depths):
    """Random reads of 4 KiB through the block device over those of a bare io_uring; the lower depth."""
    with random_file(bench) as file:
        measured = {depth: bench.probe("block_probe", file.name, depth, how, bench.count(400))
                    for depth in depths}
    ratios = {depth: statistics.median(of["device_iops"]) / statistics.median(of["bare_iops"])
              for depth, of in measured.items()}
    lowest = min(ratios, key=ratios.get)
    samples = {"ember": measured[lowest]["device_iops"], "io_uring": measured[lowest]["bare_iops"]}
    result = row(name, "ratio", samples, floor="io_uring", value=ratios[lowest])
    return {**result, "by_depth": ratios}


def block_direct(bench):
    return block_ratio(bench, "block_direct_ratio", "direct", (1, 32))


def block_cached(bench):
    return block_ratio(bench, "block_cached_ratio", "cached", (32,))


def net_ratio(bench, name, probe, ways):
    """Frames through the network device over bare calls on the same tap; the lower of two sizes."""
    measured = bench.probe(probe, bench.count(15))
    ratios = {way: statistics.median(measured[way]) / statistics.median(measured[f"{way}_bare"])
              for way in ways}
    lowest = min(ratios, key=ratios.get)
    samples = {"ember": measured[lowest], "tap": measured[f"{lowest}_bare"]}
    result = row(name, "ratio", samples, floor="tap", value=ratios[lowest])
    return {**result, "by_size": ratios}


def net_tx(bench):
    """Frames from an in-process driver's ring through a tap, over bare writes to it."""
    return net_ratio(bench, "net_tx_ratio", "net_probe", ("tx_1514", "tx_gso"))


def net_rx(bench):
    """Frames from a tap into an in-process driver's ring, over bare reads from it."""
    return net_ratio(bench, "net_rx_ratio", "net_receive_probe", ("rx_1514", "rx_gso"))


def rate_limiter(bench):
    """How far limited devices are from their limits over ten seconds; the furthest counts."""
    errors = bench.probe("rate_limiter_probe", 10)
    samples = {name: [abs(error)] for name, error in errors.items()}
    return row("rate_limiter_error", "ratio", samples, value=max(map(abs, errors.values())))


def vsock_stream(bench):
    """A vsock stream between an in-process driver and a socket, over a bare pair; the slower way."""
    measured = bench.probe("vsock_probe", bench.count(15))
    ways = {way: measured[f"{way}_bytes_per_s"] for way in ("guest_to_host", "host_to_guest")}
    slower = min(ways, key=lambda way: statistics.median(ways[way]))
    samples = {"ember": ways[slower], "socket": measured["socket_bytes_per_s"]}
    result = row("vsock_stream_ratio", "ratio", samples, floor="socket")
    return {**result, "value": result["ratio"], "ways": ways}


def flood_growth(bench):
    """What a device holds on to after floods of garbage from its guest and of data from its peers."""
    measured = bench.probe("flood_probe", bench.count(10))
    return row("flood_growth_mib", "MiB", {name: [mib] for name, mib in measured.items()},
               value=max(measured.values()))


def measure_guest_io(bench, rounds):
    """What scripts/benchmarks/guest_io.py measures, in counted time.

    A round takes about 50 s of processor time, boots included. At times the emulation comes to a
    stand, its clock with it, whatever runs in it: the rounds before that count.
    """
    kernel = subprocess.run([ROOT / "scripts/guest-kernel", "--print-dir", "microvm"], check=True,
                            capture_output=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory(dir=bench.vmm.parent) as directory:
        root = f"{directory}/root.ext4"
        subprocess.run([ROOT / "scripts/guest-rootfs", "--kind", "busybox", "--format", "ext4",
                        "--size-mib", "192", "--program", "fio", "--program", "iperf3", "--out", root],
                       check=True, stdout=subprocess.DEVNULL)
        ended = subprocess.run(
            [ROOT / "scripts/testbed", "--counted", "--timeout", str(GUEST_IO_SECONDS), "--results",
             directory, "--", "python3", ROOT / "scripts/benchmarks/guest_io.py", bench.vmm,
             f"{kernel}/vmlinux", root, str(rounds)], stdout=subprocess.DEVNULL)
        results = Path(f"{directory}/guest_io.json")
        # Each round that was complete is there.
        if ended.returncode not in (0, TESTBED_TIMEOUT) or not results.exists():
            ended.check_returncode()
        return json.loads(results.read_text())


def guest_io_vs_qemu(bench):
    """fio and iperf3 in the same guest under Ember and QEMU microvm, counted; the lowest counts."""
    measured = measure_guest_io(bench, bench.count(3))
    ratios = {what: statistics.median(sides["ember"]) / statistics.median(sides["qemu"])
              for what, sides in measured.items()}
    lowest = min(ratios, key=ratios.get)
    by_round = {what: [ours / theirs for ours, theirs in zip(sides["ember"], sides["qemu"])]
                for what, sides in measured.items()}
    result = row("guest_io_vs_qemu_ratio", "ratio", by_round, value=ratios[lowest])
    return {**result, "lowest": lowest, "ratios": ratios, "measured": measured}


def device_thread(bench):
    """Two disks read at once, past the host's cache: each on its own thread over both on one loop."""
    with random_file(bench) as file:
        measured = bench.probe("thread_probe", file.name, bench.count(15))
    ratios = {how: statistics.median(of["own"]) / statistics.median(of["loop"])
              for how, of in measured.items()}
    samples = {"ember": measured["direct"]["own"], "loop": measured["direct"]["loop"]}
    result = row("device_thread_ratio", "ratio", samples, floor="loop", value=ratios["direct"])
    return {**result, "by_cache": ratios, "cached": measured["cached"]}


ROWS = {
    "queue_chains_per_s": queue_chains,
    "block_direct_ratio": block_direct,
    "block_cached_ratio": block_cached,
    "net_tx_ratio": net_tx,
    "net_rx_ratio": net_rx,
    "vsock_stream_ratio": vsock_stream,
    "rate_limiter_error": rate_limiter,
    "device_thread_ratio": device_thread,
    "flood_growth_mib": flood_growth,
    "guest_io_vs_qemu_ratio": guest_io_vs_qemu,
}
