#!/usr/bin/env python3
"""Checks docs/virtio_conformance.md against the tests.

Each rule in it must name at least one test, and each test that it names must exist. Every virtio
device in the tree must stand in the list of the contract test.

  check_conformance.py --root DIR

Prints one line for each thing wrong, and exits with 1 if there is one.
"""

import argparse
import pathlib
import re
import sys

CASE = re.compile(r"^\s*(?:TEST|TEST_F|TEST_P|TYPED_TEST)\(\s*(\w+),\s*(\w+)\)", re.MULTILINE)
NAMED = re.compile(r"`(\w+)\.(\w+)`")
RULE = re.compile(r"^\|\s*([^|]+?)\s*\|([^|]*)\|([^|]*)\|\s*$", re.MULTILINE)
RULES = 29  # 20 rules, and 9 bugs that others shipped
DEVICE = re.compile(r"^class (\w+) final : public (?:\w+::)*VirtioDevice\b", re.MULTILINE)


def cases(root: pathlib.Path) -> set[str]:
    """The tests of the tree, Suite.Name."""
    found = set()
    for path in (root / "tests").rglob("*.cc"):
        found |= {f"{suite}.{name}" for suite, name in CASE.findall(path.read_text())}
    return found


def rules(page: str) -> list[tuple[str, list[str]]]:
    """Each row of the page's tables: its first cell, and the tests in its last."""
    rows = []
    for first, _, last in RULE.findall(page):
        if first in ("rule", "what happened elsewhere") or set(first) <= set("-: "):
            continue
        rows.append((first, [".".join(test) for test in NAMED.findall(last)]))
    return rows


def check_page(root: pathlib.Path) -> list[str]:
    page = (root / "docs/virtio_conformance.md").read_text()
    there = cases(root)
    wrong = []
    rows = rules(page)
    if len(rows) < RULES:
        wrong.append(f"docs/virtio_conformance.md: {len(rows)} rules are fewer than {RULES}")
    for rule, tests in rows:
        if not tests:
            wrong.append(f"docs/virtio_conformance.md: {rule}: names no test")
        wrong += [f"docs/virtio_conformance.md: {rule}: there is no test {t}" for t in tests if t not in there]
    return wrong


def check_contract(root: pathlib.Path) -> list[str]:
    listed = (root / "tests/contract/virtio_device_test.cc").read_text()
    wrong = []
    for path in sorted((root / "virtio").rglob("*.h")):
        for device in DEVICE.findall(path.read_text()):
            if not re.search(rf"\b{device}\b", listed):
                wrong.append(f"{path.relative_to(root)}: {device} is not in tests/contract/virtio_device_test.cc")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    root = parser.parse_args().root
    wrong = check_page(root) + check_contract(root)
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
