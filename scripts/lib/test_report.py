"""Collects results of commands, CTest entries, GoogleTest cases and Python tests into one count."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

NOT_RUN = 77  # exit status of a test that says, by name, that it cannot run here


class Report:
    """Counts; close() prints what failed and what did not run, then the one summary line."""

    def __init__(self):
        self.passed = 0
        self.failures = []
        self.not_run = []
        self.repeated = []  # what an emulated machine made fail once

    def add_command(self, name, status):
        if status == 0:
            self.passed += 1
        elif status == NOT_RUN:
            self.not_run.append(name)
        else:
            self.failures.append(f"{name}: exit status {status}")

    def add_ctest(self, stage, status, junit, results):
        """Takes in one CTest run: its JUnit file, and a case file per test binary beside it."""
        failures_before = len(self.failures)
        entries = ElementTree.parse(junit).getroot().iter("testcase") if junit.exists() else []
        for entry in entries:
            self.add_entry(stage, entry, Path(results) / f"{entry.get('name')}.xml")
        if status != 0 and len(self.failures) == failures_before and not self.not_run:
            self.failures.append(f"{stage}: ctest ended with status {status}")

    def add_entry(self, stage, entry, cases):
        name = f"{stage}/{entry.get('name')}"
        state = entry.get("status")
        if state in ("notrun", "disabled"):
            self.not_run.append(name)
            return
        failed_cases = self.add_cases(name, cases) if cases.exists() else None
        if failed_cases is None:
            if state == "run":
                self.passed += 1
            else:
                self.failures.append(name)
        elif state != "run" and failed_cases == 0:
            self.failures.append(f"{name}: ended badly outside its cases")

    def add_cases(self, name, path):
        """Adds each case of a GoogleTest-style XML file; returns how many failed."""
        failed = 0
        root = ElementTree.parse(path).getroot()
        self.repeated += [(f"{name}: {case.get('name')}", case.text) for case in root.iter("repeated")]
        for case in root.iter("testcase"):
            full_name = f"{name}: {case.get('classname')}.{case.get('name')}"
            if case.find("failure") is not None or case.find("error") is not None:
                self.failures.append(full_name)
                failed += 1
            elif case.find("skipped") is not None or case.get("result") == "skipped":
                self.not_run.append(full_name)
            elif case.get("status") != "notrun":
                self.passed += 1
        return failed

    def close(self):
        for name in self.not_run:
            print(f"NOT RUN: {name}")
        for name, failure in self.repeated:
            print(f"REPEATED: {name}, which at first failed so:\n{failure.rstrip()[-2000:]}")
        for name in self.failures:
            print(f"FAILED: {name}")
        print(f"{self.passed} passed, {len(self.failures)} failed, {len(self.not_run)} skipped")
        return 1 if self.failures or not self.passed else 0
