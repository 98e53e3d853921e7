"""GET /log: what the process logs, as it does."""

from __future__ import annotations

from collections.abc import Iterator

from .transport import Transport


def log_lines(transport: Transport, lines: int = 0, timeout: float | None = None) -> Iterator[str]:
    """Yields the last `lines` there are, and goes on until the process ends.

    `timeout` is how long to wait for the next one before TimeoutError. Uses a connection of its
    own, which is closed with the iterator.
    """
    with transport.stream(f"/log?lines={lines}&follow=true", timeout) as answer:
        for line in answer:
            yield line.decode(errors="replace").rstrip("\n")
