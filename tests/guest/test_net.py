"""A guest's network: over a tap device, and over passt without any privilege."""

import hashlib
import os
import re
import socket
import threading
import unittest

from machine import device_machine
from network import Iperf, Passt, Tap, add_uplink, run

LONG = bool(os.environ.get("EMBER_LONG_TESTS"))
SECONDS = 30 if LONG else 2
MAC = "06:00:ac:10:00:02"
MTU = 1400

# What busybox's udhcpc runs with what it was told.
LEASE_SCRIPT = ("#!/bin/sh\\n[ $1 = bound ] || exit 0\\nip addr add $ip/$mask dev $interface\\n"
                "ip route add default via $router\\n")


class Networks(unittest.TestCase):
    """One guest: eth0 over a tap, eth1 over passt, eth2 over a tap with limits."""

    @classmethod
    def setUpClass(cls):
        cls.vm = device_machine(vcpus=2)
        cls.addClassCleanup(cls.vm.close)
        cls.tap = Tap("tap0", "192.168.80.0/24")
        cls.addClassCleanup(cls.tap.remove)
        cls.limited = Tap("tap1", "192.168.81.0/24")
        cls.addClassCleanup(cls.limited.remove)
        add_uplink()
        cls.passt = Passt(cls.vm.directory)
        cls.addClassCleanup(cls.passt.remove)
        cls.vm.devices += [
            ("/network-interfaces/tap", {"iface_id": "tap", "host_dev_name": cls.tap.name,
                                         "guest_mac": MAC, "mtu": MTU}),
            ("/network-interfaces/passt", {"iface_id": "passt",
                                           "socket_path": str(cls.passt.socket_path)}),
            ("/network-interfaces/limited", {"iface_id": "limited",
                                             "host_dev_name": cls.limited.name})]
        cls.vm.start_agent()
        cls.vm.run(f"ip addr add {cls.tap.guest_cidr} dev eth0; ip link set eth0 up")
        cls.vm.run(f"ip addr add {cls.limited.guest_cidr} dev eth2; ip link set eth2 up")
        cls.vm.run(f"printf '{LEASE_SCRIPT}' > /tmp/lease; chmod +x /tmp/lease; "
                   "ip link set eth1 up; udhcpc -i eth1 -n -q -s /tmp/lease")
        cls.iperf = Iperf().__enter__()
        cls.addClassCleanup(cls.iperf.__exit__)

    def megabits(self, address, words=""):
        printed = self.vm.run(f"iperf3 -c {address} -t {SECONDS} -f m {words} | grep receiver")
        return float(re.search(r"([\d.]+) Mbits/sec", printed)[1])

    def check_bytes(self, address):
        """What the guest sends arrives, and what it gets is what was sent."""
        size = (256 if LONG else 8) << 20
        sent, received = os.urandom(size), hashlib.sha256()
        with socket.create_server(("0.0.0.0", 0)) as server:
            port = server.getsockname()[1]

            def serve():
                with server.accept()[0] as connection:
                    while data := connection.recv(1 << 20):
                        received.update(data)
                with server.accept()[0] as connection:
                    connection.sendall(sent)

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            self.vm.run(f"pattern 4 {size} | nc {address} {port}")
            # Input that never ends: Debian 12's passt sends a guest that has closed its half the same
            # bytes again and again.
            printed = self.vm.run("[ -p /tmp/open ] || mkfifo /tmp/open; "
                                  f"nc {address} {port} 0<> /tmp/open | sha256sum; "
                                  f"pattern 4 {size} | sha256sum")
            thread.join()
        self.assertEqual([line.split()[0] for line in printed.splitlines()],
                         [hashlib.sha256(sent).hexdigest(), received.hexdigest()])

    def test_ping_over_a_tap_both_ways(self):
        run(f"busybox ping -c 3 {self.tap.guest}")
        self.assertIn(" 0% packet loss", self.vm.run(f"ping -c 20 -i 0.05 -s 1300 {self.tap.host}"))

    def test_iperf3_over_a_tap_both_ways(self):
        self.assertGreater(self.megabits(self.tap.host), 1)
        self.assertGreater(self.megabits(self.tap.host, "-R"), 1)

    def test_udp_over_a_tap_both_ways(self):
        for words in ["-u -b 20M", "-u -b 20M -R"]:
            self.assertGreater(self.megabits(self.tap.host, words), 1)

    def test_bytes_over_a_tap_arrive_as_they_were_sent(self):
        self.check_bytes(self.tap.host)

    def test_the_guest_has_the_address_and_the_mtu_it_was_given(self):
        self.assertIn(MAC, self.vm.run("cat /sys/class/net/eth0/address"))
        self.assertIn(str(MTU), self.vm.run("cat /sys/class/net/eth0/mtu"))

    def test_ping_over_passt(self):
        self.vm.run(f"ping -c 3 {Passt.BEYOND}")

    def test_iperf3_over_passt_both_ways(self):
        self.assertGreater(self.megabits(Passt.GATEWAY), 0)
        self.assertGreater(self.megabits(Passt.GATEWAY, "-R"), 0)

    def test_bytes_over_passt_arrive_as_they_were_sent(self):
        self.check_bytes(Passt.GATEWAY)

    def test_a_limit_set_while_the_machine_runs_holds(self):
        # 1 MB/s is 8 Mbit/s; TCP takes what is left of the bucket at the start, and no more.
        limit = {"bandwidth": {"size": 100000, "refill_time": 100}}
        self.vm.call("PATCH", "/network-interfaces/limited",
                     {"iface_id": "limited", "tx_rate_limiter": limit, "rx_rate_limiter": limit})
        for words in ["", "-R"]:
            with self.subTest(words=words):
                self.assertLess(self.megabits(self.limited.host, words), 10)
        free = {"bandwidth": {"size": 0, "refill_time": 0}}
        self.vm.call("PATCH", "/network-interfaces/limited",
                     {"iface_id": "limited", "tx_rate_limiter": free, "rx_rate_limiter": free})
        self.assertGreater(self.megabits(self.limited.host), 10)
