"""fault_sweep_test.py VMM_WITH_FAULTS: one call of ember-vmm fails, on this machine's KVM.

Of each place from which the VMM asks something of the kernel, and who called it, one call fails with
each error it plausibly can, or moves fewer bytes: while a machine boots, works, is changed, saved,
loaded, reset and ended. The process must not crash, nothing may hang, and what was told to have been
done must have been. A share each time, of a seed that is printed; EMBER_LONG_TESTS makes it all.
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
import unittest
from pathlib import Path

import acts
import errors
import fault_sites
import faulted_life
import run
from life import compile_guest, machine
from sweep import Sweep

HERE = Path(__file__).resolve().parent
SECONDS = None if os.environ.get("EMBER_LONG_TESTS") else 30
SEED = int(os.environ.get("EMBER_FAULT_SEED", random.randrange(1 << 32)))
# Of the guest with its devices: a twentieth of what it otherwise has.
PATIENCE = "-DPATIENCE=60000u"
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
        self.sweep.reached = {
            key: found for key, found in self.sweep.reached.items()
            if ONLY.search(" ".join((found.site.name, *self.sites[found.site.at].functions)))}
        made, found = self.sweep.run(SECONDS, self.tell)
        self.write_sites(made)
        print(f"{made} calls failed at {len(self.sweep.failed)} of {len(self.sweep.reached)} sites "
              f"with callers; {self.sweep.missed} were not made", flush=True)
        self.assertEqual(len(found), 0)
        self.assertLess(self.sweep.missed, made / 4 + 1)

    def write_sites(self, made):
        listed = [at for at, site in self.sites.items()
                  if at not in self.reached and fault_sites.reason_for(site, self.reasons)]
        can_be = len(self.sites) - len(listed)
        failed = {found.site.at for key, found in self.sweep.reached.items() if key in self.sweep.failed}
        figures = {"seed": SEED, "attempts": made, "sites": len(self.sites), "listed": len(listed),
                   "reached": len(self.reached), "failed": len(failed),
                   "ratio": len(self.reached & set(self.sites)) / can_be}
        directory = Path(os.environ.get("EMBER_RESULTS_DIR", "."))
        (directory / "fault_sites.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    machine.VMM = sys.argv[1]
    socket.setdefaulttimeout(faulted_life.HANGS)
    sys.exit(run.run_with_kvm("fault_sweep_test", FaultSweep))
