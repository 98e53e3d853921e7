"""boot.py VMM KERNEL INITRD RUNS: times boots of Ember and QEMU microvm in turns, inside the test bed.

Both get the same kernel, initrd and command line, but for the way out that each has: the keyboard
controller here, a triple fault there. Writes {"ember": [seconds…], "qemu": […]} to /results/boot.json.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ARGUMENTS = "console=ttyS0 quiet panic=-1 rdinit=/ember/bin/quick_init reboot={} -- reboot"


def seconds(words):
    began = time.monotonic()
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    elapsed = time.monotonic() - began
    if b"EMBER-INIT-READY" not in done.stdout:
        raise RuntimeError(f"{words[0]}: no init\n{done.stdout.decode()}{done.stderr.decode()}")
    return elapsed


def write_config(directory, kernel, initrd):
    """A configuration file's path for ember-vmm to boot them by."""
    config = Path(directory) / "config.json"
    config.write_text(json.dumps({
        "machine-config": {"vcpu_count": 1, "mem_size_mib": 256}, "drives": [],
        "boot-source": {"kernel_image_path": kernel, "initrd_path": initrd,
                        "boot_args": ARGUMENTS.format("k")}}))
    return str(config)


def main():
    vmm, kernel, initrd, runs = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        config = write_config(directory, kernel, initrd)
        sides = {
            "ember": [vmm, "--no-api", "--config-file", config],
            "qemu": ["qemu-system-x86_64", "-M", "microvm", "-accel", "kvm", "-cpu", "host", "-m",
                     "256", "-nodefaults", "-no-user-config", "-nographic", "-serial", "stdio",
                     "-no-reboot", "-kernel", kernel, "-initrd", initrd, "-append",
                     ARGUMENTS.format("t")],
        }
        samples = {side: [] for side in sides}
        for run in range(int(runs) + 1):
            for side, words in sides.items():
                elapsed = seconds(words)
                print(f"{side}: {elapsed:.4f} s", flush=True)
                if run > 0:  # the first fills the page cache
                    samples[side].append(elapsed)
    Path(os.environ["EMBER_RESULTS"], "boot.json").write_text(json.dumps(samples))


if __name__ == "__main__":
    main()
