"""The host's ends of streams, over vsock or over a network."""

import contextlib
import socket
import threading
import zlib


def summary(count, crc):
    """As the guests' `vsock` prints it."""
    return f"bytes={count} crc32={crc:08x}"


def summary_of(data):
    return summary(len(data), zlib.crc32(data))


class Receiver(threading.Thread):
    """Reads a connection to its end; answers with the summary if told to."""

    def __init__(self, connection, answer=False):
        super().__init__()
        self.connection, self.answer, self.summary = connection, answer, None
        self.start()

    def run(self):
        count = crc = 0
        with self.connection:
            while data := self.connection.recv(1 << 18):
                crc = zlib.crc32(data, crc)
                count += len(data)
            self.summary = summary(count, crc)
            if self.answer:
                self.connection.sendall(self.summary.encode() + b"\n")


class Answering:
    """Answers every stream that comes to a socket, until it is closed. Streams may break off: the
    guests' side tells."""

    def __init__(self, listener):
        self.listener = listener
        threading.Thread(target=self.accept, daemon=True).start()

    @classmethod
    def at_path(cls, path):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        return cls(listener)

    @classmethod
    def at_port(cls, port):
        return cls(socket.create_server(("", port)))

    def accept(self):
        with contextlib.suppress(OSError):  # closed
            while True:
                Answer(self.listener.accept()[0], answer=True)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Answer(Receiver):
    def run(self):
        with contextlib.suppress(ConnectionError):  # a machine may have ended, and its stream with it
            super().run()
