"""process_test.py VMM: ember-vmm as a process on this machine's KVM, with a guest of ten bytes.

Two hundred start-stop cycles through the API and what each leaves behind; how it ends by signals and
by a bad command line or configuration. Writes JUnit XML where GTEST_OUTPUT says, as GoogleTest does.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/guest"), str(ROOT / "scripts")]

import machine  # noqa: E402
import run  # noqa: E402
from benchmarks import payload  # noqa: E402

NOT_RUN = 77
# mov dx, 0x64; mov al, 0xfe; out dx, al; hlt
RESET = b"\x66\xba\x64\x00\xb0\xfe\xee\xf4\xeb\xfd"
HALT = b"\xf4\xeb\xfd"


class Process(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def kernel(self, code):
        path = Path(self.directory.name) / "kernel"
        path.write_bytes(payload.image(code))
        return path

    def run_vmm(self, *words):
        return subprocess.run([machine.VMM, *words], capture_output=True, text=True, timeout=30,
                              stdin=subprocess.DEVNULL)

    def test_two_hundred_processes_leave_no_socket_process_or_file(self):
        kernel = self.kernel(RESET)
        sockets = unix_sockets()
        for _ in range(200):
            with machine.Machine(kernel, memory_mib=32) as vm:
                vm.start()
                vm.wait(code=0, timeout=30)
                self.assertEqual(sorted(os.listdir(vm.directory)), ["console", "log"])
        self.assertEqual(unix_sockets() - sockets, set())

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
                      ["--no-api"]]:
            with self.subTest(words=words):
                self.assertEqual(self.run_vmm(*words).returncode, 153)

    def test_help_and_version_say_so_and_end_with_0(self):
        self.assertIn("--api-sock", self.run_vmm("--help").stdout)
        self.assertRegex(self.run_vmm("--version").stdout, r"Ember v\d+\.\d+\.\d+")

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


def unix_sockets():
    """The paths of this machine's bound Unix sockets that are ours."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    return {line.split()[-1] for line in lines if "ember-vm." in line}


def main():
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("NOT RUN: payload tier: no /dev/kvm to use", file=sys.stderr)
        return NOT_RUN
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Process)
    result = unittest.TextTestRunner(verbosity=0, resultclass=run.XmlResult).run(suite)
    output = os.environ.get("GTEST_OUTPUT", "")
    if output.startswith("xml:"):
        result.write(Path(output[len("xml:"):]) / "process_test.xml")
    return 0 if result.wasSuccessful() and result.testsRun else 1


if __name__ == "__main__":
    machine.VMM = sys.argv[1]
    sys.exit(main())
