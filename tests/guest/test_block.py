"""Disks under load: what fio writes and verifies, swaps and resizes, and what outlives a killed VMM."""

import os
import random
import re
import subprocess
import tempfile
import time
import unittest
import zlib
from pathlib import Path

import images
from machine import Machine, device_machine, drive
from pattern import pattern

MIB = 1024 * 1024
LONG = bool(os.environ.get("EMBER_LONG_TESTS"))


def sparse(path, size_bytes):
    with open(path, "wb") as file:
        file.truncate(size_bytes)
    return path


def fio(device, *words):
    """A fio command line that writes in random order and reads back what it wrote."""
    size_mib = 256 if LONG else 8
    return ["fio", "--name=verify", f"--filename={device}", "--rw=randwrite", f"--size={size_mib}m",
            "--bsrange=4k-64k", "--ioengine=libaio", "--iodepth=16", "--direct=1",
            "--verify=crc32c", "--verify_fatal=1", "--randseed=7", "--thread", "--minimal", *words]


class Disks(unittest.TestCase):
    """One guest, a disk for each way of ours to keep one."""

    DISK_BYTES = (320 if LONG else 24) * MIB
    # drive_id → what is special about it; in the guest /dev/vdb, /dev/vdc, …
    KINDS = {
        "sync": {"io_engine": "Sync", "cache_type": "Writeback"},
        "unsafe": {"io_engine": "Sync"},
        "own": {"io_engine": "Sync", "thread": "Own"},
        "async": {"io_engine": "Async", "cache_type": "Writeback"},
        "direct": {"io_engine": "Async", "direct": True, "queues": 2, "cache_type": "Writeback"},
        "discard": {"io_engine": "Async", "discard": True},
        "overlay": {"cache_type": "Writeback", "is_read_only": False},
        "vhost": {},
    }

    @classmethod
    def setUpClass(cls):
        cls.vm = device_machine(vcpus=2)
        cls.addClassCleanup(cls.vm.close)
        cls.devices = {}
        for name, options in cls.KINDS.items():
            cls.devices[name] = f"/dev/vd{chr(ord('b') + len(cls.devices))}"
            path = sparse(cls.vm.directory / f"{name}.img", cls.DISK_BYTES)
            cls.vm.drives.append(drive(path, name, root=False, **options))
        cls.vm.drives[-2]["overlay_path"] = str(cls.vm.directory / "overlay")
        cls.vm.drives[-1] = cls.serve_vhost_user()
        cls.vm.start_agent()

    @classmethod
    def serve_vhost_user(cls):
        """A drive that another process has: QEMU's storage daemon."""
        path, socket_path = cls.vm.directory / "vhost.img", cls.vm.directory / "vhost.sock"
        daemon = subprocess.Popen([
            "qemu-storage-daemon", "--blockdev", f"driver=file,node-name=disk,filename={path}",
            "--export", "type=vhost-user-blk,id=export,node-name=disk,writable=on,addr.type=unix,"
            f"addr.path={socket_path}"])
        cls.addClassCleanup(daemon.wait)
        cls.addClassCleanup(daemon.kill)
        deadline = time.monotonic() + 30
        while not socket_path.exists():
            assert daemon.poll() is None and time.monotonic() < deadline, "qemu-storage-daemon"
            time.sleep(0.01)
        return {"drive_id": "vhost", "is_root_device": False, "socket": str(socket_path)}

    def path(self, name):
        return self.vm.directory / f"{name}.img"

    def verify(self, name):
        self.vm.run(" ".join(fio(self.devices[name])))
        # The host, too, finds every block: nothing the guest saw written is still on its way.
        done = subprocess.run(fio(self.path(name), "--verify_only"), capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_fio_verifies_what_it_wrote_through_the_sync_engine(self):
        self.verify("sync")

    def test_fio_verifies_what_it_wrote_to_an_unsafe_disk(self):
        self.verify("unsafe")

    def test_fio_verifies_what_it_wrote_to_a_disk_with_a_thread_of_its_own(self):
        self.verify("own")

    def test_fio_verifies_what_it_wrote_through_the_async_engine(self):
        self.verify("async")

    def test_fio_verifies_what_it_wrote_past_the_hosts_page_cache_on_two_queues(self):
        self.assertIn("1", self.vm.run(f"ls /sys/block/{self.name_in_guest('direct')}/mq"))
        self.verify("direct")

    def test_fio_verifies_what_it_wrote_to_a_vhost_user_back_end(self):
        self.verify("vhost")

    def test_fio_verifies_what_it_wrote_to_an_overlay_and_the_base_stays_as_it_was(self):
        self.vm.run(" ".join(fio(self.devices["overlay"])))
        self.assertFalse(self.path("overlay").read_bytes().strip(b"\0"))

    def test_what_a_guest_discards_goes_back_to_the_host(self):
        self.vm.run(f"dd if=/dev/urandom of={self.devices['discard']} bs=1M count=16 && sync")
        self.assertGreaterEqual(self.path("discard").stat().st_blocks * 512, 16 * MIB)
        self.vm.run(f"blkdiscard {self.devices['discard']}")
        self.assertLess(self.path("discard").stat().st_blocks * 512, MIB)

    def name_in_guest(self, name):
        return self.devices[name][len("/dev/"):]

    def swap(self, name, path):
        self.vm.call("PATCH", f"/drives/{name}", {"drive_id": name, "path_on_host": str(path)})

    def check_swap_and_resize_under_load(self, name):
        device = self.devices[name]
        sysfs = f"/sys/block/{self.name_in_guest(name)}/size"
        files = [self.path(name), sparse(self.vm.directory / f"{name}.other", self.DISK_BYTES)]
        seconds = 30 if LONG else 3
        self.vm.run_behind("load", f"fio --name=load --filename={device} --rw=randrw --size=8m "
                           f"--bs=4k --iodepth=8 --ioengine=libaio --direct=1 --time_based "
                           f"--runtime={seconds} --thread --minimal")
        deadline = time.monotonic() + seconds
        swaps = 0
        while time.monotonic() < deadline:
            swaps += 1
            self.swap(name, files[swaps % 2])
        last = files[swaps % 2]
        with open(last, "r+b") as file:
            file.truncate(self.DISK_BYTES + MIB)
        self.swap(name, last)
        self.vm.finish_behind("load")
        self.vm.until(f"cat {sysfs}", str((self.DISK_BYTES + MIB) // 512))
        self.assertGreater(swaps, 10)
        # The new end of the new file is where it should be.
        self.vm.run(f"pattern 9 {MIB} | dd of={device} bs=1M seek={self.DISK_BYTES // MIB} && sync")
        with open(last, "rb") as file:
            file.seek(self.DISK_BYTES)
            self.assertEqual(zlib.crc32(file.read()), zlib.crc32(pattern(9, MIB)))
        self.swap(name, self.path(name))  # the other tests look for what they wrote there

    def test_the_file_of_a_disk_is_swapped_and_resized_under_load(self):
        self.check_swap_and_resize_under_load("sync")

    def test_the_file_of_an_asynchronous_disk_is_swapped_and_resized_under_load(self):
        self.check_swap_and_resize_under_load("async")

    def test_a_disk_with_a_thread_of_its_own_is_swapped_and_resized_under_load(self):
        self.check_swap_and_resize_under_load("own")

    def test_a_disk_that_shrinks_fails_what_is_beyond_its_end_and_nothing_else(self):
        small = sparse(self.vm.directory / "small", MIB)
        self.swap("unsafe", small)
        device = self.devices["unsafe"]
        self.vm.until(f"cat /sys/block/{self.name_in_guest('unsafe')}/size", str(MIB // 512))
        self.vm.run(f"dd if=/dev/zero of={device} bs=1M count=1 && sync")
        self.vm.run(f"! dd if={device} of=/dev/null bs=64k skip=16 count=1 | grep -q 65536")
        self.swap("unsafe", self.path("unsafe"))


class Kills(unittest.TestCase):
    """A VMM killed at random instants loses nothing that its guest flushed."""

    KILLS = 100 if LONG else 3
    MOST_SECONDS = 1.0  # from the first flush to the kill
    MOST_LOST_BOOTS = KILLS // 5

    def setUp(self):
        self.lost_boots = 0

    def has_booted(self, vm):
        """Whether the guest has come up: an emulated processor loses some."""
        try:
            vm.start_agent()
        except AssertionError:
            if not vm.was_lost() or self.lost_boots == self.MOST_LOST_BOOTS:
                raise
            self.lost_boots += 1
            return False
        return True

    def cycle(self, disk, flushed, choose, **options):
        """Boots, checks what is there, writes on, kills. Returns what the guest then knew flushed, or None
        where it was lost before it saw the disk."""
        with Machine(images.kernel("microvm", "vmlinux"), boot_args="init=/ember/init",
                     drives=[drive(images.root(), read_only=True),
                             drive(disk, "data", root=False, **options)]) as vm:
            if not self.has_booted(vm):
                return None
            vm.send("mkdir /tmp/data; mount /dev/vdb /tmp/data && records /tmp/data")
            found = int(vm.expect(r"EMBER-RECORDS found (\d+)\s")[1])
            self.assertGreaterEqual(found, flushed, "flushed records are gone")
            vm.expect(r"EMBER-RECORDS flushed \d+\s")
            time.sleep(choose.uniform(0, self.MOST_SECONDS))
            vm.process.kill()
            vm.process.wait()
            return max(int(count) for count in re.findall(r"flushed (\d+)\s", vm.console()))

    def check(self, disk, **options):
        seed = int(os.environ.get("EMBER_SEED", time.time_ns() % 1000000))
        print(f"  EMBER_SEED={seed}", flush=True)
        choose = random.Random(seed)
        flushed = kills = 0
        while kills <= self.KILLS:
            now = self.cycle(disk, flushed, choose, **options)
            if now is not None:
                flushed, kills = now, kills + 1
        print(f"  {self.KILLS} kills, {flushed} records; {self.lost_boots} boots lost", flush=True)

    def file_system(self):
        disk = Path(self.enterContext(tempfile.TemporaryDirectory())) / "disk"
        subprocess.run(["mke2fs", "-q", "-t", "ext4", disk, "128M"], check=True,
                       capture_output=True)
        return disk

    def check_raw(self, **options):
        disk = self.file_system()
        self.check(disk, **options)
        replayed = subprocess.run(["e2fsck", "-p", disk], capture_output=True, text=True, check=False)
        self.assertLessEqual(replayed.returncode, 1, replayed.stdout)
        subprocess.run(["e2fsck", "-fn", disk], check=True, capture_output=True)

    def test_nothing_flushed_through_the_sync_engine_is_lost(self):
        self.check_raw(io_engine="Sync", cache_type="Writeback")

    def test_nothing_flushed_through_the_async_engine_is_lost(self):
        self.check_raw(io_engine="Async", cache_type="Writeback")

    def test_nothing_flushed_to_an_overlay_is_lost(self):
        base = self.file_system()
        before = zlib.crc32(base.read_bytes())
        self.check(base, overlay_path=str(base.with_name("overlay")), cache_type="Writeback")
        self.assertEqual(zlib.crc32(base.read_bytes()), before)
