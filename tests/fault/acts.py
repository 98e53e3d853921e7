"""Parts of machines' lives, each in a process of its own: what calls can fail in."""

import contextlib
import ctypes
import fcntl
import json
import os
import pty
import re
import resource
import shutil
import signal
import socket
import subprocess
import termios
import time
from pathlib import Path

from faulted_life import HANGS
from fork_acts import fork, take
from life import in_own_network
from page_fault_handler import Handler

TGKILL = 234
FATAL_EXIT = 154  # of SIGXCPU: docs/exit_codes.md
SMALL_PIPE_BYTES = 4096


def boot(vm):
    """From nothing to the end that the guest makes."""
    vm.start()
    live_on(vm)


def live_on(vm):
    vm.expect_round(1)
    vm.type(b"q")
    vm.wait(0)


def change(vm):
    """All that clients ask of a machine that runs, to the end that its owner makes."""
    vm.start()
    vm.expect_round(1)
    vm.clients_turn()
    vm.type(b"g")
    vm.expect_round(2)
    vm.signal(signal.SIGTERM)
    vm.wait(143)


def save(vm):
    """Snapshots: a whole one and, a round later, what is other since."""
    vm.start()
    for number, kind in enumerate(("Full", "Diff"), 1):
        vm.expect_round(number)
        vm.call("PATCH", "/vm", {"state": "Paused"})
        vm.save(kind)
        vm.call("PATCH", "/vm", {"state": "Resumed"})
        vm.type(b"g")
    vm.expect_round(3)
    vm.type(b"q")
    vm.wait(0)


def save_huge(vm):
    """The same of memory that may be huge pages."""
    vm.machine["huge_pages"] = "Transparent"
    save(vm)


def load(vm):
    """The machine of a snapshot that is there, to its end."""
    vm.launch()
    vm.load(resume_vm=True, track_dirty_pages=True)
    vm.type(b"g")
    vm.expect_round(2)
    vm.type(b"q")
    vm.wait(0)


def load_huge(vm):
    """The same, of one by save_huge()."""
    load(vm)


def load_recorded(vm):
    """The same, whose working set is recorded."""
    vm.launch()
    vm.load(resume_vm=True, track_dirty_pages=True, mem_backend=vm.backend(record_working_set=True))
    vm.type(b"g")
    vm.expect_round(2)
    vm.save_working_set()
    vm.call("PATCH", "/vm", {"state": "Paused"})
    vm.save_as("Diff", "later")  # which is memory that the file has no longer
    vm.call("PATCH", "/vm", {"state": "Resumed"})
    vm.type(b"q")
    vm.wait(0)


def load_at_once(vm):
    """The same, of which the working set is read at once."""
    vm.launch()
    vm.load(resume_vm=True, mem_backend=vm.backend(working_set_path=str(vm.files / "set")))
    vm.type(b"g")
    vm.expect_round(2)
    vm.type(b"q")
    vm.wait(0)


def load_delivered(vm):
    """The same, whose memory a process delivers."""
    path = vm.files / "handler"
    path.unlink(missing_ok=True)
    with Handler(path, vm.files / "Full.memory"):
        vm.launch()
        vm.load(resume_vm=True, mem_backend={"backend_type": "Uffd", "backend_path": str(path)})
        vm.type(b"g")
        vm.expect_round(2)
        vm.type(b"q")
        vm.wait(0)


def reset(vm):
    """A guest resets its machine, which is built again."""
    vm.devices = [*vm.devices, ("/lifecycle", {"on_reboot": "Reset"})]
    vm.start()
    vm.expect_round(1)
    vm.type(b"q")
    vm.expect_round(1, times=2)
    vm.signal(signal.SIGTERM)
    vm.wait(143)


def taps(vm):
    """Networks that are taps, by name and by descriptor, in a network of their own."""
    def live():
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        with contextlib.closing(os.fdopen(tap)):
            request = b"tap0".ljust(16, b"\0") + (0x1002 | 0x4000).to_bytes(24, "little")
            fcntl.ioctl(tap, 0x400454CA, request)  # TUNSETIFF: TAP, NO_PI, VNET_HDR
            vm.popen["pass_fds"] = [tap]
            vm.devices += [("/network-interfaces/t", {"iface_id": "t", "tap_fd": tap}),
                           ("/network-interfaces/u", {"iface_id": "u", "host_dev_name": "tap1",
                                                      "queue_pairs": 2, "thread": "Own"})]
            boot(vm)

    in_own_network(live)


def inherit(vm):
    """What its parent has opened for it: the API's socket, a disk, and limits below what they may be.
    The log and the metrics go into pipes, the serial port into a file, memory in huge pages."""
    listener = socket.socket(socket.AF_UNIX)
    disk = os.open(vm.files / "other", os.O_RDWR)
    readers = []
    with contextlib.closing(listener), contextlib.closing(os.fdopen(disk)):
        listener.bind(vm.socket_path)
        listener.listen()
        for name in ("log", "numbers"):
            os.mkfifo(vm.directory / f"{name}.pipe")
            readers.append(os.open(vm.directory / f"{name}.pipe", os.O_RDWR | os.O_NONBLOCK))
        vm.api_words = ["--api-fd", str(listener.fileno())]
        vm.log_words = ["--log-path", str(vm.directory / "log.pipe")]
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        vm.popen.update(pass_fds=[listener.fileno(), disk], preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (512, most)))
        vm.machine["huge_pages"] = "Transparent"
        vm.leave_out("/metrics")
        vm.leave_out("/console")
        vm.devices += [("/console", {"ports": [
            {"id": "a", "socket_path": str(vm.files / "a"), "output_path": f"/dev/fd/{disk}"},
            {"id": "b", "socket_path": str(vm.files / "b")}]}),
                       ("/metrics", {"metrics_path": str(vm.directory / "numbers.pipe")}),
                       ("/serial", {"serial_out_path": str(vm.directory / "serial")}),
                       ("/drives/given", {"drive_id": "given", "path_on_host": f"/dev/fd/{disk}",
                                          "cache_type": "Writeback", "is_root_device": False})]
        try:
            vm.launch()
            vm.console_path = vm.directory / "serial"
            vm.configure()
            vm.call("PUT", "/actions", {"action_type": "InstanceStart"})
            live_on(vm)
        finally:
            for reader in readers:
                os.close(reader)


@contextlib.contextmanager
def on_terminal(vm):
    """Has the process get its keys from a terminal of its own."""
    vm.keyboard, far_end = pty.openpty()

    def take_terminal():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    vm.popen.update(stdin=far_end, preexec_fn=take_terminal)
    try:
        yield
    finally:
        os.close(vm.keyboard)
        os.close(far_end)


def terminal(vm):
    """A machine of a configuration file, on a terminal; its log is standard error."""
    config = vm.files / "config.json"
    config.write_text(json.dumps({
        "boot-source": {"kernel_image_path": vm.boot_source["kernel_image_path"]},
        "drives": [vm.drive("sync")], "machine-config": {"vcpu_count": 1, "mem_size_mib": 64}}))
    metadata = vm.files / "metadata.json"
    metadata.write_text('{"a": 1}')
    numbers = os.open(vm.directory / "numbers", os.O_WRONLY | os.O_CREAT)
    with open(vm.log_path, "wb") as log, contextlib.closing(os.fdopen(numbers, "w")), on_terminal(vm):
        vm.log_words = []
        vm.arguments += ["--config-file", str(config), "--metadata", str(metadata),
                         "--metrics-path", f"/dev/fd/{numbers}"]
        vm.popen.update(stderr=log, pass_fds=[numbers])
        vm.launch()
        live_on(vm)


def blocked(vm):
    """The guest's output goes into a pipe that is full and that nobody reads."""
    for network in "no":  # the guest could not tell that it waits for a frame that got lost
        vm.leave_out(f"/network-interfaces/{network}")
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, SMALL_PIPE_BYTES)
    os.write(writer, bytes(SMALL_PIPE_BYTES))
    try:
        vm.popen["stdout"] = writer
        vm.start()
        with vm.doing("output"):
            vm.until(lambda: re.search(r"uart_write_count [1-9]\d", str(vm.ask("GET", "/metrics")[1])), "any")
        vm.type(b"q")
        vm.wait(0)
    finally:
        os.close(reader)
        os.close(writer)


def fatal(vm):
    """A signal that ends the process, for one of its threads, while it has a terminal."""
    vm.ends_with = vm.ends_with | {FATAL_EXIT}
    with on_terminal(vm):
        vm.start()
        vm.expect_round(1)
        for task in Path(f"/proc/{vm.process.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                if (task / "comm").read_text().strip() == "vcpu-0":
                    ctypes.CDLL(None).syscall(TGKILL, vm.process.pid, int(task.name), signal.SIGXCPU)
        vm.wait(FATAL_EXIT)


def far_disk(vm):
    """A disk that another process has, behind a socket: memory that is shared with it."""
    vm.leave_out("/hotplug/memory")  # which a back end cannot reach
    del vm.machine["track_dirty_pages"]
    back_end = vm.files / "back_end"
    back_end.unlink(missing_ok=True)
    daemon = subprocess.Popen([
        "qemu-storage-daemon", "--blockdev", f"driver=file,node-name=disk,filename={vm.files / 'other'}",
        "--export", "type=vhost-user-blk,id=e,node-name=disk,writable=on,addr.type=unix,"
        f"addr.path={back_end}"], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + HANGS
        while not back_end.exists():
            assert daemon.poll() is None and time.monotonic() < deadline, "qemu-storage-daemon"
            time.sleep(0.005)
        vm.devices.append(("/drives/far", {"drive_id": "far", "socket": str(back_end),
                                           "is_root_device": False}))
        vm.start()
        vm.expect_round(1)
        vm.request("GET", "/memory")
        vm.type(b"q")
        vm.wait(0)
    finally:
        daemon.kill()
        daemon.wait()


ACTS = {act.__name__: act for act in (boot, load, reset, save, change, load_huge, inherit, terminal,
                                      blocked, fatal, fork, take)}
# What leaves the files that an act needs.
BEFORE = {"load": [save], "load_huge": [save_huge]}
# By name, what this host lacks for an act.
MISSING = {}
if os.geteuid() == 0 and Path("/dev/net/tun").exists():
    ACTS["taps"] = taps
else:
    MISSING["taps"] = "root and /dev/net/tun"
if os.access("/dev/userfaultfd", os.R_OK | os.W_OK):
    for delivered in (load_recorded, load_at_once, load_delivered):
        ACTS[delivered.__name__] = delivered
        BEFORE[delivered.__name__] = [save]
    BEFORE["load_at_once"].append(load_recorded)
else:
    MISSING["load_recorded"] = "/dev/userfaultfd"
if shutil.which("qemu-storage-daemon"):
    ACTS["far_disk"] = far_disk
else:
    MISSING["far_disk"] = "qemu-storage-daemon"
