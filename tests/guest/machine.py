"""A machine under test: starts ember-vmm, drives it over its API socket, and watches its console.

    with Machine(kernel=images.kernel("microvm", "vmlinux"), initrd=images.initrd("microvm")) as vm:
        vm.start(words="poweroff")
        ready = vm.expect(r"EMBER-INIT-READY cpus=(\\d+)")
        vm.wait(code=0)

or, with the init's agent, by commands:

    with device_machine(devices=[("/vsock", {…})]) as vm:
        vm.start_agent()
        vm.run("ls /dev/vsock")
        vm.power_off()
"""

import contextlib
import http.client
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import images
import jail
from standing import standing
from stray import is_stray

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients/python"))

from ember import EmberError, Transport, Vmm  # noqa: E402

VMM = os.environ.get("EMBER_VMM", "ember-vmm")
JAILER = os.environ.get("EMBER_JAILER")  # every machine is in a jail, where it is set
EMULATED = os.environ.get("EMBER_TESTBED") == "nested"

# A guest of the test bed runs on an emulated processor: what takes a second on hardware may take a
# minute there. Nothing waits this long unless it is broken.
BOOT_TIMEOUT = 240
STOP_TIMEOUT = 60
STOOD_STILL_TIMEOUT = 10

# By what a test hears of a machine that has ended.
ENDED = (AssertionError, OSError, http.client.HTTPException, EmberError)

# What guest memory is aligned to in the VMM.
HUGE_PAGE = 2 << 20


class Machine(Vmm):
    """One ember-vmm process and its guest. Leaves no process and no file behind."""

    def __init__(self, kernel, initrd=None, vcpus=1, memory_mib=256, boot_args="", drives=(),
                 vmm_args=(), devices=(), **boot_source):
        super().__init__(VMM, vmm_args)
        self.vmm_args = self.arguments
        self.machine = {"vcpu_count": vcpus, "mem_size_mib": memory_mib}
        self.boot_source = {"kernel_image_path": str(kernel), **boot_source}
        if initrd:
            self.boot_source["initrd_path"] = str(initrd)
        self.boot_args = boot_args
        self.drives = list(drives)
        self.devices = list(devices)  # (path, body) of a PUT
        self.commands = 0
        self.guest_ranges = []
        self.named_later = []  # files that it is given after the launch
        self.processors = None  # of the host's, that all its threads are to keep to
        self.stood_still = False  # what was waited for last did not come: who shares it waits no longer
        self.jail = jail.Jail(JAILER, VMM) if JAILER else None

    def __enter__(self):
        return self

    def launch(self):
        """Starts the process and waits until its socket takes connections."""
        if self.jail:
            self.jail.open([Path(self.socket_path), *jail.paths_in(
                [self.boot_source, self.drives, [body for _, body in self.devices], self.named_later])])
            self.program = str(self.jail.program)
        super().launch()
        for thread in os.listdir(f"/proc/{self.process.pid}/task") if self.processors else []:
            os.sched_setaffinity(int(thread), self.processors)
        return self

    def close(self):
        super().close()
        if self.jail:
            self.jail.remove()

    def request(self, method, path, body=None):
        """One API call; returns the status and the decoded answer."""
        transport = Transport(self.socket_path)  # of its own: tests ask from any thread
        try:
            response = transport.send(method, path, body)
            return response.status, response.value()
        finally:
            transport.close()

    def call(self, method, path, body):
        """An API call that must succeed."""
        status, answer = self.request(method, path, body)
        assert status == 204, f"{method} {path}: {status} {answer}\n{self.log()}"

    def configure(self, words="poweroff"):
        """Describes the machine; `words` is what the guest's init is to do."""
        self.call("PUT", "/machine-config", self.machine)
        boot_args = f"console=ttyS0 reboot=k panic=-1 quiet {self.boot_args} ember.do={words}"
        self.call("PUT", "/boot-source", {**self.boot_source, "boot_args": boot_args})
        for drive in self.drives:
            self.call("PUT", f"/drives/{drive['drive_id']}", drive)
        for path, body in self.devices:
            self.call("PUT", path, body)

    def start(self, words="poweroff"):
        """Launches, describes and starts the machine."""
        self.launch()
        self.configure(words)
        self.call("PUT", "/actions", {"action_type": "InstanceStart"})
        self.guest_ranges = self.find_guest_ranges()
        return self

    def find_guest_ranges(self):
        """Where the VMM has the guest's memory. A region may be many mappings beside each other: the
        kernel's file, for one, is mapped into it."""
        mib = [self.machine["mem_size_mib"]] + [body["total_size_mib"] for path, body in self.devices
                                                if path == "/hotplug/memory"]
        mappings = self.mappings()
        ranges = []
        for index, (first, _, _) in enumerate(mappings):
            end = first
            for start, piece_end, _ in mappings[index:]:
                if first % HUGE_PAGE or start != end:
                    break
                end = piece_end
                if (end - first) >> 20 in mib and (end - first) % (1 << 20) == 0:
                    ranges.append((first, end))
        return ranges

    def start_agent(self):
        """Starts the machine and waits until run() has somebody to talk to."""
        self.start("agent")
        self.expect("EMBER-AGENT ok")
        return self

    def send(self, command):
        """Has the guest's agent run a command; returns its number for done()."""
        self.commands += 1
        with contextlib.suppress(BrokenPipeError):  # done() says how it ended
            self.process.stdin.write(f"{self.commands} {command}\n".encode())
            self.process.stdin.flush()
        return self.commands

    def done(self, number, timeout=BOOT_TIMEOUT):
        """What the command printed, and its exit status."""
        match = self.expect(rf"(?s)EMBER-RUN {number}\r?\n(.*?)EMBER-DONE {number} (\d+)", timeout)
        return match[1].replace("\r", ""), int(match[2])

    def run(self, command, timeout=BOOT_TIMEOUT):
        """Runs a command in the guest, which must succeed; returns what it printed."""
        printed, status = self.done(self.send(command), timeout)
        assert status == 0, f"{command!r} ended with {status}\n{printed}"
        return printed

    def run_behind(self, name, command):
        """Starts a command that goes on beside others; finish_behind() waits for it."""
        self.run(f"({command}; code=$?; echo; echo ended with $code) > /tmp/{name}.out 2>&1 &")

    def finish_behind(self, name, timeout=BOOT_TIMEOUT):
        """Waits for a command of run_behind(), which must succeed; returns what it printed."""
        out = self.run(f"until grep -q '^ended with' /tmp/{name}.out; do usleep 50000; done; "
                       f"cat /tmp/{name}.out", timeout)
        assert "\nended with 0\n" in f"\n{out}", f"{name}: {out}"
        return out

    def until(self, command, text, timeout=STOP_TIMEOUT):
        """Runs a command in the guest again and again until it prints `text`."""
        deadline = time.monotonic() + timeout
        while text not in (printed := self.run(command)):
            assert time.monotonic() < deadline, f"{command!r} still prints {printed!r}, not {text!r}"
            time.sleep(0.05)

    def power_off(self):
        self.process.stdin.write(b"end\n")
        self.process.stdin.flush()
        self.wait(code=0)

    def was_lost(self):
        """Whether the guest is gone by a fault of the emulated processor's, as some are, and by no other."""
        if not EMULATED:
            return False
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_TIMEOUT)
            return "triple fault" in self.log()
        with contextlib.suppress(*ENDED):
            return is_stray(self)
        return False

    def memory_kib(self, field):
        """A field of /proc/PID/status: VmRSS, RssAnon, …"""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"(?m)^{field}:\s+(\d+) kB", status)[1])

    def mappings(self):
        """(start, end, anonymous KiB) of each of the VMM's mappings."""
        smaps = Path(f"/proc/{self.process.pid}/smaps").read_text()
        return [(int(start, 16), int(end, 16), int(kib)) for start, end, kib in re.findall(
            r"(?ms)^([0-9a-f]+)-([0-9a-f]+) .*?^Anonymous:\s+(\d+) kB", smaps)]

    def own_memory_kib(self):
        """The memory that the VMM has for itself: neither the guest's nor any file's."""
        return sum(kib for start, end, kib in self.mappings()
                   if not any(low <= start and end <= high for low, high in self.guest_ranges))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def descriptors_at_rest(self):
        """How many there are once the VMM has noticed that earlier clients are gone."""
        count = None
        while count != (now := self.descriptors()):
            count = now
            time.sleep(1)
        return count

    def expect(self, pattern, timeout=BOOT_TIMEOUT):
        """Waits until the console matches `pattern`; returns the match."""
        timeout = min(timeout, STOOD_STILL_TIMEOUT) if self.stood_still else timeout
        deadline = time.monotonic() + timeout
        while True:
            ended = self.process.poll() is not None
            match = re.search(pattern, self.console())
            if match:
                self.stood_still = False
                return match
            told = f"\n--- console\n{self.console()[-4000:]}\n--- log\n{self.log()[-2000:]}"
            assert not ended, (f"ended with {self.process.returncode} before the console matched "
                               f"{pattern!r}{told}")
            if time.monotonic() >= deadline:
                self.stood_still |= timeout > STOOD_STILL_TIMEOUT
                raise AssertionError(f"no {pattern!r} in {timeout} s{told}{standing(self)}")
            time.sleep(0.02)

    def expect_log(self, text, timeout=STOP_TIMEOUT):
        """Waits until the log holds `text`."""
        deadline = time.monotonic() + timeout
        while text not in self.log():
            assert time.monotonic() < deadline, f"no {text!r} in the log\n{self.log()}"
            time.sleep(0.005)

    def settled_console(self, quiet=1.0):
        """The console once nothing was added to it for `quiet` seconds."""
        before = None
        while before != (now := self.console()):
            before = now
            time.sleep(quiet)
        return before

    def expect_more(self, before, text, timeout=BOOT_TIMEOUT):
        """Waits until `text` follows what the console held before."""
        deadline = time.monotonic() + timeout
        while text not in self.console()[len(before):]:
            assert time.monotonic() < deadline, f"no more {text!r} in {timeout} s{standing(self)}"
            time.sleep(0.02)

    def wait(self, code, timeout=BOOT_TIMEOUT):
        """Waits for the end and checks the exit code, the last line of the log and the residue."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"still runs after {timeout} s\n{self.console()[-4000:]}{standing(self)}") from None
        assert status == code, (f"exit code {status}, not {code}\n--- console\n"
                                f"{self.console()[-4000:]}\n--- log\n{self.log()}")
        assert not os.path.exists(self.socket_path), "the socket is still there"
        last = self.log().splitlines()[-1]
        assert f"exit code {code}" in last, f"last line of the log: {last}"
        return last


def drive(path, drive_id="rootfs", root=True, read_only=False, **more):
    """A drive's configuration."""
    return {"drive_id": drive_id, "path_on_host": str(path), "is_root_device": root,
            "is_read_only": read_only, **more}


def device_machine(kernel="debian-6.12", drives=(), **options):
    """A machine with one of Debian's kernels, all its virtio drivers, and fio and iperf3 on its root
    disk, /dev/vda; `drives` follow it."""
    options.setdefault("memory_mib", 512)
    return Machine(images.kernel(kernel, "vmlinux"), images.device_initrd(kernel),
                   drives=[drive(images.tools(), read_only=True), *drives], **options)


def small_machine(**options):
    """One that boots soon, with the same programs and drivers, and no modules."""
    options.setdefault("memory_mib", 96)
    return Machine(images.kernel("microvm", "vmlinux"), boot_args="init=/ember/init",
                   drives=[drive(images.tools(), read_only=True)], **options)
