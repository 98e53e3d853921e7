"""Drives ember-vmm over its control API."""

from .errors import ApiError, EmberError, MachineEnded, WaitTimeout
from .transport import Response, Transport

__all__ = ["ApiError", "EmberError", "MachineEnded", "Response", "Transport", "WaitTimeout"]
