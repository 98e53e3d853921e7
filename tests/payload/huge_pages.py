"""The host's huge pages, for tests whose machines have some."""

import contextlib
from pathlib import Path

POOL = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")


def free():
    """How many of 2 MiB nobody has, nor was promised."""
    if not POOL.exists():
        return 0
    return int((POOL / "free_hugepages").read_text()) - int((POOL / "resv_hugepages").read_text())


@contextlib.contextmanager
def reserved(test, count):
    """So many are free meanwhile; where they cannot be had, the test is told as not run."""
    if free() >= count:
        yield
        return
    pool = POOL / "nr_hugepages"
    before = int(pool.read_text()) if pool.exists() else 0
    try:
        with contextlib.suppress(OSError):  # an ordinary user's
            pool.write_text(str(before + count))
        if free() < count:
            test.skipTest(f"NOT RUN: fewer than {count} free huge pages of 2 MiB")
        yield
    finally:
        with contextlib.suppress(OSError):
            pool.write_text(str(before))
