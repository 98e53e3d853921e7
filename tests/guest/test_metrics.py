"""Metrics that match what the guest did: bytes, requests and exits, by the file and by HTTP."""

import json
import re
import signal
import unittest

from machine import device_machine, drive

MIB = 1 << 20
SECTION_KEYS = ("vcpu", "block", "block_data", "uart", "entropy", "interrupts", "ember")


class Metrics(unittest.TestCase):
    """One guest with a data disk, /dev/vdb, that nobody but the test touches."""

    @classmethod
    def setUpClass(cls):
        cls.vm = device_machine()
        cls.addClassCleanup(cls.vm.close)
        data = cls.vm.directory / "data"
        data.write_bytes(bytes(8 * MIB))
        cls.vm.drives.append(drive(data, "data", root=False, cache_type="Writeback"))
        cls.path = cls.vm.directory / "metrics"
        cls.vm.devices += [("/metrics", {"metrics_path": str(cls.path), "emit_id": True,
                                         "properties": {"fleet": "test"}}),
                           ("/entropy", {})]
        cls.vm.start_agent()

    def lines(self):
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def flush(self):
        """What was counted since the line before."""
        self.vm.call("PUT", "/actions", {"action_type": "FlushMetrics"})
        return self.lines()[-1]

    def prometheus(self):
        """The samples of GET /metrics by name and label."""
        samples = re.findall(r"(?m)^(ember_\S+) (\d+)$", self.vm.api.get_metrics())
        return {name: int(value) for name, value in samples}

    def test_what_a_machine_does_is_told_where_a_test_waits_in_vain(self):
        self.vm.run_behind("reads", "until [ -e /tmp/enough ]; do "
                                    "dd if=/dev/vdb of=/dev/null bs=4k count=1 iflag=direct; done")
        with self.assertRaises(AssertionError) as raised:
            self.vm.expect("never printed", timeout=0)
        self.vm.run("touch /tmp/enough")
        self.vm.finish_behind("reads")
        for told in (r"health: \(200, .*'healthy': True", r'moves: .*vcpu_exit_mmio_write{id="0"} \+[1-9]',
                     r"threads: .*vcpu-0 [RS] ", r"load of the host: \("):
            self.assertRegex(str(raised.exception), told)

    def test_lines_name_the_machine_and_have_every_section(self):
        line = self.flush()
        self.assertEqual((line["id"], line["properties"]), ("anonymous-instance", {"fleet": "test"}))
        for key in SECTION_KEYS:
            self.assertIn(key, line)

    def test_a_disk_counts_what_the_guest_reads_and_writes(self):
        self.flush()
        before = self.prometheus()
        self.vm.run("dd if=/dev/zero of=/dev/vdb bs=64k count=32 oflag=direct 2>&1 && sync")
        self.vm.run("dd if=/dev/vdb of=/dev/null bs=4k count=256 iflag=direct 2>&1")
        line = self.flush()
        disk = line["block_data"]
        self.assertEqual((disk["write_bytes"], disk["write_count"]), (2 * MIB, 32))
        self.assertEqual((disk["read_bytes"], disk["read_count"]), (MIB, 256))
        self.assertGreater(disk["read_agg"]["sum_us"], 0)
        self.assertLessEqual(disk["read_agg"]["min_us"], disk["read_agg"]["max_us"])
        self.assertGreaterEqual(line["block"]["read_bytes"], MIB)
        self.assertGreater(line["interrupts"]["triggers"], 0)
        after = self.prometheus()
        name = 'ember_block_read_bytes{id="data"}'
        self.assertEqual(after[name] - before[name], MIB)

    def test_exits_and_the_console_are_counted(self):
        self.flush()
        self.vm.run("echo " + "x" * 100)
        line = self.flush()
        self.assertGreaterEqual(line["uart"]["write_count"], 100)
        # Each byte is an exit of its own.
        self.assertGreaterEqual(line["vcpu"]["exit_io_out"], line["uart"]["write_count"])
        self.assertGreater(line["vcpu"]["exit_io_out_agg"]["sum_us"], 0)
        self.assertEqual(line["vcpu"]["failures"], 0)

    def test_entropy_is_counted_by_the_byte(self):
        self.flush()
        self.vm.run("dd if=/dev/hwrng of=/dev/null bs=16 count=64 iflag=fullblock 2>&1")
        self.assertGreaterEqual(self.flush()["entropy"]["entropy_bytes"], 1024)

    def test_a_pause_is_timed_and_tells_the_guests_clock(self):
        self.vm.call("PATCH", "/vm", {"state": "Paused"})
        self.vm.call("PATCH", "/vm", {"state": "Resumed"})
        line = self.flush()
        self.assertGreater(line["latencies_us"]["pause_vm"], 0)
        self.assertEqual(line["vcpu"]["kvmclock_ctrl_fails"], 0)

    def test_z_the_last_line_comes_when_a_signal_ends_the_machine(self):
        self.flush()
        before = len(self.lines())
        self.vm.run("dd if=/dev/vdb of=/dev/null bs=4k count=3 iflag=direct 2>&1")
        self.vm.signal(signal.SIGTERM)
        self.vm.wait(128 + signal.SIGTERM)
        self.assertEqual(len(self.lines()), before + 1)
        self.assertEqual(self.lines()[-1]["block_data"]["read_count"], 3)
