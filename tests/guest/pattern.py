"""The bytes that the guests' programs write."""

import struct


def pattern(seed, size):
    """The bytes that scripts/guest/pattern.c writes: xorshift64 from `seed`."""
    state, mask, out = seed, (1 << 64) - 1, bytearray()
    while len(out) < size:
        state ^= state << 13 & mask
        state ^= state >> 7
        state ^= state << 17 & mask
        out += struct.pack("<Q", state)
    return bytes(out[:size])
