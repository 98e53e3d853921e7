"""GET /events: what happens to a machine, as it happens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import cast

from .transport import Transport
from .types import Event


def events(transport: Transport, since: int = 0, heartbeat: int = 0,
           timeout: float | None = None) -> Iterator[Event]:
    """Yields the records after number `since`, and goes on until the process ends.

    With `heartbeat` there is a record at least so often, in seconds; `timeout` is how long to wait
    for the next one before TimeoutError. Uses a connection of its own, which is closed with the
    iterator.
    """
    with transport.stream(f"/events?since={since}&heartbeat={heartbeat}", timeout) as lines:
        for line in lines:
            yield cast(Event, json.loads(line))
