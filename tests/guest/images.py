"""Kernels and root file systems for the guest tests.

Made outside the test bed (`python3 images.py`), where the network is, into EMBER_IMAGES; inside it
only looked up.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMAGES = Path(os.environ.get("EMBER_IMAGES", ROOT / "build" / "guest-images"))
KERNELS = ["microvm", "debian-6.1", "debian-6.12"]
# Beyond what a boot from a disk needs: the drivers of all our devices.
DEVICE_MODULES = ["virtio_net", "vmw_vsock_virtio_transport", "virtio_console", "virtio_rng",
                  "virtio_balloon", "virtio_mem", "virtio_pmem", "nd_pmem"]
DEVICE_KERNELS = ["debian-6.1", "debian-6.12"]
PROGRAMS = ["curl", "fio", "iperf3"]
PARTUUID = "e3be0001-0000-4000-8000-000000000001"


def kernel(name, file):
    """The file `bzImage` or `vmlinux` of a kernel."""
    return IMAGES / name / file


def initrd(name):
    return IMAGES / name / "initrd.cpio"


def device_initrd(name):
    """An initrd with the drivers of all our devices; its root is on a disk."""
    return IMAGES / name / "device-initrd.cpio"


def root():
    """The small root file system, to be used read-only."""
    return IMAGES / "root.ext4"


def tools():
    """A root file system with PROGRAMS in it, to be used read-only."""
    return IMAGES / "tools.ext4"


def disk(name, directory):
    """A writable copy of a disk image, in `directory`."""
    copy = Path(directory) / name
    shutil.copyfile(IMAGES / name, copy)
    return copy


def rootfs(*words):
    subprocess.run([ROOT / "scripts/guest-rootfs", "--kind", "busybox", *words], check=True,
                   stdout=subprocess.DEVNULL)


def make_kernel(name):
    directory = subprocess.run([ROOT / "scripts/guest-kernel", "--print-dir", name], check=True,
                               stdout=subprocess.PIPE, text=True).stdout.strip()
    target = IMAGES / name
    target.mkdir(parents=True, exist_ok=True)
    for file in ["bzImage", "vmlinux"]:
        link = target / file
        link.unlink(missing_ok=True)
        link.symlink_to(Path(directory) / file)
    rootfs("--format", "cpio", "--kernel", name, "--out", str(initrd(name)))
    if name in DEVICE_KERNELS:
        modules = [word for module in DEVICE_MODULES for word in ("--module", module)]
        rootfs("--format", "cpio", "--kernel", name, *modules, "--out", str(device_initrd(name)))


def main():
    for name in KERNELS:
        make_kernel(name)
    rootfs("--format", "ext4", "--out", str(IMAGES / "root.ext4"))
    rootfs("--format", "ext4", "--partition", "--partuuid", PARTUUID, "--out",
           str(IMAGES / "root.gpt"))
    rootfs("--format", "ext4", "--size-mib", "192", "--out", str(tools()),
           *[word for program in PROGRAMS for word in ("--program", program)])
    print(f"guest images are in {IMAGES}")


if __name__ == "__main__":
    sys.exit(main())
