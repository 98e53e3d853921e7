"""The virtio console: clients attach, detach, resize and flood."""

import contextlib
import os
import socket
import threading
import time
import unittest
import zlib

from machine import device_machine
from pattern import pattern

LONG = bool(os.environ.get("EMBER_LONG_TESTS"))
MIB = 1024 * 1024
STREAM_BYTES = (16 if LONG else 2) * MIB
FLOOD_BYTES = 1024 * MIB if LONG else 64 * MIB
GROWTH_KIB = 1024
# What tells a program's port from the others in the guest.
FIND_PORT = "port=/dev/$(basename $(dirname $(grep -l ^data$ /sys/class/virtio-ports/*/name)))"


class Client:
    """Attached to a port's socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(60)
        self.socket.connect(str(path))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def read_until(self, text):
        seen = b""
        while text not in seen:
            data = self.socket.recv(65536)
            assert data, f"the console closed; it said {seen!r}"
            seen += data
        return seen

    def read(self, count):
        seen = bytearray()
        while len(seen) < count:
            data = self.socket.recv(65536)
            assert data, f"the port closed after {len(seen)} bytes"
            seen += data
        return bytes(seen)


class Console(unittest.TestCase):
    """One guest with a console, /dev/hvc0, and a port for a program."""

    @classmethod
    def setUpClass(cls):
        cls.vm = device_machine()
        cls.addClassCleanup(cls.vm.close)
        cls.console = cls.vm.directory / "console.sock"
        cls.data = cls.vm.directory / "data.sock"
        cls.vm.devices.append(("/console", {"ports": [
            {"id": "console", "socket_path": str(cls.console), "is_console": True},
            {"id": "data", "socket_path": str(cls.data), "log_bytes": STREAM_BYTES}]}))
        cls.vm.start_agent()

    def settled(self, get, condition, what):
        deadline = time.monotonic() + 60
        while not condition(value := get()):
            self.assertLess(time.monotonic(), deadline, f"{what} stays at {value}")
            time.sleep(0.05)
        return value

    def test_all_attached_clients_get_the_output(self):
        with Client(self.console) as one, Client(self.console) as other:
            self.vm.run("echo to all of you > /dev/hvc0")
            one.read_until(b"to all of you")
            other.read_until(b"to all of you")

    def test_a_late_client_gets_the_end_of_what_was_said(self):
        self.vm.run("for i in $(seq 20); do echo line $i; done > /dev/hvc0; echo late news > /dev/hvc0")
        with Client(self.console) as client:
            self.assertIn(b"line 20", client.read_until(b"late news"))

    def test_what_a_client_types_is_the_guests_input(self):
        with Client(self.console) as client:
            self.vm.run_behind("reader", "grep -m 1 'hello there' /dev/hvc0 | tr a-z A-Z")
            client.socket.sendall(b"hello there\n")
            self.assertIn("HELLO THERE", self.vm.finish_behind("reader"))

    def test_the_api_leads_to_the_console_too(self):
        self.vm.run("echo said before > /dev/hvc0")
        with self.vm.attach_console("console", timeout=60) as client:
            client.read_until(b"said before")
            self.vm.run_behind("reader", "grep -m 1 'through the door' /dev/hvc0 | tr a-z A-Z")
            client.sendall(b"through the door\n")
            self.assertIn("THROUGH THE DOOR", self.vm.finish_behind("reader"))
            client.resize(100, 40)
            self.vm.until("stty size < /dev/hvc0", "40 100")
            client.end_input()
            self.vm.run("echo and after > /dev/hvc0")
            client.read_until(b"and after")

    def test_the_console_is_led_to_while_the_guest_is_paused(self):
        self.vm.run("echo still there > /dev/hvc0")
        self.vm.api.patch_vm(state="Paused")
        try:
            with self.vm.attach_console("console", timeout=60) as client:
                client.read_until(b"still there")
                client.sendall(b"while you slept\n")
                self.vm.api.patch_vm(state="Resumed")
                self.vm.run_behind("reader", "grep -m 1 'you slept' /dev/hvc0 | tr a-z A-Z")
                self.assertIn("YOU SLEPT", self.vm.finish_behind("reader"))
        finally:
            self.vm.api.patch_vm(state="Resumed")

    def test_bytes_through_a_port_that_the_api_led_to_arrive_as_they_were_sent(self):
        size = STREAM_BYTES
        sent = pattern(43, size)
        with self.vm.attach_console("data", timeout=60) as client:
            self.vm.run_behind("reader", f"{FIND_PORT}; head -c {size} $port | sha256sum; "
                                         f"pattern 43 {size} | sha256sum")
            client.sendall(sent)
            here, there = self.vm.finish_behind("reader").split("\n")[:2]
            self.assertEqual(here, there)

    def test_the_guest_hears_of_a_new_size(self):
        with Client(f"{self.console}.ctl") as control:
            for columns, rows in [(132, 50), (80, 24)]:
                control.socket.sendall(f"resize {columns} {rows}\n".encode())
                control.read_until(b"ok\n")
                self.vm.until("stty size < /dev/hvc0", f"{rows} {columns}")

    def test_bytes_through_a_port_arrive_as_they_were_sent_both_ways(self):
        size = STREAM_BYTES  # the log's too: a client that is slower by more is let go
        sent = pattern(41, size)
        with Client(self.data) as client:
            self.vm.run_behind("reader", f"{FIND_PORT}; head -c {size} $port | sha256sum; "
                                         f"pattern 41 {size} | sha256sum")
            client.socket.sendall(sent)
            here, there = self.vm.finish_behind("reader").split("\n")[:2]
            self.assertEqual(here, there)
            self.vm.run_behind("writer", f"{FIND_PORT}; pattern 42 {size} > $port")
            self.assertEqual(zlib.crc32(client.read(size)), zlib.crc32(pattern(42, size)))
            self.vm.finish_behind("writer")

    def test_clients_come_and_go_and_nothing_is_left_of_them(self):
        before = self.vm.descriptors_at_rest()
        for index in range(50):
            # Of those that come at once, one too many finds its connection closed.
            with Client(self.console) as client, \
                    contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.socket.sendall(b"x" * index)
        self.settled(self.vm.descriptors, lambda count: count <= before, "descriptors")

    def test_output_that_nobody_reads_neither_stops_the_guest_nor_grows(self):
        # The guest's driver waits for us after each 16 bytes or so: little goes through on a busy host.
        self.vm.run("dd if=/dev/zero of=/dev/hvc0 bs=64k count=4")
        before = self.vm.own_memory_kib()
        with Client(self.console):  # attached, and never reads
            self.vm.run(f"dd if=/dev/zero of=/dev/hvc0 bs=64k count={FLOOD_BYTES // 65536 // 32}")
            self.assertLess(self.vm.own_memory_kib() - before, GROWTH_KIB)

    def test_input_that_the_guest_does_not_read_is_not_kept(self):
        before = self.vm.own_memory_kib()
        stop = time.monotonic() + 2
        with Client(self.data) as client:
            client.socket.settimeout(0.5)
            sent = 0
            try:
                while sent < FLOOD_BYTES and time.monotonic() < stop:
                    sent += client.socket.send(b"y" * 65536)
            except TimeoutError:
                pass  # full, and the client waits
            self.assertLess(sent, 4 * MIB)
            self.assertLess(self.vm.own_memory_kib() - before, GROWTH_KIB)

    def test_a_flood_of_input_goes_through_and_nothing_grows(self):
        before = self.vm.own_memory_kib()
        count = FLOOD_BYTES // 8
        self.vm.run_behind("reader", f"{FIND_PORT}; head -c {count} $port | wc -c")
        with Client(self.data) as client:
            sender = threading.Thread(target=client.socket.sendall, args=(b"z" * count,))
            sender.start()
            self.assertIn(str(count), self.vm.finish_behind("reader"))
            sender.join()
        self.assertLess(self.vm.own_memory_kib() - before, GROWTH_KIB)
