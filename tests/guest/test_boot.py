"""Kernels, protocols, processors, memory sizes and descriptions of the hardware."""

import unittest

import images
from machine import Machine


def ready(vm):
    """What the guest's init printed of itself."""
    match = vm.expect(r"EMBER-INIT-READY cpus=(\d+) mem_kib=(\d+) kernel=(\S+) uptime=")
    return int(match[1]), int(match[2]), match[3]


class Kernels(unittest.TestCase):
    """Each kernel by each way in, to its own init and out by ACPI power-off."""

    def boot(self, name, file, **boot_source):
        with Machine(images.kernel(name, file), images.initrd(name), memory_mib=512,
                     **boot_source) as vm:
            vm.start()
            cpus, _, release = ready(vm)
            self.assertEqual(cpus, 1)
            vm.wait(code=0)
            return release

    def test_debian_6_1_boots_as_bzimage(self):
        self.assertRegex(self.boot("debian-6.1", "bzImage"), r"^6\.1\..*cloud-amd64$")

    def test_debian_6_1_boots_as_elf(self):
        self.assertRegex(self.boot("debian-6.1", "vmlinux", boot_protocol="Linux64"), r"^6\.1\.")

    def test_debian_6_1_boots_by_pvh(self):
        self.assertRegex(self.boot("debian-6.1", "vmlinux", boot_protocol="Pvh"), r"^6\.1\.")

    def test_debian_6_12_boots_as_bzimage(self):
        self.assertRegex(self.boot("debian-6.12", "bzImage"), r"^6\.12\..*cloud-amd64$")

    def test_debian_6_12_boots_as_elf(self):
        self.assertRegex(self.boot("debian-6.12", "vmlinux", boot_protocol="Linux64"), r"^6\.12\.")

    def test_debian_6_12_boots_by_pvh(self):
        self.assertRegex(self.boot("debian-6.12", "vmlinux", boot_protocol="Pvh"), r"^6\.12\.")

    def test_the_microvm_kernel_boots_as_bzimage(self):
        self.boot("microvm", "bzImage")

    def test_the_microvm_kernel_boots_as_elf(self):
        self.boot("microvm", "vmlinux", boot_protocol="Linux64")

    def test_the_microvm_kernel_boots_by_pvh(self):
        self.boot("microvm", "vmlinux", boot_protocol="Pvh")


class Sizes(unittest.TestCase):
    """Processors and memory as the guest counts them."""

    def boot(self, words="poweroff", boot_args="", **machine):
        with Machine(images.kernel("microvm", "vmlinux"), images.initrd("microvm"),
                     boot_args=boot_args, **machine) as vm:
            vm.start(words)
            cpus, mem_kib, _ = ready(vm)
            vm.wait(code=0)
            return cpus, mem_kib, vm.console()

    def test_the_guest_counts_1_2_4_and_8_vcpus(self):
        for vcpus in [1, 2, 4, 8]:
            with self.subTest(vcpus=vcpus):
                self.assertEqual(self.boot(vcpus=vcpus)[0], vcpus)

    def test_hyperthreads_share_a_core(self):
        words = "run:cat+/sys/devices/system/cpu/cpu0/topology/thread_siblings_list"
        with Machine(images.kernel("microvm", "vmlinux"), images.initrd("microvm"), vcpus=4) as vm:
            vm.machine["smt"] = True
            vm.start(words)
            vm.expect(r"(?m)^0-1\r?$")
            vm.wait(code=0)

    def check_memory(self, memory_mib, mem_percent, stride_kib):
        _, mem_kib, console = self.boot(
            words="memcheck", memory_mib=memory_mib,
            boot_args=f"ember.mem_percent={mem_percent} ember.mem_stride_kib={stride_kib}")
        # The kernel keeps some for itself, but never invents any.
        self.assertLess(mem_kib, memory_mib * 1024)
        self.assertGreater(mem_kib, memory_mib * 1024 * 0.8)
        self.assertIn("EMBER-MEMCHECK ok", console)
        return console

    def test_128_mib_are_written_and_read_back(self):
        self.check_memory(128, 80, 4)

    def test_1_gib_is_written_and_read_back(self):
        self.check_memory(1024, 80, 64)

    def test_4_gib_are_written_and_read_back_above_the_gap_too(self):
        console = self.check_memory(4096, 80, 1024)
        self.assertNotRegex(console, r"pages_above_4gib=0\b")


class Descriptions(unittest.TestCase):
    """The ways a guest learns of its hardware: each alone must show disk, console and processors."""

    def boot(self, vcpus=2, boot_args="", **boot_source):
        with Machine(images.kernel("microvm", "vmlinux"), images.initrd("microvm"), vcpus=vcpus,
                     boot_args=boot_args, **boot_source) as vm:
            disk = images.disk("root.ext4", vm.directory)
            vm.drives.append({"drive_id": "data", "path_on_host": str(disk),
                              "is_root_device": False})
            vm.start("devices,interrupts,dmesg,reboot")
            cpus, _, _ = ready(vm)
            vm.wait(code=0)
            self.assertEqual(cpus, vcpus)
            console = vm.console()
            self.assertIn("vda", console)
            self.assertEqual(len(set(self.virtio_devices(console))), 1)
            return console

    @staticmethod
    def virtio_devices(console):
        return [word for word in console.split() if word.startswith("virtio") and
                word[len("virtio"):].isdigit()]

    def test_acpi(self):
        self.assertIn("ACPI: RSDP", self.boot())

    def test_mp_table_with_acpi_off(self):
        console = self.boot(boot_args="acpi=off")
        self.assertNotIn("ACPI: RSDP", console)
        self.assertIn("MP-table", console)

    def test_device_tree(self):
        console = self.boot(hardware_description="DeviceTree", boot_protocol="Linux64")
        self.assertNotIn("ACPI: RSDP", console)
        self.assertRegex(console, r"virtio_mmio@|[0-9a-f]+\.virtio")
