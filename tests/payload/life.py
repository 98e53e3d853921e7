"""A machine that our own guest drives through its whole life (life_guest.c), with a device of every kind
and what is at the devices' other ends."""

import contextlib
import ctypes
import re
import signal
import socket
import subprocess
import sys
import threading
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests/guest"), str(ROOT / "scripts")]

from live_process import of_each_thread  # noqa: E402
import machine  # noqa: E402
from benchmarks import payload  # noqa: E402

TIMEOUT = 30
MIB = 1 << 20
CLONE_NEWNET, CLONE_NEWNS = 0x40000000, 0x00020000
ETH_P_ALL = 3


def compile_guest(directory, source="life_guest.c", options=()):
    """A guest of ours, in C, as a kernel image."""
    program, flat = Path(directory) / "guest", Path(directory) / "guest.bin"
    subprocess.run(["gcc", "-m32", "-Os", "-ffreestanding", "-fno-pic", "-no-pie", "-static",
                    "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-mno-sse", "-nostdlib",
                    "-Wall", "-Wextra", "-Werror", f"-Wl,-Ttext={payload.ENTRY + 0x100:#x}",
                    f"-Wl,--section-start=.start={payload.ENTRY:#x},--build-id=none,-e,{payload.ENTRY:#x}",
                    *options, str(HERE / source), "-o", str(program)], check=True)
    subprocess.run(["objcopy", "-O", "binary", str(program), str(flat)], check=True)
    image = Path(directory) / "kernel"
    image.write_bytes(payload.image(flat.read_bytes()))
    return image


class Peer:
    """Listens on a Unix socket and serves each client on a thread of its own."""

    def __init__(self, path, serve):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.serve = serve
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def send_all_back(client):
    """A network's other end, or a stream's: sends back all that comes."""
    with client, contextlib.suppress(OSError):  # a machine may end with some of it on its way
        while data := client.recv(65536):
            client.sendall(data)


def in_own_namespaces(kinds, task):
    """Runs a task on a thread with namespaces of its own, of the kinds that unshare(2) knows."""
    failures = []

    def run_there():
        try:
            if ctypes.CDLL(None, use_errno=True).unshare(kinds) < 0:
                raise unittest.SkipTest("no namespace to be had")
            task()
        except BaseException as failure:  # pylint: disable=broad-exception-caught
            failures.append(failure)

    thread = threading.Thread(target=run_there)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def in_own_network(task):
    """Runs a task on a thread with a network of its own, whose two taps send back all they get."""

    def run_there():
        for tap, kind in [("tap0", []), ("tap1", ["multi_queue"])]:
            subprocess.run(["ip", "tuntap", "add", tap, "mode", "tap", *kind], check=True)
            subprocess.run(["ip", "link", "set", tap, "up"], check=True)
            frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            frames.bind((tap, ETH_P_ALL))
            threading.Thread(target=send_back, args=(frames,), daemon=True).start()
        task()

    in_own_namespaces(CLONE_NEWNET, run_there)


def send_back(frames):
    while True:
        try:
            frame, where = frames.recvfrom(65536)
            if where[2] != socket.PACKET_OUTGOING:
                frames.send(frame)
        except OSError:  # the tap is gone
            return


class Life(machine.Machine):
    """A machine with a device of every kind, and what is at their other ends."""

    def __init__(self, kernel, directory, **options):
        self.files = Path(directory)
        names = ["sync", "async", "own", "base", "other", "pmem"]
        for name in names:
            with open(self.files / name, "wb") as file:
                file.truncate(4 * MIB)
        (self.files / "overlay").unlink(missing_ok=True)
        drives = [self.drive("sync", discard=True), self.drive("async", io_engine="Async", discard=True),
                  self.drive("own", io_engine="Async", thread="Own", direct=True),
                  self.drive("base", discard=True, overlay_path=str(self.files / "overlay"))]
        self.peers = []
        devices = [
            ("/pmem/p", {"id": "p", "path_on_host": str(self.files / "pmem")}),
            ("/balloon", {"amount_mib": 0, "deflate_on_oom": False, "stats_polling_interval_s": 1}),
            ("/network-interfaces/n", {"iface_id": "n", "socket_path": str(self.files / "net")}),
            ("/network-interfaces/o", {"iface_id": "o", "socket_path": str(self.files / "net"),
                                       "thread": "Own"}),
            ("/entropy", {"rate_limiter": {"bandwidth": {"size": 4096, "refill_time": 10}}}),
            ("/console", {"ports": [{"id": "a", "socket_path": str(self.files / "a")},
                                    {"id": "b", "socket_path": str(self.files / "b")}]}),
            ("/vsock", {"guest_cid": 3, "uds_path": str(self.files / "v"), "thread": "Own"}),
            ("/hotplug/memory", {"total_size_mib": 256, "slot_size_mib": 128, "block_size_mib": 2}),
            ("/metrics", {"metrics_path": str(self.files / "metrics")}),
        ]
        super().__init__(kernel, memory_mib=64, drives=drives, devices=devices, **options)
        self.machine["track_dirty_pages"] = True

    def drive(self, name, **more):
        return machine.drive(self.files / name, drive_id=name, root=False, cache_type="Writeback",
                             **more)

    def __enter__(self):
        for name in ("net", "v_52", "v", "a", "a.ctl", "b", "b.ctl"):
            (self.files / name).unlink(missing_ok=True)
        self.peers = [Peer(self.files / "net", send_all_back), Peer(self.files / "v_52", send_all_back)]
        return super().__enter__()

    def __exit__(self, *what):
        try:
            return super().__exit__(*what)
        finally:
            for peer in self.peers:
                peer.close()

    def type(self, letter):
        self.process.stdin.write(letter)
        self.process.stdin.flush()

    def threads(self):
        """Each thread's name, with what its status says of filters and privileges."""
        found = {}
        for _, status in of_each_thread(self.process.pid, "status"):
            name = re.search(r"(?m)^Name:\t(.*)$", status)[1]
            found[name] = tuple(int(re.search(rf"(?m)^{field}:\t([0-9a-f]+)$", status)[1], 16)
                                for field in ("Seccomp", "NoNewPrivs", "CapPrm", "CapInh", "CapAmb"))
        return found

    def leave_out(self, path):
        """Has the machine without this device."""
        self.devices = [device for device in self.devices if device[0] != path]

    def clients_turn(self):
        """What clients can ask of a machine that runs."""
        for path in ("/", "/version", "/vm/config", "/machine-config", "/metrics", "/memory", "/health",
                     "/balloon", "/balloon/statistics", "/hotplug/memory", "/mmds"):
            self.request("GET", path)
        self.call("PATCH", "/vm", {"state": "Paused"})
        self.save("Full")
        self.save("Diff")
        self.call("PATCH", "/vm", {"state": "Resumed"})
        self.swap_drives()
        self.call("PATCH", "/drives/own", {"drive_id": "own", "rate_limiter": {
            "ops": {"size": 3, "refill_time": 10}}})
        self.call("PATCH", "/pmem/p", {"id": "p", "rate_limiter": {
            "ops": {"size": 100, "refill_time": 10}}})
        self.call("PATCH", "/network-interfaces/n", {"iface_id": "n", "tx_rate_limiter": {
            "ops": {"size": 2, "refill_time": 10}}})
        self.call("PATCH", "/balloon", {"amount_mib": 1})
        self.call("PATCH", "/hotplug/memory", {"requested_size_mib": 2})
        self.call("PUT", "/mmds", {"a": 1})
        self.call("PUT", "/actions", {"action_type": "FlushMetrics"})
        self.call("PUT", "/actions", {"action_type": "SendCtrlAltDel"})
        self.connect_clients()

    def connect_clients(self):
        """Those of the API who stay, of a console and of the guest's sockets."""
        for request in (b"GET /console?port=a HTTP/1.1\r\nConnection: Upgrade\r\n"
                        b"Upgrade: ember-console/1\r\n\r\nmore input\n",
                        b"GET /events HTTP/1.1\r\n\r\n",
                        b"GET /log?follow=true HTTP/1.1\r\n\r\n",
                        b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(self.socket_path)
                client.sendall(request)
                client.recv(4096)
        for path, text in [("a", b"input\n"), ("a.ctl", b"80 24\n"), ("v", b"CONNECT 7\n"), ("v", b"rubbish\n")]:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(self.files / path))
                client.sendall(text)

    def swap_drives(self):
        for name in ("sync", "async"):
            self.call("PATCH", f"/drives/{name}", {"drive_id": name,
                                                   "path_on_host": str(self.files / "other")})

    def save(self, kind):
        self.save_as(kind, kind)

    def save_as(self, kind, name):
        self.call("PUT", "/snapshot/create", {"snapshot_type": kind,
                                              "snapshot_path": str(self.files / f"{name}.state"),
                                              "mem_file_path": str(self.files / f"{name}.memory")})

    def load(self, **more):
        self.call("PUT", "/snapshot/load", {"snapshot_path": str(self.files / "Full.state"),
                                            "mem_backend": self.backend(), **more})

    def backend(self, **more):
        """The memory of the last whole snapshot."""
        return {"backend_type": "File", "backend_path": str(self.files / "Full.memory"), **more}

    def expect_round(self, number, times=1):
        """Waits until the guest has driven every device, each of which did what it should."""
        self.expect(rf"(?s)(round {number} of.*){{{times}}}", TIMEOUT)
        said = self.console()
        assert not re.search("BAD|LATE", said), f"{said}\n{self.log()}"

    def live(self):
        """From the start to the end."""
        self.start()
        self.live_on()

    def live_on(self):
        """From the guest's first round."""
        self.expect_round(1)
        self.clients_turn()
        self.type(b"g")
        self.expect_round(2)
        self.type(b"q")
        self.wait(code=0, timeout=TIMEOUT)

    def go_on(self, **memory):
        """As the machine that the last life's whole snapshot has, to the end."""
        self.launch()
        self.load(resume_vm=True, track_dirty_pages=True, mem_backend=self.backend(**memory))
        self.type(b"g")
        self.expect_round(2)
        if memory.get("record_working_set"):
            self.save_working_set()
        self.clients_turn()
        self.type(b"g")
        self.expect_round(3)
        self.type(b"q")
        self.wait(code=0, timeout=TIMEOUT)

    def go_on_recorded(self):
        """The same, and what it touches is noted."""
        self.go_on(record_working_set=True)

    def save_working_set(self):
        self.call("PATCH", "/vm", {"state": "Paused"})
        self.call("PUT", "/snapshot/working-set", {"working_set_path": str(self.files / "set")})
        self.call("PATCH", "/vm", {"state": "Resumed"})

    def live_twice(self):
        """A machine that the guest resets is built again, by threads that are confined."""
        self.devices = [*self.devices, ("/lifecycle", {"on_reboot": "Reset"})]
        self.start()
        self.expect_round(1)
        self.type(b"q")
        self.expect_round(1, times=2)
        self.clients_turn()
        self.type(b"g")
        self.expect_round(2)
        self.signal(signal.SIGTERM)
        self.wait(143, timeout=TIMEOUT)
