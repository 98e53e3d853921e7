"""The row of scripts/bench about system calls that fail: what the last sweep of scripts/test wrote."""

import json
import subprocess

from benchmarks.rows import ROOT, row


def fault_sites(_bench):
    """Of the calls in the program, those that a life of the sweep makes and can fail; without the ones that
    tests/fault/unreached_sites.txt lists."""
    path = ROOT / "build/results/faults/fault_sites.json"
    if not path.exists():
        subprocess.run([ROOT / "scripts/test", "--stage", "faults"], check=True,
                       stdout=subprocess.DEVNULL)
    figures = json.loads(path.read_text())
    ratio = figures["ratio"]
    return row("fault_sites_ratio", "ratio", {"ember": [ratio]}, value=ratio, ratio=ratio)


ROWS = {"fault_sites_ratio": fault_sites}
