"""Snapshots' memory files: what is where in them."""

import os
import tempfile

# Where each snapshot's file has a name of its own, and what it was merged from
# (firmware/x86_64/layout.h).
NAMES = range(0xFE000, 0x100000)


def data_ranges(file):
    """Where a file has no holes."""
    at, end = 0, os.fstat(file.fileno()).st_size
    while at < end:
        try:
            at = os.lseek(file.fileno(), at, os.SEEK_DATA)
        except OSError:  # no more data
            return
        hole = os.lseek(file.fileno(), at, os.SEEK_HOLE)
        yield at, hole
        at = hole


def read(file, at, end):
    """What is there, without the names."""
    data = bytearray(os.pread(file.fileno(), end - at, at))
    first, last = max(at, NAMES.start), min(end, NAMES.stop)
    if first < last:
        data[first - at:last - at] = bytes(last - first)
    return data


def difference(paths, whole):
    """The first piece (at, end) in which a full snapshot's memory with those diffs over it is another than
    the whole one; None where it is the same."""
    with tempfile.TemporaryFile() as merged, open(whole, "rb") as wanted:
        for path in paths:
            with open(path, "rb") as file:
                os.ftruncate(merged.fileno(), os.fstat(file.fileno()).st_size)
                for at, end in data_ranges(file):
                    os.pwrite(merged.fileno(), os.pread(file.fileno(), end - at, at), at)
        for file in (merged, wanted):
            for at, end in data_ranges(file):
                if read(merged, at, end) != read(wanted, at, end):
                    return at, end
        sizes = {os.fstat(file.fileno()).st_size for file in (merged, wanted)}
        return None if len(sizes) == 1 else (min(sizes), max(sizes))
