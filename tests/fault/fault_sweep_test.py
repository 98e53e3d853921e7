"""fault_sweep_test.py VMM_WITH_FAULTS: one call of ember-vmm fails, on this machine's KVM.

Of each place from which the VMM asks something of the kernel, and who called it, one call fails with
each error it plausibly can, or moves fewer bytes: while a machine boots, works, is changed, saved,
loaded, reset and ended. The process must not crash, nothing may hang, and what was told to have been
done must have been. A share each time, of a seed that is printed; EMBER_LONG_TESTS makes it all,
and goes on where it was stopped with that seed and program (attempts.py); EMBER_FAULT_PART=1/2 makes
the first half of it, beside which another process may make the second.
EMBER_FAULT_SEED repeats a share; EMBER_FAULT_ONLY is a regular expression for calls and functions.
Writes fault_sites.json beside the JUnit XML, which goes where GTEST_OUTPUT says.
"""

import json
import os
import random
import re
import socket
import sys
import tempfile
import time
import unittest
from pathlib import Path

import acts
import errors
import fault_sites
import faulted_life
import run
from attempts import History, Names
from life import compile_guest, machine
from sweep import Sweep

HERE = Path(__file__).resolve().parent
SECONDS = None if os.environ.get("EMBER_LONG_TESTS") else 30
SEED = int(os.environ.get("EMBER_FAULT_SEED", random.randrange(1 << 32)))
RESULTS = Path(os.environ.get("EMBER_RESULTS_DIR", "."))
# Of the guest with its devices: a twentieth of what it otherwise has.
PATIENCE = "-DPATIENCE=60000u"
PART, PARTS = (int(number) for number in os.environ.get("EMBER_FAULT_PART", "1/1").split("/"))
TOLD_EVERY = 50  # attempts
ONLY = re.compile(os.environ.get("EMBER_FAULT_ONLY", ""))


class FaultSweep(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        shared = tempfile.TemporaryDirectory()
        cls.addClassCleanup(shared.cleanup)
        cls.sites = fault_sites.sites_of(machine.VMM)
        cls.reasons = fault_sites.listed(HERE / "unreached_sites.txt")
        cls.sweep = Sweep(compile_guest(shared.name, options=(PATIENCE,)), shared.name, cls.sites, SEED)
        cls.sweep.record()
        cls.reached = {found.site.at for found in cls.sweep.reached.values()}

    def describe(self, attempt):
        site = self.sites[attempt.site.at]
        return (f"{attempt.act}: call {attempt.number} of {attempt.site.calls} of {site.call} "
                f"{attempt.site.detail:#x} in {site.functions[0]} ({site.line}): "
                f"{errors.name_of(attempt.action)}; called by {self.caller(attempt.site.caller)}")

    def caller(self, at):
        return fault_sites.name_sites(machine.VMM, {at: None})[at].line if at else "a library"

    def tell(self, attempt, finding):
        print(f"{self.describe(attempt)}\n{finding}\n", flush=True)

    def test_the_program_asks_the_kernel_for_nothing_past_the_seam(self):
        self.assertEqual(fault_sites.unknown_imports(machine.VMM), [])

    def test_a_life_reaches_every_site_that_is_not_listed_with_a_reason(self):
        if acts.MISSING:
            self.skipTest(f"not here: {acts.MISSING}")
        missing = [f"{site.call} {site.functions[-1]} ({site.line})" for at, site in self.sites.items()
                   if at not in self.reached and not fault_sites.reason_for(site, self.reasons)]
        self.assertEqual(missing, [])

    def test_the_list_of_those_not_reached_names_no_others(self):
        unreached = [site for at, site in self.sites.items() if at not in self.reached]
        for (call, function), reason in self.reasons.items():
            there = any(site.call == call and function in site.functions for site in unreached)
            self.assertTrue(there or reason.startswith("sometimes"), f"{call} {function}")

    def test_a_call_that_fails_crashes_and_hangs_nothing_and_is_not_told_as_a_success(self):
        print(f"EMBER_FAULT_SEED={SEED}", flush=True)
        attempts = [attempt for attempt in self.sweep.attempts() if
                    ONLY.search(" ".join((attempt.site.name, *self.sites[attempt.site.at].functions)))]
        history = None if SECONDS else self.history()
        if history:
            attempts = [attempt for attempt in attempts if history.part_of(attempt, PARTS) == PART - 1]
        left = [attempt for attempt in attempts if not (history and history.take(attempt))]
        print(f"{len(left)} of {len(attempts)} attempts are left", flush=True)
        outcomes = []
        for outcome in self.sweep.run(left, SECONDS):
            outcomes.append(outcome)
            if outcome.finding is not None:
                self.tell(outcome.attempt, outcome.finding)
            elif outcome.failed and history:
                history.add(outcome.attempt)
            if len(outcomes) % TOLD_EVERY == 0:
                print(f"{len(outcomes)} of {len(left)} at {time.strftime('%X')}", flush=True)
        self.judge(outcomes, list(set(attempts) - set(left)))

    def judge(self, outcomes, made_before):
        failed = {(each.site.at, each.site.caller) for each in
                  [each.attempt for each in outcomes if each.failed] + made_before}
        missed = sum(not each.failed for each in outcomes)
        made = len(outcomes) - missed + len(made_before)
        self.write_sites(made, {at for at, _ in failed})
        print(f"{made} calls failed, {len(made_before)} of them before, at {len(failed)} sites with "
              f"callers; {missed} were not made", flush=True)
        self.assertEqual(sum(each.finding is not None for each in outcomes), 0)
        self.assertLess(missed, len(outcomes) / 4 + 1)

    def history(self):
        reached = [found.site for found in self.sweep.reached.values()]
        return History(machine.VMM, SEED, Names(machine.VMM, self.sites, reached))

    def write_sites(self, made, failed):
        listed = [at for at, site in self.sites.items()
                  if at not in self.reached and fault_sites.reason_for(site, self.reasons)]
        can_be = len(self.sites) - len(listed)
        figures = {"seed": SEED, "attempts": made, "sites": len(self.sites), "listed": len(listed),
                   "reached": len(self.reached), "failed": len(failed),
                   "ratio": len(self.reached & set(self.sites)) / can_be}
        (RESULTS / "fault_sites.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    machine.VMM = sys.argv[1]
    socket.setdefaulttimeout(faulted_life.HANGS)
    sys.exit(run.run_with_kvm("fault_sweep_test", FaultSweep))
