"""The bodies of requests. Made by scripts/api-generate from docs/api/openapi.json."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class InstanceActionInfo(TypedDict):
    """What is to be done."""

    action_type: Literal['FlushMetrics', 'InstanceStart', 'SendCtrlAltDel', 'PowerButton', 'ResetInPlace']


class Vm(TypedDict):
    """The state that the machine is to be in."""

    state: Literal['Paused', 'Resumed']


class TokenBucket(TypedDict):
    """A bucket that starts full and is filled evenly. Size or refill time 0: no limit."""

    size: int
    refill_time: int
    one_time_burst: NotRequired[int | None]


class RateLimiter(TypedDict):
    """Limits of bytes and operations, each if its bucket is there. In a PATCH a bucket that is
    absent or null stays as it is.
    """

    bandwidth: NotRequired[TokenBucket | None]
    ops: NotRequired[TokenBucket | None]


class BootSource(TypedDict):
    """What the guest boots."""

    kernel_image_path: str
    initrd_path: NotRequired[str | None]
    boot_args: NotRequired[str | None]
    boot_protocol: NotRequired[Literal['Auto', 'Linux64', 'Pvh', None]]
    hardware_description: NotRequired[Literal['Acpi', 'MpTable', 'DeviceTree', None]]


class MachineConfiguration(TypedDict):
    """Processors and memory."""

    vcpu_count: int
    mem_size_mib: int
    smt: NotRequired[bool]
    cpu_template: NotRequired[Literal['C3', 'T2', 'T2S', 'T2CL', 'T2A', 'V1N1', 'None', None]]
    track_dirty_pages: NotRequired[bool]
    huge_pages: NotRequired[Literal['None', 'Transparent', '2M']]
    forkable: NotRequired[bool]


class MachineConfigurationUpdate(TypedDict):
    """What is to change of processors and memory; the rest stays as it is. One field at least is
    not null.
    """

    vcpu_count: NotRequired[int | None]
    mem_size_mib: NotRequired[int | None]
    smt: NotRequired[bool | None]
    cpu_template: NotRequired[Literal['C3', 'T2', 'T2S', 'T2CL', 'T2A', 'V1N1', 'None', None]]
    track_dirty_pages: NotRequired[bool | None]
    huge_pages: NotRequired[Literal['None', 'Transparent', '2M', None]]
    forkable: NotRequired[bool | None]


class Drive(TypedDict):
    """A block device."""

    drive_id: str
    path_on_host: NotRequired[str | None]
    is_root_device: bool
    partuuid: NotRequired[str | None]
    cache_type: NotRequired[Literal['Unsafe', 'Writeback']]
    is_read_only: NotRequired[bool | None]
    rate_limiter: NotRequired[RateLimiter | None]
    io_engine: NotRequired[Literal['Sync', 'Async', None]]
    socket: NotRequired[str | None]
    discard: NotRequired[bool | None]
    thread: NotRequired[Literal['Vmm', 'Own', None]]
    overlay_path: NotRequired[str | None]
    queues: NotRequired[int | None]
    direct: NotRequired[bool | None]


class PartialDrive(TypedDict):
    """What is to change of a drive. With neither path nor limits, a vhost-user back end is asked
    for its configuration again.
    """

    drive_id: str
    path_on_host: NotRequired[str | None]
    rate_limiter: NotRequired[RateLimiter | None]


class Pmem(TypedDict):
    """A file in the guest's address space."""

    id: str
    path_on_host: str
    root_device: NotRequired[bool]
    read_only: NotRequired[bool]
    rate_limiter: NotRequired[RateLimiter | None]
    thread: NotRequired[Literal['Vmm', 'Own', None]]


class PartialPmem(TypedDict):
    """What is to change of a pmem device."""

    id: str
    rate_limiter: NotRequired[RateLimiter | None]


class NetworkInterface(TypedDict):
    """A network interface. It has one of host_dev_name, tap_fd and socket_path."""

    iface_id: str
    host_dev_name: NotRequired[str | None]
    guest_mac: NotRequired[str | None]
    mtu: NotRequired[int | None]
    rx_rate_limiter: NotRequired[RateLimiter | None]
    tx_rate_limiter: NotRequired[RateLimiter | None]
    tap_fd: NotRequired[int | None]
    socket_path: NotRequired[str | None]
    queue_pairs: NotRequired[int | None]
    thread: NotRequired[Literal['Vmm', 'Own', None]]


class PartialNetworkInterface(TypedDict):
    """What is to change of a network interface."""

    iface_id: str
    rx_rate_limiter: NotRequired[RateLimiter | None]
    tx_rate_limiter: NotRequired[RateLimiter | None]


class Vsock(TypedDict):
    """Sockets between guest and host."""

    guest_cid: int
    uds_path: str
    vsock_id: NotRequired[str | None]
    thread: NotRequired[Literal['Vmm', 'Own', None]]


class EntropyDevice(TypedDict):
    """A device that gives the guest random numbers."""

    rate_limiter: NotRequired[RateLimiter | None]
    thread: NotRequired[Literal['Vmm', 'Own', None]]


class CpuConfig(TypedDict):
    """Changes of what the host's KVM offers. The machine's own bits stay: topology, the brand,
    what a kernel expects at its entry.
    """

    kvm_capabilities: NotRequired[list[str] | None]
    cpuid_modifiers: NotRequired[list[CpuidLeafModifier] | None]
    msr_modifiers: NotRequired[list[MsrModifier] | None]
    reg_modifiers: NotRequired[list[dict[str, Any]] | None]
    vcpu_features: NotRequired[list[dict[str, Any]] | None]


class CpuidLeafModifier(TypedDict):
    """Changes of one answer."""

    leaf: str
    subleaf: str
    flags: int
    modifiers: list[CpuidRegisterModifier]


class CpuidRegisterModifier(TypedDict):
    """Changes of one register."""

    register: Literal['eax', 'ebx', 'ecx', 'edx']
    bitmap: str


class MsrModifier(TypedDict):
    """Changes of one model-specific register."""

    addr: str
    bitmap: str


class SerialDevice(TypedDict):
    """Where the serial port's output goes."""

    serial_out_path: NotRequired[str | None]
    rate_limiter: NotRequired[TokenBucket | None]


class ConsolePort(TypedDict):
    """A port of the console, and its socket."""

    id: str
    socket_path: str
    is_console: NotRequired[bool | None]
    log_bytes: NotRequired[int | None]
    output_path: NotRequired[str | None]


class Console(TypedDict):
    """A virtio console and named ports."""

    ports: list[ConsolePort]
    resize_order: NotRequired[Literal['ColumnsFirst', 'RowsFirst', None]]
    thread: NotRequired[Literal['Vmm', 'Own', None]]


class ConsoleResize(TypedDict):
    """A terminal's size."""

    port: NotRequired[str | None]
    columns: int
    rows: int


class Balloon(TypedDict):
    """Memory that the guest is asked to give up."""

    amount_mib: int
    deflate_on_oom: bool
    stats_polling_interval_s: NotRequired[int]
    free_page_hinting: NotRequired[bool]
    free_page_reporting: NotRequired[bool]
    thread: NotRequired[Literal['Vmm', 'Own', None]]


class BalloonUpdate(TypedDict):
    """Another target."""

    amount_mib: int


class BalloonStatsUpdate(TypedDict):
    """Another interval. Statistics cannot be turned on or off this way."""

    stats_polling_interval_s: int


class BalloonStartCmd(TypedDict):
    """How a hinting run ends."""

    acknowledge_on_stop: NotRequired[bool]


class MemoryHotplugConfig(TypedDict):
    """Memory that comes and goes while the machine runs."""

    total_size_mib: int
    block_size_mib: NotRequired[int]
    slot_size_mib: NotRequired[int]
    thread: NotRequired[Literal['Vmm', 'Own', None]]


class MemoryHotplugSizeUpdate(TypedDict):
    """How much is to be plugged."""

    requested_size_mib: int


class MmdsConfig(TypedDict):
    """Who may read the metadata, and how."""

    network_interfaces: list[str]
    version: NotRequired[Literal['V1', 'V2']]
    ipv4_address: NotRequired[str | None]
    imds_compat: NotRequired[bool]


MmdsContentsObject = dict[str, Any]


class Metrics(TypedDict):
    """Where metrics go. Fields that are not known are passed over."""

    metrics_path: str
    emit_id: NotRequired[bool]
    properties: NotRequired[dict[str, str] | None]


class Logger(TypedDict):
    """The log. What is absent is as the command line says."""

    level: NotRequired[str | None]
    log_path: NotRequired[str | None]
    show_level: NotRequired[bool | None]
    show_log_origin: NotRequired[bool | None]
    module: NotRequired[str | None]


class Lifecycle(TypedDict):
    """What a guest's end does: Exit ends the process, Pause leaves the machine as it was in that
    moment, Reset starts it anew.
    """

    on_reboot: NotRequired[Literal['Exit', 'Pause', 'Reset']]
    on_panic: NotRequired[Literal['Exit', 'Pause', 'Reset']]
    on_halt: NotRequired[Literal['Exit', 'Pause', 'Reset']]
    on_crash: NotRequired[Literal['Exit', 'Pause', 'Reset']]
    resets_per_minute: NotRequired[int | None]


class SnapshotCreateParams(TypedDict):
    """The files of a snapshot. Files of these names are replaced, both or none."""

    mem_file_path: str
    snapshot_path: str
    snapshot_type: NotRequired[Literal['Full', 'Diff']]


class MemoryBackend(TypedDict):
    """Where the memory of a restored machine comes from."""

    backend_type: Literal['File', 'Uffd']
    backend_path: str
    record_working_set: NotRequired[bool]
    working_set_path: NotRequired[str | None]


class WorkingSetParams(TypedDict):
    """Beside the contract: the file of a working set. A file of this name is replaced."""

    working_set_path: str


class NetworkOverride(TypedDict):
    """Another back end or address for an interface."""

    iface_id: str
    host_dev_name: NotRequired[str | None]
    tap_fd: NotRequired[int | None]
    socket_path: NotRequired[str | None]
    guest_mac: NotRequired[str | None]


class VsockOverride(TypedDict):
    """Another path or CID for the socket device."""

    uds_path: NotRequired[str | None]
    guest_cid: NotRequired[int | None]


class DriveOverride(TypedDict):
    """Another file for a drive."""

    drive_id: str
    path_on_host: NotRequired[str | None]
    overlay_path: NotRequired[str | None]


class PmemOverride(TypedDict):
    """Another file for a persistent memory device."""

    id: str
    path_on_host: str


class ConsoleOverride(TypedDict):
    """Other paths for a port of the virtio console."""

    id: str
    socket_path: NotRequired[str | None]
    output_path: NotRequired[str | None]


class SnapshotLoadParams(TypedDict):
    """A snapshot, and what is to be other than it was. It has one of mem_backend and
    mem_file_path.
    """

    snapshot_path: str
    mem_backend: NotRequired[MemoryBackend | None]
    mem_file_path: NotRequired[str | None]
    track_dirty_pages: NotRequired[bool]
    enable_diff_snapshots: NotRequired[bool]
    resume_vm: NotRequired[bool]
    network_overrides: NotRequired[list[NetworkOverride]]
    vsock_override: NotRequired[VsockOverride | None]
    drive_overrides: NotRequired[list[DriveOverride]]
    pmem_overrides: NotRequired[list[PmemOverride]]
    console_overrides: NotRequired[list[ConsoleOverride]]
    clock_realtime: NotRequired[bool]
    huge_pages: NotRequired[Literal['Snapshot', 'None', 'Transparent', '2M']]


class CloneChanges(TypedDict):
    """What is to be other in a clone than in the machine that is forked."""

    track_dirty_pages: NotRequired[bool]
    resume_vm: NotRequired[bool]
    network_overrides: NotRequired[list[NetworkOverride]]
    vsock_override: NotRequired[VsockOverride | None]
    drive_overrides: NotRequired[list[DriveOverride]]
    pmem_overrides: NotRequired[list[PmemOverride]]
    console_overrides: NotRequired[list[ConsoleOverride]]
    clock_realtime: NotRequired[bool]


class ForkClone(TypedDict):
    """A process that waits, and what is to be other in its machine."""

    socket_path: str
    track_dirty_pages: NotRequired[bool]
    resume_vm: NotRequired[bool]
    network_overrides: NotRequired[list[NetworkOverride]]
    vsock_override: NotRequired[VsockOverride | None]
    drive_overrides: NotRequired[list[DriveOverride]]
    pmem_overrides: NotRequired[list[PmemOverride]]
    console_overrides: NotRequired[list[ConsoleOverride]]
    clock_realtime: NotRequired[bool]


class ForkParams(TypedDict):
    """The clones to be made."""

    clones: list[ForkClone]
    timeout_ms: NotRequired[int | None]
