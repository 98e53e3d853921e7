"""What can go wrong."""


class EmberError(Exception):
    """Anything that this package raises of its own."""


class ApiError(EmberError):
    """The server refused a request: nothing was changed."""

    def __init__(self, method: str, path: str, status: int, message: str) -> None:
        super().__init__(f"{method} {path}: {status}: {message}")
        self.status = status
        self.message = message
        """The server's fault_message, or its error."""


class MachineEnded(EmberError):
    """The process has ended, and what was waited for can no longer come."""

    def __init__(self, message: str, exit_code: int | None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class WaitTimeout(EmberError, TimeoutError):
    """What was waited for has not come in time."""
