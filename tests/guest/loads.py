"""Work for a guest on all its devices at once, which finds out by itself whether what it reads is what it
wrote. Each load goes on, round after round, until it is told that it is enough, with rests between, that an
emulated processor gets on with all of them."""

import contextlib
import subprocess

from machine import drive
from network import Iperf, Tap
from pattern import pattern
from streams import Answering, summary_of
from test_block import MIB, fio, sparse

PORT = 5300  # of vsock and TCP streams
STREAM_BYTES = 100000
DISK = "/sys/block/vdb/stat"
FIRST_LINE, LINE_BYTES, LINES = 10000000, 9, 100
MOST_TWICE = 4096  # bytes of the console's that two processes may both have written

# Until each file's first line is another than it was, or a load has ended. Few programs are started for it.
GO_ON = ('set --; for file in {files}; do until read line < $file; do usleep 100000; done; '
         'set -- "$@" "$line"; done; '
         'for file in {files}; do until read line < $file && [ "$line" != "$1" ]; do '
         '[ ! -e /tmp/failed ] || {{ tail -n 5 /tmp/*.out; exit 1; }}; usleep 100000; done; shift; done')


class Loads(contextlib.ExitStack):
    """Those of one guest, which may go on in one process after the other."""

    SOCKETS = ("vsock", "hvc0", "hvc0.ctl")  # of the machine's

    def __init__(self, directory):
        super().__init__()
        self.directory = directory
        self.lines = directory / "console"
        self.stream_end = 0

    def describe(self, vm):
        """Gives the machine what the loads are on. Before its start."""
        self.tap = Tap("snap0", "192.168.70.0/24")
        self.callback(self.tap.remove)
        self.enter_context(Iperf())
        self.enter_context(contextlib.closing(Answering.at_port(PORT)))
        self.enter_context(contextlib.closing(Answering.at_path(self.directory / f"vsock_{PORT}")))
        self.disk = sparse(self.directory / "disk", 8 * MIB)
        self.lines.touch()
        vm.drives.append(drive(self.disk, "data", root=False, cache_type="Writeback"))
        vm.devices += [
            ("/entropy", {}), ("/balloon", {"amount_mib": 0, "deflate_on_oom": True}),
            ("/vsock", {"guest_cid": 3, "uds_path": str(self.directory / "vsock")}),
            ("/network-interfaces/tap", {"iface_id": "tap", "host_dev_name": self.tap.name}),
            ("/console", {"ports": [{"id": "console", "socket_path": str(self.directory / "hvc0"),
                                     "output_path": str(self.lines), "is_console": True}]})]

    def rounds(self):
        """What each load does in its round `n`."""
        answer = summary_of(pattern(7, STREAM_BYTES))
        # Its server closes its listening socket after each test, and with it a connection that has come
        # already, on which the client then cannot send its cookie: once more.
        iperf = f"iperf3 -c {self.tap.host} -t 2 -b 4M > /tmp/iperf 2>&1"
        return {
            # All in one round: fio takes long to begin. 128 is what it ends with when it is told to.
            "disk": " ".join(self.fio("/dev/vdb", "--verify_backlog=64", "--time_based", "--runtime=100000",
                                      "--thinktime=20000", "--thinktime_blocks=16")) + "; [ $? = 128 ]",
            "memory": "memory_check 10 4 $n",
            "network": f"{{ {iperf} || {{ grep -q cookie /tmp/iperf && usleep 500000 && {iperf}; }} || "
                       "{ cat /tmp/iperf; false; }; } && "
                       f"[ \"$(pattern 7 {STREAM_BYTES} | nc {self.tap.host} {PORT})\" = '{answer}' ]",
            # A stream breaks where the machine is restored; none may bring other bytes.
            "vsock": f"said=$(vsock send 2 {PORT} $n {STREAM_BYTES}) || continue; "
                     "[ $(echo \"$said\" | sort -u | wc -l) = 1 ]",
            "console": f"seq $(({FIRST_LINE - LINES} + n * {LINES})) $(({FIRST_LINE - 1} + n * {LINES})) >&3",
        }

    @staticmethod
    def fio(device, *more):
        return fio(device, "--size=8m", *more)

    def start(self, vm):
        # The libraries of fio ask for far more memory than they use.
        vm.run(f"ip addr add {self.tap.guest_cidr} dev eth0; ip link set eth0 up; "
               "echo 1 > /proc/sys/vm/overcommit_memory")
        for name, work in self.rounds().items():
            if name == "memory":
                self.wait_for(vm, DISK)  # fio begins with much to read
            before = "exec 3<> /dev/hvc0; stty raw -echo <&3; " if name == "console" else ""
            vm.run_behind(name, f"({before}n=0; until [ -e /tmp/enough ]; do n=$((n + 1)); {work} || "
                                f"{{ touch /tmp/failed; exit 1; }}; echo $n > /tmp/{name}.rounds; "
                                "usleep 100000; done)")

    def go_on(self, vm):
        """Waits until each has got on."""
        self.wait_for(vm, DISK, "/sys/class/net/eth0/statistics/rx_packets",
                      *(f"/tmp/{name}.rounds" for name in ("memory", "vsock", "console")))

    @staticmethod
    def wait_for(vm, *files):
        vm.run(GO_ON.format(files=" ".join(files)))

    def check_console(self):
        """What a process has written, in a file that it emptied first, follows what the one before it had: no
        byte is missing, and twice are only some of the last, of which the machine did not know that they
        are written as it was saved."""
        said = self.lines.read_bytes()
        assert len(said) > 2 * LINE_BYTES, f"only {said!r} came to the console"
        first_end = said.index(b"\n") + 1
        number = int(said[first_end:first_end + LINE_BYTES])
        start = (number - FIRST_LINE) * LINE_BYTES - first_end
        count = len(said) // LINE_BYTES + 2
        lines = b"".join(b"%d\n" % (number - 1 + index) for index in range(count))
        assert said == lines[LINE_BYTES - first_end:][:len(said)], "other lines than were written"
        assert self.stream_end - MOST_TWICE <= start <= self.stream_end, f"{start} after {self.stream_end}"
        self.stream_end = start + len(said)

    def finish(self, vm):
        """All end as they should, and the host finds on the disk what the guest wrote last."""
        vm.run("touch /tmp/enough; killall -INT fio")
        for name in self.rounds():
            vm.finish_behind(name)
        vm.run(" ".join(self.fio("/dev/vdb")))
        vm.power_off()
        self.check_console()
        done = subprocess.run(self.fio(self.disk, "--verify_only"), capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done.stdout + done.stderr
