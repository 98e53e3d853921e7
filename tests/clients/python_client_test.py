"""python_client_test.py VMM: the Python client against a live ember-vmm.

What needs a running guest needs KVM, and is passed over without; the guest is of three bytes. Writes
JUnit XML where GTEST_OUTPUT says, as GoogleTest does.
"""

import inspect
import json
import os
import platform
import sys
import tempfile
import threading
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / each) for each in ["clients/python", "scripts", "tests/guest"]]
sys.dont_write_bytecode = True

import ember  # noqa: E402
import run  # noqa: E402
from benchmarks import payload  # noqa: E402

VMM = ""
HALT = b"\xf4\xeb\xfd"
# mov dx, 0x64; mov al, 0xfe; out dx, al; hlt
RESET = b"\x66\xba\x64\x00\xb0\xfe\xee\xf4\xeb\xfd"
# mov dx, 0x3f8; mov al, 'E'; out dx, al
SAY_E = b"\x66\xba\xf8\x03\xb0E\xee"
# The guests are x86-64's.
NEEDS_KVM = unittest.skipUnless(
    os.access("/dev/kvm", os.R_OK | os.W_OK) and platform.machine() == "x86_64", "no /dev/kvm to use")


class Client(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ember-client.")
        self.addCleanup(directory.cleanup)
        self.kernel = Path(directory.name) / "kernel"

    def machine(self, code=HALT, **options):
        self.kernel.write_bytes(payload.image(code))
        return ember.Machine(self.kernel, program=VMM, **options)

    def test_a_machine_is_described_and_leaves_nothing(self):
        with self.machine(vcpus=2, memory_mib=64) as vm:
            config = vm.api.get_vm_config()
            self.assertEqual(config["machine-config"]["vcpu_count"], 2)
            self.assertEqual(config["boot-source"]["kernel_image_path"], str(self.kernel))
            process, directory = vm.process, vm.directory
        self.assertIsNotNone(process.poll())
        self.assertFalse(directory.exists())

    def test_what_the_server_refuses_is_an_error_in_its_words(self):
        with self.machine() as vm:
            with self.assertRaises(ember.ApiError) as caught:
                vm.api.put_machine_config(vcpu_count=33, mem_size_mib=64)
            self.assertEqual(caught.exception.status, 400)
            self.assertEqual(caught.exception.message, "vcpu_count 33 exceeds the limit 32")
            self.assertEqual(vm.api.get_machine_config()["vcpu_count"], 1)

    def test_a_bad_description_ends_the_process_again(self):
        vm = self.machine(vcpus=33)
        with self.assertRaises(ember.ApiError), vm:
            pass
        self.assertIsNotNone(vm.process.poll())
        self.assertFalse(vm.directory.exists())

    def test_a_program_that_ends_at_once_is_told_with_its_code_and_log(self):
        with self.assertRaises(ember.MachineEnded) as caught, self.machine(arguments=["--no-such"]):
            pass
        self.assertEqual(caught.exception.exit_code, 153)

    def test_a_program_that_is_not_there_is_an_error_and_leaves_nothing(self):
        self.kernel.write_bytes(b"")
        vm = ember.Machine(self.kernel, program="/no/such/program")
        with self.assertRaises(FileNotFoundError), vm:
            pass
        self.assertFalse(vm.directory.exists())

    def test_a_state_that_does_not_come_is_a_timeout(self):
        with self.machine() as vm, self.assertRaises(ember.WaitTimeout):
            vm.wait_state("Running", timeout=0)

    def test_events_are_read_as_they_come(self):
        with self.machine() as vm:
            found = vm.events(timeout=30)
            self.assertEqual(next(found)["resource"], "machine-config")
            self.assertEqual(next(found)["resource"], "boot-source")
            found.close()

    def test_the_log_is_read_and_followed(self):
        with self.machine() as vm:
            self.assertEqual(vm.api.get_log(lines=0), "")
            vm.api.patch_machine_config(cpu_template="None")
            lines = vm.api.get_log().splitlines()
            self.assertEqual(lines, vm.log().splitlines())
            self.assertIn("cpu_template is deprecated", lines[-1])
            found = vm.follow_log(lines=1, timeout=30)
            self.assertEqual([next(found)], lines[-1:])
            found.close()

    def test_a_console_that_is_not_there_is_an_error_in_the_servers_words(self):
        with self.machine() as vm:
            with self.assertRaises(ember.ApiError) as caught:
                vm.attach_console()
            self.assertEqual(caught.exception.status, 400)
            self.assertIn("not supported before starting", caught.exception.message)

    @NEEDS_KVM
    def test_a_console_is_attached_resized_and_detached(self):
        with self.machine(memory_mib=32) as vm:
            vm.api.put_console(ports=[{"id": "con", "socket_path": str(vm.directory / "con"),
                                       "is_console": True}])
            vm.start()
            with vm.attach_console(timeout=60) as first, vm.attach_console("con") as other:
                first.resize(132, 50)
                other.resize(80, 24)
                first.sendall(b"nobody reads this")
                first.end_input()
                with self.assertRaises(ember.ApiError) as caught:
                    vm.attach_console("other")
                self.assertEqual(caught.exception.message, "console port other is not there")
                vm.signal()
                vm.wait_end()
                self.assertEqual(other.recv(), b"")

    def test_every_described_request_has_a_method_that_sends_it(self):
        description = json.loads((ROOT / "docs/api/openapi.json").read_text())
        described = {f"{method.upper()} {path.split('{')[0]}"
                     for path, methods in description["paths"].items() for method in methods}
        sent = set()

        class Recorder(ember.Transport):
            def call(self, method, path, body=None):
                sent.add(f"{method} {path.split('?')[0].split('an_id')[0]}")

        requests = ember.Requests(Recorder("/no/such/socket"))
        for name, method in inspect.getmembers(requests, inspect.ismethod):
            if not name.startswith("_"):
                parameters = inspect.signature(method).parameters.values()
                keywords = {each.name: "an_id" for each in parameters if each.default is each.empty
                            and each.kind is not each.VAR_KEYWORD}
                if any(each.kind is each.VAR_KEYWORD for each in parameters):
                    keywords.update(drive_id="an_id", iface_id="an_id", id="an_id")
                method(**keywords)
        self.assertEqual(sent | {"GET /events", "GET /console"}, described)

    @NEEDS_KVM
    def test_a_guest_boots_speaks_pauses_and_ends(self):
        with self.machine(SAY_E + HALT, memory_mib=32) as vm:
            vm.start()
            vm.wait_console("E", timeout=60)
            vm.pause()
            self.assertEqual(vm.wait_state("Paused")["state"], "Paused")
            vm.resume()
            self.assertEqual(vm.api.get_instance()["state"], "Running")
            vm.signal()
            self.assertEqual(vm.wait_end(), 143)

    @NEEDS_KVM
    def test_the_last_event_tells_the_end_and_ends_the_iterator(self):
        with self.machine(RESET, memory_mib=32) as vm:
            seen = []
            reader = threading.Thread(target=lambda: seen.extend(vm.events(timeout=60)))
            reader.start()
            vm.start()
            self.assertEqual(vm.wait_end(), 0)
            reader.join()
            self.assertEqual(seen[-1]["event"], "ended")
            self.assertIn("started", [each["event"] for each in seen])

    @NEEDS_KVM
    def test_what_can_no_longer_come_is_told_at_once(self):
        with self.machine(RESET, memory_mib=32) as vm:
            vm.start()
            with self.assertRaises(ember.MachineEnded) as caught:
                vm.wait_console("never", timeout=60)
            self.assertEqual(caught.exception.exit_code, 0)


def main():
    global VMM
    VMM = sys.argv[1]
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Client)
    return run.run_here(suite, "python_client_test")


if __name__ == "__main__":
    sys.exit(main())
