"""Disks under load: what fio writes and verifies, swaps and resizes, and what outlives a killed VMM."""

import os
import random
import re
import subprocess
import time
import unittest

import images
from machine import Machine, device_machine, drive

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
    }

    @classmethod
    def setUpClass(cls):
        cls.vm = device_machine(vcpus=2)
        cls.addClassCleanup(cls.vm.__exit__)
        cls.devices = {}
        for name, options in cls.KINDS.items():
            cls.devices[name] = f"/dev/vd{chr(ord('b') + len(cls.devices))}"
            path = sparse(cls.vm.directory / f"{name}.img", cls.DISK_BYTES)
            cls.vm.drives.append(drive(path, name, root=False, **options))
        cls.vm.start_agent()

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
