"""What /proc says of a process that runs: its threads and descriptors, but those that end meanwhile."""

import contextlib
import os
from pathlib import Path


def of_each_thread(pid, name):
    """(number, what /proc/…/task/number/name holds) of each thread."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.append((int(task.name), (task / name).read_text()))
    return found


def lives(pid):
    """Whether there is such a process, and it has not ended: who ended may wait for his parent's question."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    return False


def open_files(pid):
    """number → what it is, of each descriptor."""
    found = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[int(link.name)] = os.readlink(link)
    return found
