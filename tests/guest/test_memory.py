"""Memory that comes and goes: balloon, virtio-mem and pmem, with the host's RSS followed."""

import contextlib
import hashlib
import os
import re
import subprocess
import time
import unittest

import images
from machine import Machine, device_machine
from pattern import pattern
from test_disk import read_back

LONG = bool(os.environ.get("EMBER_LONG_TESTS"))
MIB = 1024 * 1024
SETTLE_SECONDS = 120
ROUNDS = 30 if LONG else 1
OWN_MIB = 5  # more than the VMM has for itself
STATISTICS = "/balloon/statistics"


class MemoryGuest(unittest.TestCase):
    """A guest whose resident size is watched."""

    @classmethod
    def start(cls, vm):
        cls.vm = vm
        cls.addClassCleanup(vm.close)
        vm.start_agent()

    def settle(self, get, condition, what):
        """Waits until `condition` holds of what `get` returns, and returns that."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while not condition(value := get()):
            self.assertLess(time.monotonic(), deadline, f"{what} stays at {value}")
            time.sleep(0.05)
        return value

    def rss_mib(self):
        """Of the guest's memory; what is mapped of files is not in it."""
        return self.vm.memory_kib("RssAnon") // 1024

    def rss_falls_to(self, most_mib):
        return self.settle(self.rss_mib, lambda mib: mib <= most_mib,
                           f"RSS, which is to fall to {most_mib} MiB,")

    def guest_mib(self, field="MemAvailable"):
        return int(re.search(r"(\d+) kB", self.vm.run(f"grep {field}: /proc/meminfo"))[1]) // 1024

    def touch(self, percent=75):
        """Has the guest write to its memory and read it back; the RSS when it has."""
        self.assertIn("EMBER-MEMCHECK ok", self.vm.run(f"memory_check {percent} 4", 120))
        return self.rss_mib()

    @contextlib.contextmanager
    def load(self, percent):
        """Has the guest write to its memory and read it back, again and again meanwhile."""
        self.vm.run_behind("load", "rm -f /tmp/enough; until [ -e /tmp/enough ]; do "
                                   f"memory_check {percent} 4 || exit 1; done")
        yield
        self.vm.run("touch /tmp/enough")
        self.vm.finish_behind("load")

    def get(self, path):
        status, answer = self.vm.request("GET", path)
        self.assertEqual(status, 200, answer)
        return answer

    def inflate(self, amount_mib):
        self.vm.call("PATCH", "/balloon", {"amount_mib": amount_mib})

    def inflated(self, amount_mib):
        self.inflate(amount_mib)
        self.settle(lambda: self.get(STATISTICS)["actual_mib"], lambda mib: mib == amount_mib,
                    f"the balloon, which is to have {amount_mib} MiB,")


class GivingBack(MemoryGuest):
    """One guest whose root is persistent memory, and whose memory goes back when it is asked for."""

    MEMORY_MIB = 384
    HOTPLUG_MIB = 256
    DATA_MIB = 32

    @classmethod
    def setUpClass(cls):
        kernel = "debian-6.12"
        vm = Machine(images.kernel(kernel, "vmlinux"), images.device_initrd(kernel), vcpus=2,
                     memory_mib=cls.MEMORY_MIB,
                     boot_args="rootflags=dax memhp_default_state=online_movable")
        cls.data = vm.directory / "pmem"
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-b", "4096", cls.data, f"{cls.DATA_MIB}M"],
                       check=True, capture_output=True)
        vm.devices += [
            ("/pmem/root", {"id": "root", "path_on_host": str(images.tools()), "root_device": True,
                            "read_only": True}),
            ("/pmem/data", {"id": "data", "path_on_host": str(cls.data)}),
            ("/balloon", {"amount_mib": 0, "deflate_on_oom": False, "stats_polling_interval_s": 1,
                          "free_page_hinting": True}),
            ("/hotplug/memory", {"total_size_mib": cls.HOTPLUG_MIB})]
        cls.start(vm)

    def test_an_inflated_balloon_gives_memory_back_and_a_deflated_one_lets_the_guest_have_it(self):
        full = self.touch()
        self.inflated(100)
        low = self.rss_falls_to(full - 70)
        self.assertLess(self.guest_mib(), self.MEMORY_MIB - 100)
        self.inflated(0)
        again = self.touch()
        self.assertGreater(again, full - 50)
        print(f"  balloon: RSS {full} -> {low} -> {again} MiB", flush=True)

    def test_a_balloon_goes_up_and_down_under_load(self):
        rss = []
        with self.load(30):
            for _ in range(ROUNDS):
                for amount in (60, 10):
                    self.inflated(amount)
                    rss.append(self.rss_falls_to(self.MEMORY_MIB - amount + OWN_MIB))
        self.inflated(0)
        print(f"  balloon under load: RSS {min(rss)} to {max(rss)} MiB", flush=True)

    def test_free_pages_that_are_hinted_at_go_back_to_the_host(self):
        full = self.touch()
        hinting = "/balloon/hinting"
        self.vm.call("PATCH", f"{hinting}/start", {"acknowledge_on_stop": False})
        self.settle(lambda: self.get(f"{hinting}/status")["guest_cmd"], lambda command: command == 0,
                    "the guest's command, which is to say that this is all,")
        low = self.rss_falls_to(full - 150)
        self.vm.call("PATCH", f"{hinting}/stop", None)
        again = self.touch()  # they are the guest's as before
        print(f"  hinting: RSS {full} -> {low} -> {again} MiB", flush=True)

    def resize(self, size_mib):
        self.vm.call("PATCH", "/hotplug/memory", {"requested_size_mib": size_mib})
        self.settle(lambda: self.get("/hotplug/memory")["plugged_size_mib"],
                    lambda mib: mib == size_mib, f"plugged_size_mib, which is to be {size_mib},")

    def test_memory_is_plugged_used_and_unplugged(self):
        total, before = self.guest_mib("MemTotal"), self.touch()
        self.resize(self.HOTPLUG_MIB)
        self.settle(lambda: self.guest_mib("MemTotal"),
                    lambda mib: mib == total + self.HOTPLUG_MIB, "MemTotal")
        full = self.touch()
        self.assertGreater(full, before + self.HOTPLUG_MIB // 2)
        self.resize(0)
        low = self.rss_falls_to(before + 10)
        self.assertEqual(self.guest_mib("MemTotal"), total)
        print(f"  memory: RSS {before} -> {full} -> {low} MiB", flush=True)

    def test_memory_is_plugged_and_unplugged_under_load(self):
        rss = []
        with self.load(30):
            for _ in range(ROUNDS):
                for size in (self.HOTPLUG_MIB, 0):
                    self.resize(size)
                    rss.append(self.rss_falls_to(self.MEMORY_MIB + size + OWN_MIB))
        print(f"  memory under load: RSS {min(rss)} to {max(rss)} MiB", flush=True)

    def test_a_root_on_pmem_is_mapped_without_a_page_cache(self):
        self.assertRegex(self.vm.run("cat /proc/mounts"), r"/dev/pmem0 / ext4 ro,.*dax")
        cached = self.guest_mib("Cached")
        self.vm.run("cat /ember/bin/fio /ember/busybox > /dev/null; fio --version")
        self.assertLess(self.guest_mib("Cached") - cached, 2)

    def test_what_a_guest_flushes_to_pmem_is_in_the_file(self):
        size = 5 * MIB + 3
        self.vm.run("mkdir /tmp/pmem && mount -o dax /dev/pmem1 /tmp/pmem && "
                    f"pattern 21 {size} > /tmp/pmem/file && umount /tmp/pmem")
        self.assertEqual(hashlib.sha256(read_back(self.data, "/file")).hexdigest(),
                         hashlib.sha256(pattern(21, size)).hexdigest())


class GivenBack(MemoryGuest):
    """One guest that gives memory back by itself, and takes some when it has too little."""

    MEMORY_MIB = 384

    @classmethod
    def setUpClass(cls):
        cls.start(device_machine(memory_mib=cls.MEMORY_MIB, devices=[
            ("/balloon", {"amount_mib": 0, "deflate_on_oom": True, "stats_polling_interval_s": 1,
                          "free_page_reporting": True})]))

    def test_free_pages_that_are_reported_go_back_to_the_host(self):
        full = self.touch()
        low = self.rss_falls_to(full - 150)
        print(f"  reporting: RSS {full} -> {low} MiB", flush=True)
        self.touch()

    def test_the_guest_tells_its_statistics(self):
        told = self.settle(lambda: self.get(STATISTICS), lambda answer: answer.get("total_memory"),
                           "the answer")
        self.assertEqual(told["total_memory"] // MIB, self.guest_mib("MemTotal"))
        self.assertLessEqual(told["available_memory"], told["total_memory"])
        self.vm.run("dd if=/dev/zero of=/tmp/file bs=1M count=100")
        self.settle(lambda: self.get(STATISTICS), lambda answer: answer["disk_caches"] > 100 * MIB,
                    "the answer")
        self.vm.run("rm /tmp/file")

    def test_a_guest_out_of_memory_gets_some_of_the_balloons(self):
        amount = self.MEMORY_MIB // 3
        self.inflated(amount)
        self.vm.run("mkdir /tmp/big; mount -t tmpfs -o size=500m big /tmp/big && "
                    f"dd if=/dev/zero of=/tmp/big/file bs=1M count={self.guest_mib() + 20}")
        self.assertLess(self.get(STATISTICS)["actual_mib"], amount)
        self.vm.run("umount /tmp/big")
        self.inflated(0)
