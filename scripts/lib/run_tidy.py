"""run_tidy.py BUILD_DIR: clang-tidy over every source of the build, as many at once as there are CPUs.

A source whose preprocessed text and configuration passed before is not analysed again: the stamps
are kept in ${XDG_CACHE_HOME:-~/.cache}/ember/tidy.
"""

import concurrent.futures
import hashlib
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ember" / "tidy"


def sources(build_dir):
    """The compile commands of the project's own programs and libraries, tests left out."""
    for entry in json.loads((build_dir / "compile_commands.json").read_text()):
        path = Path(entry["file"])
        if path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / "tests"):
            yield entry


def fingerprint(entry):
    words = [word for word in shlex.split(entry["command"]) if not word.endswith("ccache")]
    output = words.index("-o")
    words = words[:output] + words[output + 2:]
    words[words.index("-c")] = "-E"
    text = subprocess.run(words, cwd=entry["directory"], capture_output=True, check=True).stdout
    text = text.replace(str(ROOT).encode(), b"")  # the same source in another clone is the same
    configuration = (ROOT / ".clang-tidy").read_bytes()
    return hashlib.sha256(text + configuration).hexdigest()


def check(entry, build_dir):
    stamp = CACHE / fingerprint(entry)
    if stamp.exists():
        return None
    result = subprocess.run(["clang-tidy-14", "--quiet", "-p", str(build_dir), entry["file"]],
                            capture_output=True, text=True)
    if result.returncode != 0:
        return result.stdout + result.stderr
    stamp.touch()
    return None


def main():
    build_dir = Path(sys.argv[1])
    CACHE.mkdir(parents=True, exist_ok=True)
    entries = list(sources(build_dir))
    if not entries:
        print("run_tidy: no sources in the build: nothing was checked")
        return 1
    failures = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for index, complaint in enumerate(pool.map(lambda entry: check(entry, build_dir), entries)):
            if complaint:
                print(complaint, flush=True)
                failures += 1
            elif index % 20 == 19:
                print(f"  {index + 1} of {len(entries)} files", flush=True)
    print(f"clang-tidy: {len(entries)} files, {failures} with findings")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
