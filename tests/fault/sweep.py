"""Which calls can fail in which act, and what comes of one that does."""

import contextlib
import random
import re
import time
from collections import namedtuple
from pathlib import Path

import acts
import errors
from faulted_life import Ended, FaultedLife, Finding, Starved
from record import Fault, Record

ABORT = -6
TRIES = 4

# A call to fail: of which act and site, which of its calls, with what, and the call that fails before, if
# one must.
Attempt = namedtuple("Attempt", "act site number action before")
# Whether the call was made and failed, in a life that could be judged; and what must not have come of it,
# as a text, or None.
Outcome = namedtuple("Outcome", "attempt failed finding")
# Where a site was reached.
Found = namedtuple("Found", "act site before")


class Sweep:
    """Lives without a failure first, for what there is to fail; then as many as are asked for with one.
    `sites` are the program's (fault_sites.py), by offset."""

    def __init__(self, kernel, directory, sites, seed):
        self.kernel, self.directory, self.sites = kernel, Path(directory), sites
        self.random = random.Random(seed)
        self.usual = {}
        self.reached = {}  # by act and key

    def live(self, folder, act, record, usual, failing=()):
        """One act in one process, with its files in this folder; raises what must not be. A call in the
        functions `failing` is to fail."""
        files = self.directory / folder
        files.mkdir(exist_ok=True)
        with FaultedLife(self.kernel, files, record, usual) as vm:
            if errors.ABORTS.intersection(failing):
                vm.ends_with = vm.ends_with | {ABORT}
            vm.lasting = bool(errors.LASTING.intersection(failing))
            try:
                vm.begin()
                act(vm)
            except Ended:
                pass
            vm.judge_end()
        return vm

    def new_record(self):
        return Record(self.directory / "record")

    def record(self):
        for act in acts.ACTS:
            for before in acts.BEFORE.get(act, []):
                self.live(act, before, self.new_record(), {})
            record = self.new_record()
            self.usual[act] = self.live(act, acts.ACTS[act], record, {}).took
            self.note(act, record, None)
        for call, function, action in errors.BEFORE_OTHERS:
            found = next((found for found in self.reached.values() if found.site.name == call and
                          function in self.sites[found.site.at].functions), None)
            if found is None:
                continue
            record = self.new_record()
            before = Fault(found.site.key, 1, errors.number_of(action))
            record.plan(before)
            with contextlib.suppress(Finding):  # that of the sweep itself
                self.live(found.act, acts.ACTS[found.act], record, self.usual[found.act])
            self.note(found.act, record, before)

    def note(self, act, record, before):
        for site in record.reached():
            self.reached.setdefault((act, site.key), Found(act, site, before))

    def attempts(self):
        """In orders of chance: first those of each call in one act, then the same in the others."""
        once, again, seen = [], [], set()
        for found in self.reached.values():
            (again if found.site.key in seen else once).extend(self.attempts_of(found))
            seen.add(found.site.key)
        self.random.shuffle(once)
        self.random.shuffle(again)
        return once + again

    def attempts_of(self, found):
        """One with each error, of the first call and of another."""
        site = found.site
        for action in errors.plausible(site, self.sites[site.at].functions):
            yield Attempt(found.act, site, 1, action, found.before)
            if site.calls > 1:
                yield Attempt(found.act, site, self.random.randint(2, site.calls), action, found.before)

    def make(self, attempt):
        """Time is measured again where it was too much, for others may have had the processors."""
        fault = Fault(attempt.site.key, attempt.number, attempt.action)
        faults = [attempt.before, fault] if attempt.before else [fault]
        for _ in range(TRIES):
            record = self.new_record()
            record.plan(*faults)
            finding, starved = self.finding(attempt, record)
            if not starved and (finding is None or not re.match(r"slow|.* hangs$", finding, re.MULTILINE)):
                break
        return Outcome(attempt, record.failed(len(faults) - 1) and not starved, finding)

    def finding(self, attempt, record):
        """What was found, and whether time tells nothing."""
        try:
            vm = self.live(attempt.act, acts.ACTS[attempt.act], record, self.usual[attempt.act],
                           self.sites[attempt.site.at].functions)
            if vm.saved_as_call_failed:
                self.live(attempt.act, acts.load, self.new_record(), self.usual["load"])
        except Finding as found:
            return str(found), False
        except Starved:
            return None, True
        return None, vm.starved

    def run(self, attempts, seconds):
        """The outcome of each, of as many as there is time for."""
        deadline = None if seconds is None else time.monotonic() + seconds
        for attempt in attempts:
            if deadline and time.monotonic() > deadline:
                return
            yield self.make(attempt)
