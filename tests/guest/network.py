"""The host's side of a guest's network: taps, passt, and servers to talk to."""

import ipaddress
import socket
import subprocess
import time
from pathlib import Path

import jail


def run(line):
    subprocess.run(line.split(), check=True, capture_output=True)


class Tap:
    """A tap device with the first address of a network; the guest takes the second. A machine in a jail
    may use it, too."""

    def __init__(self, name, network, *flags):
        self.name = name
        hosts = list(ipaddress.ip_network(network).hosts())
        self.host, self.guest = str(hosts[0]), str(hosts[1])
        self.guest_cidr = f"{self.guest}/{ipaddress.ip_network(network).prefixlen}"
        run(f"ip tuntap add {name} mode tap user {jail.USER} vnet_hdr {' '.join(flags)}")
        run(f"ip addr add {self.host}/{ipaddress.ip_network(network).prefixlen} dev {name}")
        run(f"ip link set {name} up")

    def remove(self):
        run(f"ip link del {self.name}")


def free_port():
    with socket.create_server(("", 0)) as server:
        return server.getsockname()[1]


def add_uplink():
    """The interface with a way out that passt shows its guests as theirs: the test bed has none."""
    if Path("/sys/class/net/uplink").exists():
        return
    run("modprobe dummy")
    run("ip link add uplink type dummy")
    run(f"ip addr add {Passt.ADDRESS}/24 dev uplink")
    run("ip link set uplink up")
    run(f"ip route add default via {Passt.GATEWAY}")
    run(f"ip addr add {Passt.BEYOND}/32 dev lo")
    # passt pings with sockets that anybody may have, where the host allows it.
    Path("/proc/sys/net/ipv4/ping_group_range").write_text("0 2147483647")


class Passt:
    """passt at a socket in `directory`. The guest has ADDRESS; the host's ports are at GATEWAY, and
    the host itself, as one behind the gateway, at BEYOND."""

    ADDRESS, GATEWAY, BEYOND = "10.99.0.2", "10.99.0.1", "10.98.0.1"

    def __init__(self, directory):
        self.socket_path = Path(directory) / "passt.sock"
        directory = Path(directory)
        directory.chmod(0o777)  # passt gives up root
        self.process = subprocess.Popen(["passt", "--foreground", "--socket", str(self.socket_path),
                                         "--ipv4-only", "--quiet"], stderr=subprocess.PIPE)
        deadline = time.monotonic() + 30
        while not self.socket_path.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"passt: {self.process.stderr.read().decode()}")
            time.sleep(0.01)

    def remove(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


class Iperf:
    """An iperf3 server of the host, on all addresses."""

    def __enter__(self):
        self.process = subprocess.Popen(["iperf3", "--server"], stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
