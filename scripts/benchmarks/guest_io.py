"""guest_io.py VMM KERNEL ROOT ROUNDS: fio and iperf3 in guests, inside the test bed.

The same guest under Ember and under QEMU microvm. Both are up all the time and are measured in
turns, each with its disk in a file of its own and its network over a tap device of its own.
Writes {"<what>": {"<side>": [figure…], …}} to guest_io.json in EMBER_RESULTS; more is better in all.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

DISK_BYTES = 64 << 20
MILLISECONDS = 500
STREAM_MIB = 16
ARGUMENTS = "console=ttyS0 quiet panic=-1 reboot={} root=/dev/vda ro init=/ember/init ember.do=agent"
# What is measured: fio's words, or iperf3's. The direction is the guest's.
DISK = {f"{way}_depth_{depth}": f"--rw={way} --iodepth={depth}"
        for way in ("randread", "randwrite") for depth in (1, 32)}
NETWORK = {"tcp_send": "", "tcp_receive": "-R"}


class Guest:
    """A VMM with our init's agent on its console. What `tap` names is made for it."""

    def __init__(self, words, tap, subnet):
        self.subnet = subnet
        for line in (f"ip tuntap add {tap} mode tap vnet_hdr", f"ip link set {tap} up",
                     f"ip addr add {subnet}.1/24 dev {tap}"):
            subprocess.run(line.split(), check=True)
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.read_until("EMBER-AGENT ok")
        self.disk = self.run("for d in vdb vda; do [ $(cat /sys/block/$d/size) = "
                             f"{DISK_BYTES // 512} ] && echo /dev/$d; done; true").split()[0]
        self.run(f"ip addr add {subnet}.2/24 dev eth0; ip link set eth0 up; ping -c 1 {subnet}.1")

    def read_until(self, text):
        seen = b""
        while text.encode() not in seen:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError(f"no {text!r}\n{seen.decode(errors='replace')}")
            seen += line
        return seen.decode(errors="replace")

    def run(self, command):
        self.process.stdin.write(f"1 {command}\n".encode())
        self.process.stdin.flush()
        printed = self.read_until("EMBER-DONE 1 ")
        if "EMBER-DONE 1 0" not in printed:
            raise RuntimeError(f"{command}\n{printed}")
        return printed.split("EMBER-RUN 1", 1)[1].split("EMBER-DONE")[0]

    def disk_operations(self, words):
        """A second, by fio with 4 KiB blocks; it tells reads in one field and writes in another."""
        printed = self.run(
            f"fio --name=x --filename={self.disk} --bs=4k --direct=1 --ioengine=libaio "
            f"--size={DISK_BYTES} --time_based --runtime={MILLISECONDS}ms --minimal {words} "
            "| cut -d';' -f8,49")
        return max(float(field) for field in re.search(r"([\d.]+);([\d.]+)", printed).groups())

    def network_megabits(self, words):
        printed = self.run(f"iperf3 -c {self.subnet}.1 -n {STREAM_MIB}M -f m {words} | grep receiver")
        return float(re.search(r"([\d.]+) Mbits/sec", printed)[1])


def sparse(path):
    with open(path, "wb") as file:
        file.truncate(DISK_BYTES)
    return str(path)


def ember_drive(directory, drive_id, **more):
    return {"drive_id": drive_id, "path_on_host": sparse(directory / f"{drive_id}.img"),
            "is_root_device": False, "cache_type": "Writeback", **more}


def start_ember(directory, vmm, kernel, root):
    config = directory / "config.json"
    config.write_text(json.dumps({
        "machine-config": {"vcpu_count": 1, "mem_size_mib": 256},
        "boot-source": {"kernel_image_path": kernel, "boot_args": ARGUMENTS.format("k")},
        "drives": [{"drive_id": "root", "path_on_host": root, "is_root_device": True,
                    "is_read_only": True},
                   ember_drive(directory, "data", io_engine="Async")],
        "network-interfaces": [{"iface_id": "net", "host_dev_name": "tapember"}]}))
    return Guest([vmm, "--no-api", "--config-file", str(config)], "tapember", "192.168.71")


def start_qemu(directory, kernel, root):
    disk = sparse(directory / "qemu.img")
    return Guest([
        "qemu-system-x86_64", "-M", "microvm", "-accel", "kvm", "-cpu", "host", "-m", "256",
        "-nodefaults", "-no-user-config", "-nographic", "-serial", "stdio", "-no-reboot",
        "-kernel", kernel, "-append", ARGUMENTS.format("t"),
        "-drive", f"if=none,id=root,file={root},format=raw,readonly=on",
        "-device", "virtio-blk-device,drive=root",
        "-drive", f"if=none,id=data,file={disk},format=raw,aio=io_uring",
        "-device", "virtio-blk-device,drive=data",
        "-netdev", "tap,id=net,ifname=tapqemu,script=no,downscript=no",
        "-device", "virtio-net-device,netdev=net"], "tapqemu", "192.168.72")


def compare(directory, vmm, kernel, root, rounds):
    samples = {what: {"ember": [], "qemu": []} for what in [*DISK, *NETWORK]}
    sides = {"ember": start_ember(directory, vmm, kernel, root),
             "qemu": start_qemu(directory, kernel, root)}
    server = subprocess.Popen(["iperf3", "-s"], stdout=subprocess.DEVNULL)
    for _ in range(rounds):
        for side, guest in sides.items():
            for what, words in DISK.items():
                samples[what][side].append(guest.disk_operations(words))
            for what, words in NETWORK.items():
                samples[what][side].append(guest.network_megabits(words))
    for process in [server, *(guest.process for guest in sides.values())]:
        process.kill()
    return samples


def main():
    vmm, kernel, root, rounds = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        samples = compare(Path(directory), vmm, kernel, root, int(rounds))
    for name, figures in samples.items():
        print(name, figures, flush=True)
    Path(os.environ["EMBER_RESULTS"], "guest_io.json").write_text(json.dumps(samples))


if __name__ == "__main__":
    main()
