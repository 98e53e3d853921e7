"""run.py TEST_MODULE --vmm PROGRAM --build DIR: runs one module of guest tests in the test bed.

Outside: makes the images and calls scripts/testbed with this file again. Inside (--inside): runs the
module and writes what each case did as JUnit XML, which scripts/test reads.
"""

import argparse
import os
import subprocess
import sys
import time
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TESTBED_FAILED = 125


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

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.add(subtest, (self.failures + self.errors)[-1][1])

    def printErrors(self):
        """Nothing: they are printed."""

    def write(self, path):
        suite = ElementTree.Element("testsuite")
        for test, seconds, failure in self.cases:
            module, _, name = test.id().rpartition(".")
            case = ElementTree.SubElement(suite, "testcase", classname=module, name=name,
                                          time=f"{seconds:.3f}", status="run")
            if failure:
                ElementTree.SubElement(case, "failure").text = failure
        ElementTree.ElementTree(suite).write(path)


def run_inside(options):
    sys.path.insert(0, str(HERE))
    suite = unittest.defaultTestLoader.loadTestsFromName(options.module)
    runner = unittest.TextTestRunner(verbosity=0, resultclass=XmlResult)
    result = runner.run(suite)
    result.write(Path(os.environ["EMBER_RESULTS"]) / f"{options.entry}.xml")
    return 0 if result.wasSuccessful() and result.testsRun > 0 else 1


def run_outside(options):
    images = options.build / "guest-images"
    environment = dict(os.environ, EMBER_IMAGES=str(images), EMBER_VMM=str(options.vmm),
                       PYTHONDONTWRITEBYTECODE="1")
    results = Path(os.environ.get("EMBER_RESULTS_DIR", options.build / "results" / "guest"))
    words = [ROOT / "scripts/testbed", "--results", str(results), "--timeout",
             str(options.timeout), "--memory", str(options.memory), "--", sys.executable, __file__,
             options.module, "--inside", "--entry", options.entry]
    status = subprocess.run(words, env=environment).returncode
    if status == TESTBED_FAILED:
        # The emulated host, not Ember: its kernel's panic is printed above. Twice is a failure.
        print("run.py: the test bed itself failed; once more", flush=True)
        status = subprocess.run(words, env=environment).returncode
    return status


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("--entry", required=True, help="the CTest entry's name")
    parser.add_argument("--vmm", type=Path)
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--memory", type=int, default=6144, help="of the test bed, MiB")
    parser.add_argument("--timeout", type=int,
                        default=11000 if os.environ.get("EMBER_LONG_TESTS") else 1500)
    parser.add_argument("--inside", action="store_true")
    options = parser.parse_args()
    return run_inside(options) if options.inside else run_outside(options)


if __name__ == "__main__":
    sys.exit(main())
