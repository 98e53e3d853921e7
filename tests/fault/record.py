"""The file that a test and the program under it share: record.h in Python."""

import mmap
import struct
from collections import namedtuple

PLAN = struct.Struct("<QQqQ")
PLANS = 2
HEADER = struct.Struct(f"<{PLANS * PLAN.size}sQ")
SITE = struct.Struct("<QQQQQ32s")
MAX_SITES = 8192
SIZE = HEADER.size + MAX_SITES * SITE.size
CUT_SHORT, NONE_LEFT, ALL_DONE = -1, -2, -3

# What was called from where: `at` and `caller` are offsets into the program, `detail` tells an ioctl's
# request and the like; `key` is one number for all of it.
Fault = namedtuple("Fault", "key number action")
Reached = namedtuple("Reached", "key calls at caller detail name")


class Record:
    """Used for one process: what is to fail in it, and then what it called."""

    def __init__(self, path):
        self.path = str(path)
        self.planned = 0
        path.unlink(missing_ok=True)  # the last process's, which may still be read
        with open(self.path, "w+b") as file:
            file.truncate(SIZE)
            self.bytes = mmap.mmap(file.fileno(), SIZE)

    def plan(self, *faults):
        """Of each site the call of that number, counted from 1, fails with an errno, or moves fewer
        bytes."""
        self.planned = len(faults)
        for index, fault in enumerate(faults):
            PLAN.pack_into(self.bytes, index * PLAN.size, fault.key, fault.number, fault.action, 0)

    def failed(self, index=0):
        return PLAN.unpack_from(self.bytes, index * PLAN.size)[3] != 0

    def reached(self):
        assert HEADER.unpack_from(self.bytes)[1] == 0, "more sites than the record has room for"
        found = []
        for index in range(MAX_SITES):
            key, calls, at, caller, detail, name = SITE.unpack_from(self.bytes,
                                                                    HEADER.size + index * SITE.size)
            if key:
                found.append(Reached(key, calls, at, caller, detail, name.rstrip(b"\0").decode()))
        return found
