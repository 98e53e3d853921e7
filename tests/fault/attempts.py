"""What a sweep has attempted, in a file: one that was stopped goes on where it was."""

import hashlib
import zlib
from collections import Counter
from pathlib import Path

import errors
import fault_sites


class Names:
    """A name for each attempt that is the same in every run, and in builds whose lines there are the same."""

    def __init__(self, program, sites, reached):
        self.sites = sites
        self.callers = fault_sites.name_sites(program, {site.caller: None for site in reached if site.caller})

    def of_call(self, key):
        site = self.sites[key.at]
        caller = self.place(self.callers[key.caller]) if key.caller else "a library"
        return f"{site.call} {key.detail:#x} in {self.place(site)} of {caller}"

    def place(self, site):
        return f"{'<'.join(site.functions)} ({site.line})"

    def of(self, attempt):
        which = "first" if attempt.number == 1 else "later"
        after = ", after another" if attempt.before else ""
        return f"{attempt.act}: {which} {self.of_call(attempt.site)}: {errors.name_of(attempt.action)}{after}"


class History:
    """Attempts that found nothing, of a program and a seed, in a file beside the program. That of another
    build may be renamed to this one's, less the lines of what is other now."""

    def __init__(self, program, seed, names):
        build = hashlib.sha256(Path(program).read_bytes()).hexdigest()[:12]
        self.path = Path(f"{program}.{build}.{seed}.attempts")
        self.names = names
        self.path.touch()
        # A few attempts share a name, where the compiler has made copies of a call.
        self.passed = Counter(self.path.read_text().splitlines())

    def part_of(self, attempt, parts):
        """Which of as many parts of the sweep it belongs to, from 0."""
        return zlib.crc32(self.names.of(attempt).encode()) % parts

    def take(self, attempt):
        """Whether it was made before. To be asked once of each."""
        name = self.names.of(attempt)
        self.passed[name] -= 1
        return self.passed[name] >= 0

    def add(self, attempt):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(self.names.of(attempt) + "\n")
