"""A machine: a process that is told what it is to be."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from .types import Drive
from .vmm import Vmm

Path = str | os.PathLike[str]


class Machine(Vmm):
    """Within `with`, a machine that is described and can be started.

        with Machine(kernel="vmlinux", boot_args="console=ttyS0", memory_mib=256) as vm:
            vm.start()
            vm.wait_console("login:")

    What has no parameter here is set through `api` before start().
    """

    def __init__(self, kernel: Path, *, initrd: Path | None = None, boot_args: str | None = None,
                 vcpus: int = 1, memory_mib: int = 128, drives: Iterable[Drive] = (),
                 program: Path = "ember-vmm", arguments: Sequence[str] = ()) -> None:
        super().__init__(program, arguments)
        self.kernel = os.fspath(kernel)
        self.initrd = None if initrd is None else os.fspath(initrd)
        self.boot_args = boot_args
        self.vcpus = vcpus
        self.memory_mib = memory_mib
        self.drives = list(drives)

    def launch(self) -> None:
        """Starts the process and describes the machine."""
        super().launch()
        self.api.put_machine_config(vcpu_count=self.vcpus, mem_size_mib=self.memory_mib)
        self.api.put_boot_source(kernel_image_path=self.kernel, initrd_path=self.initrd,
                                 boot_args=self.boot_args)
        for drive in self.drives:
            self.api.put_drives(**drive)

    def start(self) -> None:
        """Boots the guest."""
        self.api.put_actions(action_type="InstanceStart")

    def pause(self) -> None:
        """Stops the guest where it is."""
        self.api.patch_vm(state="Paused")

    def resume(self) -> None:
        """Lets the guest go on."""
        self.api.patch_vm(state="Resumed")

    def save(self, state: Path, memory: Path) -> None:
        """Writes a snapshot of the paused machine, for restore() of a process without a machine."""
        self.api.put_snapshot_create(snapshot_path=os.fspath(state), mem_file_path=os.fspath(memory))
