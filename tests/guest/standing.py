"""What a machine does that does not get on: for the messages of tests that waited in vain."""

import os
import re
import time

from live_process import of_each_thread

SECONDS = 2.0  # between two looks at what is counted
MOST_MOVES = 40


def counted(vm):
    """The samples of GET /metrics."""
    status, text = vm.request("GET", "/metrics")
    assert status == 200, text
    return {name: int(value) for name, value in re.findall(r"(?m)^(ember_\S+) (\d+)$", text)}


def moves(vm):
    """What was counted in the meantime: whether vCPUs exit, and whose queues go on."""
    before = counted(vm)
    time.sleep(SECONDS)
    moved = [f"{name.removeprefix('ember_')} +{value - before.get(name, 0)}"
             for name, value in counted(vm).items() if value != before.get(name)]
    return f"{', '.join(moved[:MOST_MOVES]) or 'nothing'} in {SECONDS} s"


def threads(vm):
    """Each one's name, state and ticks of processor time, and where in the kernel it waits."""
    places, told = dict(of_each_thread(vm.process.pid, "wchan")), []
    for number, stat in of_each_thread(vm.process.pid, "stat"):
        name, _, rest = stat.partition("(")[2].rpartition(") ")
        fields = rest.split()
        told.append(f"{name} {fields[0]} {fields[11]}+{fields[12]} {places.get(number)}")
    return "; ".join(told)


def standing(vm):
    """Health, counters that move, threads, and how busy the host is; of what cannot be told, why."""
    told = ["--- standing"]
    for name, ask in (("health", lambda: vm.request("GET", "/health")), ("moves", lambda: moves(vm)),
                      ("threads", lambda: threads(vm)), ("load of the host", os.getloadavg)):
        try:
            told.append(f"{name}: {ask()}")
        except Exception as error:  # pylint: disable=broad-except  # of a machine that may be in any state
            told.append(f"{name}: {error!r}")
    return "\n" + "\n".join(told)
