"""Guests that the test bed's emulated processor lets go on with registers that are not theirs, but those of the
bed's own kernel as it entered the guest (CONTRIBUTING.md). Such a guest stands still and can tell nothing."""

import io
import json
import struct

STATE_HEADER_BYTES = 32  # docs/formats/snapshot.md
CR3_OFFSET = 240  # in kvm_sregs and kvm_sregs2
PAGE_BYTES = 4096


def decoded(file):
    """The next item of CBOR (RFC 8949), of the kinds that a snapshot's state has."""
    first = file.read(1)[0]
    kind, size = first >> 5, first & 31
    if kind == 7:
        return {20: False, 21: True, 22: None}[size]
    count = size if size < 24 else int.from_bytes(file.read(1 << (size - 24)), "big")
    if kind == 4:
        return [decoded(file) for _ in range(count)]
    if kind == 5:
        return {decoded(file): decoded(file) for _ in range(count)}
    return {0: lambda: count, 2: lambda: file.read(count), 3: lambda: file.read(count).decode()}[kind]()


def stray_vcpus(state):
    """Of a snapshot's, by their indices, those whose page tables are not in the guest's memory, as no kernel
    of ours has them."""
    root = decoded(io.BytesIO(state.read_bytes()[STATE_HEADER_BYTES:]))
    end = json.loads(root["config"])["machine-config"]["mem_size_mib"] << 20
    strays = []
    for index, vcpu in enumerate(root["vcpus"]):
        registers, = (part["bytes"] for part in vcpu["parts"] if part["name"] in ("sregs", "sregs2"))
        cr3, = struct.unpack_from("<Q", registers, CR3_OFFSET)
        if not 0 < cr3 // PAGE_BYTES * PAGE_BYTES < end:
            strays.append(index)
    return strays


def is_stray(vm):
    """Whether a machine that runs has such a vCPU. It stays paused."""
    state, memory = vm.directory / "standing.state", vm.directory / "standing.memory"
    vm.api.patch_vm(state="Paused")
    vm.api.put_snapshot_create(snapshot_path=str(state), snapshot_type="Full", mem_file_path=str(memory))
    strays = stray_vcpus(state)
    if strays:
        print(f"  vCPUs {strays} have registers that are not the guest's", flush=True)
    return bool(strays)
