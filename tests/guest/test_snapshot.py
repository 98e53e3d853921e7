"""Snapshots of Linux under load: restored in new processes, where the load goes on and verifies."""

import os
import subprocess
import time
import unittest

from chance import seeded_random
from machine import Machine, device_machine, drive
from test_block import MIB, fio, sparse

LONG = bool(os.environ.get("EMBER_LONG_TESTS"))
GENERATIONS = 20 if LONG else 4


class Restored(Machine):
    """A machine that another process has saved."""

    def __init__(self, saved, state, memory):
        super().__init__(saved.boot_source["kernel_image_path"])
        self.commands = saved.commands
        self.drives, self.devices = saved.drives, saved.devices  # that the snapshot names
        self.named_later = [state, memory]
        self.launch()
        self.restore(state, memory)


class Snapshots(unittest.TestCase):
    """One guest after the other; each goes on as the next."""

    def setUp(self):
        self.random = seeded_random()

    def start(self, **options):
        vm = device_machine(**options)
        self.addCleanup(vm.close)
        self.files = vm.directory
        self.state, self.memory = vm.directory / "state", vm.directory / "memory"
        return vm

    def move(self, vm):
        """Saves the machine, ends its process, and has another one go on with it."""
        vm.call("PATCH", "/vm", {"state": "Paused"})
        vm.call("PUT", "/snapshot/create", {"snapshot_path": str(self.state),
                                            "mem_file_path": str(self.memory)})
        vm.process.kill()
        vm.process.wait()
        # A process that is killed leaves its sockets.
        (self.files / "vsock").unlink(missing_ok=True)
        restored = Restored(vm, self.state, self.memory)
        self.addCleanup(restored.close)
        return restored

    def test_a_load_on_disk_and_memory_goes_on_in_new_processes_and_verifies(self):
        vm = self.start(vcpus=2, devices=[
            ("/entropy", {}), ("/balloon", {"amount_mib": 0, "deflate_on_oom": True})])
        disk = sparse(vm.directory / "disk", 24 * MIB)
        vm.drives.append(drive(disk, "data", root=False, cache_type="Writeback"))
        vm.devices.append(("/vsock", {"guest_cid": 3, "uds_path": str(vm.directory / "vsock")}))
        vm.start_agent()
        vm.run_behind("disk", " ".join(fio("/dev/vdb", "--loops=3")))
        vm.run_behind("memory", "rm -f /tmp/enough; until [ -e /tmp/enough ]; do "
                                "memory_check 25 4 || exit 1; done")
        for _ in range(GENERATIONS):
            time.sleep(self.random.uniform(0, 1.5))
            vm = self.move(vm)
            vm.run("true")
        self.assertEqual(vm.request("GET", "/vm/config")[1]["boot-source"]["kernel_image_path"], "")
        vm.run("touch /tmp/enough")
        vm.finish_behind("memory")
        vm.finish_behind("disk")
        # A kernel that knows VMGenID has heard of every move.
        if "yes" in vm.run("[ -d /sys/bus/acpi/drivers/vmgenid ] && echo yes; true"):
            vm.until("dmesg | grep -c 'virtual machine fork'; true", str(GENERATIONS))
        vm.power_off()
        done = subprocess.run(fio(disk, "--verify_only"), capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_two_processes_go_on_from_one_snapshot(self):
        vm = self.start(vcpus=1)
        vm.start_agent()
        vm.run("echo before > /tmp/mark")
        first = self.move(vm)
        second = Restored(vm, self.state, self.memory)
        self.addCleanup(second.close)
        for name, each in (("first", first), ("second", second)):
            each.run(f"echo {name} >> /tmp/mark")
        for name, each in (("first", first), ("second", second)):
            self.assertEqual(each.run("cat /tmp/mark").split(), ["before", name])
            each.power_off()

    def test_a_snapshot_without_its_memory_is_refused_and_the_process_serves_on(self):
        vm = self.start(vcpus=1)
        vm.start_agent()
        vm.call("PATCH", "/vm", {"state": "Paused"})
        body = {"snapshot_path": str(self.state), "mem_file_path": str(self.memory)}
        vm.call("PUT", "/snapshot/create", body)
        vm.call("PATCH", "/vm", {"state": "Resumed"})
        vm.run("true")
        vm.power_off()
        self.memory.rename(self.files / "elsewhere")
        other = Machine(vm.boot_source["kernel_image_path"])
        self.addCleanup(other.close)
        other.named_later = [self.state, self.memory, vm.drives]
        other.launch()
        status, answer = other.request("PUT", "/snapshot/load", body)
        self.assertEqual(status, 400)
        self.assertIn(str(self.memory), answer["fault_message"])
        (self.files / "elsewhere").rename(self.memory)
        other.call("PUT", "/snapshot/load", {**body, "resume_vm": True})
        other.run("true")
        other.power_off()


if __name__ == "__main__":
    unittest.main()
