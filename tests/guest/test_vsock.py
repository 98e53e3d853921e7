"""vsock streams between a guest and Unix sockets of the host."""

import os
import re
import socket
import time
import unittest
import zlib
from pathlib import Path

from machine import device_machine
from pattern import pattern
from streams import Receiver, summary

LONG = bool(os.environ.get("EMBER_LONG_TESTS"))
STREAM_BYTES = 1 << 30 if LONG else 32 << 20
CONNECTIONS = 1023 if LONG else 100
HOST_CID = 2
BLOCK = pattern(5, 1 << 20)  # what the host sends, again and again


def send_blocks(connection, size):
    """Sends `size` bytes, a multiple of BLOCK, and ends this half; returns their summary."""
    crc = 0
    for _ in range(size // len(BLOCK)):
        connection.sendall(BLOCK)
        crc = zlib.crc32(BLOCK, crc)
    connection.shutdown(socket.SHUT_WR)
    return summary(size, crc)


def read_all(connection):
    received = b""
    while data := connection.recv(65536):
        received += data
    return received.decode()


class Streams(unittest.TestCase):
    """One guest."""

    @classmethod
    def setUpClass(cls):
        cls.vm = device_machine(vcpus=2)
        cls.addClassCleanup(cls.vm.close)
        cls.uds = cls.vm.directory / "vsock"
        cls.vm.devices.append(("/vsock", {"guest_cid": 3, "uds_path": str(cls.uds)}))
        cls.vm.start_agent()

    def connect(self, port):
        """A connection to a port on which the guest listens. On a loaded machine it may now and then
        be slower than it is waited for."""
        for _ in range(10):
            if connection := self.try_to_connect(port):
                return connection
        self.fail(f"no connection to port {port}")
        return None

    def try_to_connect(self, port):
        """A connection to a port of the guest; None where it is refused."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(3000 if LONG else 120)
        connection.connect(str(self.uds))
        connection.sendall(f"CONNECT {port}\n".encode())
        answer = b""
        while not answer.endswith(b"\n"):
            byte = connection.recv(1)
            if not byte:
                connection.close()
                return None
            answer += byte
        self.assertRegex(answer, rb"^OK \d+\n$")
        return connection

    def listen(self, port):
        path = Path(f"{self.uds}_{port}")
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(str(path))
        server.listen()
        self.addCleanup(path.unlink)
        self.addCleanup(server.close)
        return server

    def in_guest(self, words):
        """Starts `vsock WORDS` in the guest, waits until it listens, and ends it after the test."""
        self.vm.run_behind("vsock", f"vsock {words}")
        self.vm.until("cat /tmp/vsock.out", "listening")
        self.addCleanup(self.vm.run, "killall vsock; true")

    def check_sent(self, number, receiver):
        """What the guest's `vsock send` sent is what came, and it heard so."""
        printed, status = self.vm.done(number, timeout=3000)
        receiver.join()
        self.assertEqual(status, 0, printed)
        self.assertEqual(printed.split("\n")[:2], [receiver.summary, receiver.summary])

    def test_a_guests_stream_arrives_whole_and_is_answered(self):
        server = self.listen(5000)
        number = self.vm.send(f"vsock send {HOST_CID} 5000 11 {STREAM_BYTES}")
        receiver = Receiver(server.accept()[0], answer=True)
        self.check_sent(number, receiver)

    def test_a_hosts_stream_arrives_whole_and_is_answered(self):
        self.in_guest("sink 5001 100")
        connection = self.connect(5001)
        sent = send_blocks(connection, STREAM_BYTES)
        self.assertEqual(read_all(connection).strip(), sent)

    def test_streams_both_ways_at_once_arrive_whole(self):
        self.in_guest("sink 5002 100")
        server = self.listen(5003)
        number = self.vm.send(f"vsock send {HOST_CID} 5003 12 {STREAM_BYTES}")
        receiver = Receiver(server.accept()[0], answer=True)
        connection = self.connect(5002)
        sent = send_blocks(connection, STREAM_BYTES)
        self.assertEqual(read_all(connection).strip(), sent)
        self.check_sent(number, receiver)

    def test_the_guest_reads_what_the_host_sends_to_its_connection(self):
        server = self.listen(5004)
        number = self.vm.send(f"vsock receive {HOST_CID} 5004")
        connection, _ = server.accept()
        sent = send_blocks(connection, 4 << 20)
        printed, status = self.vm.done(number)
        self.assertEqual((printed.strip(), status), (sent, 0))
        connection.close()

    def test_many_connections_are_open_at_once_and_none_gets_anothers_bytes(self):
        self.in_guest("echo 5005 100000")
        connections = [self.connect(5005) for _ in range(CONNECTIONS)]
        for index, connection in enumerate(connections):
            connection.sendall(f"this is number {index}".encode())
        for index, connection in enumerate(connections):
            connection.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(connection), f"this is number {index}")
            connection.close()

    def test_a_port_nobody_listens_on_is_refused_both_ways(self):
        self.assertIsNone(self.try_to_connect(5006))
        printed, status = self.vm.done(self.vm.send(f"vsock receive {HOST_CID} 5007"))
        self.assertEqual(status, 1)
        self.assertRegex(printed, r"failed connect: Connection (reset by peer|refused)")

    def test_a_host_that_does_not_read_stops_the_guest_and_nothing_grows(self):
        server = self.listen(5008)
        before = self.vm.own_memory_kib()
        number = self.vm.send(f"vsock flood {HOST_CID} 5008 {60 if LONG else 3}")
        connection, _ = server.accept()
        printed, status = self.vm.done(number)
        self.assertEqual(status, 0, printed)
        self.assertLess(int(re.search(r"flooded bytes=(\d+)", printed)[1]), 16 << 20)
        self.assertLess(self.vm.own_memory_kib() - before, 1024)
        connection.close()

    def test_no_descriptor_is_left_of_connections_that_ended(self):
        before = self.vm.descriptors_at_rest()
        self.in_guest("echo 5009 100000")
        for _ in range(20):
            connection = self.connect(5009)
            connection.sendall(b"x")
            self.assertEqual(connection.recv(1), b"x")
            connection.close()
        deadline = time.monotonic() + 30
        while self.vm.descriptors() > before:
            self.assertLess(time.monotonic(), deadline, "descriptors are left")
            time.sleep(0.05)
