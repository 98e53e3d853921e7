"""The rows of scripts/bench about forks of running machines."""

import contextlib
import functools
import statistics
import time

from benchmarks import payload
from benchmarks.rows import MIB, api_call, end, row
from benchmarks.snapshot_rows import directory, guest, Log

MEMORY_MIB = 1024 + payload.FREE_MEMORY // MIB
# Behind payload.writing(), which leaves the boot timer's address in ebx: writes it again and again,
# each time leaving the vCPU.
LEAVING = b"\xc6\x03\x7b\xeb\xfb"


@contextlib.contextmanager
def waiting_clone(bench):
    """The log and the API's path of a process that waits."""
    with directory() as own:
        log = Log(f"{own}/log")
        process, _, path = bench.start_vmm(own, "--boot-timer")
        try:
            yield log, path
        finally:
            end(process)
    time.sleep(0.05)  # the kernel goes on with the end of a machine for a while


def fork_once(bench, code):
    """The times of a fork of a guest of 1 GiB that has written to every page of it: the parent's pause,
    and from its beginning, or from the request, to the clone's first exit."""
    with directory() as where, guest(bench, where, MEMORY_MIB, code, forkable=True) as parent, \
            waiting_clone(bench) as (log, clone):
        time.sleep(0.02)
        began = time.perf_counter()
        answer = api_call(parent, "PUT", "/fork", {"clones": [{"socket_path": clone}]})
        log.await_first_exit()
        took = (time.perf_counter() - began) * 1000
    if "error" in answer["clones"][0]:
        raise RuntimeError(answer["clones"][0]["error"])
    preparation = answer["preparation_us"] / 1000
    return {"pause": answer["pause_us"] / 1000, "first_exit": took - preparation, "from_request": took}


@functools.lru_cache(maxsize=1)
def forks(bench):
    """Of a guest that does nothing but leave its vCPU; two rows are about them."""
    code = payload.writing(MEMORY_MIB, 1, LEAVING)
    return [fork_once(bench, code) for _ in range(bench.count(15))]


def pause(bench):
    """How long a machine of 1 GiB, all of it written to, does not run when it is forked; of two guests
    the worse: one that leaves its vCPU again and again, and one that writes to every page again and
    again."""
    busy = [fork_once(bench, payload.writing_forever(MEMORY_MIB, 1))["pause"]
            for _ in range(bench.count(5))]
    idle = [taken["pause"] for taken in forks(bench)]
    return row("fork_pause_ms", "ms", {"ember": max(busy, idle, key=statistics.median)})


def first_exit(bench):
    """From the beginning of the parent's pause to the clone's first exit, the same guest."""
    taken = forks(bench)
    return {**row("fork_first_exit_ms", "ms", {"ember": [one["first_exit"] for one in taken]}),
            "from_request_ms": statistics.median(one["from_request"] for one in taken)}


ROWS = {"fork_pause_ms": pause, "fork_first_exit_ms": first_exit}
