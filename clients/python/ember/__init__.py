"""Drives ember-vmm: a process is a machine.

    with Machine(kernel="vmlinux", boot_args="console=ttyS0") as vm:
        vm.start()
        vm.wait_console("login:")
"""

from .console import Console
from .errors import ApiError, EmberError, MachineEnded, WaitTimeout
from .machine import Machine
from .requests import Requests
from .transport import Response, Transport
from .vmm import Vmm

__all__ = ["ApiError", "Console", "EmberError", "Machine", "MachineEnded", "Requests", "Response",
           "Transport", "Vmm", "WaitTimeout"]
