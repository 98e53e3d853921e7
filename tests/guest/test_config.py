"""What was configured is what Linux finds, by whichever way it was said; and how signals end it."""

import json
import re
import signal
import unittest

import images
from machine import STOP_TIMEOUT, Machine, device_machine, drive

MIB = 1 << 20

# What a kernel knows of its machine, but for what differs from one boot to the next.
DESCRIBE = ("cat /proc/cmdline /proc/iomem; "
            "grep -v -e MHz -e bogomips /proc/cpuinfo; "
            "for device in /sys/bus/virtio/devices/*; do echo $device; "
            "cat $device/device $device/vendor $device/features $device/status; done; "
            "cat /sys/block/vd*/size /sys/block/vd*/ro /sys/block/vd*/queue/write_cache; "
            "cut -d: -f1 /proc/interrupts")


class Config(unittest.TestCase):
    def test_a_configuration_file_boots_the_machine_that_the_calls_boot(self):
        with device_machine(vcpus=2) as by_calls:
            data = by_calls.directory / "data"
            data.write_bytes(bytes(8 * MIB))
            by_calls.drives.append(drive(data, "data", root=False, cache_type="Writeback",
                                         io_engine="Async", queues=2))
            by_calls.devices += [
                ("/balloon", {"amount_mib": 16, "deflate_on_oom": True,
                              "stats_polling_interval_s": 1}),
                ("/entropy", {"rate_limiter": {"ops": {"size": 100, "refill_time": 100}}}),
                ("/vsock", {"guest_cid": 3, "uds_path": str(by_calls.directory / "vsock")}),
                ("/hotplug/memory", {"total_size_mib": 256}),
                ("/cpu-config", {"cpuid_modifiers": [self.without_rdrand()]})]
            by_calls.start_agent()
            described = by_calls.run(DESCRIBE)
            config = by_calls.request("GET", "/vm/config")[1]
            by_calls.power_off()
            self.assertEqual(described.count("/sys/bus/virtio/devices/virtio"), 6)
            self.assertEqual(self.boot(config, by_calls.directory / "config.json"),
                             (described, config))

    @staticmethod
    def without_rdrand():
        return {"leaf": "0x1", "subleaf": "0x0", "flags": 0,
                "modifiers": [{"register": "ecx", "bitmap": "0b0" + "x" * 30}]}

    @staticmethod
    def boot(config, path):
        """What a machine that a file describes says of itself, in the guest and by its API."""
        path.write_text(json.dumps(config))
        with device_machine(vmm_args=["--config-file", str(path)]) as vm:
            vm.launch()
            vm.expect("EMBER-AGENT ok")
            described = vm.run(DESCRIBE), vm.request("GET", "/vm/config")[1]
            vm.power_off()
            return described

    def flags(self, *modifiers):
        """The features of the processor that a guest finds."""
        with Machine(images.kernel("microvm", "vmlinux"), images.initrd("microvm"), devices=[
                ("/cpu-config", {"cpuid_modifiers": list(modifiers)})]) as vm:
            vm.start("run:cat+/proc/cpuinfo,poweroff")
            vm.wait(0)
            return set(re.search(r"(?m)^flags\s*: (.*?)\r?$", vm.console())[1].split())

    def test_a_feature_that_was_taken_away_is_not_in_the_guest(self):
        with_it = self.flags()
        self.assertIn("rdrand", with_it)
        self.assertEqual(with_it - self.flags(self.without_rdrand()), {"rdrand"})


class Signals(unittest.TestCase):
    CODES = {signal.SIGSYS: 148, signal.SIGBUS: 149, signal.SIGSEGV: 150, signal.SIGXFSZ: 151,
             signal.SIGXCPU: 154, signal.SIGPIPE: 155, signal.SIGHUP: 156, signal.SIGILL: 157,
             signal.SIGTERM: 128 + signal.SIGTERM, signal.SIGINT: 128 + signal.SIGINT}

    def test_each_fatal_signal_ends_a_busy_guest_with_its_code_and_leaves_nothing(self):
        for number, code in self.CODES.items():
            with self.subTest(signal=number), Machine(
                    images.kernel("microvm", "vmlinux"), images.initrd("microvm"),
                    memory_mib=128) as vm:
                vm.devices = [("/vsock", {"guest_cid": 3, "uds_path": str(vm.directory / "vsock")})]
                vm.start("run:while+true;do+echo+tick;done")
                vm.expect("tick")
                vm.signal(number)
                vm.wait(code, STOP_TIMEOUT)
                self.assertEqual(sorted(path.name for path in vm.directory.iterdir()),
                                 ["console", "log"])
