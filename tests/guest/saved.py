"""Machines that are saved, and go on in other processes."""

import subprocess
import tempfile
from pathlib import Path

import machine
from machine import Machine


def merge(state, diff, memory):
    """Makes of a snapshot's memory that of the diff that followed it."""
    program = Path(machine.VMM).resolve().parents[1] / "ember-snapshot/ember-snapshot"
    subprocess.run([program, "merge", "--diff-state", state, "--diff-memory", diff,
                    "--base-memory", memory, "--out", memory], check=True, stdout=subprocess.DEVNULL)


class Restored(Machine):
    """A machine that another process has saved; `changes` is what is to be other than it was."""

    def __init__(self, saved, files, **changes):
        super().__init__(saved.boot_source["kernel_image_path"])
        self.commands = saved.commands
        self.drives, self.devices = saved.drives, saved.devices  # that the snapshot names
        self.named_later, self.processors = [files.state, files.memory], saved.processors
        self.launch()
        self.api.put_snapshot_load(
            snapshot_path=str(files.state), resume_vm=True, track_dirty_pages=True,
            mem_backend={"backend_type": "File", "backend_path": str(files.memory)}, **changes)


class Files:
    """Those of a machine's snapshot, in a directory of their own that outlives its processes."""

    def __init__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="ember-saved.")
        self.directory = Path(self.holder.name)
        self.state, self.memory = self.directory / "state", self.directory / "memory"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.holder.cleanup()

    def save(self, vm, kind="Full"):
        """The machine is in `state` and `memory` afterwards, and stays paused."""
        memory = self.memory if kind == "Full" else self.directory / "diff"
        vm.api.patch_vm(state="Paused")
        vm.api.put_snapshot_create(snapshot_path=str(self.state), snapshot_type=kind,
                                   mem_file_path=str(memory))
        if kind == "Diff":
            merge(self.state, memory, self.memory)

    def end(self, vm, *sockets):
        """Kills its process, which leaves its sockets."""
        vm.close()
        for name in sockets:
            (self.directory / name).unlink(missing_ok=True)


class Losses:
    """Guests that the emulated processor has lost, of those that a class of tests has: `most`, or one."""

    def __init__(self, most):
        self.most, self.lost = max(1, most), 0

    def may_be(self, vm, name):
        """Whether a machine that has ended was lost, and is one that may be."""
        if not vm.was_lost() or self.lost == self.most:
            return False
        self.lost += 1
        print(f"  {name} lost its guest, {self.lost} of {self.most}\n{vm.log()}", flush=True)
        vm.close()
        return True
