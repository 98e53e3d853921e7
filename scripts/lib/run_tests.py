"""Builds Ember in each configuration and runs its tests; what scripts/test calls.

Stages run in order and all of them run, whatever an earlier one said; the last lines name every
failure, everything that could not run here, and the count. Exit status: 0 only if nothing failed.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import test_report

ROOT = Path(__file__).resolve().parents[2]
# The tests of what threads share; the rest would only repeat the unit stage. Every device's are among
# them.
RACE_TESTS = ["base_test", "memory_test", "devices_test", "vmm_test", "api_test"]
RACE_NAMES = [*RACE_TESTS, "virtio_test", "virtio_.*_test"]
STAGES = ["style", "unit", "race", "fuzz", "payload", "faults", "tidy", "guest"]


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/test",
        description="Builds Ember and runs its tests. Without options: everything.")
    parser.add_argument("--stage", action="append", choices=STAGES,
                        help="only this stage (may be repeated): style (format, shell scripts), "
                             "unit (unit and device tiers under ASan+UBSan), race (the same under "
                             "TSan), fuzz (a short run of each fuzz target), payload (payload tier, "
                             "release build), faults (system calls that fail, under ASan), "
                             "tidy (clang-tidy), guest (real Linux guests)")
    parser.add_argument("--only", metavar="REGEX", help="only CTest entries whose name matches")
    parser.add_argument("--long", action="store_true",
                        help="the long counts: hours of fuzzing, thousands of repetitions")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--build-dir", type=Path, default=ROOT / "build")
    return parser.parse_args()


class Runner:
    """Runs stages and collects what they report."""

    def __init__(self, options):
        self.options = options
        self.report = test_report.Report()
        self.results = options.build_dir / "results"
        self.environment = dict(os.environ)
        # One tree's objects serve another's, where the sources are the same.
        self.environment.setdefault("CCACHE_BASEDIR", str(ROOT))
        self.environment["CCACHE_NOHASHDIR"] = "1"
        if options.long:
            self.environment["EMBER_LONG_TESTS"] = "1"
            self.environment.setdefault("EMBER_FUZZ_SECONDS", "1800")

    def command(self, name, words, **keywords):
        """Runs one command that is a test by itself: its exit status is the verdict."""
        status = subprocess.run(words, cwd=ROOT, env=self.environment, **keywords).returncode
        self.report.add_command(name, status)
        return status == 0

    def build(self, preset, targets=()):
        directory = self.options.build_dir / preset
        configure = ["cmake", "--preset", preset, "-B", str(directory)]
        status = subprocess.run(configure, cwd=ROOT, env=self.environment,
                                stdout=subprocess.DEVNULL).returncode
        if status == 0:
            words = ["cmake", "--build", str(directory), "-j", str(self.options.jobs)]
            if targets:
                words += ["--target", *targets]
            status = self.build_quietly(words)
        self.report.add_command(f"build {preset}", status)
        return directory if status == 0 else None

    def build_quietly(self, words):
        """Shows progress as one line in ten seconds, and the whole output when the build fails."""
        lines, shown = [], time.monotonic()
        process = subprocess.Popen(words, cwd=ROOT, env=self.environment, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for line in process.stdout:
            lines.append(line)
            if time.monotonic() - shown > 10:
                print("  " + line.rstrip()[:110], flush=True)
                shown = time.monotonic()
        if process.wait() != 0:
            print("".join(lines[-200:]), flush=True)
        return process.returncode

    def ctest(self, stage, directory, label, names=()):
        """Runs the CTest entries with `label` (and of `names`); reports each case by name."""
        results = self.results / stage
        subprocess.run(["rm", "-rf", str(results)], check=True)
        results.mkdir(parents=True)
        junit = results / "ctest.xml"
        words = ["ctest", "--test-dir", str(directory), "-L", label, "-j", str(self.options.jobs),
                 "--output-on-failure", "--no-tests=error", "--output-junit", str(junit)]
        if self.options.only:
            words += ["-R", self.options.only]
        elif names:
            words += ["-R", f"^({'|'.join(names)})$"]
        environment = dict(self.environment, GTEST_OUTPUT=f"xml:{results}/", GTEST_BRIEF="1",
                           EMBER_RESULTS_DIR=str(results))
        status = subprocess.run(words, cwd=ROOT, env=environment).returncode
        self.report.add_ctest(stage, status, junit, results)

    def run(self, stage):
        began = time.monotonic()
        print(f"== {stage}", flush=True)
        getattr(self, f"stage_{stage}")()
        print(f"== {stage}: {time.monotonic() - began:.0f} s", flush=True)

    def stage_style(self):
        self.command("clang-format", ["scripts/lib/check-format"])

    def stage_unit(self):
        directory = self.build("asan")
        if directory:
            self.ctest("unit", directory, "^(unit|device)$")

    def stage_race(self):
        directory = self.build("tsan", [*RACE_TESTS, "device_tests"])
        if directory:
            self.ctest("race", directory, "^(unit|device)$", RACE_NAMES)

    def stage_fuzz(self):
        directory = self.build("fuzz", ["fuzz_targets", "ember-vmm"])
        if directory:
            self.ctest("fuzz", directory, "^fuzz$")

    def stage_payload(self):
        directory = self.build("release", ["ember-vmm", "ember-vmm-backdoor", "ember-jailer", "ember-snapshot",
                                           "payload_test", "api_probe", "exit_probe"])
        if directory:
            self.ctest("payload", directory, "^payload$")

    def stage_faults(self):
        directory = self.build("asan", ["ember-vmm-faults"])
        if directory:
            self.ctest("faults", directory, "^faults$")

    def stage_tidy(self):
        directory = self.options.build_dir / "fuzz"
        if directory.exists() or self.build("fuzz", ["fuzz_targets"]):
            self.command("clang-tidy", [sys.executable, "scripts/lib/run_tidy.py", str(directory)])

    def stage_guest(self):
        directory = self.build("release", ["ember-vmm", "ember-jailer"])
        if directory:
            self.ctest("guest", directory, "^guest$")


def main():
    options = parse_arguments()
    began = time.monotonic()
    runner = Runner(options)
    for stage in options.stage or STAGES:
        runner.run(stage)
    print(f"== all: {time.monotonic() - began:.0f} s")
    return runner.report.close()


if __name__ == "__main__":
    sys.exit(main())
