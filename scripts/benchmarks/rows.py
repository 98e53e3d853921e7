"""The rows of scripts/bench: each measures one figure and its peer or floor in turns."""

import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks import payload

ROOT = Path(__file__).resolve().parents[2]
QEMU = "qemu-system-x86_64"
MIB = 1024 * 1024


def row(name, unit, samples, peer=None, floor=None, value=None, ratio=None):
    """`samples` maps each side ("ember", the peer's and the floor's name) to its raw samples."""
    def median(side):
        return statistics.median(samples[side]) if side else None
    value = median("ember") if value is None else value
    against = median(floor) if floor else median(peer)
    if ratio is None and against:
        ratio = median("ember") / against
    return {"name": name, "value": value, "unit": unit, "peer": peer, "peer_value": median(peer),
            "floor": floor, "floor_value": median(floor), "ratio": ratio, "samples": samples}


def connect(path):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        return None
    return connection


LOOK_AGAIN_S = 0.00005


def until_accepting(words, path):
    """Starts a program; returns it and the milliseconds from exec until `path` accepts."""
    began = time.perf_counter()
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    while (connection := connect(path)) is None:
        if process.poll() is not None:
            raise RuntimeError(f"{words[0]} ended with {process.returncode}")
        # Who asks without a pause keeps the processor from the program, which begins on the same one: for
        # 4 ms, a tick of the kernel, in every second start.
        time.sleep(LOOK_AGAIN_S)
    elapsed = (time.perf_counter() - began) * 1000
    connection.close()
    return process, elapsed


class Bench:
    """Where the programs are, and how many samples to take."""

    def __init__(self, build_dir, quick):
        self.vmm = build_dir / "cmd" / "ember-vmm" / "ember-vmm"
        self.probes = build_dir / "tests" / "bench"
        self.api_probe = self.probes / "api_probe"
        self.quick = quick

    def probe(self, name, *arguments):
        """What a program of tests/bench measured: the JSON that it printed."""
        words = [self.probes / name, *map(str, arguments)]
        return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)

    def count(self, full):
        return max(3, full // 5) if self.quick else full

    def installed_bytes(self):
        """The size of the VMM as it is installed: stripped."""
        with tempfile.TemporaryDirectory() as directory:
            stripped = Path(directory) / "ember-vmm"
            subprocess.run(["strip", "-o", stripped, self.vmm], check=True)
            return stripped.stat().st_size

    def start_vmm(self, directory, *arguments):
        path = str(Path(directory) / "api.sock")
        words = [str(self.vmm), "--api-sock", path, "--log-path",
                 str(Path(directory) / "log"), *arguments]
        return *until_accepting(words, path), path


def api_call(path, method, target, body):
    """One request over a connection of its own; raises unless it succeeds. Returns what it answers."""
    text = json.dumps(body)
    connection = connect(path)
    connection.sendall((f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n"
                        f"Content-Length: {len(text)}\r\n\r\n{text}").encode())
    answer = connection.recv(65536)
    connection.close()
    head, _, content = answer.partition(b"\r\n\r\n")
    if b" 204 " not in head and b" 200 " not in head:
        raise RuntimeError(f"{method} {target}: {answer.decode()}")
    return json.loads(content) if content else None


def api_time_ms(connection, method, target, body):
    """How long one request takes on a connection that is kept; raises unless it succeeds."""
    text = "" if body is None else json.dumps(body)
    request = (f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n"
               f"Content-Length: {len(text)}\r\n\r\n{text}").encode()
    began = time.perf_counter()
    connection.sendall(request)
    answer = connection.recv(65536)
    took = (time.perf_counter() - began) * 1000
    if not answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 204 ")):
        raise RuntimeError(f"{method} {target}: {answer.decode()}")
    return took


def configure_payload(path, directory, memory_mib=128, code=payload.CODE):
    kernel = Path(directory) / "payload"
    kernel.write_bytes(payload.image(code))
    api_call(path, "PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": memory_mib})
    api_call(path, "PUT", "/boot-source", {"kernel_image_path": str(kernel)})


def end(process):
    process.terminate()
    process.wait()


def api_ready(bench):
    """exec of the VMM until its API socket accepts; QEMU microvm until its monitor does."""
    samples = {"ember": [], "qemu": []}
    for _ in range(bench.count(40)):
        with tempfile.TemporaryDirectory() as directory:
            process, elapsed, _ = bench.start_vmm(directory)
            end(process)
            samples["ember"].append(elapsed)
            monitor = f"{directory}/qmp.sock"
            process, elapsed = until_accepting(
                [QEMU, "-M", "microvm", "-accel", "kvm", "-nodefaults", "-no-user-config",
                 "-display", "none", "-S", "-qmp", f"unix:{monitor},server=on,wait=off"], monitor)
            end(process)
            samples["qemu"].append(elapsed)
    return row("api_ready_ms", "ms", samples, peer="qemu")


def ask_api(bench, rounds):
    """GET / over one connection that is kept, one request after the other, beside a bare echo.

    All on one processor: whether the scheduler spreads client and server over two is worth more than
    what is measured, and falls out differently for each.
    """
    pinned = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/api.sock"
        process, _ = until_accepting([*pinned, str(bench.vmm), "--api-sock", path], path)
        try:
            out = subprocess.run([*pinned, bench.api_probe, path, str(rounds)], check=True,
                                 capture_output=True, text=True).stdout
        finally:
            end(process)
    return json.loads(out)


def api_request(bench):
    """GET / over a bare echo of as many bytes, each p50 of a round."""
    measured = ask_api(bench, bench.count(40))
    samples = {"ember": measured["api_us"], "echo": measured["echo_us"]}
    ratios = [api / echo for api, echo in zip(samples["ember"], samples["echo"])]
    return row("api_request_ratio", "ratio", samples, floor="echo",
               value=statistics.median(ratios), ratio=statistics.median(ratios))


def api_rate(bench):
    """How many requests that is in a second, of one client, and of a bare echo."""
    measured = ask_api(bench, bench.count(20))
    return row("api_requests_per_s", "1/s",
               {"ember": [1e6 / mean for mean in measured["api_mean_us"]],
                "echo": [1e6 / median for median in measured["echo_us"]]}, floor="echo")


def api_p99(bench):
    """p99 of the slowest of the calls there are while a guest runs, which leaves its vCPU for a device
    all the time; one connection."""
    calls = [("GET", "/", None), ("GET", "/version", None), ("GET", "/vm/config", None),
             ("GET", "/machine-config", None), ("GET", "/balloon", None),
             ("GET", "/hotplug/memory", None),
             ("PATCH", "/vm", {"state": "Paused"}), ("PATCH", "/vm", {"state": "Resumed"}),
             ("PATCH", "/drives/disk", {"drive_id": "disk", "rate_limiter": {
                 "ops": {"size": 100, "refill_time": 100}}})]
    times = {call[:2] + (str(call[2]),): [] for call in calls}
    with tempfile.TemporaryDirectory() as directory:
        process, _, path = bench.start_vmm(directory)
        try:
            configure_payload(path, directory, code=payload.BUSY_CODE)
            disk = Path(directory) / "disk"
            disk.write_bytes(bytes(MIB))
            api_call(path, "PUT", "/drives/disk", {"drive_id": "disk", "path_on_host": str(disk),
                                                   "is_root_device": False})
            api_call(path, "PUT", "/balloon", {"amount_mib": 0, "deflate_on_oom": True})
            api_call(path, "PUT", "/hotplug/memory", {"total_size_mib": 128})
            api_call(path, "PUT", "/actions", {"action_type": "InstanceStart"})
            connection = connect(path)
            for _ in range(bench.count(1000)):
                for method, target, body in calls:
                    took = api_time_ms(connection, method, target, body)
                    times[method, target, str(body)].append(took)
            connection.close()
        finally:
            end(process)
    p99 = {call: statistics.quantiles(taken, n=100)[98] for call, taken in times.items()}
    slowest = max(p99, key=p99.get)
    return row("api_call_p99_ms", "ms", {"ember": times[slowest]}, value=p99[slowest])


def start_to_first_exit(bench):
    """InstanceStart sent until the guest's first exit, which writes the boot timer, is logged."""
    samples = {"ember": []}
    for _ in range(bench.count(40)):
        with tempfile.TemporaryDirectory() as directory:
            os.mkfifo(f"{directory}/log")
            log = os.open(f"{directory}/log", os.O_RDONLY | os.O_NONBLOCK)
            process, _, path = bench.start_vmm(directory, "--boot-timer")
            configure_payload(path, directory)
            connection = connect(path)
            os.set_blocking(log, True)
            text = b'{"action_type":"InstanceStart"}'
            began = time.perf_counter()
            connection.sendall(b"PUT /actions HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
                               str(len(text)).encode() + b"\r\n\r\n" + text)
            seen = b""
            while b"Guest-boot-time" not in seen:
                seen += os.read(log, 65536)
            samples["ember"].append((time.perf_counter() - began) * 1000)
            end(process)
            connection.close()
            os.close(log)
    return row("start_to_first_exit_ms", "ms", samples)


def exit_dispatch(bench):
    """Answering one exit, without KVM; the floor is a bare KVM_RUN loop of the same exits."""
    measured = bench.probe("exit_probe", bench.count(25))
    samples = {"ember": measured["dispatch_alone_ns"], "kvm_run": measured["bare_ns"],
               "kvm_run_and_dispatch": measured["dispatched_ns"]}
    return row("exit_dispatch_ns", "ns", samples, floor="kvm_run")


def pss_without_guest(pid, guest_bytes):
    """PSS in MiB of all mappings but the guest's RAM, the only ones as large."""
    total, size = 0, 0
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"^[0-9a-f]+-[0-9a-f]+ ", line):
            start, end_address = (int(part, 16) for part in line.split()[0].split("-"))
            size = end_address - start
        elif line.startswith("Pss:") and size < guest_bytes // 2:
            total += int(line.split()[1])
    return total / 1024


def pss(bench):
    samples = {"ember": []}
    for _ in range(bench.count(10)):
        with tempfile.TemporaryDirectory() as directory:
            process, _, path = bench.start_vmm(directory, "--boot-timer")
            configure_payload(path, directory)
            api_call(path, "PUT", "/actions", {"action_type": "InstanceStart"})
            while b"Guest-boot-time" not in Path(f"{directory}/log").read_bytes():
                time.sleep(0.001)
            samples["ember"].append(pss_without_guest(process.pid, 128 * MIB))
            end(process)
    return row("pss_without_guest_mib", "MiB", samples)


def binary(bench):
    samples = {"ember": [bench.installed_bytes() / MIB],
               "qemu": [Path(shutil.which(QEMU)).stat().st_size / MIB]}
    return row("binary_mib", "MiB", samples, peer="qemu")


def counted_boots(bench, script, runs):
    """Samples of a script of this folder that boots the microVM kernel inside the test bed, where a
    nanosecond is an instruction."""
    kernel = subprocess.run([ROOT / "scripts/guest-kernel", "--print-dir", "microvm"], check=True,
                            capture_output=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory(dir=bench.vmm.parent) as directory:
        initrd = f"{directory}/initrd.cpio"
        subprocess.run([ROOT / "scripts/guest-rootfs", "--kind", "busybox", "--format", "cpio",
                        "--out", initrd], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([ROOT / "scripts/testbed", "--counted", "--timeout", "1500", "--results",
                        directory, "--", "python3", ROOT / "scripts/benchmarks" / script, bench.vmm,
                        f"{kernel}/vmlinux", initrd, str(bench.count(runs))], check=True,
                       stdout=subprocess.DEVNULL)
        return json.loads(Path(f"{directory}/boot.json").read_text())


def boot_vs_qemu(bench):
    """exec of the VMM to the microVM kernel's init and out again, in counted time."""
    samples = counted_boots(bench, "boot.py", 10)
    return row("boot_vs_qemu_ratio", "ratio", samples, peer="qemu",
               value=statistics.median(samples["ember"]) / statistics.median(samples["qemu"]))


ROWS = {
    "api_ready_ms": api_ready,
    "api_request_ratio": api_request,
    "api_requests_per_s": api_rate,
    "api_call_p99_ms": api_p99,
    "start_to_first_exit_ms": start_to_first_exit,
    "exit_dispatch_ns": exit_dispatch,
    "pss_without_guest_mib": pss,
    "binary_mib": binary,
    "boot_vs_qemu_ratio": boot_vs_qemu,
}
