"""A life of a machine (tests/payload/life.py) of whose calls one fails, and what is to be true of it then."""

import contextlib
import os
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "payload"))

from life import Life, machine  # noqa: E402
import saved_memory  # noqa: E402
from ember import Transport  # noqa: E402

# What nothing may take, of the time that the host surely gives: it hangs.
HANGS = 10.0
# For how long is waited for a host that gives less.
STARVES = 60.0
LOOKS_EVERY = 0.005
# How much longer than without a failure what goes on while a call fails may take.
DELAY = 1.0
# How a process may end that one call failed in: docs/exit_codes.md.
EXITS = {0, 1, 5, 6, 7, 143, 152}
SANITIZER_EXIT = 99
MARK = 0x656D6200  # life_guest.c
DISKS = ("sync", "async", "own", "base")


class Stopwatch:
    """How long something takes, and how much of it could be others' doing, who had the processors."""

    def __init__(self, process):
        self.process, self.began = process, time.monotonic()
        self.waited_before = self.waited()

    def waited(self):
        """Of each of the process's threads and of us, the seconds in which it could have run and did not."""
        tasks = [Path("/proc/thread-self")]
        if self.process is not None:
            with contextlib.suppress(OSError):  # it has ended
                tasks += Path(f"/proc/{self.process.pid}/task").iterdir()
        found = {}
        for task in tasks:
            with contextlib.suppress(OSError):
                found[task.name] = int((task / "schedstat").read_text().split()[1]) / 1e9
        return found

    def seconds(self):
        return time.monotonic() - self.began

    def surely(self):
        """The seconds that are surely not others' doing."""
        waited = sum(seconds - self.waited_before.get(task, 0) for task, seconds in self.waited().items())
        return self.seconds() - waited


class Finding(Exception):
    """What must not be."""


class Starved(Exception):
    """Others have the processors, so that nothing can be told."""


class Ended(Exception):
    """The process has ended, or will do no more, as it may where a call fails."""


class FaultedLife(Life):
    """One process. `usual` maps what is done to the seconds that it takes where nothing fails."""

    def __init__(self, kernel, directory, record, usual, **options):
        super().__init__(kernel, directory, **options)
        self.record, self.usual = record, usual
        self.took = {}
        self.saved_as_call_failed = False
        self.lasting = False  # a refusal is no other to a second try
        self.starved = False  # of processors, so that how long something took tells nothing
        self.ends_with = EXITS
        # What the process is started with.
        self.api_words = ["--api-sock", self.socket_path]
        self.log_words = ["--log-path", str(self.log_path)]
        self.popen = {"stdin": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.keyboard = None  # where it is not standard input's pipe
        self.reports = self.directory / "sanitizer"
        self.disks = dict(zip(DISKS, DISKS[:3] + ("overlay",)))

    def failed(self):
        return self.record.failed()

    def ended(self):
        return self.process.poll() is not None

    @contextlib.contextmanager
    def doing(self, what):
        """What a failure may make fail, but not take a second more."""
        self.watch, failed_before = Stopwatch(self.process), self.failed()
        try:
            yield
        except (OSError, EOFError, AssertionError) as error:
            self.judge_failure(what, error)
        finally:
            took = self.watch.seconds()
            self.took[what] = max(self.took.get(what, 0), took)
        if self.failed() and not failed_before and not self.awaited_frame(what):
            self.judge_time(what, took)

    def judge_time(self, what, took):
        usual = self.usual.get(what, HANGS)
        if took <= usual + DELAY:
            return
        if self.watch.surely() > usual + DELAY:
            raise Finding(f"slow: {what} takes {took:.1f} s, not {usual:.1f} s")
        self.starved = True

    def awaited_frame(self, what):
        """Networks may lose frames, and the guest waits for one by itself."""
        return what == "a round" and "BAD 1\n" in self.console()

    def judge_failure(self, what, error):
        if isinstance(error, TimeoutError):
            raise Finding(f"{what} hangs") from error
        if not self.failed():
            raise Finding(f"{what} fails with no call failing: {error!r}") from error
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(0.1)
        if self.ended():
            raise Ended() from error

    def __enter__(self):
        return self

    def begin(self):
        """What is at the devices' other ends."""
        super().__enter__()

    def launch(self):
        os.environ.update(EMBER_FAULT_RECORD=self.record.path, ASAN_OPTIONS=(
            f"log_path={self.reports}:exitcode={SANITIZER_EXIT}:detect_leaks=0"))
        words = [machine.VMM, *self.api_words, *self.log_words, *self.arguments]
        with self.doing("launch"):
            with open(self.console_path, "wb") as console:
                self.process = subprocess.Popen(words, **{"stdout": console, **self.popen})
            self.until(self.accepts, "a connection")
        return self

    def until(self, look, what):
        """Part of doing() something."""
        self.watch.process = self.process
        while not look():
            if self.ended():
                raise EOFError(f"ended with {self.process.returncode} before there was {what}")
            self.await_more(what)

    def await_more(self, what):
        took = self.watch.seconds()
        if took > HANGS and self.watch.surely() > HANGS:
            raise TimeoutError(f"no {what}")
        if took > STARVES:
            raise Starved()
        time.sleep(LOOKS_EVERY)

    def accepts(self):
        try:
            return self.ask("GET", "/version")[0] == 200
        except OSError:
            return False

    def ask(self, method, path, body=None):
        transport = Transport(self.socket_path, timeout=HANGS)
        try:
            answer = transport.send(method, path, body)
            return answer.status, answer.value()
        finally:
            transport.close()

    def request(self, method, path, body=None):
        """Refused once for each call that fails, it is not refused again; nor is one whose answer got lost,
        but for what cannot be done twice."""
        status, value, answered = None, None, True
        tries = self.record.planned + 1
        for _ in range(tries):
            status = None
            with self.doing(f"{method} {path}"):
                status, value = self.ask(method, path, body)
            if status is not None and (status < 400 or not answered):
                return status, value
            if not self.failed():
                raise Finding(f"{method} {path} answers {status} {value} with no call failing")
            answered = status is not None
        if self.lasting:
            raise Ended()
        raise Finding(f"{method} {path} answers {status} {value} to try {tries}")

    def call(self, method, path, body):
        self.request(method, path, body)

    def save(self, kind):
        failed_before = self.failed()
        super().save(kind)
        if self.failed() and not failed_before:
            self.saved_as_call_failed = True
            self.check_saved(kind)

    def check_saved(self, kind):
        """The guest is paused: what was saved is what is saved now."""
        self.save_as("Full", "again")
        names = ["Full", "Diff"] if kind == "Diff" else ["Full"]
        differs = saved_memory.difference([self.files / f"{name}.memory" for name in names],
                                          self.files / "again.memory")
        if differs is not None:
            raise Finding(f"{kind}: saved, but other memory than there is at {differs}")

    def find_guest_ranges(self):
        return []

    def expect_round(self, number, times=1):
        """Where a call failed, a device may have; but a request that the guest was told was done is."""
        pattern = rf"(?s)(round {number} of.*){{{times}}}"
        with self.doing("a round"):
            self.until(lambda: re.search(pattern, self.console()), f"round {number}")
        said = self.console()
        if "LATE" in said:
            raise Finding(f"a device hangs\n{said}")
        if "BAD" in said and not self.failed():
            raise Finding(f"a device fails with no call failing:\n{said}")
        self.check_disks(number, said)

    def check_disks(self, number, said):
        """The disks hold what a round's guest was told they do."""
        rounds = re.findall(r"(?s)((?:[^\n]*(?:good|BAD) \d+\n)+)round (\d+) of", said)
        if not rounds or int(rounds[-1][1]) != number:
            return
        told = re.findall(r"(good|BAD) 2\n", rounds[-1][0])
        mark = struct.pack("<I", MARK + number)
        for name, word in zip(DISKS, told):
            content = (self.files / self.disks[name]).read_bytes()
            sectors = content if name == "base" else content[1024:1536]
            if word == "good" and mark + bytes(504) + mark not in sectors:
                raise Finding(f"round {number}: the guest's write to {name} was lost")

    def connect_clients(self):
        with self.doing("clients"):
            super().connect_clients()

    def swap_drives(self):
        super().swap_drives()
        self.disks.update(sync="other", **{"async": "other"})

    def type(self, letter):
        with self.doing("typing"):
            if self.keyboard is not None:
                # A terminal that could not be taken gives whole lines.
                os.write(self.keyboard, letter + b"\n")
            else:
                super().type(letter)

    def wait(self, code, timeout=None):
        with self.doing("the end"):
            while not self.ended():
                self.await_more("end")
        if not self.failed() and self.process.returncode != code:
            raise Finding(f"ends with {self.process.returncode}, not {code}, with no call failing")

    def judge_end(self):
        """Of a process that has ended, or is ended here."""
        if not self.ended():
            self.signal(signal.SIGTERM)
            self.wait(143)
        for report in self.directory.glob("sanitizer.*"):
            raise Finding(report.read_text())
        if self.process.returncode not in self.ends_with:
            raise Finding(f"ends with {self.process.returncode}\n{self.log()[-2000:]}")
