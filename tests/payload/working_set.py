"""Working sets: what is in their files (docs/formats/snapshot.md), and what a process has mapped."""

import re
import struct
from pathlib import Path

PAGE = 4096
HEADER_BYTES = 32
PRESENT = 1 << 63


def pages(path):
    """The numbers of the pages, as the memory file has them, of the first region."""
    body = Path(path).read_bytes()[HEADER_BYTES:]
    # CBOR: the text "pages", a list, and its first byte string, whose length takes 1, 2 or 4 bytes.
    at = body.index(b"\x65pages") + 7
    width = {0x58: "B", 0x59: ">H", 0x5a: ">I"}[body[at]]
    length, = struct.unpack_from(width, body, at + 1)
    at += 1 + struct.calcsize(width)
    bits = int.from_bytes(body[at:at + length], "little")
    return {page for page in range(8 * length) if bits >> page & 1}


def mapped(pid, path):
    """The numbers of the file's pages that the process has in its page tables."""
    found = set()
    maps = Path(f"/proc/{pid}/maps").read_text()
    with open(f"/proc/{pid}/pagemap", "rb") as pagemap:
        for start, end, offset in re.findall(rf"(?m)^(\w+)-(\w+) \S+ (\w+) \S+ \d+ +{re.escape(str(path))}$",
                                             maps):
            first, last = int(start, 16) // PAGE, int(end, 16) // PAGE
            pagemap.seek(8 * first)
            entries = struct.unpack(f"<{last - first}Q", pagemap.read(8 * (last - first)))
            found |= {int(offset, 16) // PAGE + i for i, entry in enumerate(entries) if entry & PRESENT}
    return found
