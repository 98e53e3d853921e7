"""restore_test.py VMM: machines that are made of a snapshot and are other than the saved one.

The guest is that of life_guest.c, saved once it has driven a device of every kind. Writes JUnit XML where
GTEST_OUTPUT says, as GoogleTest does.
"""

import re
import select
import socket
import sys
import tempfile
import threading
import unittest
from pathlib import Path

from life import compile_guest, Life, machine, MIB, payload, TIMEOUT
import huge_pages
from page_fault_handler import Handler
import run
import working_set

NET, VSOCK = 1, 19
MARK = b"of the copy".ljust(512, b".")
DISKS = ["sync", "async", "own", "base"]
# Where a memory file has names of snapshots (docs/formats/snapshot.md), a page each.
NAME_PAGES = [0xfe000, 0xff000]
PAGE = 4096
HUGE_PAGES = 32  # of 2 MiB, in the guest's memory


def save(kernel, directory):
    """The snapshot of a machine that has driven its devices once."""
    with Life(kernel, directory) as vm:
        vm.start()
        vm.expect_round(1)
        vm.call("PATCH", "/vm", {"state": "Paused"})
        vm.save("Full")


class Copy(Life):
    """A process that makes machines of a snapshot, with files and sockets for them to have."""

    def __init__(self, kernel, directory, origin):
        super().__init__(kernel, directory)
        self.origin = Path(origin)

    def request_load(self, **more):
        return self.request("PUT", "/snapshot/load", {
            "snapshot_path": str(self.origin / "Full.state"), "resume_vm": True,
            "mem_backend": {"backend_type": "File", "backend_path": str(self.origin / "Full.memory")},
            **more})

    def must_load(self, **more):
        status, answer = self.request_load(**more)
        assert status == 204, answer

    def load_from(self, handler_path, **more):
        """The answer to a load whose memory a page-fault handler delivers."""
        return self.request_load(mem_backend={"backend_type": "Uffd", "backend_path": str(handler_path)},
                                 **more)

    def must_load_from(self, handler_path, **more):
        status, answer = self.load_from(handler_path, **more)
        assert status == 204, answer

    def of_its_own(self):
        """Overrides of all that the saved machine has of the host."""
        path = {name: str(self.files / name) for name in
                [*DISKS, "overlay", "pmem", "net", "v", "a", "b", "output"]}
        drives = [{"drive_id": name, "path_on_host": path[name]} for name in DISKS]
        drives[-1]["overlay_path"] = path["overlay"]
        return {
            "drive_overrides": drives,
            "pmem_overrides": [{"id": "p", "path_on_host": path["pmem"]}],
            "network_overrides": [{"iface_id": "n", "socket_path": path["net"],
                                   "guest_mac": "0a:00:00:00:00:01"},
                                  {"iface_id": "o", "socket_path": path["net"]}],
            "vsock_override": {"uds_path": path["v"], "guest_cid": 77},
            "console_overrides": [{"id": "a", "socket_path": path["a"]},
                                  {"id": "b", "socket_path": path["b"], "output_path": path["output"]}],
        }

    def look(self):
        """(config, changed, events) as the guest's driver sees them, of each device of a type."""
        self.type(b"l")
        self.expect("looked")
        found = {}
        for told in re.findall(r"device (\d+) config (\d+) changed (\d) events (\d+)", self.console()):
            found.setdefault(int(told[0]), []).append(tuple(map(int, told[1:])))
        return found


class Restore(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.origin.cleanup)
        cls.kernel = compile_guest(cls.origin.name)
        save(cls.kernel, cls.origin.name)

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def copy(self):
        return Copy(self.kernel, self.directory, self.origin.name)

    def test_a_copy_has_files_and_sockets_of_its_own(self):
        with self.copy() as vm:
            for name in DISKS:
                with open(vm.files / name, "r+b") as disk:
                    disk.write(MARK)
            before = {name: (vm.origin / name).read_bytes() for name in [*DISKS, "pmem", "overlay"]}
            vm.launch()
            vm.must_load(**vm.of_its_own())
            vm.type(b"g")
            vm.expect_round(2)
            # The guest writes to the second sector what it reads in the first one.
            for name in DISKS[:-1]:
                self.assertEqual((vm.files / name).read_bytes()[512:1024], MARK, name)
            self.assertEqual((vm.files / "base").read_bytes()[512:1024], bytes(512))
            self.assertIn(MARK, (vm.files / "overlay").read_bytes())
            self.assertIn(b"hi\n", (vm.files / "output").read_bytes())
            for name in ("a", "b", "v"):
                self.assertTrue((vm.files / name).is_socket(), name)
            for name, content in before.items():
                self.assertEqual((vm.origin / name).read_bytes(), content, name)
            vm.type(b"q")
            vm.wait(code=0)

    def test_the_guest_is_told_of_another_address_and_another_cid(self):
        with self.copy() as vm:
            vm.launch()
            vm.must_load(**vm.of_its_own())
            seen = vm.look()
            self.assertEqual(seen[NET], [(0x0a, 1, 0), (0, 0, 0)])
            self.assertEqual(seen[VSOCK], [(77, 1, 1)])

    def test_a_guest_whose_address_and_cid_are_the_same_is_told_of_the_reset_alone(self):
        with self.copy() as vm:
            own = vm.of_its_own()
            del own["network_overrides"][0]["guest_mac"], own["vsock_override"]["guest_cid"]
            vm.launch()
            vm.must_load(**own)
            seen = vm.look()
            self.assertEqual(seen[NET], [(0, 0, 0), (0, 0, 0)])
            self.assertEqual(seen[VSOCK], [(3, 0, 1)])

    def test_what_the_snapshot_does_not_have_is_refused_and_the_process_serves_on(self):
        with self.copy() as vm:
            half = vm.files / "half"
            half.write_bytes(bytes(2 << 20))
            vm.launch()
            for wrong, told in [
                    ({"drive_overrides": [{"drive_id": "x", "path_on_host": str(half)}]},
                     "drive_overrides[0]: Unknown Drive: the snapshot has none of the id x"),
                    ({"pmem_overrides": [{"id": "x", "path_on_host": str(half)}]},
                     "pmem_overrides[0]: Unknown Pmem Device"),
                    ({"console_overrides": [{"id": "x", "socket_path": "y"}]},
                     "console_overrides[0]: Unknown Console Port"),
                    ({"network_overrides": [{"iface_id": "x", "guest_mac": "0a:00:00:00:00:01"}]},
                     "network_overrides[0]: Unknown Network Device"),
                    ({"drive_overrides": [{"drive_id": "async", "overlay_path": str(half)}]},
                     "io_engine Async is not for drives with an overlay_path"),
                    ({"console_overrides": [{"id": "a", "socket_path": str(vm.files / "b")},
                                            {"id": "b", "socket_path": str(vm.files / "b")}]},
                     "is another port's"),
                    ({"vsock_override": {"guest_cid": 2}}, "guest_cid 2 is below the least allowed, 3"),
                    ({**vm.of_its_own(), "pmem_overrides": [{"id": "p", "path_on_host": str(half)}]},
                     "pmem p: the file takes 2097152 bytes"),
                    ({**vm.of_its_own(),
                      "drive_overrides": [{"drive_id": "sync", "path_on_host": str(vm.files / "no")}]},
                     "No such file")]:
                with self.subTest(told=told):
                    status, answer = vm.request_load(**wrong)
                    self.assertEqual(status, 400)
                    self.assertIn(told, answer["fault_message"])
            vm.must_load(**vm.of_its_own())
            vm.type(b"g")
            vm.expect_round(2)

    def file_of(self, vm, **more):
        return {"backend_type": "File", "backend_path": str(vm.origin / "Full.memory"), **more}

    def test_what_a_recorded_machine_touches_is_there_at_once_for_another(self):
        with self.copy() as vm:
            vm.launch()
            vm.must_load(mem_backend=self.file_of(vm, record_working_set=True), track_dirty_pages=True,
                         **vm.of_its_own())
            vm.type(b"g")
            vm.expect_round(2)
            vm.save_working_set()
            first = working_set.pages(vm.files / "set")
            # That of the snapshot's name, of which each restoration makes another; the guest's code.
            self.assertLessEqual({NAME_PAGES[0] // PAGE, payload.ENTRY // PAGE}, first)
            self.assertLess(len(first), 4096)
            vm.clients_turn()  # it is saved whole, and by a diff
            vm.type(b"g")
            vm.expect_round(3)
            vm.call("PATCH", "/vm", {"state": "Paused"})
            vm.call("PUT", "/snapshot/working-set", {"working_set_path": str(vm.files / "later")})
            # To save it all looked at what it had not touched, which is no working set.
            self.assertLess(len(working_set.pages(vm.files / "later")), 4096)
            vm.call("PATCH", "/vm", {"state": "Resumed"})
            vm.type(b"q")
            vm.wait(code=0, timeout=TIMEOUT)
        self.assertFalse(first <= self.mapped_after_load())
        self.assertLessEqual(first, self.mapped_after_load(working_set_path=f"{self.directory}/set"))

    def mapped_after_load(self, **memory):
        """The pages of the memory's file that a machine's process has in its page tables once it is loaded;
        then its life goes on."""
        with self.copy() as vm:
            vm.launch()
            vm.must_load(mem_backend=self.file_of(vm, **memory),
                         **{**vm.of_its_own(), "resume_vm": False})
            mapped = working_set.mapped(vm.process.pid, vm.origin / "Full.memory")
            vm.call("PATCH", "/vm", {"state": "Resumed"})
            vm.type(b"g")
            vm.expect_round(2)
            vm.type(b"q")
            vm.wait(code=0, timeout=TIMEOUT)
        return mapped

    def test_a_working_set_that_is_none_of_the_snapshots_is_refused_and_the_process_serves_on(self):
        with self.copy() as vm:
            other = vm.files / "other"
            vm.launch()
            for content, told in [(None, "No such file"), (b"", "the file is 0 bytes long"),
                                  ((vm.origin / "Full.state").read_bytes(), "missing")]:
                other.unlink(missing_ok=True)
                if content is not None:
                    other.write_bytes(content)
                status, answer = vm.request_load(mem_backend=self.file_of(vm, working_set_path=str(other)),
                                                 **vm.of_its_own())
                self.assertEqual(status, 400)
                self.assertRegex(answer["fault_message"], f"working_set_path: .*{other}: .*{told}")
            vm.must_load(**vm.of_its_own())
            vm.call("PATCH", "/vm", {"state": "Paused"})
            status, answer = vm.request("PUT", "/snapshot/working-set", {"working_set_path": str(other)})
            self.assertEqual(status, 400)
            self.assertIn("the machine was not loaded with record_working_set", answer["fault_message"])

    def handler(self, memory="Full.memory"):
        return Handler(f"{self.directory}/handler", Path(self.origin.name) / memory)

    def test_a_machine_goes_on_from_memory_that_a_handler_delivers(self):
        with self.handler() as handler, self.copy() as vm:
            vm.launch()
            vm.must_load_from(vm.files / "handler", track_dirty_pages=True, **vm.of_its_own())
            vm.type(b"g")
            vm.expect_round(2)
            # It gave a MiB to the balloon, from 16 MiB on.
            self.assertIn((16 * MIB, 17 * MIB), handler.removed)
            delivered = handler.delivered
            self.assertLess(delivered, 16 * MIB // PAGE)
            vm.clients_turn()
            self.assertGreater(handler.delivered, delivered)
            vm.type(b"g")
            vm.expect_round(3)
            vm.type(b"q")
            vm.wait(code=0, timeout=TIMEOUT)
            self.assertTrue(handler.ended.wait(TIMEOUT), "it is not told of the machine's end")
        # What was saved in between is a machine as any other.
        with self.copy() as vm:
            vm.origin = Path(self.directory)
            vm.launch()
            vm.must_load()
            vm.type(b"g")
            vm.expect_round(3)

    def test_a_handler_is_told_where_all_of_the_memory_is(self):
        with self.handler() as handler, self.copy() as vm:
            vm.launch()
            vm.must_load_from(vm.files / "handler", **vm.of_its_own())
            ram, pluggable = handler.pieces
            self.assertEqual((ram["offset"], ram["size"]), (0, 64 * MIB))
            self.assertEqual((pluggable["offset"], pluggable["size"]), (64 * MIB, 256 * MIB))
            for piece in handler.pieces:
                self.assertEqual((piece["page_size"], piece["page_size_kib"]), (PAGE, PAGE))
                self.assertIn("base_host_virt_addr", piece)
                self.assertEqual(len(piece), 5)

    def test_a_machine_that_is_saved_at_once_has_all_of_its_memory_delivered(self):
        with self.handler() as handler, self.copy() as vm:
            vm.launch()
            vm.must_load_from(vm.files / "handler", **{**vm.of_its_own(), "resume_vm": False})
            vm.save("Full")
            self.assertGreaterEqual(handler.delivered, 64 * MIB // PAGE)
            before = (vm.origin / "Full.memory").read_bytes()
            after = (vm.files / "Full.memory").read_bytes()
            self.assertEqual(len(after), len(before))
            other = [at for at in range(0, len(after), PAGE) if after[at:at + PAGE] != before[at:at + PAGE]]
            self.assertLessEqual(set(NAME_PAGES), set(other))
            # The driver is told of what a restoration means for it, in its rings.
            self.assertLess(len(other), 16, [hex(at) for at in other])

    def test_without_a_handler_that_delivers_the_load_fails_and_the_process_serves_on(self):
        path = Path(self.directory) / "handler"
        with self.copy() as vm:
            vm.launch()
            self.expect_fault(vm, f"page-fault handler at {path}: connect {path}: No such file or directory")
            with socket.socket(socket.AF_UNIX) as deaf:
                deaf.bind(str(path))
                self.expect_fault(vm, "Connection refused")
                deaf.listen()
                closer = threading.Thread(target=lambda: deaf.accept()[0].close())
                closer.start()
                self.expect_fault(vm, f"page-fault handler at {path}: ")
                closer.join()
            path.unlink()
            with open(vm.files / "other", "wb") as file:
                file.truncate((64 + 256) * MIB)
            with Handler(path, vm.files / "other"):
                self.expect_fault(vm, f"what the handler at {path} delivers is not the memory of the snapshot")
            path.unlink()
            with self.handler():
                vm.must_load_from(path, **vm.of_its_own())
                vm.type(b"g")
                vm.expect_round(2)

    def expect_fault(self, vm, text):
        status, answer = vm.load_from(vm.files / "handler", **vm.of_its_own())
        self.assertEqual(status, 400)
        self.assertIn(text, answer["fault_message"])
        self.assertEqual(vm.request("GET", "/")[1]["state"], "Not started")

    def test_a_machine_whose_handler_is_gone_stands_still_until_its_memory_is_delivered_again(self):
        with self.handler() as handler, self.copy() as vm:
            vm.launch()
            vm.must_load_from(vm.files / "handler", **vm.of_its_own())
            vm.look()
            handler.stop()
            vm.type(b"g")
            self.assertTrue(select.select([handler.kept], [], [], TIMEOUT)[0], "nobody waits for a page")
            self.assertEqual(vm.request("GET", "/")[1]["state"], "Running")
            self.assertNotIn("round 2", vm.console())
            handler.go_on()
            vm.expect_round(2)

    def test_a_machine_of_huge_pages_lives_under_the_filters_and_goes_on_elsewhere(self):
        with huge_pages.reserved(self, 2 * HUGE_PAGES):
            with Life(self.kernel, self.directory) as vm:
                vm.machine["huge_pages"] = "2M"
                vm.start()
                self.assertLessEqual(huge_pages.free(), HUGE_PAGES)
                vm.live_on()
            with Life(self.kernel, self.directory) as vm:
                vm.go_on()

    def test_a_machine_gets_huge_pages_from_a_handler(self):
        with huge_pages.reserved(self, HUGE_PAGES), self.handler() as handler, self.copy() as vm:
            vm.launch()
            vm.must_load_from(vm.files / "handler", huge_pages="2M", **vm.of_its_own())
            self.assertEqual({piece["page_size"] for piece in handler.pieces}, {2 * MIB})
            vm.type(b"g")
            vm.expect_round(2)
            vm.call("PATCH", "/vm", {"state": "Paused"})
            vm.save("Full")
            self.assertGreaterEqual(handler.delivered, 31)


if __name__ == "__main__":
    machine.VMM = sys.argv[1]
    sys.exit(run.run_with_kvm("restore_test", Restore))
