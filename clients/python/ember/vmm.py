"""One ember-vmm process, with its socket, its log and its console in a directory of its own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeVar

from .console import Console
from .errors import EmberError, MachineEnded, WaitTimeout
from .events import events
from .log import log_lines
from .requests import Requests
from .transport import Transport
from .types import Event, WaitResult

LAUNCH_TIMEOUT = 60.0
LOOK_INTERVAL = 0.005
State = Literal["NotStarted", "Running", "Paused", "Ended"]
T = TypeVar("T")
Self = TypeVar("Self", bound="Vmm")


class Vmm:
    """A process without a machine yet. Leaves no process and no file behind.

        with Vmm() as vmm:
            vmm.api.put_boot_source(kernel_image_path="vmlinux")
            vmm.api.put_actions(action_type="InstanceStart")
    """

    def __init__(self, program: str | os.PathLike[str] = "ember-vmm",
                 arguments: Sequence[str] = ()) -> None:
        self.program = os.fspath(program)
        self.arguments = list(arguments)
        self.directory = Path(tempfile.mkdtemp(prefix="ember-vm."))
        self.socket_path = str(self.directory / "api.sock")
        self.log_path = self.directory / "log"
        self.console_path = self.directory / "console"
        self.process: subprocess.Popen[bytes] | None = None
        self.api = Requests(Transport(self.socket_path))

    def __enter__(self: Self) -> Self:
        try:
            self.launch()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def launch(self) -> None:
        """Starts the process and waits until it takes requests."""
        words = [self.program, "--api-sock", self.socket_path, "--log-path", str(self.log_path)]
        with open(self.console_path, "wb") as console:
            self.process = subprocess.Popen([*words, *self.arguments], stdin=subprocess.PIPE,
                                            stdout=console)
        self._await(lambda: self._accepts() or None, "a connection", LAUNCH_TIMEOUT)

    def restore(self, state: str | os.PathLike[str], memory: str | os.PathLike[str], *,
                resume: bool = True) -> None:
        """Makes the machine of a snapshot. What is to be other than it was, put_snapshot_load() takes."""
        self.api.put_snapshot_load(
            snapshot_path=os.fspath(state), resume_vm=resume,
            mem_backend={"backend_type": "File", "backend_path": os.fspath(memory)})

    def close(self) -> None:
        """Ends the process, if it runs, and removes its files. More than once does no harm."""
        self.api.transport.close()
        if self.process:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            if self.process.stdin:
                with contextlib.suppress(BrokenPipeError):
                    self.process.stdin.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Sends the process a signal."""
        self._running().send_signal(number)

    def send_input(self, text: str) -> None:
        """Types into the serial console."""
        stdin = self._running().stdin
        assert stdin is not None
        stdin.write(text.encode())
        stdin.flush()

    def console(self) -> str:
        """What the guest has written to the serial console."""
        return _text(self.console_path)

    def log(self) -> str:
        """What the process has logged, where the API has not sent it elsewhere."""
        return _text(self.log_path)

    def events(self, since: int = 0, heartbeat: int = 0,
               timeout: float | None = None) -> Iterator[Event]:
        """What happens, as it happens; events.py says more."""
        return events(self.api.transport, since, heartbeat, timeout)

    def attach_console(self, port: str | None = None, timeout: float | None = None) -> Console:
        """A connection to a virtio console's port, the first if it is not named; console.py."""
        return Console(self.api.transport, port, timeout)

    def follow_log(self, lines: int = 0, timeout: float | None = None) -> Iterator[str]:
        """The last lines of the log, and those to come, wherever the log goes; log.py."""
        return log_lines(self.api.transport, lines, timeout)

    def wait_state(self, *states: State, timeout: int = 60) -> WaitResult:
        """Waits until the machine is in one of these states."""
        waiting = Transport(self.socket_path, timeout=timeout + 30)
        try:
            result = Requests(waiting).get_wait(state=",".join(states), timeout=timeout)
        finally:
            waiting.close()
        if result["reached"]:
            return result
        if result["state"] == "Ended":
            raise MachineEnded(result["reason"], result["exit_code"])
        raise WaitTimeout(f"the machine is {result['state']}, not {states}, after {timeout} s")

    def wait_console(self, pattern: str, timeout: float = 60.0) -> re.Match[str]:
        """Waits until the console has a match of the regular expression."""
        return self._await(lambda: re.search(pattern, self.console()), repr(pattern), timeout)

    def wait_end(self, timeout: float = 60.0) -> int:
        """Waits until the process has ended; returns its exit code (docs/exit_codes.md)."""
        try:
            return self._running().wait(timeout)
        except subprocess.TimeoutExpired:
            raise WaitTimeout(f"ember-vmm still runs after {timeout} s") from None

    def _await(self, look: Callable[[], T | None], what: str, timeout: float) -> T:
        """What `look` finds, once it finds it. After the end it looks once more."""
        deadline = time.monotonic() + timeout
        while True:
            exit_code = self._running().poll()
            found = look()
            if found is not None:
                return found
            if exit_code is not None:
                raise MachineEnded(f"ember-vmm ended with {exit_code} before there was {what}\n"
                                   f"{self.log()}", exit_code)
            if time.monotonic() > deadline:
                raise WaitTimeout(f"no {what} in {timeout} s")
            time.sleep(LOOK_INTERVAL)

    def _accepts(self) -> bool:
        """Whether requests are taken: the socket is there a moment before."""
        try:
            self.api.get_version()
            return True
        except OSError:
            return False

    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            raise EmberError("ember-vmm was not launched")
        return self.process


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
