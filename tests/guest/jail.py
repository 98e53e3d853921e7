"""A jail for a machine under test: ember-jailer's, with the directories of the files that the machine is
given mounted where they are outside, so that a test names them as it does without a jail. Needs root.
"""

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import images

USER = 61238

# The mounts are in a namespace of their own, and so gone with the machine.
SCRIPT = """#!/bin/sh -e
[ "$EMBER_APART" ] || exec env EMBER_APART=1 unshare --mount --propagation private "$0" "$@"
{mounts}
exec {jailer} -- "$@"
"""


def paths_in(value):
    """The absolute paths anywhere in what requests say."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [path for each in value for path in paths_in(each)]
    return [Path(value)] if isinstance(value, (str, Path)) and str(value).startswith("/") else []


def outermost(directories):
    return sorted(each for each in set(directories) if not set(each.parents) & set(directories))


class Jail:
    """`program` is what to execute in place of `vmm`, with the same arguments, once it is open."""

    def __init__(self, jailer, vmm):
        os.umask(0)  # sockets and files that tests make are for the machine's user, too
        self.jailer, self.vmm = jailer, Path(vmm)
        self.directory = Path(tempfile.mkdtemp(prefix="ember-jail."))
        self.directory.chmod(0o755)
        self.program = self.directory / "start"

    def open(self, paths):
        """Gives the jail the directories of these files: images to be read, the others for its own."""
        read = [path for path in paths if images.IMAGES in path.parents]
        own = outermost([path.parent for path in paths if path not in read])
        mounts = [self.mount(directory) for directory in own]
        for directory in outermost([parent for path in read for parent in (path.parent, path.resolve().parent)]):
            mounts.append(self.mount(directory, "--options", "ro"))
        subprocess.run(["chown", "--recursive", f"{USER}:{USER}", *own], check=True)
        jailer = [self.jailer, "--id", "m", "--exec-file", str(self.vmm), "--uid", str(USER), "--gid",
                  str(USER), "--chroot-base-dir", str(self.directory)]
        self.program.write_text(SCRIPT.format(mounts="\n".join(mounts), jailer=shlex.join(jailer)))
        self.program.chmod(0o755)

    def mount(self, directory, *options):
        """The command that has a directory of the host in the jail, at the same place."""
        inside = self.directory / self.vmm.name / "m" / "root" / directory.relative_to("/")
        inside.mkdir(parents=True)
        return shlex.join(["mount", "--bind", *options, str(directory), str(inside)])

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)
