"""What requests are answered. Made by scripts/api-generate from docs/api/openapi.json."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from .bodies import (
    Balloon, BootSource, Console, CpuConfig, Drive, EntropyDevice, Lifecycle,
    MachineConfiguration, MemoryHotplugConfig, MmdsConfig, NetworkInterface, Pmem, Vsock
)


class Error(TypedDict):
    """A request that was read and refused."""

    fault_message: str


class TransportError(TypedDict):
    """What could not be read as a request; the connection is closed."""

    error: str


class InstanceInfo(TypedDict):
    """The machine and its process."""

    id: str
    state: Literal['Not started', 'Running', 'Paused']
    vmm_version: str
    app_name: str
    ember_version: NotRequired[str]


class FirecrackerVersion(TypedDict):
    """The contract's release."""

    firecracker_version: str


class BalloonStats(TypedDict):
    """What the guest said last: its word, not to be relied on."""

    target_pages: int
    actual_pages: int
    target_mib: int
    actual_mib: int
    swap_in: NotRequired[int]
    swap_out: NotRequired[int]
    major_faults: NotRequired[int]
    minor_faults: NotRequired[int]
    free_memory: NotRequired[int]
    total_memory: NotRequired[int]
    available_memory: NotRequired[int]
    disk_caches: NotRequired[int]
    hugetlb_allocations: NotRequired[int]
    hugetlb_failures: NotRequired[int]
    oom_kill: NotRequired[int]
    alloc_stall: NotRequired[int]
    async_scan: NotRequired[int]
    direct_scan: NotRequired[int]
    async_reclaim: NotRequired[int]
    direct_reclaim: NotRequired[int]


class BalloonHintingStatus(TypedDict):
    """A hinting run."""

    host_cmd: int
    guest_cmd: NotRequired[int | None]


class MemoryHotplugStatus(TypedDict):
    """What is plugged."""

    total_size_mib: int
    slot_size_mib: int
    block_size_mib: int
    plugged_size_mib: int
    requested_size_mib: int


class CloneOutcome(TypedDict):
    """A clone that is there, or why it is not."""

    socket_path: str
    error: NotRequired[str]


class ForkOutcome(TypedDict):
    """What became of a fork."""

    preparation_us: int
    pause_us: int
    clones: list[CloneOutcome]


class LoopHealth(TypedDict):
    """An event loop: it answered after answer_us; or has carried out a client's action for
    busy_ms.
    """

    name: NotRequired[str]
    state: NotRequired[Literal['responsive', 'busy', 'stuck']]
    answer_us: NotRequired[int]
    busy_ms: NotRequired[int]


class VcpuHealth(TypedDict):
    """A vCPU's thread."""

    index: int
    state: Literal['guest', 'exit', 'paused', 'ended', 'stuck']


class Health(TypedDict):
    """How the threads are."""

    loop: LoopHealth
    vcpus: list[VcpuHealth]
    device_threads: list[LoopHealth]
    healthy: bool


class GuestMemoryUse(TypedDict):
    """The guest's memory."""

    rss_bytes: int
    pss_bytes: int
    swap_bytes: int
    configured_bytes: int
    balloon_target_bytes: int | None
    hotplug_limit_bytes: int | None


class VmmMemoryUse(TypedDict):
    """All other memory of the process."""

    rss_bytes: int
    pss_bytes: int
    swap_bytes: int


class MemoryUse(TypedDict):
    """What is really held."""

    guest: GuestMemoryUse
    vmm: VmmMemoryUse


class EmptyBootSource(TypedDict):
    """What is shown before the first PUT /boot-source."""

    kernel_image_path: str
    initrd_path: None
    boot_args: None


# Every section of the contract's configuration file, null or [] where there is nothing. Once
# there is a boot source it is a configuration file for --config-file.
FullVmConfiguration = TypedDict("FullVmConfiguration", {
    "balloon": "Balloon | None",
    "drives": "list[Drive]",
    "boot-source": "BootSource | EmptyBootSource",
    "cpu-config": "CpuConfig | None",
    "logger": "None",
    "machine-config": "MachineConfiguration",
    "metrics": "None",
    "mmds-config": "MmdsConfig | None",
    "network-interfaces": "list[NetworkInterface]",
    "vsock": "Vsock | None",
    "entropy": "EntropyDevice | None",
    "pmem": "list[Pmem]",
    "memory-hotplug": "MemoryHotplugConfig | None",
    "lifecycle": "NotRequired[Lifecycle]",
    "console": "NotRequired[Console]",
})


class Event(TypedDict):
    """What has happened. A client passes over fields and events that it does not know."""

    seq: int
    time: str
    event: str
    skipped: NotRequired[int]


class WaitResult(TypedDict):
    """The state there is."""

    state: Literal['NotStarted', 'Running', 'Paused', 'Ended']
    reached: bool
    seq: int
    reason: NotRequired[str]
    exit_code: NotRequired[int]
