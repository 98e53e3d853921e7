"""Forks as acts: the process whose calls fail is the machine that is forked, or the clone."""

import contextlib
import os

from faulted_life import Finding, HANGS, machine

ENTROPY = ("/entropy", {})
TRIES = 3


def whole(kernel):
    """A process of which no call fails."""
    os.environ.pop("EMBER_FAULT_RECORD", None)  # FaultedLife.launch() sets its own
    return machine.Machine(kernel, memory_mib=64, devices=[ENTROPY])


def fork_into(ask, vm, clone):
    """Has one process forked into another until that has a machine. `vm` is that whose call fails: where
    one did, a fork may fail, but not again, unless the one before is still under way."""
    for _ in range(TRIES):
        status, answer = None, None
        with vm.doing("fork"):
            status, answer = ask("PUT", "/fork", {"clones": [{"socket_path": clone.socket_path}]})
        if status == 200 and "error" not in answer["clones"][0]:
            return
        if not vm.failed():
            raise Finding(f"a fork fails with no call failing: {answer}")
        if state_of(clone) != "Not started":  # and the answer got lost
            return
    raise Finding(f"a fork fails again: {answer}")


def state_of(vm):
    return vm.request("GET", "/")[1]["state"]


def fork(vm):
    """Twice, by its own memory and by a copy, each time into a process of its own; then it goes on."""
    vm.drives, vm.devices = [], [ENTROPY]
    vm.machine["forkable"] = True
    kernel = vm.boot_source["kernel_image_path"]
    with contextlib.ExitStack() as ends:
        clones = [ends.enter_context(whole(kernel)).launch() for _ in range(2)]
        vm.start()
        vm.expect_round(1)
        for clone in clones:
            fork_into(vm.ask, vm, clone)
        if vm.failed():
            vm.call("PATCH", "/vm", {"state": "Resumed"})  # what may have failed
        for clone in clones:
            if state_of(clone) == "Running":
                clone.process.stdin.write(b"g")
                clone.process.stdin.flush()
                clone.expect("round 2 of", HANGS)
        live_on(vm)


def live_on(vm):
    vm.type(b"g")
    vm.expect_round(2)
    vm.type(b"q")
    vm.wait(0)


def take(vm):
    """The machine of another process, which forks it into this one."""
    with whole(vm.boot_source["kernel_image_path"]) as parent:
        parent.start()
        parent.expect("round 1 of", HANGS)
        vm.drives, vm.devices = [], []
        vm.launch()
        fork_into(parent.request, vm, vm)
        live_on(vm)
