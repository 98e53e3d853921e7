"""readme_test.py: runs every command of README.md, in order, in a copy of the tree.

Of the two commands at its head, scripts/demo runs here; scripts/test is what runs this, so only its
--help does. Where this machine has no hardware KVM, the guests run as README says they should then.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HARDWARE = re.search(r"\b(vmx|svm)\b", Path("/proc/cpuinfo").read_text()) is not None


def blocks():
    return re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)


def runnable(block):
    """The block as this run can execute it."""
    block = re.sub(r"^scripts/test\b", "scripts/test --help", block, flags=re.M)
    if not HARDWARE:
        block = re.sub(r"^(build/\S*/ember-vmm --no-api)", r"scripts/testbed -- \1", block,
                       flags=re.M)
        block = re.sub(r"^(PYTHONPATH=)", r"scripts/testbed -- env \1", block, flags=re.M)
    return block


def copy_tree(to):
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True,
                           stdout=subprocess.PIPE).stdout
    subprocess.run(["cpio", "--null", "--pass-through", "--make-directories", "--quiet", to],
                   cwd=ROOT, input=files, check=True)


def run(script, directory):
    environment = dict(os.environ, CCACHE_BASEDIR=directory)
    return subprocess.run(["bash", "-c", script], cwd=directory, env=environment, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=1500)


def main():
    found = blocks()
    assert len(found) >= 4, f"README.md has only {len(found)} blocks of commands"
    script = "set -ex\n" + "\n".join(runnable(block) for block in found)
    with tempfile.TemporaryDirectory(prefix="ember-readme.") as directory:
        copy_tree(directory)
        done = run(script, directory)
        if done.returncode != 0 and not HARDWARE:
            print(f"{done.stdout[-20000:]}\nreadme_test: once more, for the emulation may be to blame "
                  "(CONTRIBUTING.md)", flush=True)
            done = run(script, directory)
    print(done.stdout[-20000:])
    # Only the guests can have said these: the demo's shell, and the tour's root disk.
    said = re.search(r"the-guest-says goodbye", done.stdout) and re.search(r"/dev/root|/dev/vda",
                                                                           done.stdout)
    said = said and "exit code: 0" in done.stdout
    if done.returncode != 0 or not said or '"vcpu_count"' not in done.stdout:
        print(f"readme_test: exit status {done.returncode}, a guest's own words: {bool(said)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
