"""process_test.py VMM: ember-vmm as a process on this machine's KVM, with a guest of ten bytes.

Two hundred start-stop cycles through the API and what each leaves behind; how it ends by signals and
by a bad command line or configuration. Writes JUnit XML where GTEST_OUTPUT says, as GoogleTest does.
"""

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/guest"), str(ROOT / "scripts")]

import machine  # noqa: E402
import run  # noqa: E402
from benchmarks import payload  # noqa: E402

# mov dx, 0x64; mov al, 0xfe; out dx, al; hlt
RESET = b"\x66\xba\x64\x00\xb0\xfe\xee\xf4\xeb\xfd"
HALT = b"\xf4\xeb\xfd"
# Twice the letter A to the serial port.
SPEAK_AND_RESET = b"\x66\xba\xf8\x03\xb0\x41\xee\xee" + RESET
# mov eax, 0x40000001; xor ecx, ecx; cpuid; mov eax, edx; mov dx, 0x3f8; then four times out dx, al;
# shr eax, 8.
CPUID_AND_RESET = (b"\xb8\x01\x00\x00\x40\x31\xc9\x0f\xa2\x89\xd0\x66\xba\xf8\x03" +
                   b"\xee\xc1\xe8\x08" * 4 + RESET)
FATAL_SIGNALS = {signal.SIGSYS: 148, signal.SIGBUS: 149, signal.SIGSEGV: 150, signal.SIGXFSZ: 151,
                 signal.SIGXCPU: 154, signal.SIGPIPE: 155, signal.SIGHUP: 156, signal.SIGILL: 157}


class Process(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def kernel(self, code):
        path = Path(self.directory.name) / "kernel"
        path.write_bytes(payload.image(code))
        return path

    def config(self, code, **sections):
        """A configuration file for a guest of this code."""
        path = Path(self.directory.name) / "config.json"
        path.write_text(json.dumps({"drives": [], "boot-source": {
            "kernel_image_path": str(self.kernel(code))}, **sections}))
        return path

    def run_vmm(self, *words, program=None):
        return subprocess.run([program or machine.VMM, *words], capture_output=True, text=True,
                              timeout=30, stdin=subprocess.DEVNULL)

    def contracts_name(self):
        """The program under the name that the API's contract has for it."""
        path = Path(self.directory.name) / "firecracker"
        path.symlink_to(machine.VMM)
        return str(path)

    def test_two_hundred_processes_leave_no_socket_process_or_file(self):
        kernel = self.kernel(RESET)
        for _ in range(200):
            with machine.Machine(kernel, memory_mib=32) as vm:
                vm.start()
                vm.wait(code=0, timeout=30)
                self.assertEqual(sorted(os.listdir(vm.directory)), ["console", "log"])
                self.assertEqual(unix_sockets(vm.directory), set())

    def test_sigterm_before_the_start_removes_the_socket(self):
        with machine.Machine(self.kernel(HALT)) as vm:
            vm.launch()
            vm.signal(signal.SIGTERM)
            vm.wait(128 + signal.SIGTERM, timeout=30)

    def test_signals_end_a_halted_guest_with_their_codes(self):
        for number, code in [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 156)]:
            with self.subTest(signal=number), machine.Machine(self.kernel(HALT)) as vm:
                vm.start()
                vm.signal(number)
                vm.wait(code, timeout=30)

    def test_each_fatal_signal_ends_with_its_code_and_leaves_nothing(self):
        sanitized = b"__asan_init" in Path(machine.VMM).read_bytes()
        for number, code in FATAL_SIGNALS.items():
            if sanitized and number in (signal.SIGSEGV, signal.SIGBUS):
                continue  # the sanitizer's to report
            with self.subTest(signal=number), machine.Machine(self.kernel(HALT)) as vm:
                sockets = [str(vm.directory / name) for name in ("vsock", "port", "port.ctl")]
                vm.devices = [
                    ("/vsock", {"guest_cid": 3, "uds_path": sockets[0]}),
                    ("/console", {"ports": [{"id": "p", "socket_path": sockets[1]}]})]
                vm.start()
                for path in sockets:
                    self.assertTrue(os.path.exists(path), path)
                vm.signal(number)
                vm.wait(code, timeout=30)  # with the log's last line and the API's socket
                self.assertEqual(sorted(os.listdir(vm.directory)), ["console", "log"])

    def test_the_last_line_of_metrics_counts_the_signal_that_ends_the_process(self):
        sections = {signal.SIGSYS: ("seccomp", "num_faults"), signal.SIGABRT: ("vmm", "panic_count"),
                    signal.SIGILL: ("signals", "sigill"), signal.SIGHUP: ("signals", "sighup")}
        codes = {**FATAL_SIGNALS, signal.SIGABRT: -signal.SIGABRT}
        for number, (section, key) in sections.items():
            with self.subTest(signal=number), machine.Machine(self.kernel(HALT)) as vm:
                path = Path(self.directory.name) / f"metrics-{number}"
                vm.devices = [("/metrics", {"metrics_path": str(path)})]
                vm.start()
                vm.signal(number)
                self.assertEqual(vm.process.wait(30), codes[number])
                first, last = map(json.loads, path.read_text().splitlines())
                self.assertEqual((first[section][key], last[section][key]), (0, 1))
                self.assertEqual(last["put_api_requests"]["actions_count"], 0)

    def test_lines_of_metrics_name_the_start_and_need_no_reader(self):
        fifo = Path(self.directory.name) / "fifo"
        os.mkfifo(fifo)
        done = self.run_vmm("--no-api", "--config-file", str(self.config(RESET)),
                            "--start-time-us", "1", "--start-time-cpu-us", "0",
                            "--metrics-path", str(fifo))
        self.assertEqual(done.returncode, 0, done.stderr)
        path = Path(self.directory.name) / "metrics"
        done = self.run_vmm("--no-api", "--start-time-us", "1", "--start-time-cpu-us", "0",
                            "--config-file", str(self.config(RESET, metrics={
                                "metrics_path": str(path), "emit_id": True})))
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        self.assertEqual(lines[-1]["id"], "anonymous-instance")
        self.assertGreater(lines[-1]["api_server"]["process_startup_time_us"], 0)
        self.assertGreater(lines[-1]["api_server"]["process_startup_time_cpu_us"], 0)
        # A line counts what happened since the line before: the guest may reset before the first.
        self.assertEqual(sum(line["i8042"]["reset_count"] for line in lines), 1)
        done = self.run_vmm("--no-api", "--config-file", str(self.config(RESET)),
                            "--metrics-path", "/no/such/folder/metrics")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/no/such/folder/metrics", done.stderr)

    def test_a_fatal_signal_puts_the_terminal_back(self):
        ours, theirs = pty.openpty()
        before = termios.tcgetattr(theirs)
        config = self.config(HALT)
        process = subprocess.Popen(
            [machine.VMM, "--no-api", "--config-file", str(config), "--boot-timer"],
            stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0))
        while termios.tcgetattr(theirs) == before:
            self.assertIsNone(process.poll())
            time.sleep(0.005)
        process.send_signal(signal.SIGXCPU)
        self.assertEqual(process.wait(30), 154)
        self.assertEqual(termios.tcgetattr(theirs), before)
        os.close(ours)
        os.close(theirs)

    def test_a_console_whose_reader_has_gone_ends_nothing(self):
        config = self.config(SPEAK_AND_RESET)
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([machine.VMM, "--no-api", "--config-file", str(config)],
                              stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE,
                              timeout=30)
        os.close(writer)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_guest_that_faults_thrice_ends_with_4(self):
        # lidt [0]; int3: with no handler for it, nor for what follows.
        with machine.Machine(self.kernel(b"\x0f\x01\x1d\x00\x00\x00\x00\x0f\x0b")) as vm:
            vm.start()
            vm.wait(code=4, timeout=30)

    def test_a_failed_start_can_be_mended_and_tried_again(self):
        kernel = self.kernel(RESET)
        with machine.Machine(kernel, memory_mib=32) as vm:
            vm.launch()
            good = kernel.read_bytes()
            kernel.write_bytes(b"not a kernel at all")
            vm.configure()
            status, answer = vm.request("PUT", "/actions", {"action_type": "InstanceStart"})
            self.assertEqual(status, 400)
            self.assertIn(str(kernel), answer["fault_message"])
            self.assertEqual(vm.request("GET", "/")[1]["state"], "Not started")
            kernel.write_bytes(good)
            vm.call("PUT", "/actions", {"action_type": "InstanceStart"})
            vm.wait(code=0, timeout=30)

    def test_a_config_file_starts_the_machine_without_an_api(self):
        config = Path(self.directory.name) / "config.json"
        config.write_text(json.dumps({"drives": [], "boot-source": {
            "kernel_image_path": str(self.kernel(RESET))}}))
        done = self.run_vmm("--no-api", "--config-file", str(config))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_bad_config_file_ends_with_152_and_names_the_field(self):
        config = Path(self.directory.name) / "config.json"
        config.write_text('{"drives": [], "boot-source": {"kernel_image": "x"}}')
        done = self.run_vmm("--no-api", "--config-file", str(config))
        self.assertEqual(done.returncode, 152)
        self.assertIn("kernel_image", done.stderr)

    def test_a_bad_command_line_ends_with_153(self):
        for words in [["--no-such"], ["--id", "a b"], ["--id", "x" * 65], ["--level", "Loud"],
                      ["--no-api"], ["--start-time-us", "soon"], ["--parent-cpu-time-us", "-1"],
                      ["--http-api-max-payload-size", "much"], ["stray"]]:
            with self.subTest(words=words):
                done = self.run_vmm(*words)
                self.assertEqual(done.returncode, 153)
                self.assertTrue(done.stderr.startswith("ember-vmm: "), done.stderr)

    def test_flags_for_what_this_version_cannot_do_are_refused_and_say_so(self):
        for words, what in [(["--enable-pci"], "no PCI bus"),
                            (["--seccomp-filter", "/f", "--no-seccomp"], "--seccomp-filter")]:
            with self.subTest(words=words):
                done = self.run_vmm(*words)
                self.assertEqual(done.returncode, 153)
                self.assertIn(what, done.stderr)

    def test_the_other_flags_of_the_contract_are_taken(self):
        done = self.run_vmm("--no-api", "--config-file", str(self.config(RESET)), "--no-seccomp",
                            "--start-time-us", "1", "--start-time-cpu-us", "1",
                            "--parent-cpu-time-us", "18446744073709551615", "--id=a-1",
                            "--level", "debug", "--show-level", "--show-log-origin",
                            "--http-api-max-payload-size", "1024")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"(?m)^\S+ \[a-1:")

    def test_the_format_of_snapshots_is_told(self):
        self.assertEqual(self.run_vmm("--snapshot-version").stdout, "v2.0.0\n")
        golden = Path(__file__).parents[1] / "vmm/snapshot/golden/machine_v1_diff.bin"
        done = self.run_vmm("--describe-snapshot", str(golden))
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0], "v1.0.0")
        self.assertIn("drive: rootfs", lines)
        done = self.run_vmm("--describe-snapshot", __file__)
        self.assertEqual(done.returncode, 1)
        self.assertIn(__file__, done.stderr)

    def test_help_and_version_say_so_and_end_with_0(self):
        self.assertIn("--api-sock", self.run_vmm("--help").stdout)
        self.assertRegex(self.run_vmm("--version").stdout,
                         r"^Ember v\d+\.\d+\.\d+\nFirecracker v\d+\.\d+\.\d+\n$")

    def test_under_the_contract_s_name_it_answers_by_that_name(self):
        program = self.contracts_name()
        # Some take all of it, some the second word, some the last one.
        self.assertRegex(self.run_vmm("--version", program=program).stdout,
                         r"^Firecracker v\d+\.\d+\.\d+\n$")
        self.assertIn("firecracker [OPTIONS]", self.run_vmm("--help", program=program).stdout)
        done = self.run_vmm("--no-such", program=program)
        self.assertEqual(done.returncode, 153)
        self.assertTrue(done.stderr.startswith("firecracker: "), done.stderr)

    def test_of_the_serial_port_s_output_what_exceeds_its_rate_is_dropped(self):
        with machine.Machine(self.kernel(SPEAK_AND_RESET)) as vm:
            vm.devices = [("/serial", {"rate_limiter": {"size": 1, "refill_time": 3600000}})]
            vm.start()
            vm.wait(code=0, timeout=30)
            self.assertEqual(vm.console(), "A")

    def test_a_guest_sees_the_processor_that_was_configured(self):
        cpu = {"cpuid_modifiers": [{"leaf": "0x40000001", "subleaf": "0x0", "flags": 0, "modifiers": [
            {"register": "edx", "bitmap": "0b01000101_01001101_01000010_01010010"}]}]}
        by_path = Path(self.directory.name) / "cpu.json"
        by_path.write_text(json.dumps(cpu))
        for section in (cpu, str(by_path)):
            with self.subTest(section=section):
                config = self.config(CPUID_AND_RESET, **{"cpu-config": section})
                done = self.run_vmm("--no-api", "--config-file", str(config))
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stdout, "RBME")

    def test_a_processor_that_the_host_cannot_make_is_refused_at_the_start(self):
        amd = "AuthenticAMD" in Path("/proc/cpuinfo").read_text()
        vendor = "CPU vendor mismatched between actual CPU and CPU template."
        machine_config = {"vcpu_count": 1, "mem_size_mib": 32}
        for path, body, what in [
                ("/machine-config", {**machine_config, "cpu_template": "T2" if amd else "T2A"}, vendor),
                ("/machine-config", {**machine_config, "cpu_template": "V1N1"}, "aarch64"),
                ("/cpu-config", {"kvm_capabilities": ["99999"]}, "capability 99999"),
                ("/cpu-config", {"msr_modifiers": [{"addr": "0x12345678", "bitmap": "0b1"}]},
                 "Register Address: 0x12345678"),
                ("/cpu-config", {"cpuid_modifiers": [
                    {"leaf": "0x7fffffff", "subleaf": "0x1", "flags": 0, "modifiers": []}]},
                 "Leaf: 0x7fffffff, Subleaf: 0x1")]:
            with self.subTest(body=body), machine.Machine(self.kernel(RESET)) as vm:
                vm.launch()
                vm.configure()
                vm.call("PUT", path, body)
                status, answer = vm.request("PUT", "/actions", {"action_type": "InstanceStart"})
                self.assertEqual(status, 400)
                self.assertIn(what, answer["fault_message"])
                # What is mended starts.
                vm.call("PUT", "/machine-config", {**machine_config, "cpu_template": "None"})
                vm.call("PUT", "/actions", {"action_type": "InstanceStart"})
                vm.wait(code=0, timeout=30)

    def test_a_socket_path_in_use_is_refused_and_left_alone(self):
        with machine.Machine(self.kernel(HALT)) as vm:
            vm.launch()
            done = self.run_vmm("--api-sock", vm.socket_path)
            self.assertEqual(done.returncode, 1)
            self.assertIn(vm.socket_path, done.stderr)
            self.assertEqual(vm.request("GET", "/")[0], 200)

    def test_the_boot_timer_logs_the_guest_s_first_write(self):
        kernel = Path(self.directory.name) / "kernel"
        kernel.write_bytes(payload.image())
        with machine.Machine(kernel, vmm_args=["--boot-timer"]) as vm:
            vm.start()
            vm.expect_log("Guest-boot-time")


def unix_sockets(directory):
    """The paths in a directory to which Unix sockets of this computer are bound."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    return {line.split()[-1] for line in lines if f"{directory}/" in line}


if __name__ == "__main__":
    machine.VMM = sys.argv[1]
    sys.exit(run.run_with_kvm("process_test", Process))
