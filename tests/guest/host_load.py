"""What a test does on the host again and again while a guest is under load."""

import threading


class HostLoad(threading.Thread):
    """Calls a function again and again until it is told to stop, and counts what it did not answer
    with False; what it raises is kept."""

    def __init__(self, name, work, stop):
        super().__init__(name=name)
        self.work, self.stop, self.error, self.rounds = work, stop, None, 0
        self.start()

    def run(self):
        try:
            while not self.stop.is_set():
                self.rounds += self.work() is not False
        except Exception as error:  # pylint: disable=broad-except
            self.error = error
