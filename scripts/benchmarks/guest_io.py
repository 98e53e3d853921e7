"""guest_io.py VMM KERNEL ROOT ROUNDS: fio and iperf3 in guests, inside the test bed.

The same guest, kernel and image, under Ember and under QEMU microvm. Both are up all the time and are
measured in turns; both have the same two files of ext4 for disks, and each a tap device of its own.
Writes {"<what>": {"<side>": [figure…], …}} to guest_io.json in EMBER_RESULTS after each round; more is
better in all. Ember's synchronous engine is compared with QEMU's pool of threads (aio=threads), its
io_uring with QEMU's. Both sides go through the host's page cache.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

USED_MIB = 64
FILE_SYSTEM_MIB = 256
MILLISECONDS = 40
STREAM_MIB = 32
ARGUMENTS = "console=ttyS0 quiet panic=-1 reboot={} root=/dev/vda ro init=/ember/init ember.do=agent"
# A disk for each engine: Ember's name of it, QEMU's, and its size, by which the guest knows it.
ENGINES = {"sync": ("Sync", "threads", 65), "uring": ("Async", "io_uring", 66)}
# fio's words; the direction is the guest's.
DISK = {f"{way}_depth_{depth}": f"--rw={way} --bs={block} --iodepth={depth}"
        for way, block in (("randread", "4k"), ("randwrite", "4k"), ("read", "64k"), ("write", "64k"))
        for depth in (1, 32)}
# iperf3's.
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

    def disk_operations(self, disk):
        """The operations a second of all of DISK, one after the other in one run of fio."""
        jobs = " ".join(f"--name={name} {words}" for name, words in DISK.items())
        printed = self.run(
            f"size=$(grep -lx {ENGINES[disk][2] << 11} /sys/block/vd*/size); "
            f"fio --filename=/dev/$(basename $(dirname $size)) "
            f"--direct=1 --ioengine=libaio --size={USED_MIB}M --time_based --thread --stonewall "
            f"--runtime={MILLISECONDS}ms --minimal {jobs} | cut -d';' -f3,8,49")
        # The job's name, and reads in one field, writes in the other.
        lines = [line.strip().split(";") for line in printed.splitlines() if ";" in line]
        return {name: max(float(reads), float(writes)) for name, reads, writes in lines}

    def network_megabits(self, words):
        """What the receiver got, a second."""
        printed = self.run(f"iperf3 -c {self.subnet}.1 -n {STREAM_MIB}M -f m {words} "
                           "| sed -n 's/.* \\([0-9.]*\\) Mbits.*receiver.*/mbits=\\1/p'")
        return float(printed.split("mbits=")[1].split()[0])


def start_ember(directory, vmm, kernel, root, disks):
    config = directory / "config.json"
    config.write_text(json.dumps({
        "machine-config": {"vcpu_count": 1, "mem_size_mib": 256},
        "boot-source": {"kernel_image_path": kernel, "boot_args": ARGUMENTS.format("k")},
        "drives": [{"drive_id": "root", "path_on_host": root, "is_root_device": True,
                    "is_read_only": True},
                   *({"drive_id": name, "path_on_host": path, "is_root_device": False,
                      "cache_type": "Writeback", "io_engine": ENGINES[name][0]}
                     for name, path in disks.items())],
        "network-interfaces": [{"iface_id": "net", "host_dev_name": "tapember"}]}))
    return Guest([vmm, "--no-api", "--config-file", str(config)], "tapember", "192.168.71")


def start_qemu(kernel, root, disks):
    drives = ["-drive", f"if=none,id=root,file={root},format=raw,readonly=on",
              "-device", "virtio-blk-device,drive=root"]
    for name, path in disks.items():
        drives += ["-drive", f"if=none,id={name},file={path},format=raw,cache=writeback,"
                   f"aio={ENGINES[name][1]},file.locking=off",
                   "-device", f"virtio-blk-device,drive={name}"]
    return Guest([
        "qemu-system-x86_64", "-M", "microvm", "-accel", "kvm", "-cpu", "host", "-m", "256",
        "-nodefaults", "-no-user-config", "-nographic", "-serial", "stdio", "-no-reboot",
        "-kernel", kernel, "-append", ARGUMENTS.format("t"), *drives,
        "-netdev", "tap,id=net,ifname=tapqemu,script=no,downscript=no,vhost=off",
        "-device", "virtio-net-device,netdev=net"], "tapqemu", "192.168.72")


def measure(guest):
    """The figures of one guest, each once."""
    figures = {}
    for disk in ENGINES:
        for name, operations in guest.disk_operations(disk).items():
            figures[f"{name}_{disk}"] = operations
    for name, words in NETWORK.items():
        figures[name] = guest.network_megabits(words)
    return figures


def beat():
    """Counted time leaps to the next timer while this machine only waits, be it for a page of a
    program: with this one, never far."""
    while True:
        time.sleep(0.02)


def make_disks(directory):
    """Files of ext4, as disks mostly are; that in a file in memory."""
    image, mounted = directory / "ext4", directory / "disks"
    mounted.mkdir()
    with open(image, "wb") as file:
        file.truncate(FILE_SYSTEM_MIB << 20)
    for line in ("modprobe ext4", f"mkfs.ext4 -q -F {image}", f"mount -o loop {image} {mounted}"):
        subprocess.run(line.split(), check=True)
    for name, (_, _, size_mib) in ENGINES.items():
        (mounted / name).write_bytes(bytes(size_mib << 20))
    os.sync()
    return {name: str(mounted / name) for name in ENGINES}


def compare(directory, words, rounds, results):
    vmm, kernel, root = words
    threading.Thread(target=beat, daemon=True).start()
    root = shutil.copy(root, directory)
    disks = make_disks(directory)
    guests = {"ember": start_ember(directory, vmm, kernel, root, disks),
              "qemu": start_qemu(kernel, root, disks)}
    server = subprocess.Popen(["iperf3", "-s"], stdout=subprocess.DEVNULL)
    samples = {}
    for _ in range(rounds):
        for side, guest in guests.items():
            for what, figure in measure(guest).items():
                samples.setdefault(what, {}).setdefault(side, []).append(figure)
        results.with_suffix(".new").write_text(json.dumps(samples))
        results.with_suffix(".new").rename(results)
        print("round", flush=True)
    for process in [server, *(guest.process for guest in guests.values())]:
        process.kill()
        process.wait()
    subprocess.run(["umount", directory / "disks"], check=True)


def main():
    *words, rounds = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        compare(Path(directory), words, int(rounds),
                Path(os.environ["EMBER_RESULTS"], "guest_io.json"))


if __name__ == "__main__":
    main()
