"""confinement_test.py VMM COMPILER POLICY: ember-vmm under its system call filters, on this machine's KVM.

A guest of our own (life_guest.c) drives every kind of virtio device through a machine's whole life,
while clients do all that they can. Then filters that lack a rule, given by --seccomp-filter, must end
the process in the thread that needs the rule: each line of the policy is left out once. Writes JUnit
XML where GTEST_OUTPUT says, as GoogleTest does.
"""

import collections
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
import unittest
from pathlib import Path

from life import compile_guest, in_own_network, Life, machine, MIB, TIMEOUT
import run

COMPILER = POLICY = None
FILTERED = 2  # Seccomp in /proc/PID/task/TID/status

# What lines of the policy, under which names, a life on a test machine cannot need, and why.
RARE = {
    "every clock_gettime": "the vDSO tells the time here",
    "every getpid": "abort()", "every gettid": "abort()", "vmm rt_sigaction": "abort()",
    "every restart_syscall": "a poll() that is stopped and goes on",
    "every rt_sigreturn": "asked of the VMM's thread alone",
    "devices sched_yield": "a race of two threads",
    "devices readv": "a tap, or a host that talks to its guest",
    "devices writev": "a tap",
    "vmm fcntl": "metrics into a pipe",
    "vmm ioctl": "metrics into a pipe; a terminal; a back end behind a socket",
    "snapshot lseek": "guest memory in a file, for a back end behind a socket",
    "worker memfd_create": "the same, and forks, which fork_test.py has",
    "worker getcwd": "a path that is not absolute",
    "worker ioctl arg1 in BLKGETSIZE64": "block devices and taps",
    "worker madvise": "huge pages",
    "worker unlink": "a snapshot that fails",
}


# How a process ended: its code, the thread that made a call it may not and the call's number, where
# the log has them, and whether its socket is still there.
End = collections.namedtuple("End", "code thread call left")


def compile_policy(text, directory):
    """The filters of a policy; raises CalledProcessError where it is none."""
    policy, filters = Path(directory) / "policy", Path(directory) / "filters"
    policy.write_text(text)
    subprocess.run([COMPILER, str(policy), str(filters)], check=True, capture_output=True, text=True)
    return filters


class Confinement(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.shared.cleanup)
        cls.kernel = compile_guest(cls.shared.name)
        cls.sanitized = b"__asan_init" in Path(machine.VMM).read_bytes()

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def life(self, *vmm_args):
        return Life(self.kernel, self.directory.name, vmm_args=vmm_args)

    def test_a_machine_with_every_kind_of_device_lives_under_the_filters(self):
        with self.life() as vm:
            vm.live()

    def test_a_machine_is_reset_and_built_again_under_the_filters(self):
        with self.life() as vm:
            vm.live_twice()

    def test_a_machine_that_could_not_be_reset_is_started_with_no_more_rings_than_it_had(self):
        kernel = Path(self.directory.name) / "kernel"
        shutil.copy(self.kernel, kernel)
        with Life(kernel, self.directory.name) as vm:
            vm.start()
            vm.expect_round(1)
            away = kernel.rename(kernel.with_suffix(".away"))
            self.assertEqual(vm.request("PUT", "/actions", {"action_type": "ResetInPlace"})[0], 400)
            away.rename(kernel)
            vm.call("PUT", "/drives/other", vm.drive("other", io_engine="Async"))
            status, answer = vm.request("PUT", "/actions", {"action_type": "InstanceStart"})
            self.assertEqual(status, 400)
            self.assertIn("drive other: io_engine Async: the process is confined", answer["fault_message"])
            vm.call("PUT", "/drives/other", vm.drive("other"))
            vm.call("PUT", "/actions", {"action_type": "InstanceStart"})
            vm.expect_round(1, times=2)

    @unittest.skipUnless(os.geteuid() == 0 and os.path.exists("/dev/net/tun"), "root makes taps")
    def test_a_machine_with_a_tap_lives_under_the_filters(self):
        def live(life):
            with self.life() as vm:
                vm.devices.append(("/network-interfaces/t", {"iface_id": "t", "host_dev_name": "tap0"}))
                vm.devices.append(("/network-interfaces/u", {"iface_id": "u", "host_dev_name": "tap1",
                                                             "queue_pairs": 2, "thread": "Own"}))
                life(vm)

        in_own_network(lambda: live(Life.live))
        in_own_network(lambda: live(Life.live_twice))

    @unittest.skipUnless(shutil.which("qemu-storage-daemon"), "no qemu-storage-daemon")
    def test_a_machine_whose_disk_is_behind_a_socket_lives_under_the_filters(self):
        for thread in ("Vmm", "Own"):
            with self.subTest(thread=thread), self.life() as vm:
                vm.leave_out("/hotplug/memory")  # which a back end cannot reach
                del vm.machine["track_dirty_pages"]
                back_end = vm.files / "back_end"
                vm.devices += [("/drives/far", {"drive_id": "far", "socket": str(back_end),
                                                "is_root_device": False, "thread": thread}),
                               ("/lifecycle", {"on_reboot": "Reset"})]
                daemon = self.serve_disk(vm.files / "other", back_end)
                vm.start()
                vm.expect_round(1)
                vm.type(b"q")
                vm.expect_round(1, times=2)
                daemon.kill()
                daemon.wait()
                vm.expect_log("the back end is given up")
                self.serve_disk(vm.files / "other", back_end)  # the guest's reset finds another
                vm.type(b"g")
                vm.expect_round(2)

    def serve_disk(self, path, socket_path):
        """A back end for a drive behind a socket: QEMU's storage daemon, once it listens."""
        socket_path.unlink(missing_ok=True)
        daemon = subprocess.Popen([
            "qemu-storage-daemon", "--blockdev", f"driver=file,node-name=disk,filename={path}",
            "--export", "type=vhost-user-blk,id=e,node-name=disk,writable=on,addr.type=unix,"
            f"addr.path={socket_path}"])
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.kill)
        deadline = time.monotonic() + TIMEOUT
        while not socket_path.exists():
            assert daemon.poll() is None and time.monotonic() < deadline, "qemu-storage-daemon"
            time.sleep(0.01)
        return daemon

    def test_a_machine_with_huge_pages_lives_under_the_filters(self):
        with self.life() as vm:
            vm.machine["huge_pages"] = "Transparent"
            vm.live_twice()

    def test_metrics_go_into_a_pipe_under_the_filters(self):
        with self.life() as vm:
            path = vm.files / "pipe"
            os.mkfifo(path)
            pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
            self.addCleanup(os.close, pipe)
            vm.leave_out("/metrics")
            vm.devices.append(("/metrics", {"metrics_path": str(path)}))
            vm.live()
            self.assertIn(b"utc_timestamp_ms", os.read(pipe, 4096))

    def test_a_machine_on_a_terminal_gives_it_back_under_the_filters(self):
        config = Path(self.directory.name) / "config.json"
        config.write_text(json.dumps({"drives": [], "boot-source": {
            "kernel_image_path": str(self.kernel)}}))
        process, terminal = pty.fork()
        if process == 0:
            os.execv(machine.VMM, [machine.VMM, "--no-api", "--config-file", str(config), "--log-path",
                                   f"{self.directory.name}/log"])
        self.addCleanup(os.close, terminal)
        before = termios.tcgetattr(terminal)
        self.read_until(terminal, b"round 1")
        self.assertNotEqual(termios.tcgetattr(terminal), before)
        os.write(terminal, b"q")
        self.assertEqual(os.waitpid(process, 0)[1], 0)
        self.assertEqual(termios.tcgetattr(terminal), before)

    def read_until(self, terminal, text):
        seen = b""
        while text not in seen:
            self.assertTrue(select.select([terminal], [], [], TIMEOUT)[0], seen)
            seen += os.read(terminal, 4096)

    def test_a_machine_goes_on_in_another_process_under_the_filters(self):
        with self.life() as vm:
            vm.live()
        with self.life() as vm:
            vm.go_on()

    def test_a_machine_is_recorded_and_goes_on_from_its_working_set_under_the_filters(self):
        with self.life() as vm:
            vm.live()
        with self.life() as vm:
            vm.go_on_recorded()
        with self.life() as vm:
            # The memory is another by now: that machine was saved.
            status, answer = vm.launch().request("PUT", "/snapshot/load", {
                "snapshot_path": str(vm.files / "Full.state"),
                "mem_backend": vm.backend(working_set_path=str(vm.files / "set"))})
            self.assertEqual(status, 400)
            self.assertIn("is the working set of the snapshot", answer["fault_message"])

    def test_with_allow_path_only_files_of_the_machine_and_there_are_opened(self):
        if self.sanitized:
            self.skipTest("a build with sanitizers limits no files")
        with tempfile.TemporaryDirectory() as elsewhere, \
                self.life("--allow-path", self.directory.name) as vm:
            disk = Path(elsewhere) / "disk"
            disk.write_bytes(bytes(MIB))
            vm.start()
            vm.expect_round(1)
            status, answer = vm.request("PATCH", "/drives/sync", {"drive_id": "sync",
                                                                  "path_on_host": str(disk)})
            self.assertEqual(status, 400)
            self.assertIn("Permission denied", answer["fault_message"])
            vm.call("PATCH", "/vm", {"state": "Paused"})
            status, answer = vm.request("PUT", "/snapshot/create", {
                "snapshot_path": f"{elsewhere}/state", "mem_file_path": f"{elsewhere}/memory"})
            self.assertEqual(status, 400)
            self.assertIn("Permission denied", answer["fault_message"])
            vm.call("PATCH", "/vm", {"state": "Resumed"})
            vm.clients_turn()
            vm.type(b"g")
            vm.expect_round(2)
            vm.type(b"q")
            vm.wait(code=0, timeout=TIMEOUT)
            self.assertEqual(os.listdir(elsewhere), ["disk"])

    def test_with_allow_path_a_machine_is_reset_with_what_it_was_given(self):
        with tempfile.TemporaryDirectory() as elsewhere, self.life("--allow-path", elsewhere) as vm:
            vm.devices.append(("/lifecycle", {"on_reboot": "Reset"}))
            vm.start()
            vm.expect_round(1)
            vm.type(b"q")
            vm.expect_round(1, times=2)
            vm.signal(signal.SIGTERM)
            vm.wait(143, timeout=TIMEOUT)

    def test_a_machine_of_a_file_has_an_api_under_the_filters(self):
        config = Path(self.directory.name) / "config.json"
        config.write_text(json.dumps({"drives": [], "boot-source": {
            "kernel_image_path": str(self.kernel)}}))
        with machine.Machine(self.kernel, vmm_args=["--config-file", str(config)]) as vm:
            vm.launch()
            self.assertEqual(vm.request("GET", "/")[1]["state"], "Running")

    def test_what_clients_follow_and_store_needs_no_files(self):
        with self.life() as vm:
            vm.launch()
            with socket.socket(socket.AF_UNIX) as follower:
                follower.connect(vm.socket_path)
                follower.sendall(b"GET /events HTTP/1.1\r\n\r\n")
                vm.configure()
                vm.call("PUT", "/actions", {"action_type": "InstanceStart"})
                vm.expect_round(1)
                # Memory comes and goes, on one thread and on the other.
                for turn in range(20):
                    vm.call("PUT", "/mmds", {"long": "x" * 40000, "turn": turn})
                    vm.call("PATCH", "/mmds", {"long": None, "more": ["y" * 100] * 300})
                self.assertIn(b'"event":"configured"', follower.recv(65536))
            vm.type(b"q")
            vm.wait(code=0, timeout=TIMEOUT)

    def test_without_filters_it_lives_the_same_life(self):
        with self.life("--no-seccomp") as vm:
            vm.start()
            self.assertEqual({found[:2] for found in vm.threads().values()}, {(0, 0)})
            vm.expect_round(1)
            vm.clients_turn()
            vm.type(b"q")
            vm.wait(code=0, timeout=TIMEOUT)

    def test_every_thread_is_confined(self):
        if self.sanitized:
            self.skipTest("a build with sanitizers installs no filters")
        with self.life() as vm:
            vm.start()
            vm.expect_round(1)
            self.expect_confined(vm)
            vm.call("PATCH", "/vm", {"state": "Paused"})
            vm.save("Full")
        with self.life() as vm:
            vm.launch()
            vm.load(mem_backend=vm.backend(record_working_set=True))
            self.expect_confined(vm, "faults")

    def expect_confined(self, vm, *more):
        """Threads may have begun just now, but no guest runs before they are confined."""
        wanted = {*more, "api", "worker", "vcpu-0", "pmem-flush", "vsock", "ember-vmm"}
        deadline = time.monotonic() + TIMEOUT
        while True:
            threads = vm.threads()
            if wanted <= set(threads) and set(threads.values()) == {(FILTERED, 1, 0, 0, 0)}:
                return
            self.assertLess(time.monotonic(), deadline, threads)
            time.sleep(0.01)

    def test_filters_from_a_file_take_the_place_of_ours(self):
        filters = compile_policy(Path(POLICY).read_text(), self.directory.name)
        with self.life("--seccomp-filter", str(filters)) as vm:
            vm.live()

    def test_a_file_that_holds_no_filters_is_refused(self):
        path = Path(self.directory.name) / "filters"
        good = compile_policy(Path(POLICY).read_text(), self.directory.name).read_bytes()
        for content, what in [(b"", "the file ends"), (b"{}", "the file ends"), (good[:-1], "the file ends"),
                              (good + b"x", "1 bytes follow"), (b"X" + good[1:], "no set of compiled"),
                              (b"x" * 300000, "exceed the limit")]:
            path.write_bytes(content)
            done = subprocess.run([machine.VMM, "--api-sock", f"{self.directory.name}/s",
                                   "--seccomp-filter", str(path)], capture_output=True, text=True,
                                  timeout=TIMEOUT)
            self.assertEqual(done.returncode, 1)
            self.assertIn(what, done.stderr)
            self.assertIn("--seccomp-filter", done.stderr)

    def test_a_policy_that_is_none_is_refused_by_its_compiler(self):
        for text, what in [("thread api at most 1\n  fly", "nothing on the thread vmm"),
                           ("group a\n  ioctl arg1 in KVM_FLY", 'line 2: "KVM_FLY"')]:
            with self.assertRaises(subprocess.CalledProcessError) as raised:
                compile_policy(text, self.directory.name)
            self.assertIn(what, raised.exception.stderr)

    def ends_without(self, text):
        """What becomes of a life under this policy: None, or the End of it."""
        filters = compile_policy(text, self.directory.name)
        # The last goes on from what the first has saved.
        for life in (Life.live, Life.live_twice, Life.go_on_recorded):
            with self.life("--seccomp-filter", str(filters)) as vm:
                try:
                    life(vm)
                except Exception:  # the API's connection, the console or the exit code
                    code = vm.process.wait(TIMEOUT)
                    if code in (0, 128 + signal.SIGTERM):
                        raise
                    told = re.search(r":([^:\]]+)\] Shutting down VM after intercepting a bad syscall "
                                     r"\((\d+)\); exit code 148", vm.log())
                    return End(code, *((told[1], int(told[2])) if told else (None, None)),
                               left=os.path.exists(vm.socket_path))
        return None

    def test_a_thread_that_makes_a_call_it_may_not_ends_the_process(self):
        if self.sanitized:
            self.skipTest("a build with sanitizers installs no filters")
        text = Path(POLICY).read_text()
        for rule, thread, number in [("  sendto\n", "api", 44),
                                     ("  timerfd_create\n", "ember-vmm", 283),
                                     ("  ioctl arg1 in KVM_RUN KVM_KVMCLOCK_CTRL\n", "vcpu-0", 16),
                                     ("  io_uring_register arg1 in IORING_REGISTER_FILES_UPDATE", "worker", 427)]:
            with self.subTest(thread=thread):
                self.assertIn(rule, text)
                self.assertEqual(self.ends_without(text.replace(rule, "", 1)),
                                 End(148, thread, number, left=False))

    def test_the_last_line_of_metrics_counts_a_call_that_was_denied(self):
        if self.sanitized:
            self.skipTest("a build with sanitizers installs no filters")
        # What the API's thread needs for a client of a console, and the start does not.
        text = re.sub(r"(?m)^  fcntl arg1 in F_DUPFD_CLOEXEC +#.*\n", "", Path(POLICY).read_text(), count=1)
        with self.life("--seccomp-filter", str(compile_policy(text, self.directory.name))) as vm:
            vm.start()
            vm.expect_round(1)
            with self.assertRaises(Exception):
                vm.clients_turn()
            self.assertEqual(vm.process.wait(TIMEOUT), 148)
            last = (Path(self.directory.name) / "metrics").read_text().splitlines()[-1]
            self.assertEqual(json.loads(last)["seccomp"]["num_faults"], 1)

    def test_each_line_of_the_policy_is_needed(self):
        if self.sanitized:
            self.skipTest("a build with sanitizers installs no filters")
        lines = Path(POLICY).read_text().splitlines(keepends=True)
        under = None
        for at, line in enumerate(lines):
            rule = line.split("#")[0].strip()
            if rule and not line.startswith("  "):
                under = rule.split()[1]
            if not line.startswith("  ") or any(f"{under} {rule}".startswith(rare) for rare in RARE):
                continue
            with self.subTest(under=under, rule=rule):
                try:
                    ended = self.ends_without("".join(lines[:at] + lines[at + 1:]))
                except subprocess.CalledProcessError:
                    continue
                self.assertIsNotNone(ended)


if __name__ == "__main__":
    machine.VMM, COMPILER, POLICY = sys.argv[1:]
    sys.exit(run.run_with_kvm("confinement_test", Confinement))
