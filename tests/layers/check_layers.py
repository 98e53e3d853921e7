#!/usr/bin/env python3
"""Checks that the tree keeps the shape of docs/architecture.md.

  check_layers.py --root DIR                         includes, file lengths, leftovers
  check_layers.py --root DIR --headers --compiler CXX   every header compiles alone

Prints one line for each violation, `FILE:LINE: what`, and exits with 1 if there is one.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator

# Bottom up. A file may include its own folder and what stands in an earlier row.
LAYERS = (
    ("base",),
    ("memory", "mmds", "sandbox"),
    ("devices", "snapshot"),
    ("virtio", "firmware", "kvm"),
    ("vmm",),
    ("api",),
    ("cmd",),
)
RANKS = {folder: rank for rank, row in enumerate(LAYERS) for folder in row}
SOURCE_SUFFIXES = (".h", ".cc")


@dataclasses.dataclass(frozen=True)
class Home:
    """Headers of others, and the only files that may include them."""

    name: str
    header: re.Pattern[str]
    files: re.Pattern[str]


HOMES = (
    Home("KVM's interface", re.compile(r"linux/kvm(_para)?\.h$"), re.compile(r"kvm/|sandbox/x86_64/constants\.cc$|tests/(kvm|payload)/")),
    Home(
        "nlohmann/json",
        re.compile(r"nlohmann/"),
        re.compile(r"vmm/config_json|mmds/data_store\.cc$|snapshot/cbor\.cc$|api/[^/]*json|tests/(vmm|api)/"),
    ),
    Home(
        "Asio and Beast",
        re.compile(r"boost/(asio|beast)\b"),
        re.compile(r"api/|tests/api/"),
    ),
    Home("libseccomp", re.compile(r"seccomp\.h$"), re.compile(r"sandbox/policy/compiler\.cc$|tests/sandbox/")),
    Home("libfdt", re.compile(r"libfdt"), re.compile(r"firmware/fdt|tests/firmware/")),
)

ARCHITECTURES = {"x86_64", "aarch64"}
# Guests in machine code, which CMake builds for their architecture alone.
ARCHITECTURE_TESTS = re.compile(r"tests/payload/")

MAX_LINES = 600
LONG_LINES = {".h": 250, ".cc": 400}

INCLUDE = re.compile(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
ARCHITECTURE_CONDITION = re.compile(r"\s*#\s*(?:if|elif|ifdef|ifndef)\b.*__(?:x86_64|aarch64|i386)__")
LEFTOVER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b")


def source_files(root: pathlib.Path) -> Iterator[pathlib.Path]:
    """The project's C++ files, as paths relative to the root."""
    for folder in (*RANKS, "jailer", "tests"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SOURCE_SUFFIXES and path.is_file():
                yield path.relative_to(root)


def check_project_include(file: pathlib.Path, header: str) -> str | None:
    """What is wrong with `#include "header"` in `file`, or None."""
    own = file.parts[0]
    other = pathlib.PurePosixPath(header).parts[0]
    if other == "tests":
        return None if own == "tests" else f"{own}/ includes {header}, which is a test's"
    if other not in RANKS and other != "jailer":
        return f'"{header}" is not a path from the root of the tree'
    if own in ("tests", "cmd") or own == other:
        return None
    if own == "jailer":
        return None if other == "base" else f"jailer/ stands on base/ alone but includes {header}"
    if other == "jailer" or RANKS[other] >= RANKS[own]:
        side = "beside" if RANKS.get(other) == RANKS[own] else "above"
        return f"{own}/ includes {header}, which stands {side} it"
    return None


def check_foreign_include(file: pathlib.Path, header: str) -> str | None:
    """What is wrong with `#include <header>` in `file`, or None."""
    for home in HOMES:
        if home.header.match(header) and not home.files.match(file.as_posix()):
            return f"<{header}>: {home.name} may be included only in {home.files.pattern}"
    return None


def check_architecture_include(file: pathlib.Path, header: str) -> str | None:
    """What is wrong with `#include "header"` in `file` on another architecture, or None."""
    wanted = ARCHITECTURES & set(pathlib.PurePosixPath(header).parts)
    if wanted <= set(file.parts) or ARCHITECTURE_TESTS.match(file.as_posix()):
        return None
    return f"{header} is of one architecture; only the folders of that architecture may include it"


def check_line(file: pathlib.Path, line: str) -> Iterator[str]:
    """What is wrong with one line of `file`."""
    if include := INCLUDE.match(line):
        project, foreign = include.groups()
        # A home holds whichever way the header is spelled.
        wrong = check_foreign_include(file, foreign or project)
        if wrong is None and project is not None:
            wrong = check_project_include(file, project) or check_architecture_include(file, project)
        if wrong is not None:
            yield wrong
    if ARCHITECTURE_CONDITION.match(line) and not ARCHITECTURES & set(file.parts):
        yield "a condition on the architecture; the code belongs in the architecture's folder"
    if LEFTOVER.search(line):
        yield "unfinished work is an issue, not a comment"


def check_file(root: pathlib.Path, file: pathlib.Path) -> Iterator[str]:
    """Every violation in one file; tells of files that grow long on stderr."""
    lines = (root / file).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        for wrong in check_line(file, line):
            yield f"{file}:{number}: {wrong}"
    if len(lines) > MAX_LINES:
        yield f"{file}:{len(lines)}: {len(lines)} lines exceed the limit {MAX_LINES}"
    elif len(lines) > LONG_LINES[file.suffix] and file.parts[0] != "tests":
        print(f"note: {file} has {len(lines)} lines", file=sys.stderr)


def check_header(root: pathlib.Path, header: pathlib.Path, compiler: str) -> str | None:
    """The compiler's first complaint about the header on its own, or None."""
    command = [compiler, "-std=c++20", "-fsyntax-only", "-D_GNU_SOURCE", '-DEMBER_VERSION="0"']
    command += ["-I", str(root), "-x", "c++", str(root / header)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if "error" in line]
    return f"{header}:1: does not compile alone: {(errors or [done.stderr])[0]}"


def check_headers(root: pathlib.Path, compiler: str) -> list[str]:
    """Every header that does not compile alone."""
    headers = [file for file in source_files(root) if file.suffix == ".h"]
    print(f"{len(headers)} headers")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda header: check_header(root, header, compiler), headers)
        return [wrong for wrong in results if wrong is not None]


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, required=True, help="the root of the tree")
    parser.add_argument("--headers", action="store_true", help="compile every header alone")
    parser.add_argument("--compiler", default="g++", help="for --headers")
    arguments = parser.parse_args()

    if arguments.headers:
        violations = check_headers(arguments.root, arguments.compiler)
    else:
        files = list(source_files(arguments.root))
        print(f"{len(files)} files")
        violations = [wrong for file in files for wrong in check_file(arguments.root, file)]
    for violation in violations:
        print(violation)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
