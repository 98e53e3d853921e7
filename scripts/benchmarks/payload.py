"""The smallest kernel: an ELF file with a PVH entry that writes the boot timer and halts."""

import struct

ENTRY = 0x100000
BOOT_TIMER = 0xC0000000

# 32-bit protected mode, paging off: mov ebx, BOOT_TIMER; mov byte [ebx], 123; then halt for good.
CODE = b"\xbb" + struct.pack("<I", BOOT_TIMER) + b"\xc6\x03\x7b" + b"\xf4\xeb\xfd"

# The same, but it writes the register again and again, each time leaving the vCPU.
BUSY_CODE = b"\xbb" + struct.pack("<I", BOOT_TIMER) + b"\xc6\x03\x7b" + b"\xeb\xfb"

HEADER_BYTES, PROGRAM_HEADER_BYTES = 64, 56
NOTE = struct.pack("<III", 4, 4, 18) + b"Xen\0" + struct.pack("<I", ENTRY)  # XEN_ELFNOTE_PHYS32_ENTRY


def image(code=CODE):
    note_at = HEADER_BYTES + 2 * PROGRAM_HEADER_BYTES
    code_at = 0x1000
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, ENTRY, HEADER_BYTES,
                         0, 0, HEADER_BYTES, PROGRAM_HEADER_BYTES, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, code_at, ENTRY, ENTRY, len(code), len(code), 0x1000)
    note = struct.pack("<IIQQQQQQ", 4, 4, note_at, 0, 0, len(NOTE), len(NOTE), 4)
    return (header + load + note + NOTE).ljust(code_at, b"\0") + code
