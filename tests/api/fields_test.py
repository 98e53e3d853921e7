"""fields_test.py VMM --phases before|after: every field of every request, against a live ember-vmm.

The cases come from docs/api/openapi.json: each field absent, null, of each other type, at and beyond its
edges, and one field that nobody knows, in requests before the start, running and paused. The schema says
which must succeed; after every refusal everything must be as it was. After the start there is a guest of
three bytes, for which KVM is needed. Writes JUnit XML where GTEST_OUTPUT says, as GoogleTest does.
"""

import argparse
import contextlib
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / each) for each in ["clients/python", "scripts", "tests/guest", "tests/api"]]
sys.dont_write_bytecode = True

import run  # noqa: E402
import schema  # noqa: E402
from benchmarks import payload  # noqa: E402
from ember.transport import Transport, fault_of  # noqa: E402

NOT_RUN = 77
VMM = ""
HALT = b"\xf4\xeb\xfd"
DESCRIPTION = json.loads((ROOT / "docs/api/openapi.json").read_text())
SCHEMAS = schema.Schemas(DESCRIPTION)
OPERATIONS = [(f"{method.upper()} {path}", operation)
              for path, methods in DESCRIPTION["paths"].items()
              for method, operation in methods.items()]
SUCCESSES = {"200", "204"}
# What they answer may come late, and is tested elsewhere.
LATE = ["GET /events", "GET /wait"]
WRONG_PHASE = {"NotStarted": "not supported before starting the microVM",
               "Running": "not supported after starting the microVM",
               "Paused": "not supported after starting the microVM"}
# What a paused machine alone can do.
NOT_PAUSED = {"PUT /snapshot/create": "save/restore unavailable while running",
              "PUT /snapshot/working-set": "save/restore unavailable while running"}
# What shows if a refused request has changed something: the events' number counts every change.
WITNESSES = ["/vm/config", "/mmds", "/wait?state=NotStarted,Running,Paused&timeout=0"]

# Values within their schema that something else forbids here: (request, field, label) and the fault.
FORBIDDEN = {
    ("PUT /balloon", "amount_mib", "maximum"): "exceeds mem_size_mib",
    ("PUT /network-interfaces/{iface_id}", "host_dev_name", "absent"): "missing field `host_dev_name`",
    ("PUT /network-interfaces/{iface_id}", "host_dev_name", "is None"): "host_dev_name: invalid type: null",
    ("PUT /network-interfaces/{iface_id}", "socket_path", f"is {schema.TEXT!r}"): "exclude each other",
    ("PUT /drives/{drive_id}", "path_on_host", "absent"): "missing field `path_on_host`",
    ("PUT /drives/{drive_id}", "path_on_host", "is None"): "path_on_host: invalid type: null",
    ("PUT /hotplug/memory", "total_size_mib", "is 0"): "must not be lower than slot size",
    ("PUT /hotplug/memory", "total_size_mib", "minimum"): "must not be lower than slot size",
    ("PUT /hotplug/memory", "total_size_mib", "maximum"): "must be a multiple of slot size",
    ("PUT /hotplug/memory", "block_size_mib", "maximum"): "must be a power of 2",
    ("PUT /hotplug/memory", "slot_size_mib", "maximum"): "must be a multiple of block size",
    ("PUT /logger", "log_path", f"is {schema.TEXT!r}"): "log_path: open",  # a directory's name
    ("PUT /metrics", "metrics_path", f"is {schema.TEXT!r}"): "metrics_path: open",
    ("PUT /network-interfaces/{iface_id}", "tap_fd", "is 0"): "exclude each other",
    ("PUT /network-interfaces/{iface_id}", "tap_fd", "minimum"): "exclude each other",
    ("PUT /network-interfaces/{iface_id}", "tap_fd", "maximum"): "exclude each other",
    ("PUT /pmem/{id}", "root_device", "is True"): "cannot both be the root device",
    ("PUT /snapshot/create", "snapshot_type", "is 'Diff'"): "dirty page tracking disabled",
    ("PUT /snapshot/load", "mem_backend", "is None"): "missing field: either `mem_backend`",
    ("PUT /snapshot/load", "mem_file_path", f"is {schema.TEXT!r}"): "either `mem_backend` or `mem_file_path`",
    ("PATCH /balloon", "amount_mib", "maximum"): "exceeds mem_size_mib",
    ("PATCH /balloon/statistics", "stats_polling_interval_s", "is 0"): "Cannot enable/disable",
    ("PATCH /balloon/statistics", "stats_polling_interval_s", "minimum"): "Cannot enable/disable",
}
# Files that must be there when they are named.
MUST_EXIST = ["kernel_image_path", "initrd_path", "path_on_host", "socket", "overlay_path",
              "snapshot_path", "mem_file_path"]
# Requests whose faults do not name the field, in words of the contract's, or are about another thing.
NAMELESS = ["PUT /mmds/config", "PUT /snapshot/load", "PUT /fork", "PUT /fork/receive"]
# What a guest without drivers cannot be asked.
NO_DRIVER = {"PATCH /balloon": "Device is inactive", "PATCH /hotplug/memory": "not active",
             "PATCH /balloon/hinting/start": "Device is inactive",
             "PATCH /balloon/hinting/stop": "Device is inactive",
             "PATCH /balloon/statistics": "Device is inactive",
             "PUT /snapshot/working-set": "not loaded with record_working_set"}
# The same of a process that was told what its machine is to be; descriptors come with a fork alone.
MACHINES_OF_OTHERS = {"PUT /snapshot/load": "not allowed after configuring boot-specific resources",
                      "PUT /fork/receive": "a forked machine comes as 2 descriptors"}
REFUSED_HERE = {**NO_DRIVER, **MACHINES_OF_OTHERS, "PUT /fork": "memory-hotplug cannot be forked"}


class Vmm:
    """One ember-vmm with an API, and files for what the requests name."""

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="ember-fields."))
        self.stack = contextlib.ExitStack()
        self.stack.callback(subprocess.run, ["rm", "-rf", str(self.directory)], check=True)
        for name in ["kernel", "initrd", "disk", "pmem"]:
            self.file(name).write_bytes(payload.image(HALT).ljust(4 << 20, b"\0"))
        peer = self.stack.enter_context(socket.socket(socket.AF_UNIX))
        peer.bind(str(self.file("peer")))
        peer.listen()
        api = str(self.file("api"))
        self.process = subprocess.Popen([VMM, "--api-sock", api], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.stack.callback(self.kill)
        self.transport = Transport(api)
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                self.transport.send("GET", "/")
                break
            assert self.process.poll() is None and time.monotonic() < deadline, "no API"
            time.sleep(0.002)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.transport.close()
        self.stack.close()

    def file(self, name):
        return self.directory / name

    def kill(self):
        self.process.kill()
        self.process.wait()

    def body(self, name, operation):
        """A body that is taken: the example, with files of this directory."""
        if "requestBody" not in operation:
            return None
        body = json.loads(json.dumps(operation["requestBody"]["content"]["application/json"]["example"]))
        path = {each: str(self.file(each)) for each in
                ["kernel", "initrd", "disk", "pmem", "peer", "vsock", "serial", "con", "log", "state",
                 "memory"]}
        special = {
            "PUT /boot-source": {"kernel_image_path": path["kernel"], "initrd_path": path["initrd"]},
            "PUT /drives/{drive_id}": {"path_on_host": path["disk"]},
            "PATCH /drives/{drive_id}": {"path_on_host": path["disk"]},
            "PUT /pmem/{id}": {"path_on_host": path["pmem"]},
            "PUT /vsock": {"uds_path": path["vsock"]},
            "PUT /serial": {"serial_out_path": path["serial"]},
            "PUT /logger": {"log_path": path["log"]},
            "PUT /metrics": {"metrics_path": path["log"]},
            "PUT /balloon": {"amount_mib": 1},
            "PATCH /balloon": {"amount_mib": 2},
            "PUT /machine-config": {"mem_size_mib": 64},
            "PATCH /machine-config": {"mem_size_mib": 64},
            "PUT /snapshot/create": {"snapshot_path": path["state"], "mem_file_path": path["memory"]},
        }
        body.update(special.get(name, {}))
        if name == "PUT /console":
            body["ports"][0].update(socket_path=path["con"], output_path=path["log"])
        return body

    def refused(self, name, operation, body, query=""):
        """The fault of a request, or None if it succeeds."""
        method, path = name.split(" ")
        answer = self.transport.send(method, target(path, operation) + query, body)
        check_answer(operation, answer)
        return fault_of(answer) if answer.status >= 400 else None

    def witness(self):
        return [self.transport.send("GET", path).text for path in WITNESSES]


def target(path, operation):
    """The path to send, with the id of the example."""
    if "{" not in path:
        return path
    name = path[path.index("{") + 1:-1]
    bodies = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return path.replace(f"{{{name}}}", str(bodies.get("example", {}).get(name, "some_id")))


def check_answer(operation, answer):
    """The answer must be one of those described."""
    described = operation["responses"].get(str(answer.status))
    assert described is not None, f"status {answer.status} is not described"
    content = SCHEMAS.resolve(described).get("content")
    if content is None:
        assert answer.text == "", f"a body where none is described: {answer.text}"
        return
    media = next(iter(content))
    assert media.split(";")[0] == answer.content_type, answer.content_type
    value = answer.text if media.startswith("text/") else answer.value()
    wrong = SCHEMAS.wrong(content[media]["schema"], value)
    assert wrong is None, f"the answer {answer.text} is not as described: {wrong}"


def schema_of(operation):
    return operation["requestBody"]["content"]["application/json"]["schema"]


class Fields(unittest.TestCase):
    """The cases of one phase, on one process wherever that can be."""

    phase = None
    known = None  # what showed after the last request, if it was refused

    def setUp(self):
        """A process that knows every device, but for what needs more of the host."""
        self.vmm = Vmm()
        self.addCleanup(self.vmm.__exit__)
        for name, operation in OPERATIONS:
            if (name.startswith("PUT") and name not in ("PUT /actions", *MACHINES_OF_OTHERS)
                    and "NotStarted" in operation["x-ember-phases"]):
                fault = self.vmm.refused(name, operation, self.vmm.body(name, operation))
                self.assertIsNone(fault, name)

    def check_phase(self, phase):
        self.phase = phase
        for name, operation in OPERATIONS:
            with self.subTest(request=name, phase=phase):
                self.check(name, operation)
            if phase != "NotStarted":
                self.restore("PATCH /vm", DESCRIPTION["paths"]["/vm"]["patch"])

    def check(self, name, operation):
        """All cases of one request."""
        base = self.vmm.body(name, operation)
        in_phase = self.phase in operation["x-ember-phases"]
        if not in_phase:
            running = NOT_PAUSED.get(name) if self.phase == "Running" else None
            self.refuse(name, operation, base, running or WRONG_PHASE[self.phase])
        elif not SUCCESSES & operation["responses"].keys():
            self.refuse(name, operation, base)
        elif name not in LATE:
            self.accept(name, operation, base)
        if base is None:
            self.check_query(name, operation)
        else:
            self.check_texts(name, operation)
            self.check_fields(name, operation, base, in_phase)
        self.check_ids(name, base)

    def check_texts(self, name, operation):
        """Bodies that are no object at all."""
        for text in ["{", "[]", "1", '"x"', "null", "{}{}", "\xff", "[" * 70 + "]" * 70]:
            self.refuse(name, operation, text)
        if operation["requestBody"]["required"]:
            self.refuse(name, operation, None, "Empty")

    def check_query(self, name, operation):
        """Parameters of a request without a body, beyond their edges, and a body."""
        if name.startswith("GET"):
            self.refuse(name, operation, "{}", "GET request cannot have a body")
        parameters = [each for each in operation.get("parameters", []) if each["in"] == "query"]
        for parameter in parameters:
            most = parameter["schema"].get("maximum")
            for value in ["", "-1", "x", "é"] + ([most + 1] if most else []):
                query = "&".join(f"{each['name']}={value if each is parameter else 'Running'}"
                                 for each in parameters if each["required"] or each is parameter)
                self.refuse(name, operation, None, query=f"?{urllib.parse.quote(query, '=&')}")
        if parameters:
            self.refuse(name, operation, None, "unknown query", query="?no_such_parameter=1")

    def check_fields(self, name, operation, base, in_phase):
        described = SCHEMAS.body(schema_of(operation))
        if "properties" not in described:
            return
        for where, label, body in SCHEMAS.mutations(described, base):
            field = where[-1]
            no_file = field in MUST_EXIST and label == f"is {schema.TEXT!r}"
            other_id = f"{{{field}}}" in name
            if SCHEMAS.wrong(described, body) or no_file or other_id:
                named = in_phase and not no_file and name not in NAMELESS
                self.refuse(name, operation, body, field if named else "", (where, label))
            elif in_phase:
                self.accept(name, operation, body, (where, label))

    def check_ids(self, name, base):
        if "{" not in name:
            return
        method, path = name.split(" ")
        before = self.vmm.witness()
        for wrong_id in ["", "a-b", "a%20b", "another"]:
            answer = self.vmm.transport.send(method, path[:path.index("{")] + wrong_id, base)
            self.assertEqual(answer.status, 400, f"{name} with the id {wrong_id!r}")
        self.assertEqual(self.vmm.witness(), before)

    def refuse(self, name, operation, body, text="", case="", query=""):
        """A request that must fail, with `text` in the fault, and change nothing."""
        before = self.known or self.vmm.witness()
        told = f"{name}{query} {case} {str(body)[:300]}"
        fault = self.vmm.refused(name, operation, body, query)
        self.assertIsNotNone(fault, f"{told} succeeded")
        self.assertIn(text, fault, told)
        self.known = self.vmm.witness()
        self.assertEqual(self.known, before, f"{told} was refused and changed something")

    def accept(self, name, operation, body, case=((), "as it is")):
        """A request that must succeed, but for what is known to stand in its way."""
        where, label = case
        key = (name, where[-1] if where else "", label)
        if name == "PUT /actions" and self.is_no_action_for_here(operation, body):
            return
        if operation.get("x-ember-once"):
            with Vmm() as other:
                fault = other.refused(name, operation, body)
            self.assertIn(FORBIDDEN.get(key, ""), fault or "", f"{name} {case} {body}")
            self.assertEqual(fault is None, key not in FORBIDDEN, f"{name} {case} {body}: {fault}")
            return
        if key in FORBIDDEN or name in REFUSED_HERE:
            self.refuse(name, operation, body, FORBIDDEN.get(key) or REFUSED_HERE[name])
            return
        self.known = None
        fault = self.vmm.refused(name, operation, body)
        self.assertIsNone(fault, f"{name} {case} {str(body)[:300]}")
        if where and name != "PUT /actions":
            self.restore(name, operation)

    def is_no_action_for_here(self, operation, body):
        """Whether an action is for another phase, and refused, or ends or restarts the machine."""
        field = SCHEMAS.body(schema_of(operation))["properties"]["action_type"]
        if self.phase in field["x-ember-phases-of"][body["action_type"]]:
            return body["action_type"] != "SendCtrlAltDel"
        self.refuse("PUT /actions", operation, body, WRONG_PHASE[self.phase])
        return True

    def restore(self, name, operation):
        """Sends the request as it was before its fields were tried."""
        self.known = None
        body = self.vmm.body(name, operation)
        if name == "PATCH /vm":
            body = {"state": "Paused" if self.phase == "Paused" else "Resumed"}
        self.assertIsNone(self.vmm.refused(name, operation, body), name)


class Before(Fields):
    def test_before_the_start(self):
        self.check_phase("NotStarted")


class After(Fields):
    def setUp(self):
        super().setUp()
        file = self.vmm.file
        start = {"/network-interfaces/eth0": {"iface_id": "eth0", "socket_path": str(file("peer"))},
                 "/boot-source": {"kernel_image_path": str(file("kernel"))},
                 "/cpu-config": {},
                 "/actions": {"action_type": "InstanceStart"}}
        for path, body in start.items():
            if path in DESCRIPTION["paths"] or "eth0" in path:
                self.vmm.transport.call("PUT", path, body)

    def test_while_the_machine_runs(self):
        self.check_phase("Running")

    def test_while_the_machine_is_paused(self):
        self.vmm.transport.call("PATCH", "/vm", {"state": "Paused"})
        self.check_phase("Paused")


def main():
    global VMM
    parser = argparse.ArgumentParser()
    parser.add_argument("vmm")
    parser.add_argument("--phases", choices=["before", "after"], required=True)
    options = parser.parse_args()
    VMM = options.vmm
    can_run = os.access("/dev/kvm", os.R_OK | os.W_OK) and platform.machine() == "x86_64"
    if options.phases == "after" and not can_run:
        print("NOT RUN: payload tier: no x86-64 /dev/kvm to use", file=sys.stderr)
        return NOT_RUN
    tests = Before if options.phases == "before" else After
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(tests)
    return run.run_here(suite, f"api_fields_{options.phases}")


if __name__ == "__main__":
    sys.exit(main())
