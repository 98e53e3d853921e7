"""A machine whose guest keeps every queue of every device busy (storm_guest.c), and the clients that make
the most of its host's side meanwhile."""

import contextlib
import os
import random
import re
import socket
import time

from life import Life, MIB, TIMEOUT
from live_process import of_each_thread

OK_STATUS = (200, 204)
SWAPPED = ("sync", "async", "own")
TIGHT = {"bandwidth": {"size": 4096, "refill_time": 50}, "ops": {"size": 4, "refill_time": 50}}
NO_LIMIT = {name: {"size": 0, "refill_time": 0} for name in TIGHT}
# As storm_guest.c writes them.
LINE = re.compile(rb"(?m)^#([0-9a-f]{8})\.{38}$")
ECHO_PORT = 7
# How long the VMM waits for a guest to take a stream.
PATIENCE_SECONDS = 2
WHILE_SAMPLES = 50


class Storm(Life):
    """The machine, and one round of what each client does, by load_name()."""

    def __init__(self, kernel, directory, stop):
        super().__init__(kernel, directory, vmm_args=("--show-level",))
        self.stop = stop
        self.reports = self.turns = 0
        self.slowest = (0.0, None)
        self.change("/balloon", free_page_hinting=True, free_page_reporting=True)
        self.change("/console", ports=[self.port("a", is_console=True), self.port("b", log_bytes=0)])
        for name in SWAPPED:
            os.link(self.files / name, self.files / f"{name}.link")

    def change(self, path, **more):
        dict(self.devices)[path].update(more)

    def port(self, name, **more):
        return {"id": name, "socket_path": str(self.files / name), **more}

    def request(self, method, path, body=None):
        began = time.monotonic()
        try:
            return super().request(method, path, body)
        finally:
            self.slowest = max(self.slowest, (time.monotonic() - began, f"{method} {path}"))

    def said(self):
        """What the guest said, in which there is no complaint."""
        said = self.console()
        assert "BAD" not in said, f"{said[said.index('BAD'):][:2000]}\n{self.log()[-2000:]}"
        return said

    def chains(self):
        """How many chains of each queue came back to the guest by now: (device, type, queue) → number."""
        self.reports += 1
        self.type(b"r")
        self.expect(rf"(?m)^report {self.reports}\n", TIMEOUT)
        told = self.said().split(f"report {self.reports}\n")[0].rpartition("report ")[2]
        return {(int(device), int(kind), int(queue)): int(count) for device, kind, queue, count in
                re.findall(r"(?m)^back (\d+) (\d+) (\d+) (\d+)$", told)}

    def residue(self):
        """The memory, the descriptors and the threads that the VMM has for itself."""
        return self.own_memory_kib(), self.most_descriptors(), self.thread_count()

    def most_descriptors(self):
        """In a while in which the guest had all of its own streams open at once: they end and begin."""
        most = 0
        for _ in range(WHILE_SAMPLES):
            most = max(most, self.descriptors())
            time.sleep(0.01)
        return most

    def descriptors_without_clients(self):
        """Before the first client has come. Those who asked for the start may still be on their way out."""
        return min(self.most_descriptors() for _ in range(4))

    def thread_count(self):
        """Without the kernel's threads of io_uring, which come and go."""
        return sum(not name.startswith("iou-") for _, name in of_each_thread(self.process.pid, "comm"))

    def settled_residue(self, descriptors):
        """The same once it has let go of all clients, and has as many descriptors as without any. What
        a flood left, the guest reads first."""
        deadline = time.monotonic() + TIMEOUT
        while (now := self.residue())[1] != descriptors and time.monotonic() < deadline:
            pass
        return now

    def failures(self):
        """The metrics that count failures, and do not stand at zero."""
        return re.findall(r"(?m)^(ember_\S*(?:fails|failures|killed|refused|breaches)\S* [1-9]\d*)$",
                          self.request("GET", "/metrics")[1])

    def loads(self):
        """name → function; each does one round."""
        return {name[len("load_"):]: getattr(self, name) for name in dir(self) if name.startswith("load_")}

    def turn(self, wait=0.05):
        """The next of many turns, which are all different, after a moment."""
        self.stop.wait(wait)
        self.turns += 1
        return self.turns

    def load_files(self):
        for name in SWAPPED:
            turn = self.turn()
            os.truncate(self.files / name, (4 + turn % 3) * MIB)
            path = self.files / (f"{name}.link" if turn // 3 % 2 else name)
            self.call("PATCH", f"/drives/{name}", {"drive_id": name, "path_on_host": str(path)})

    def load_limits(self):
        for limit in (TIGHT, NO_LIMIT):
            for name in (*SWAPPED, "base"):
                self.call("PATCH", f"/drives/{name}", {"drive_id": name, "rate_limiter": limit})
            for name in ("n", "o"):
                self.call("PATCH", f"/network-interfaces/{name}", {
                    "iface_id": name, "rx_rate_limiter": limit, "tx_rate_limiter": limit})
            # A flush counts as the whole file.
            flushes = {**limit, "bandwidth": NO_LIMIT["bandwidth"]}
            self.call("PATCH", "/pmem/p", {"id": "p", "rate_limiter": flushes})
            self.turn(0.2)

    def load_balloon(self):
        self.call("PATCH", "/balloon", {"amount_mib": self.turn(0.1) % 9})
        self.call("PATCH", "/balloon/hinting/start", {"acknowledge_on_stop": bool(self.turn() % 2)})
        self.call("PATCH", "/balloon/statistics", {"stats_polling_interval_s": 1 + self.turn() % 2})
        status, told = self.request("GET", "/balloon/statistics")
        assert status == 200 and told["actual_mib"] <= 32, told
        self.call("PATCH", "/balloon/hinting/stop", None)

    def load_hotplug(self):
        self.call("PATCH", "/hotplug/memory", {"requested_size_mib": 2 * (self.turn(0.2) * 5 % 9)})

    def load_questions(self):
        self.turn(0.1)
        for path in ("/", "/version", "/vm/config", "/machine-config", "/metrics", "/memory", "/health",
                     "/balloon", "/hotplug/memory", "/mmds"):
            status, answer = self.request("GET", path)
            assert status in OK_STATUS, f"{path}: {status} {answer}"
        assert self.request("PUT", "/balloon", {"no": "balloon"})[0] == 400

    def load_pauses(self):
        self.turn(0.5)
        self.call("PATCH", "/vm", {"state": "Paused"})
        self.turn()
        self.call("PATCH", "/vm", {"state": "Resumed"})

    def load_metrics(self):
        self.turn(1)
        self.call("PUT", "/actions", {"action_type": "FlushMetrics"})

    def load_followers(self):
        for path in ("/events", "/log?follow=true"):
            with self.client("", self.socket_path) as client:
                client.sendall(f"GET {path} HTTP/1.1\r\n\r\n".encode())
                assert client.recv(4096).startswith(b"HTTP/1.1 200")
                self.turn(0.2)

    def client(self, name, path=None):
        """A connection to one of the machine's sockets."""
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(TIMEOUT)
        client.connect(path or str(self.files / name))
        return client

    def load_terminal(self):
        """Has the guest answer, and reads all of its lines in the meantime."""
        seen = b""
        with self.client("a") as client:
            try:
                for _ in range(5):
                    seen += self.ask_guest(client, b"%016x\n" % random.getrandbits(64))
                    self.turn()
            except ConnectionError:
                assert not seen, "a terminal is disconnected"
                return False  # no place: see load_flood()
        counts = [int(count, 16) for count in LINE.findall(seen.partition(b"\n")[2])]
        assert counts == list(range(counts[0], counts[0] + len(counts))), "lines are lost"
        return True

    def ask_guest(self, client, word):
        """What the guest says until it has answered, in which it does."""
        seen = b""
        client.sendall(b"?" + word)
        deadline = time.monotonic() + TIMEOUT
        while b"!" + word not in seen:
            more = client.recv(65536)
            if not more and not seen:
                raise ConnectionError
            assert more and time.monotonic() < deadline, f"no answer in {seen[-300:]}"
            seen += more
        return seen

    def load_sizes(self):
        with self.client("a.ctl") as client, contextlib.suppress(ConnectionError):
            for _ in range(5):
                client.sendall(b"resize %d %d\n" % (80 + self.turn() % 100, 24 + self.turns % 50))
                answer = client.recv(64)
                if not answer:
                    return False  # no place: see load_flood()
                assert answer == b"ok\n", answer
        return True

    def load_idle_readers(self):
        """Clients that attach, read nothing and detach."""
        with contextlib.ExitStack() as clients:
            for name in ("a", "b"):
                clients.enter_context(self.client(name))
            self.turn(0.2)

    def load_flood(self):
        """There may be no place for it: a port takes so many clients, and those that are gone count
        until a VMM that was starved has seen it."""
        self.turn()
        with self.client("b") as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            client.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                for _ in range(20):
                    try:
                        client.sendall(b"x" * 4096)
                    except ConnectionError:
                        return False
        return True

    def load_streams(self):
        """What the guest is sent comes back, and then the end."""
        self.turn()
        client = self.connect()
        if client is None:
            return False
        with client:
            sent = random.randbytes(2000 + self.turns % 1000)
            for begin in (0, 1500):
                client.sendall(sent[begin:begin + 1500])
            client.shutdown(socket.SHUT_WR)
            with client.makefile("rb") as answers:
                assert answers.read() == sent, "other bytes come back"
        return True

    def load_rude_streams(self):
        """Clients that leave with much on its way, or never say a sensible word."""
        if client := self.connect():
            with client:
                client.sendall(bytes(5000))
                client.recv(1)
        for words in (b"rubbish\n", b"CONNECT", b""):
            with self.client("v") as client:
                client.sendall(words)
        self.turn()

    def connect(self):
        """A stream to the guest, or None where it was starved for longer than the VMM has patience."""
        began = time.monotonic()
        client = self.client("v")
        client.sendall(b"CONNECT %d\n" % ECHO_PORT)
        answer = b""
        while not answer.endswith(b"\n"):
            byte = client.recv(1)
            if not byte:
                client.close()
                waited = time.monotonic() - began
                assert waited > PATIENCE_SECONDS, f"the guest takes no stream after {waited:.3f} s"
                return None
            answer += byte
        assert answer.startswith(b"OK "), answer
        return client
