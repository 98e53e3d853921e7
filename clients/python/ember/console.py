"""GET /console: a connection to the guest's console."""

from __future__ import annotations

import socket
from types import TracebackType
from urllib.parse import quote

from .errors import ApiError
from .requests import Requests
from .transport import Response, Transport, UnixConnection, fault_of

PROTOCOL = "ember-console/1"
MAX_HEAD = 65536


class Console:
    """Attached to a port: what the guest writes is read here, and what is sent is its input.

    Begins with the end of the output that was kept. Closed with `with`; one thread may read while
    another sends. `timeout` is how long to wait for anything before TimeoutError.
    """

    def __init__(self, transport: Transport, port: str | None = None,
                 timeout: float | None = None) -> None:
        self.port = port
        self._requests = Requests(transport)
        self._path = "/console" if port is None else f"/console?port={quote(port, safe='')}"
        connection = UnixConnection(transport.path, timeout)
        connection.connect()
        self.socket: socket.socket = connection.sock
        self._received = b""
        try:
            self._switch()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Console:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def recv(self, size: int = 65536) -> bytes:
        """What has come, `size` bytes at most; waits for the first. Empty at the end."""
        if self._received:
            data, self._received = self._received[:size], self._received[size:]
            return data
        return self.socket.recv(size)

    def read_until(self, text: bytes) -> bytes:
        """All up to and with `text`; EOFError where it does not come."""
        seen = bytearray()
        while text not in seen:
            data = self.recv()
            if not data:
                raise EOFError(f"the console ended without {text!r}; it said {bytes(seen)!r}")
            seen += data
        end = seen.index(text) + len(text)
        self._received = bytes(seen[end:]) + self._received
        return bytes(seen[:end])

    def sendall(self, data: bytes) -> None:
        """Types; waits while the guest reads nothing and the socket is full."""
        self.socket.sendall(data)

    def end_input(self) -> None:
        """There will be no more to send; output goes on."""
        self.socket.shutdown(socket.SHUT_WR)

    def resize(self, columns: int, rows: int) -> None:
        """The terminal has another size."""
        if self.port is None:
            self._requests.patch_console(columns=columns, rows=rows)
        else:
            self._requests.patch_console(columns=columns, rows=rows, port=self.port)

    def settimeout(self, timeout: float | None) -> None:
        """How long to wait for anything from now on."""
        self.socket.settimeout(timeout)

    def fileno(self) -> int:
        """For select: what recv() has left over is not seen there."""
        return self.socket.fileno()

    def close(self) -> None:
        """Detaches. More than once does no harm."""
        self.socket.close()

    def _switch(self) -> None:
        self.socket.sendall(f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
                            f"Upgrade: {PROTOCOL}\r\n\r\n".encode())
        head = self._receive_until(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        if status == 101:
            return
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        while len(self._received) < int(fields.get("content-length", "0")):
            self._receive()
        answer = Response(status, self._received.decode(), "application/json", False)
        raise ApiError("GET", self._path, status, fault_of(answer))

    def _receive_until(self, end: bytes) -> bytes:
        while end not in self._received and len(self._received) < MAX_HEAD:
            self._receive()
        head, _, self._received = self._received.partition(end)
        return head

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError("the connection ended before its answer")
        self._received += data
