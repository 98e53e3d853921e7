"""How a guest ends, and what is left: exit code, socket, process, log."""

import json
import os
import signal
import unittest

import images
from machine import STOP_TIMEOUT, Machine

READY = "EMBER-INIT-READY"


def microvm(**options):
    return Machine(images.kernel("microvm", "vmlinux"), images.initrd("microvm"), **options)


class End(unittest.TestCase):
    def end(self, words, code, **options):
        with microvm(**options) as vm:
            vm.start(words)
            vm.expect(READY)
            return vm.wait(code)

    def test_a_power_off_ends_with_0(self):
        self.assertIn("powered off", self.end("poweroff", 0))

    def test_a_reboot_ends_with_0(self):
        self.assertIn("rebooted", self.end("reboot", 0))

    def test_a_reboot_through_acpi_ends_with_0(self):
        self.end("reboot", 0, boot_args="reboot=a")

    def test_a_panic_ends_with_3(self):
        self.assertIn("panicked", self.end("panic", 3, boot_args="panic=0"))

    def test_a_triple_fault_ends_with_4(self):
        self.assertIn("triple fault", self.end("triplefault", 4))

    def test_ctrl_alt_del_in_the_kernel_reboots_at_once(self):
        with microvm() as vm:
            vm.start("run:echo+1+>/proc/sys/kernel/ctrl-alt-del;echo+set,wait")
            vm.expect(r"(?m)^set\r?$")
            vm.call("PUT", "/actions", {"action_type": "SendCtrlAltDel"})
            vm.wait(0, STOP_TIMEOUT)

    def test_sigterm_ends_a_running_guest_and_leaves_nothing(self):
        with microvm() as vm:
            vm.start("wait")
            vm.expect(READY)
            vm.signal(signal.SIGTERM)
            vm.wait(128 + signal.SIGTERM, STOP_TIMEOUT)

    def test_the_boot_timer_is_logged(self):
        with microvm(vmm_args=["--boot-timer"], boot_args="ember.boottimer=0xc0000000") as vm:
            vm.start("boottimer,poweroff")
            vm.expect(READY)
            vm.wait(0)
            self.assertRegex(vm.log(), r"Guest-boot-time\s*=")

    def test_a_paused_guest_is_silent_until_it_is_resumed(self):
        with microvm() as vm:
            vm.start("run:while+sleep+0.2;do+echo+tick;done")
            vm.expect("tick")
            vm.call("PATCH", "/vm", {"state": "Paused"})
            self.assertEqual(vm.request("GET", "/")[1]["state"], "Paused")
            before = vm.settled_console()
            self.assertEqual(vm.settled_console(), before)
            vm.call("PATCH", "/vm", {"state": "Resumed"})
            vm.expect_more(before, "tick")
            vm.signal(signal.SIGTERM)
            vm.wait(128 + signal.SIGTERM)

    def test_a_command_typed_into_the_console_is_answered(self):
        with microvm() as vm:
            vm.start("shell")
            vm.expect(READY)
            vm.process.stdin.write(b"echo $((6 * 7)) is the answer\n")
            vm.process.stdin.flush()
            vm.expect(r"(?m)^42 is the answer")
            vm.process.stdin.write(b"exit\n")
            vm.process.stdin.flush()
            vm.wait(0)

    def test_a_configuration_file_boots_the_same_machine(self):
        with microvm(vcpus=2) as vm:
            path = vm.directory / "config.json"
            path.write_text(json.dumps({
                "machine-config": vm.machine, "drives": [],
                "boot-source": {**vm.boot_source,
                                "boot_args": "console=ttyS0 reboot=k quiet ember.do=poweroff"}}))
            vm.vmm_args += ["--config-file", str(path)]
            vm.launch()
            vm.expect(r"EMBER-INIT-READY cpus=2")
            vm.wait(0)


class Cycles(unittest.TestCase):
    """Nothing piles up over many machines; the process is new each time, the host is not."""

    CYCLES = 2000 if os.environ.get("EMBER_LONG_TESTS") else 12

    def test_machines_come_and_go_and_leave_nothing(self):
        processes = set(os.listdir("/proc"))
        for _ in range(self.CYCLES):
            with microvm(memory_mib=128, boot_args="rdinit=/ember/bin/quick_init") as vm:
                vm.start()
                vm.wait(0)
        left = [pid for pid in set(os.listdir("/proc")) - processes if pid.isdigit() and
                b"ember-vmm" in read_or_empty(f"/proc/{pid}/cmdline")]
        self.assertEqual(left, [])


def read_or_empty(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
