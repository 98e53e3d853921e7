"""Root on virtio-blk, and what a guest wrote, found on the host byte for byte."""

import hashlib
import subprocess
import unittest

import images
from machine import Machine, drive
from pattern import pattern

DISK_BYTES = 1048699  # no multiple of anything


def read_back(image, file, offset=0):
    """A file's content out of an ext4 image, by e2fsprogs instead of any kernel."""
    return subprocess.run(["debugfs", "-R", f"cat {file}", f"{image}?offset={offset}"], check=True,
                          capture_output=True).stdout


class Disk(unittest.TestCase):
    def boot_and_write(self, kernel, file, image, offset=0, seed=7, **root):
        with Machine(images.kernel(kernel, file), images.initrd(kernel), memory_mib=512,
                     boot_args=f"ember.disk_seed={seed} ember.disk_bytes={DISK_BYTES}") as vm:
            disk = images.disk(image, vm.directory)
            vm.drives.append(drive(disk, **root))
            vm.start("diskwrite,poweroff")
            vm.expect(r"EMBER-DISKWRITE ok")
            vm.wait(code=0)
            found = read_back(disk, "/ember-data", offset)
        self.assertEqual(hashlib.sha256(found).hexdigest(),
                         hashlib.sha256(pattern(seed, DISK_BYTES)).hexdigest())

    def test_a_file_written_by_the_microvm_kernel_is_on_the_host(self):
        self.boot_and_write("microvm", "vmlinux", "root.ext4", cache_type="Writeback")

    def test_a_file_written_by_debian_6_1_is_on_the_host(self):
        self.boot_and_write("debian-6.1", "bzImage", "root.ext4", seed=61, cache_type="Writeback")

    def test_a_file_written_by_debian_6_12_is_on_the_host(self):
        self.boot_and_write("debian-6.12", "bzImage", "root.ext4", seed=612)

    def test_a_root_is_found_by_partuuid(self):
        with Machine(images.kernel("microvm", "vmlinux"), images.initrd("microvm"),
                     memory_mib=512) as vm:
            disk = images.disk("root.gpt", vm.directory)
            vm.drives.append(drive(disk, partuuid=images.PARTUUID))
            vm.start("run:mount,poweroff")
            vm.expect(r"/dev/vda1 on / type ext4")
            vm.wait(code=0)

    def test_the_microvm_kernel_needs_no_initrd(self):
        with Machine(images.kernel("microvm", "vmlinux"), boot_args="init=/ember/init") as vm:
            vm.drives.append(drive(images.disk("root.ext4", vm.directory)))
            vm.start("run:mount,poweroff")
            vm.expect(r"/dev/(vda|root) on / type ext4 \(rw")
            vm.wait(code=0)

    def test_a_read_only_disk_stays_as_it_was(self):
        with Machine(images.kernel("microvm", "vmlinux"), boot_args="init=/ember/init") as vm:
            disk = images.disk("root.ext4", vm.directory)
            before = hashlib.sha256(disk.read_bytes()).hexdigest()
            vm.drives.append(drive(disk, read_only=True))
            vm.start("diskwrite,poweroff")
            vm.expect(r"EMBER-DISKWRITE failed")
            vm.wait(code=0)
            self.assertEqual(hashlib.sha256(disk.read_bytes()).hexdigest(), before)

    def test_two_disks_are_told_apart(self):
        with Machine(images.kernel("microvm", "vmlinux"), boot_args="init=/ember/init") as vm:
            data = vm.directory / "data"
            data.write_bytes(b"\0" * (3 << 20))
            vm.drives.append(drive(data, "data", root=False))
            vm.drives.append(drive(images.disk("root.ext4", vm.directory)))
            vm.start("run:cat+/sys/block/vdb/size,poweroff")
            vm.expect(r"(?m)^6144\r?$")
            vm.wait(code=0)
