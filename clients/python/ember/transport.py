"""HTTP over the API's Unix socket."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .errors import ApiError

DEFAULT_TIMEOUT = 30.0


class UnixConnection(http.client.HTTPConnection):
    """A connection to a Unix socket, which is opened at the first request."""

    def __init__(self, path: str | os.PathLike[str], timeout: float | None = DEFAULT_TIMEOUT) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = os.fspath(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(self.path)
        except OSError:
            self.close()
            raise


@dataclass(frozen=True)
class Response:
    """An answer of any status."""

    status: int
    text: str
    content_type: str
    deprecated: bool
    """The request used what the contract wants no longer used."""

    def value(self) -> Any:
        """The body: what JSON says, or the text if it is none; None where there is none."""
        if self.status == 204:
            return None
        return json.loads(self.text) if self.content_type == "application/json" else self.text


class Transport:
    """One connection, kept open between requests. One thread at a time."""

    def __init__(self, path: str | os.PathLike[str], timeout: float = DEFAULT_TIMEOUT) -> None:
        self.path = os.fspath(path)
        self.timeout = timeout
        self._connection = UnixConnection(path, timeout)

    def close(self) -> None:
        """Closes the connection; the next request opens another."""
        self._connection.close()

    def send(self, method: str, path: str, body: Any = None) -> Response:
        """Sends a request, with a text as it is or anything else as JSON; returns the answer."""
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        fresh = self._connection.sock is None
        try:
            return self._send(method, path, text)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self.close()
            # The server may have closed an idle connection; a new one tells.
            if fresh or method != "GET":
                raise
            return self._send(method, path, text)
        except BaseException:
            self.close()  # an answer that is still to come is no later request's
            raise

    def _send(self, method: str, path: str, text: str | None) -> Response:
        self._connection.request(method, path, None if text is None else text.encode())
        answer = self._connection.getresponse()
        return Response(answer.status, answer.read().decode(), answer.headers.get_content_type(),
                        answer.headers.get("Deprecation") == "true")

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Sends a request that must succeed; returns the body of the answer."""
        response = self.send(method, path, body)
        if response.status >= 400:
            raise ApiError(method, path, response.status, fault_of(response))
        return response.value()

    @contextlib.contextmanager
    def stream(self, path: str, timeout: float | None) -> Iterator[http.client.HTTPResponse]:
        """An answer that goes on, on a connection of its own; waits `timeout` for each piece."""
        connection = UnixConnection(self.path, timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            if answer.status >= 400:
                text = answer.read().decode()
                raise ApiError("GET", path, answer.status,
                               fault_of(Response(answer.status, text, "application/json", False)))
            yield answer
        finally:
            connection.close()


def fault_of(response: Response) -> str:
    """What an answer says is wrong."""
    try:
        value = json.loads(response.text)
    except ValueError:
        return response.text
    if not isinstance(value, dict):
        return response.text
    return str(value.get("fault_message", value.get("error", response.text)))
