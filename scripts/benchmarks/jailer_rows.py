"""The rows of scripts/bench about ember-jailer. They need root."""

import contextlib
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.rows import row

USER = "61238"
AT_ONCE = 10


class Jails:
    """Starts a probe in jails: a program as long as the installed VMM, which says when it began."""

    def __init__(self, bench, directory):
        self.jailer = str(bench.vmm.parents[1] / "ember-jailer" / "ember-jailer")
        self.directory = directory
        self.program = f"{directory}/probe"
        code = (bench.probes / "jailed_probe").read_bytes()
        padding = max(0, bench.installed_bytes() - len(code))
        Path(self.program).write_bytes(code + os.urandom(padding))
        os.chmod(self.program, 0o755)
        self.made = []

    def words(self):
        name = [self.jailer, "--id", str(len(self.made)), "--exec-file", self.program,
                "--chroot-base-dir", f"{self.directory}/jails"]
        self.made.append(name)
        return [*name, "--uid", USER, "--gid", USER]

    def clean_up(self):
        for name in self.made:
            subprocess.run([*name, "--cleanup"], check=True)

    def started_ms(self, count):
        """From before each of `count` jailers' exec to when its program began; all at once."""
        everyone, began, processes = [self.words() for _ in range(count)], [], []
        for words in everyone:
            began.append(time.monotonic_ns())
            processes.append(subprocess.Popen(words, stdout=subprocess.PIPE, close_fds=False))
        return [(int(process.communicate()[0]) - at) / 1e6 for process, at in zip(processes, began)]


@contextlib.contextmanager
def jails(bench):
    with tempfile.TemporaryDirectory(dir=bench.vmm.parent) as directory:
        os.chmod(directory, 0o755)
        these = Jails(bench, directory)
        yield these
        # Not before all is measured: for a minute and more ext4 looks at each inode that was deleted
        # whenever it makes one. For as long after a run the next one's figures are too high.
        these.clean_up()


def jailer(bench):
    """exec of the jailer to exec of the VMM, no cgroups, on the disk of the build."""
    with jails(bench) as these:
        these.started_ms(1)
        samples = {"ember": [these.started_ms(1)[0] for _ in range(bench.count(100))]}
    return row("jailer_ms", "ms", samples)


def jailer_parallel(bench):
    """The same for ten at once, p50 over one alone; in turns. Among the samples also for as many as there
    are processors: what they cost each other but these."""
    samples = {"ember": [], "alone": [], "one each processor": []}
    with jails(bench) as these:
        these.started_ms(1)
        for _ in range(bench.count(40)):
            samples["alone"] += these.started_ms(1)
            samples["ember"] += these.started_ms(AT_ONCE)
            samples["one each processor"] += these.started_ms(os.cpu_count())
    ratio = statistics.median(samples["ember"]) / statistics.median(samples["alone"])
    return row("jailer_parallel_ratio", "ratio", samples, floor="alone", value=ratio, ratio=ratio)


ROWS = {"jailer_ms": jailer, "jailer_parallel_ratio": jailer_parallel}
