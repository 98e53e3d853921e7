"""confined_boot.py VMM KERNEL INITRD RUNS: boots of Ember with all that confines it and with nothing, in
turns, inside the test bed, by an ordinary user.

What counts is the processor time of the process from exec to its end, for a guest that waits costs nothing,
and for how long it does depends on the ticks of two kernels' clocks. Writes {"ember": [seconds…],
"free": […]} to /results/boot.json.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from boot import write_config

USER = 61240


def processor_seconds(words):
    with tempfile.TemporaryFile() as console:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                                   user=USER, group=USER, extra_groups=[])
        _, _, used = os.wait4(process.pid, 0)
        console.seek(0)
        said = console.read()
    if b"EMBER-INIT-READY" not in said:
        raise RuntimeError(f"{words[0]}: no init\n{said.decode()}")
    return used.ru_utime + used.ru_stime


def main():
    vmm, kernel, initrd, runs = sys.argv[1:]
    os.chmod("/dev/kvm", 0o666)
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        vmm, kernel, initrd = (shutil.copy(path, directory) for path in (vmm, kernel, initrd))
        words = [vmm, "--no-api", "--config-file", write_config(directory, kernel, initrd)]
        sides = {"ember": words, "free": [*words, "--no-seccomp"]}
        samples = {side: [] for side in sides}
        for run in range(int(runs) + 1):
            for side, its_words in sides.items():
                taken = processor_seconds(its_words)
                if run > 0:  # the first fills the page cache
                    samples[side].append(taken)
    Path(os.environ["EMBER_RESULTS"], "boot.json").write_text(json.dumps(samples))


if __name__ == "__main__":
    main()
