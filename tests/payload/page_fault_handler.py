"""A page-fault handler for restored machines, as anybody can write one: takes the message of a VMM that
connects, and delivers its memory page by page out of a snapshot's memory file."""

import contextlib
import ctypes
import errno
import fcntl
import json
import mmap
import os
import select
import socket
import struct
import threading

# Of <linux/userfaultfd.h>.
UFFDIO_COPY = 0xc028aa03
UFFDIO_ZEROPAGE = 0xc020aa04
EVENT_PAGEFAULT = 0x12
EVENT_REMOVE = 0x15
MESSAGE_BYTES = 32


class Handler:
    """Listens at a path, and serves each machine that connects on a thread, until it is closed."""

    def __init__(self, path, memory_path):
        self.pieces = []     # of the last message
        self.delivered = 0   # pages, of bytes or of zeros
        self.removed = []    # ranges, as offsets in the memory file
        self.ended = threading.Event()
        self.kept = None     # the last descriptor once more, until the handler's end
        with open(memory_path, "rb") as file:
            # Private, and so an address of bytes that may be written to, which ctypes wants.
            self.memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.stop_reader, self.stop_writer = os.pipe()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.settimeout(None)  # one that has a time to wait is not told of a shutdown
        self.listener.bind(str(path))
        self.listener.listen()
        self.threads = []
        self.run(self.accept)

    def __enter__(self):
        return self

    def run(self, task, *arguments):
        self.threads.append(threading.Thread(target=task, args=arguments))
        self.threads[-1].start()

    def __exit__(self, *_):
        self.stop()
        os.close(self.stop_reader)
        os.close(self.stop_writer)
        if self.kept is not None:
            os.close(self.kept)

    def stop(self):
        """Delivers nothing any more. As if it had died, but for the descriptor that it keeps."""
        with contextlib.suppress(OSError):  # stopped before
            self.listener.shutdown(socket.SHUT_RDWR)
        os.write(self.stop_writer, b"x")
        for thread in self.threads:
            thread.join()
        self.listener.close()
        self.threads = []
        os.read(self.stop_reader, 1)

    def go_on(self):
        """Delivers again, by the descriptor that it kept."""
        self.run(self.deliver, self.kept)

    def accept(self):
        while True:
            try:
                machine, _ = self.listener.accept()
            except OSError:
                return
            self.run(self.serve, machine)

    def serve(self, machine):
        with machine:
            text, descriptors, _, _ = socket.recv_fds(machine, 65536, 4)
            if not text.endswith(b"]"):  # who connected has failed, and is gone
                for fd in descriptors:
                    os.close(fd)
                return
            self.pieces = json.loads(text)
            assert len(descriptors) == 1, descriptors
            self.kept = os.dup(descriptors[0])
            try:
                self.deliver(descriptors[0], machine.fileno())
            finally:
                os.close(descriptors[0])
                self.ended.set()

    def deliver(self, faults, *machine):
        gone = set()
        ends = {*machine, self.stop_reader}
        poll = select.poll()
        for fd in (faults, *ends):
            poll.register(fd, select.POLLIN)
        asked = []  # pages that could not be delivered while others were being removed
        while True:
            ready = {fd for fd, _ in poll.poll(1 if asked else None)}
            if ready & ends:
                return
            asked += self.read_events(faults, gone)
            asked = [page for page in asked if not self.deliver_page(faults, page, gone)]

    def read_events(self, faults, gone):
        """The pages that are asked for; what was given back is from then on in `gone`."""
        asked = []
        with contextlib.suppress(BlockingIOError):
            while True:
                message = os.read(faults, MESSAGE_BYTES)
                if message[0] == EVENT_PAGEFAULT:
                    asked.append(struct.unpack_from("<Q", message, 16)[0])
                elif message[0] == EVENT_REMOVE:
                    start, end = struct.unpack_from("<QQ", message, 8)
                    piece = self.piece_of(start)
                    gone.update(range(start, end, piece["page_size"]))
                    offset = piece["offset"] - piece["base_host_virt_addr"]
                    self.removed.append((start + offset, end + offset))
        return asked

    def piece_of(self, address):
        return next(each for each in self.pieces if
                    0 <= address - each["base_host_virt_addr"] < each["size"])

    def deliver_page(self, faults, address, gone):
        """False if it has to be tried again, once more events were read."""
        piece = self.piece_of(address)
        size = piece["page_size"]
        page = address // size * size
        source = self.base + piece["offset"] + page - piece["base_host_virt_addr"]
        try:
            if page in gone:
                fcntl.ioctl(faults, UFFDIO_ZEROPAGE, bytearray(struct.pack("<QQQq", page, size, 0, 0)))
            else:
                fcntl.ioctl(faults, UFFDIO_COPY, bytearray(struct.pack("<QQQQq", page, source, size, 0, 0)))
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return False
            if error.errno not in (errno.EEXIST, errno.ESRCH):  # there already; the machine is gone
                raise
        else:
            self.delivered += 1
        return True
