"""bounds_test.py VMM: what a guest and its clients can make of one process: threads, descriptors, memory, log.

docs/limits.md has the bounds. Writes JUnit XML where GTEST_OUTPUT says, as GoogleTest does.
"""

import contextlib
import json
import resource
import socket
import sys
import tempfile
import unittest
from pathlib import Path

from life import compile_guest, Life, machine, payload
from live_process import of_each_thread
import run

HALT = b"\xf4\xeb\xfd"
DEVICES = 18
API_CLIENTS, CONSOLE_CLIENTS, RESIZERS, VSOCK_CLIENTS = 1024, 16, 8, 256
GROWTH_KIB = 20 << 10  # of a process with all of these clients; none of them has said anything
# main's thread, the API's and the worker.
THREADS = 3
DESCRIPTORS_OF_A_DISK = 16
# What KVM runs in our process is the kernel's.
KERNELS_OWN = "kvm-"
METRICS_LINE_BYTES = 64 << 10
LOG_BYTES_OF_A_FLOOD = 64 << 10


class Bounds(unittest.TestCase):
    def setUp(self):
        self.directory = self.enterContext(tempfile.TemporaryDirectory())
        self.files = Path(self.directory)

    def largest(self, drives):
        """A machine of so many disks, each with a thread and a ring of its own."""
        kernel = self.files / "kernel"
        kernel.write_bytes(payload.image(HALT))
        disks = []
        for number in range(drives):
            path = self.files / f"disk{number}"
            path.write_bytes(bytes(4096))
            disks.append(machine.drive(path, f"disk{number}", root=False, io_engine="Async", thread="Own"))
        return machine.Machine(kernel, vcpus=4, memory_mib=32, drives=disks, devices=[
            ("/metrics", {"metrics_path": str(self.files / "metrics")})])

    @staticmethod
    def threads(vm):
        return [name for _, name in of_each_thread(vm.process.pid, "comm") if not name.startswith(KERNELS_OWN)]

    def test_one_device_more_than_fit_is_refused_and_the_process_serves_on(self):
        with self.largest(DEVICES + 1) as vm:
            vm.launch()
            vm.configure()
            status, answer = vm.request("PUT", "/actions", {"action_type": "InstanceStart"})
            self.assertEqual(status, 400)
            self.assertIn(f"no more than {DEVICES} virtio devices", answer["fault_message"])
            self.assertEqual(vm.request("GET", "/")[1]["state"], "Not started")

    def test_the_largest_machine_has_no_more_threads_descriptors_and_metrics_than_its_devices_need(self):
        with self.largest(1) as vm:
            vm.start()
            few = vm.descriptors()
        with self.largest(DEVICES) as vm:
            vm.start()
            self.assertLessEqual(len(self.threads(vm)), THREADS + 4 + DEVICES, self.threads(vm))
            self.assertLessEqual(vm.descriptors(), few + DESCRIPTORS_OF_A_DISK * (DEVICES - 1))
            vm.call("PUT", "/actions", {"action_type": "FlushMetrics"})
            lines = (self.files / "metrics").read_bytes().splitlines()
            self.assertIn("block_disk17", json.loads(lines[-1]))
            self.assertLess(max(map(len, lines)), METRICS_LINE_BYTES)

    def test_clients_of_every_socket_take_no_more_descriptors_threads_and_memory_than_are_told(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if hard != resource.RLIM_INFINITY and hard < 4096:
            self.skipTest("fewer than 4096 descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))  # the process has it from us
        sanitized = b"__asan_init" in Path(machine.VMM).read_bytes()
        with Life(compile_guest(self.directory), self.directory) as vm, contextlib.ExitStack() as clients:
            vm.start()
            vm.expect_round(1)
            descriptors, kib = vm.descriptors_at_rest(), vm.own_memory_kib()
            threads = len(self.threads(vm))
            sockets = [(vm.files / "v", VSOCK_CLIENTS), (vm.files / "a", CONSOLE_CLIENTS),
                       (vm.files / "b", CONSOLE_CLIENTS), (vm.files / "a.ctl", RESIZERS),
                       (vm.files / "b.ctl", RESIZERS), (Path(vm.socket_path), API_CLIENTS)]
            for path, bound in sockets:
                for _ in range(bound + bound // 4 + 1):
                    client = clients.enter_context(socket.socket(socket.AF_UNIX))
                    client.connect(str(path))
            self.assertEqual(vm.request("GET", "/")[0], 200)
            most = descriptors + sum(bound for _, bound in sockets)
            self.assertLessEqual(vm.descriptors_at_rest(), most + len(sockets))  # with one at each door
            self.assertGreater(vm.descriptors(), descriptors + API_CLIENTS // 2)  # they were let in
            self.assertEqual(len(self.threads(vm)), threads)
            if not sanitized:
                self.assertLess(vm.own_memory_kib(), kib + GROWTH_KIB)
            clients.close()
            self.assertLessEqual(vm.descriptors_at_rest(), descriptors)
            vm.type(b"q")
            vm.wait(code=0)

    def test_a_flood_of_bad_requests_is_a_few_lines_of_log(self):
        with self.largest(1) as vm:
            vm.start()
            before = len(vm.log())
            for number in range(3000):
                for request in [("PUT", "/actions", {"action_type": f"x{number}"}), ("GET", f"/x{number}", None),
                                ("PATCH", "/drives/no", {"drive_id": "no", "path_on_host": "/x"}),
                                ("PUT", "/boot-source", {"kernel_image_path": "x" * 1000})]:
                    self.assertEqual(vm.request(*request)[0], 400)
            self.assertLess(len(vm.log()) - before, LOG_BYTES_OF_A_FLOOD)


if __name__ == "__main__":
    machine.VMM = sys.argv[1]
    sys.exit(run.run_with_kvm("bounds_test", Bounds))
