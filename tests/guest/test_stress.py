"""All devices of two guests loaded at once: nothing fails, and nothing of the VMM grows.

A minute; half an hour with EMBER_LONG_TESTS. On an emulated processor only that.
"""

import os
import socket
import subprocess
import threading
import time
import unittest
import zlib

from host_load import HostLoad
from machine import device_machine, drive
from network import Passt, Tap, add_uplink, free_port
from pattern import pattern

LONG = bool(os.environ.get("EMBER_LONG_TESTS"))
SECONDS = 1800 if LONG else 45
# The emulation loses guests under this load, most of all those of two vCPUs (CONTRIBUTING.md): it is
# tried there with --long alone.
EMULATED = os.environ.get("EMBER_TESTBED") == "nested"
VCPUS = 1 if EMULATED else 2
WARM_UP_SECONDS = 120 if LONG else 15
MIB = 1024 * 1024
GROWTH_KIB = 1024
STREAM_BYTES = 500000
BLOCK = pattern(31, MIB)
GUEST_ERRORS = (r"I/O error|EXT4-fs error|virtio.*\b(failed|failure|error|broken)\b|NETDEV WATCHDOG|"
                r"WARNING: CPU|kernel BUG")


class StressedGuest:
    """A machine with every device, and a load for each."""

    def __init__(self, test, number):
        self.number = number
        self.vm = device_machine(vcpus=VCPUS, memory_mib=384, vmm_args=("--show-level",),
                                 boot_args="memhp_default_state=online_movable")
        directory = self.vm.directory
        self.uds = str(directory / "vsock")
        self.console = str(directory / "console.sock")
        self.tap = Tap(f"stress{number}", f"192.168.{90 + number}.0/24")
        self.passt = Passt(directory)
        self.servers = {}
        test.addCleanup(self.remove)
        for kind in ("tap", "passt"):
            port = free_port()
            self.servers[port] = subprocess.Popen(["iperf3", "-s", "-p", str(port)],
                                                  stdout=subprocess.DEVNULL)
            setattr(self, f"{kind}_port", port)
        self.describe(directory)
        self.vm.start_agent()
        self.vm.run(f"ip addr add {self.tap.guest_cidr} dev eth0; ip link set eth0 up; "
                    f"ip addr add {Passt.ADDRESS}/24 dev eth1; ip link set eth1 up; "
                    f"ip route add default via {Passt.GATEWAY}; mkdir /tmp/pmem; "
                    "mount -o dax /dev/pmem0 /tmp/pmem")
        self.vm.run_behind("sink", "vsock sink 7000 1000000")
        self.vm.until("cat /tmp/sink.out", "listening")

    def describe(self, directory):
        base = self.sparse("base", 32 * MIB)
        self.vm.drives += [
            drive(self.sparse("sync", 32 * MIB), "sync", root=False, cache_type="Writeback"),
            drive(self.sparse("async", 32 * MIB), "async", root=False, io_engine="Async",
                  thread="Own"),
            drive(base, "overlay", root=False, overlay_path=str(directory / "overlay"))]
        pmem = directory / "pmem"
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-b", "4096", pmem, "32M"], check=True,
                       capture_output=True)
        self.vm.devices += [
            ("/network-interfaces/tap", {"iface_id": "tap", "host_dev_name": self.tap.name}),
            ("/network-interfaces/passt", {"iface_id": "passt",
                                           "socket_path": str(self.passt.socket_path)}),
            ("/vsock", {"guest_cid": 3, "uds_path": self.uds}),
            ("/console", {"ports": [{"id": "console", "socket_path": self.console,
                                     "is_console": True}]}),
            ("/entropy", {}),
            ("/balloon", {"amount_mib": 0, "deflate_on_oom": True, "stats_polling_interval_s": 1,
                          "free_page_reporting": True}),
            ("/hotplug/memory", {"total_size_mib": 256, "slot_size_mib": 128}),
            ("/pmem/data", {"id": "data", "path_on_host": str(pmem)})]

    def sparse(self, name, size_bytes):
        path = self.vm.directory / name
        with open(path, "wb") as file:
            file.truncate(size_bytes)
        return path

    def guest_loads(self):
        """name → command; each goes on until there is /tmp/enough, and ends with 0 if all was well."""
        def forever(command):
            return f"until [ -e /tmp/enough ]; do {command} || exit 1; done"

        fio = ("fio --name=x --rw=randwrite --size=1m --bsrange=4k-64k --ioengine=libaio --thread "
               "--iodepth=8 --direct=1 --verify=crc32c --verify_fatal=1 --minimal --filename=")

        # A starved host may be slower than iperf3 waits for it; now and then it must come through.
        def iperf(name, address, port):
            words = f"iperf3 -c {address} -p {port} -t 2 --bidir > /tmp/{name}.now 2>&1"
            return (f"rm -f /tmp/{name}.good; "
                    f"{forever(f'{{ {words} && mv /tmp/{name}.now /tmp/{name}.good; true; }}')}; "
                    f"[ -s /tmp/{name}.good ]")

        return {
            **{disk: forever(f"{fio}/dev/{disk} > /dev/null") for disk in ("vdb", "vdc", "vdd")},
            "tap": iperf("tap", self.tap.host, self.tap_port),
            "passt": iperf("passt", Passt.GATEWAY, self.passt_port),
            "vsock": forever(f"vsock send 2 7001 9 {STREAM_BYTES}"),
            "console": forever("dmesg | tail -n 20 > /dev/hvc0"),
            "rng": forever("dd if=/dev/hwrng of=/dev/null bs=4k count=4 2> /dev/null"),
            "pmem": forever("pattern 3 300001 > /tmp/pmem/f && sync && "
                            "[ $(pattern 3 300001 | md5sum | cut -c1-32) = "
                            "$(md5sum < /tmp/pmem/f | cut -c1-32) ]"),
            "memory": forever("memory_check 10 4"),
        }

    def host_loads(self):
        """name → function; each does one round."""
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(f"{self.uds}_7001")
        server.listen()
        server.settimeout(1)
        self.server = server

        def accept():
            try:
                connection, _ = server.accept()
            except TimeoutError:
                return False
            with connection:
                connection.settimeout(300)
                count = 0
                while data := connection.recv(1 << 18):
                    count += len(data)
                connection.sendall(b"done\n")
                assert count == STREAM_BYTES, f"{count} bytes of {STREAM_BYTES}"
            return True

        def send():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(300)
                connection.connect(self.uds)
                connection.sendall(b"CONNECT 7000\n")
                with connection.makefile("rb") as answers:
                    if not answers.readline():
                        return False  # a starved guest may be slower than it is waited for
                    connection.sendall(BLOCK)
                    connection.shutdown(socket.SHUT_WR)
                    answer = answers.read().decode()
                assert f"bytes={MIB} crc32={zlib.crc32(BLOCK):08x}" in answer, answer
            return True

        def read_console():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.connect(self.console)
                client.settimeout(1)
                for _ in range(50):
                    try:
                        client.recv(65536)
                    except TimeoutError:
                        return

        def balloon():
            for amount in (64, 0):
                self.vm.call("PATCH", "/balloon", {"amount_mib": amount})
                time.sleep(0.5)
                assert self.vm.request("GET", "/balloon/statistics")[0] == 200

        def hotplug():
            for size in (256, 0):
                self.vm.call("PATCH", "/hotplug/memory", {"requested_size_mib": size})
                time.sleep(1)

        def ask():
            assert self.vm.request("GET", "/vm/config")[0] == 200
            assert self.vm.request("PUT", "/balloon", {"no": "balloon"})[0] == 400
            time.sleep(0.1)

        return {"accept": accept, "send": send, "console": read_console, "balloon": balloon,
                "hotplug": hotplug, "ask": ask}

    def residue(self):
        """What the VMM holds that is not the guest's."""
        return self.vm.own_memory_kib(), self.vm.descriptors()

    def settled_residue(self, descriptors):
        """The same once what ended is let go of, and there are as many descriptors as before."""
        deadline = time.monotonic() + 60
        while (residue := self.residue())[1] != descriptors and time.monotonic() < deadline:
            time.sleep(0.1)
        return residue

    def remove(self):
        self.vm.close()
        for server in self.servers.values():
            server.kill()
            server.wait()
        self.passt.remove()
        self.tap.remove()


@unittest.skipIf(EMULATED and not LONG, "an emulated processor loses guests under this load")
class Stress(unittest.TestCase):
    def load(self, guests, seconds):
        """Loads all devices of all guests for that long, and a little longer."""
        stop = threading.Event()
        self.addCleanup(stop.set)
        host_loads = []
        for guest in guests:
            host_loads += [HostLoad(f"{name} of guest {guest.number}", work, stop)
                           for name, work in guest.host_loads().items()]
            guest.vm.run("rm -f /tmp/enough")
            for name, command in guest.guest_loads().items():
                guest.vm.run_behind(name, command)
        time.sleep(seconds)
        for guest in guests:
            guest.vm.run("touch /tmp/enough")
        for guest in guests:
            for name in guest.guest_loads():
                guest.vm.finish_behind(name, timeout=600)
        stop.set()
        for load in host_loads:
            load.join()
            self.assertIsNone(load.error, load.name)
            self.assertGreater(load.rounds, 0, load.name)
        print(f"  {seconds} s: " + ", ".join(f"{load.name} {load.rounds}" for load in host_loads),
              flush=True)
        for guest in guests:
            guest.server.close()
            os.unlink(f"{guest.uds}_7001")

    def test_all_devices_of_two_guests_under_load_and_nothing_grows(self):
        add_uplink()
        guests = []
        for number in range(2):
            guests.append(StressedGuest(self, number))
        self.load(guests, WARM_UP_SECONDS)
        before = [guest.residue() for guest in guests]
        self.load(guests, SECONDS)
        for guest, (kib, descriptors) in zip(guests, before):
            kib_now, descriptors_now = guest.settled_residue(descriptors)
            print(f"  guest {guest.number}: {kib} -> {kib_now} KiB, {descriptors} -> "
                  f"{descriptors_now} descriptors", flush=True)
            self.assertLess(kib_now, kib + GROWTH_KIB)
            self.assertEqual(descriptors_now, descriptors)
            self.assertNotRegex(guest.vm.log(), r"\b(WARN|ERROR)\b")
            messages = guest.vm.run("dmesg")
            self.assertNotRegex(messages, GUEST_ERRORS, messages[-8000:])
            guest.vm.power_off()
