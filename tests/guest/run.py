"""run.py TEST_MODULE --vmm PROGRAM --build DIR: runs one module of guest tests in the test bed.

Outside: calls scripts/testbed with this file again. Inside (--inside): runs the module and writes what
each case did as JUnit XML, which scripts/test reads. Where the processor is emulated, what failed runs
once more, for the emulation itself fails now and then (CONTRIBUTING.md); scripts/test names such cases.
"""

import argparse
import os
import re
import subprocess
import sys
import time
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

NOT_RUN = 77  # as CTest knows it
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TESTBED_FAILED = 125
TRIES = 3


class XmlResult(unittest.TextTestResult):
    """Prints a case as it ends, with what it failed by, and keeps all for the XML file."""

    def __init__(self, *words):
        super().__init__(*words)
        self.cases = []
        self.began = 0.0

    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def add(self, test, failure=None):
        seconds = time.monotonic() - self.began
        self.cases.append((test, seconds, failure))
        print(f"  {'ok    ' if failure is None else 'FAILED'} {seconds:6.1f} s  {test.id()}\n"
              f"{failure or ''}", end="", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.add(test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.add(test, self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.add(test, self.errors[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print(f"  SKIPPED {test.id()}: {reason}", flush=True)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.add(subtest, (self.failures + self.errors)[-1][1])

    def printErrors(self):
        """Nothing: they are printed."""

    def failed(self):
        """What the loader finds the failed cases by, and how they failed; a class whose set-up
        failed, as a whole."""
        failed = {}
        for test, _, failure in self.cases:
            if failure:
                holder = re.fullmatch(r"(?:setUp|tearDown)(?:Class|Module) \((.+)\)", test.id())
                failed[holder[1] if holder else re.sub(r" [(\[].*", "", test.id())] = failure
        return failed

    def write(self, path, repeated=None):
        suite = ElementTree.Element("testsuite")
        for test, seconds, failure in self.cases:
            module, _, name = test.id().rpartition(".")
            case = ElementTree.SubElement(suite, "testcase", classname=module, name=name,
                                          time=f"{seconds:.3f}", status="run")
            if failure:
                ElementTree.SubElement(case, "failure").text = failure
        for test, reason in self.skipped:
            module, _, name = test.id().rpartition(".")
            case = ElementTree.SubElement(suite, "testcase", classname=module, name=name)
            ElementTree.SubElement(case, "skipped").text = reason
        for name, failure in (repeated or {}).items():
            ElementTree.SubElement(suite, "repeated", name=name).text = failure
        ElementTree.ElementTree(suite).write(path)


def run_suite(suite):
    return unittest.TextTestRunner(verbosity=0, resultclass=XmlResult).run(suite)


def run_here(suite, entry):
    """Runs what is a CTest entry without any test bed; returns its exit status."""
    result = run_suite(suite)
    output = os.environ.get("GTEST_OUTPUT", "")
    if output.startswith("xml:"):
        result.write(Path(output[len("xml:"):]) / f"{entry}.xml")
    return 0 if result.wasSuccessful() and result.testsRun else 1


def run_with_kvm(entry, *cases):
    """The same of classes of cases that need the host's /dev/kvm: without it says so, as NOT_RUN."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("NOT RUN: payload tier: no /dev/kvm to use", file=sys.stderr)
        return NOT_RUN
    return run_here(unittest.TestSuite(map(unittest.defaultTestLoader.loadTestsFromTestCase, cases)), entry)


def why_no_jail(vmm):
    """Why this machine or this build can have no jails, or None."""
    if os.geteuid() != 0:
        return "needs root"
    if b"/ld-linux" in Path(vmm).read_bytes()[:4096]:  # its interpreter
        return "the VMM of this build is not static"
    return None


def run_jailed(entry, vmm, *cases):
    """run_with_kvm() of cases that have machines in jails."""
    if reason := why_no_jail(vmm):
        print(f"NOT RUN: {entry}: {reason}", file=sys.stderr)
        return NOT_RUN
    return run_with_kvm(entry, *cases)


def run_names(names):
    return run_suite(unittest.defaultTestLoader.loadTestsFromNames(names))


def run_inside(options):
    sys.path.insert(0, str(HERE))
    result = run_names([options.module])
    repeated = {}
    if os.environ.get("EMBER_TESTBED") == "nested" and (repeated := result.failed()):
        print(f"run.py: once more, for the emulation may be to blame: {', '.join(repeated)}",
              flush=True)
        result.cases = [case for case in result.cases if not case[2]]
        result.cases += run_names(list(repeated)).cases
    result.write(Path(os.environ["EMBER_RESULTS"]) / f"{options.entry}.xml", repeated)
    ran = result.cases or result.skipped
    return 0 if ran and not any(failure for _, _, failure in result.cases) else 1


def run_outside(options):
    images = options.build / "guest-images"
    environment = dict(os.environ, EMBER_IMAGES=str(images), EMBER_VMM=str(options.vmm),
                       PYTHONDONTWRITEBYTECODE="1")
    if options.jailer:
        environment["EMBER_JAILER"] = str(options.jailer)
    results = Path(os.environ.get("EMBER_RESULTS_DIR", options.build / "results" / "guest"))
    words = [ROOT / "scripts/testbed", "--results", str(results), "--timeout",
             str(options.timeout), "--memory", str(options.memory), "--", sys.executable, __file__,
             options.module, "--inside", "--entry", options.entry]
    for attempt in range(TRIES):
        status = subprocess.run(words, env=environment).returncode
        if status != TESTBED_FAILED:
            break
        # The emulated host, not Ember: its kernel's panic is printed above.
        print("run.py: the test bed itself failed", flush=True)
    if attempt > 0 and (report := results / f"{options.entry}.xml").exists():
        tell_of_testbed(report, attempt)
    return status


def tell_of_testbed(report, times):
    """In the summary, as of a case that ran once more."""
    tree = ElementTree.parse(report)
    ElementTree.SubElement(tree.getroot(), "repeated", name="the test bed").text = f"tries that failed: {times}"
    tree.write(report)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("--entry", required=True, help="the CTest entry's name")
    parser.add_argument("--vmm", type=Path)
    parser.add_argument("--jailer", type=Path, help="have every machine in a jail of this program's")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--memory", type=int, default=6144, help="of the test bed, MiB")
    parser.add_argument("--timeout", type=int,
                        default=11000 if os.environ.get("EMBER_LONG_TESTS") else 1500)
    parser.add_argument("--inside", action="store_true")
    options = parser.parse_args()
    return run_inside(options) if options.inside else run_outside(options)


if __name__ == "__main__":
    sys.exit(main())
