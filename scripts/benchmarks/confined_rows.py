"""The row of scripts/bench about what confinement costs. It needs root."""

import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.rows import MIB, ROOT, counted_boots, row

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


def confined(bench):
    """What is left of a guest's speed with filters, Landlock and without capabilities: the lower of a boot
    of Linux, in counted processor time, and of reads from a disk in the page cache, which is in a jail, too.
    Of both the medians count. Of reads, those of many machines: what memory one gets makes a difference of
    two in a hundred."""
    boots = counted_boots(bench, "confined_boot.py", 20)
    samples = {"ember": boots["ember"], "free": boots["free"], "reads": [], "free_reads": []}
    for _ in range(bench.count(25)):
        with readers(bench) as (jailed, free):
            for turn in range(40):
                sides = [("reads", jailed), ("free_reads", free)]
                for side, reader in sides if turn % 2 else reversed(sides):
                    samples[side].append(reader.kilocycles())
    booted = statistics.median(samples["free"]) / statistics.median(samples["ember"])
    read = statistics.median(samples["free_reads"]) / statistics.median(samples["reads"])
    value = min(booted, read)
    return {**row("confined_ratio", "ratio", samples, floor="free", value=value, ratio=value),
            "boot": booted, "reads": read}


ROWS = {"confined_ratio": confined}
