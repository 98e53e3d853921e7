"""The smallest kernel: an ELF file with a PVH entry that writes the boot timer and halts."""

import struct

ENTRY = 0x100000
BOOT_TIMER = 0xC0000000

# 32-bit protected mode, paging off: mov ebx, BOOT_TIMER; mov byte [ebx], 123; then halt for good.
CODE = b"\xbb" + struct.pack("<I", BOOT_TIMER) + b"\xc6\x03\x7b" + b"\xf4\xeb\xfd"

# The same, but it writes the register again and again, each time leaving the vCPU.
BUSY_CODE = b"\xbb" + struct.pack("<I", BOOT_TIMER) + b"\xc6\x03\x7b" + b"\xeb\xfb"

# What a loader leaves alone of RAM, and writing() may use.
FREE_MEMORY = 0x1000000


def writing(memory_mib, stride, then=b"\xf4\xeb\xfd"):
    """Writes in the middle of every `stride`-th page of all RAM that is free, writes the boot timer,
    and goes on with `then`; without it, halts for good."""
    # mov edi, FREE_MEMORY; page: mov [edi + 2048], edi; add edi, stride; cmp edi, the end; jb page
    loop = (b"\x89\xbf" + struct.pack("<I", 2048) + b"\x81\xc7" + struct.pack("<I", stride * 4096) +
            b"\x81\xff" + struct.pack("<I", memory_mib << 20))
    loop += b"\x72" + struct.pack("<b", -(len(loop) + 2))
    return b"\xbf" + struct.pack("<I", FREE_MEMORY) + loop + CODE[:8] + then


def writing_forever(memory_mib, stride):
    """All of RAM that is free once, and from then on every `stride`-th page again and again."""
    again = writing(memory_mib, stride, b"")
    again += b"\xeb" + struct.pack("<b", -(len(again) + 2))
    return writing(memory_mib, 1, again)


def touching(pages, shift, step):
    """Writes the boot timer and waits until somebody has written to FREE_MEMORY. Then it looks at so many
    pages behind that, 2^shift bytes from one to the next, each `step` further than the one before, modulo
    `pages`, a power of two; writes the boot timer again, and halts for good."""
    # wait: cmp dword [FREE_MEMORY], 0; je wait; mov ecx, pages; xor edi, edi
    code = CODE[:8] + b"\x83\x3d" + struct.pack("<I", FREE_MEMORY) + b"\x00\x74\xf7"
    code += b"\xb9" + struct.pack("<I", pages) + b"\x31\xff"
    # page: mov esi, edi; shl esi, shift; mov eax, [esi + behind]; add edi, step; and edi, pages - 1
    loop = b"\x89\xfe\xc1\xe6" + bytes([shift]) + b"\x8b\x86" + struct.pack("<I", FREE_MEMORY + (1 << 20))
    loop += b"\x81\xc7" + struct.pack("<I", step) + b"\x81\xe7" + struct.pack("<I", pages - 1)
    # dec ecx; jnz page
    loop += b"\x49\x75" + struct.pack("<b", -(len(loop) + 3))
    return code + loop + CODE[5:]


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
