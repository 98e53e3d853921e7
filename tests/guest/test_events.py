"""What clients hear of a machine: events in order, states to wait for, the power button, resets."""

import json
import os
import signal
import socket
import subprocess
import threading
import unittest

import images
from machine import STOP_TIMEOUT, VMM, Machine

from ember.transport import UnixConnection

READY = "EMBER-INIT-READY"


def microvm(**options):
    return Machine(images.kernel("microvm", "vmlinux"), images.initrd("microvm"), **options)


class Follower:
    """Reads GET /events to its end, in a thread."""

    def __init__(self, vm, query=""):
        self.connection = UnixConnection(vm.socket_path, timeout=300)
        self.connection.request("GET", f"/events{query}")
        self.response = self.connection.getresponse()
        assert self.response.status == 200, self.response.status
        self.records = []
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        for line in self.response:
            self.records.append(json.loads(line))

    def finish(self):
        """All that was heard, once the process has ended."""
        self.thread.join(STOP_TIMEOUT)
        assert not self.thread.is_alive(), "the stream has no end"
        self.connection.close()
        numbers = [record["seq"] for record in self.records]
        assert numbers == list(range(1, len(numbers) + 1)), numbers
        return self.records

    def names(self):
        """The names of the events, but for those of configuration and devices."""
        left_out = ("configured", "device_ready")
        return [record["event"] for record in self.finish() if record["event"] not in left_out]


class Events(unittest.TestCase):
    def launch(self, vm, words, **lifecycle):
        vm.launch()
        follower = Follower(vm)
        vm.configure(words)
        if lifecycle:
            vm.call("PUT", "/lifecycle", lifecycle)
        vm.call("PUT", "/actions", {"action_type": "InstanceStart"})
        return follower

    def await_state(self, vm, state):
        status, answer = vm.request("GET", f"/wait?state={state}&timeout=30")
        self.assertEqual((status, answer["state"], answer["reached"]), (200, state, True))

    def test_a_life_is_told_in_its_order(self):
        with microvm() as vm:
            follower = self.launch(vm, "run:while+sleep+0.2;do+echo+tick;done")
            vm.expect("tick")
            status, health = vm.request("GET", "/health")
            self.assertEqual((status, health["healthy"], len(health["vcpus"])), (200, True, 1))
            vm.call("PATCH", "/vm", {"state": "Paused"})
            self.await_state(vm, "Paused")
            self.assertEqual(vm.request("GET", "/health")[1]["vcpus"][0]["state"], "paused")
            vm.call("PATCH", "/vm", {"state": "Resumed"})
            self.await_state(vm, "Running")
            vm.call("PUT", "/actions", {"action_type": "PowerButton"})
            vm.signal(signal.SIGTERM)
            vm.wait(128 + signal.SIGTERM, STOP_TIMEOUT)
            self.assertEqual(follower.names(),
                             ["started", "paused", "resumed", "power_button", "ended"])

    def test_the_power_button_is_a_key_in_the_guest_which_powers_off_cleanly(self):
        # The kernel's button driver reports KEY_POWER, 0x74, as systemd-logind reads it.
        listen = ("run:for+f+in+/dev/input/event*;do+(hexdump+-n+24+$f|grep+-q+0074&&poweroff+-f)&"
                  "done;echo+listening;wait")
        with microvm() as vm:
            follower = self.launch(vm, listen)
            vm.expect(r"(?m)^listening\r?$")
            vm.call("PUT", "/actions", {"action_type": "PowerButton"})
            vm.wait(0)
            self.assertEqual(follower.names(),
                             ["started", "power_button", "guest_powered_off", "ended"])

    def test_a_panic_is_told_and_can_leave_the_machine_paused(self):
        with microvm(boot_args="panic=0") as vm:
            follower = self.launch(vm, "panic", on_panic="Pause")
            self.await_state(vm, "Paused")
            vm.signal(signal.SIGTERM)
            vm.wait(128 + signal.SIGTERM, STOP_TIMEOUT)
            self.assertEqual(follower.names(), ["started", "guest_panicked", "paused", "ended"])

    def test_a_reboot_can_start_the_machine_anew_in_the_same_process(self):
        with microvm() as vm:
            follower = self.launch(vm, "wait", on_reboot="Reset")
            vm.expect(READY)
            before = vm.console()
            vm.call("PUT", "/actions", {"action_type": "ResetInPlace"})
            vm.expect_more(before, READY)
            vm.signal(signal.SIGTERM)
            vm.wait(128 + signal.SIGTERM, STOP_TIMEOUT)
            self.assertEqual(follower.names(), ["started", "reset", "ended"])

    def test_a_guest_that_reboots_in_a_loop_ends_at_the_limit(self):
        with microvm() as vm:
            follower = self.launch(vm, "reboot", on_reboot="Reset", on_crash="Reset", resets_per_minute=2)
            vm.wait(0)
            names = follower.names()
            self.assertEqual(names[-2:], ["reset_limit_reached", "ended"])
            self.assertEqual(names.count("reset"), 2)

    def test_the_end_of_a_guest_is_told_with_its_reason(self):
        with microvm() as vm:
            follower = self.launch(vm, "poweroff")
            status, answer = vm.request("GET", "/wait?state=Ended&timeout=120")
            self.assertEqual((status, answer["reached"], answer["exit_code"]), (200, True, 0))
            vm.wait(0)
            self.assertEqual(follower.names(), ["started", "guest_powered_off", "ended"])
            self.assertIn("powered off", follower.records[-1]["reason"])


class Inherited(unittest.TestCase):
    def test_the_api_is_served_on_a_socket_that_the_process_was_started_with(self):
        with microvm() as vm, socket.socket(socket.AF_UNIX) as listening:
            listening.bind(vm.socket_path)
            listening.listen()
            number = listening.fileno()
            with subprocess.Popen([VMM, "--api-fd", str(number)], pass_fds=[number],
                                  stdin=subprocess.DEVNULL) as process:
                self.assertEqual(vm.request("GET", "/")[0], 200)
                process.terminate()
            self.assertTrue(os.path.exists(vm.socket_path), "the socket is its maker's")


if __name__ == "__main__":
    unittest.main()
