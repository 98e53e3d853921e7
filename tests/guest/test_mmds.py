"""Metadata read by a guest with curl: without tokens (V1), with them (V2), at an address of choice."""

import json
import unittest

from machine import device_machine
from network import Tap

ADDRESS = "169.254.169.254"
METADATA = {"latest": {"meta-data": {"ami-id": "ami-1", "macs": ["m0"], "n": 5}, "long": "x" * 40000}}
CURL = "curl --silent --show-error --max-time 20"


class Metadata(unittest.TestCase):
    """One guest for each version of the service."""

    def start(self, **config):
        vm = device_machine()
        self.addCleanup(vm.close)
        tap = Tap("tap0", "192.168.80.0/24")
        self.addCleanup(tap.remove)
        vm.devices += [
            ("/network-interfaces/eth0", {"iface_id": "eth0", "host_dev_name": tap.name}),
            ("/mmds/config", {"network_interfaces": ["eth0"], **config}),
            ("/mmds", METADATA)]
        vm.start_agent()
        address = config.get("ipv4_address", ADDRESS)
        vm.run(f"ip addr add {tap.guest_cidr} dev eth0; ip link set eth0 up; "
               f"ip route add {address} dev eth0")
        return vm

    def test_v1_is_read_without_a_token(self):
        vm = self.start()
        get = f"{CURL} http://{ADDRESS}"
        self.assertEqual(vm.run(f"{get}/latest/meta-data/ami-id; echo").strip(), "ami-1")
        self.assertEqual(vm.run(f"{get}/latest/; echo").split(), ["long", "meta-data/"])
        self.assertEqual(
            json.loads(vm.run(f"{get}/latest/meta-data -H 'Accept: application/json'; echo")),
            METADATA["latest"]["meta-data"])
        # Many segments, many times, and on one connection.
        self.assertEqual(vm.run(f"for i in 1 2 3; do {get}/latest/long | wc -c; done").split(),
                         ["40000"] * 3)
        self.assertEqual(vm.run(f"{get}/latest/meta-data/ami-id {get.split()[-1]}/latest/long "
                                "| wc -c").strip(), "40005")
        # What the host changes the guest sees.
        vm.call("PATCH", "/mmds", {"latest": {"meta-data": {"ami-id": "ami-2"}}})
        self.assertEqual(vm.run(f"{get}/latest/meta-data/ami-id; echo").strip(), "ami-2")
        vm.power_off()

    def test_v2_is_read_with_a_token_at_an_address_of_choice(self):
        address = "169.254.170.2"
        vm = self.start(version="V2", ipv4_address=address)
        get = f"{CURL} http://{address}"
        self.assertIn("No MMDS token provided", vm.run(f"{get}/latest; echo"))
        token = vm.run(f"{CURL} -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "
                       f"http://{address}/latest/api/token; echo").strip()
        for name in ["X-metadata-token", "X-aws-ec2-metadata-token"]:
            self.assertEqual(
                vm.run(f"{get}/latest/meta-data/ami-id -H '{name}: {token}'; echo").strip(), "ami-1")
        self.assertIn("MMDS token not valid",
                      vm.run(f"{get}/latest -H 'X-metadata-token: {token[::-1]}'; echo"))
        vm.power_off()
