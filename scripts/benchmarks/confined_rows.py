"""The row of scripts/bench about what confinement costs. It needs root."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import payload
from benchmarks.rows import MIB, ROOT, row
from benchmarks.snapshot_rows import Log

sys.path.insert(0, str(ROOT / "tests/payload"))

from life import compile_guest  # noqa: E402

USER = 61240


class Reader:
    """A machine whose guest reads its disk when a letter comes. It stands still in between."""

    def __init__(self, words, files, owner=None):
        content = {"config.json": json.dumps({
            "machine-config": {"vcpu_count": 1, "mem_size_mib": 64},
            "boot-source": {"kernel_image_path": "kernel"},
            "drives": [{"drive_id": "disk", "path_on_host": "disk", "is_root_device": False,
                        "io_engine": "Async"}]}).encode(), "disk": bytes(MIB)}
        for name, text in content.items():
            (files / name).write_bytes(text)
        for name in (*content, "kernel"):
            if owner:
                os.chown(files / name, owner, owner)
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, cwd=files)
        assert self.process.stdout.readline() == b"ready\n"
        self.process.send_signal(signal.SIGSTOP)

    def kilocycles(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(b"g")
        self.process.stdin.flush()
        taken = int(self.process.stdout.readline())
        self.process.send_signal(signal.SIGSTOP)
        return taken

    def end(self):
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def readers(bench):
    """One in a jail with all that confines it there, and one with nothing."""
    with tempfile.TemporaryDirectory(dir=bench.vmm.parent) as directory:
        os.chmod(directory, 0o755)
        place = Path(directory)
        free = place / "free"
        jail = place / "jails/ember-vmm/m/root"
        for files in (free, jail):
            files.mkdir(parents=True)
            shutil.copy(compile_guest(directory, "../bench/disk_guest.c"), files / "kernel")
        jailer = [str(bench.vmm.parents[1] / "ember-jailer/ember-jailer"), "--id", "m", "--exec-file",
                  str(bench.vmm), "--chroot-base-dir", str(place / "jails")]
        run = ["--no-api", "--config-file", "config.json"]
        both = [Reader([*jailer, "--uid", str(USER), "--gid", str(USER), "--", *run, "--allow-path", "/disk"],
                       jail, USER),
                Reader([str(bench.vmm), *run, "--no-seccomp"], free)]
        try:
            yield both
        finally:
            for reader in both:
                reader.end()
            subprocess.run([*jailer, "--cleanup"], check=True)


class Boots:
    """Boots of the smallest guest."""

    def __init__(self, bench, directory):
        kernel = Path(directory) / "kernel"
        kernel.write_bytes(payload.image())
        config = Path(directory) / "config.json"
        config.write_text(json.dumps({"machine-config": {"vcpu_count": 1, "mem_size_mib": 128}, "drives": [],
                                      "boot-source": {"kernel_image_path": str(kernel)}}))
        self.log = f"{directory}/log"
        self.words = [str(bench.vmm), "--no-api", "--config-file", str(config), "--boot-timer", "--log-path",
                      self.log]

    def milliseconds(self, *more):
        """exec of the VMM to the guest's first exit."""
        log = Log(self.log)
        began = time.perf_counter()
        process = subprocess.Popen([*self.words, *more], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        log.await_first_exit()
        elapsed = (time.perf_counter() - began) * 1000
        process.kill()
        process.wait()
        os.close(log.fd)
        os.unlink(self.log)
        return elapsed


def confined(bench):
    """What is left of a guest's speed with filters, Landlock and without capabilities: the lower of its
    boot's and of its reads' from a disk in the page cache, which is in a jail, too. Of the least times, for
    what others do on the machine is worth more than what is measured."""
    samples = {"ember": [], "free": [], "reads": [], "free_reads": []}
    with tempfile.TemporaryDirectory(dir=bench.vmm.parent) as directory:
        boots = Boots(bench, directory)
        for _ in range(bench.count(300)):
            samples["ember"].append(boots.milliseconds())
            samples["free"].append(boots.milliseconds("--no-seccomp"))
    with readers(bench) as (jailed, free):
        for _ in range(bench.count(200)):
            samples["reads"].append(jailed.kilocycles())
            samples["free_reads"].append(free.kilocycles())
    value = min(min(samples["free"]) / min(samples["ember"]),
                min(samples["free_reads"]) / min(samples["reads"]))
    return row("confined_ratio", "ratio", samples, floor="free", value=value, ratio=value)


ROWS = {"confined_ratio": confined}
