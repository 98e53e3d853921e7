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
PARTUUID = "e3be0001-0000-4000-8000-000000000001"


def kernel(name, file):
    """The file `bzImage` or `vmlinux` of a kernel."""
    return IMAGES / name / file


def initrd(name):
    return IMAGES / name / "initrd.cpio"


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


def main():
    for name in KERNELS:
        make_kernel(name)
    rootfs("--format", "ext4", "--out", str(IMAGES / "root.ext4"))
    rootfs("--format", "ext4", "--partition", "--partuuid", PARTUUID, "--out",
           str(IMAGES / "root.gpt"))
    print(f"guest images are in {IMAGES}")


if __name__ == "__main__":
    sys.exit(main())
