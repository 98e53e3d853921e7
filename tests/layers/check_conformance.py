#!/usr/bin/env python3
"""Checks docs/virtio_conformance.md, docs/threat_model.md and docs/limits.md against the tests.

Each rule in the first, each attempt in the second and each bound in the third must name at least one
test, and each test that they name must exist. Every virtio device in the tree must stand in the list of the contract test.

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
# page → how many rows it has at least
PAGES = {
    "docs/virtio_conformance.md": 29,  # 20 rules, and 9 bugs that others shipped
    "docs/threat_model.md": 24,
    "docs/limits.md": 20,
}
HEADS = ("rule", "what happened elsewhere", "it tries", "they try", "resource")
PY_CLASS = re.compile(r"^class (\w+)\(", re.MULTILINE)
PY_CASE = re.compile(r"^    def (test_\w+)\(", re.MULTILINE)
DEVICE = re.compile(r"^class (\w+) final : public (?:\w+::)*VirtioDevice\b", re.MULTILINE)


def cases(root: pathlib.Path) -> set[str]:
    """The tests of the tree, Suite.Name."""
    found = set()
    for path in (root / "tests").rglob("*.cc"):
        found |= {f"{suite}.{name}" for suite, name in CASE.findall(path.read_text())}
    for path in (root / "tests").rglob("*.py"):
        _, *classes = PY_CLASS.split(path.read_text())
        for suite, text in zip(classes[::2], classes[1::2]):
            found |= {f"{suite}.{name}" for name in PY_CASE.findall(text)}
    return found


def rules(page: str) -> list[tuple[str, list[str]]]:
    """Each row of the page's tables: its first cell, and the tests in its last."""
    rows = []
    for first, _, last in RULE.findall(page):
        if first in HEADS or set(first) <= set("-: "):
            continue
        rows.append((first, [".".join(test) for test in NAMED.findall(last)]))
    return rows


def check_page(name: str, fewest: int, page: str, there: set[str]) -> list[str]:
    wrong = []
    rows = rules(page)
    if len(rows) < fewest:
        wrong.append(f"{name}: {len(rows)} rules are fewer than {fewest}")
    for rule, tests in rows:
        if not tests:
            wrong.append(f"{name}: {rule}: names no test")
        wrong += [f"{name}: {rule}: there is no test {t}" for t in tests if t not in there]
    return wrong


def check_pages(root: pathlib.Path) -> list[str]:
    there = cases(root)
    return [line for name, fewest in PAGES.items()
            for line in check_page(name, fewest, (root / name).read_text(), there)]


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
    wrong = check_pages(root) + check_contract(root)
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
