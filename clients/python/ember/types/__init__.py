"""The bodies of requests and answers. Made by scripts/api-generate from docs/api/openapi.json."""

from .answers import (
    BalloonHintingStatus, BalloonStats, CloneOutcome, EmptyBootSource, Error, Event,
    FirecrackerVersion, ForkOutcome, FullVmConfiguration, GuestMemoryUse, Health,
    InstanceInfo, LoopHealth, MemoryHotplugStatus, MemoryUse, TransportError, VcpuHealth,
    VmmMemoryUse, WaitResult
)
from .bodies import (
    Balloon, BalloonStartCmd, BalloonStatsUpdate, BalloonUpdate, BootSource, CloneChanges,
    Console, ConsoleOverride, ConsolePort, ConsoleResize, CpuConfig, CpuidLeafModifier,
    CpuidRegisterModifier, Drive, DriveOverride, EntropyDevice, ForkClone, ForkParams,
    InstanceActionInfo, Lifecycle, Logger, MachineConfiguration, MachineConfigurationUpdate,
    MemoryBackend, MemoryHotplugConfig, MemoryHotplugSizeUpdate, Metrics, MmdsConfig,
    MmdsContentsObject, MsrModifier, NetworkInterface, NetworkOverride, PartialDrive,
    PartialNetworkInterface, PartialPmem, Pmem, PmemOverride, RateLimiter, SerialDevice,
    SnapshotCreateParams, SnapshotLoadParams, TokenBucket, Vm, Vsock, VsockOverride,
    WorkingSetParams
)

__all__ = [
    "Balloon", "BalloonHintingStatus", "BalloonStartCmd", "BalloonStats",
    "BalloonStatsUpdate", "BalloonUpdate", "BootSource", "CloneChanges", "CloneOutcome",
    "Console", "ConsoleOverride", "ConsolePort", "ConsoleResize", "CpuConfig",
    "CpuidLeafModifier", "CpuidRegisterModifier", "Drive", "DriveOverride", "EmptyBootSource",
    "EntropyDevice", "Error", "Event", "FirecrackerVersion", "ForkClone", "ForkOutcome",
    "ForkParams", "FullVmConfiguration", "GuestMemoryUse", "Health", "InstanceActionInfo",
    "InstanceInfo", "Lifecycle", "Logger", "LoopHealth", "MachineConfiguration",
    "MachineConfigurationUpdate", "MemoryBackend", "MemoryHotplugConfig",
    "MemoryHotplugSizeUpdate", "MemoryHotplugStatus", "MemoryUse", "Metrics", "MmdsConfig",
    "MmdsContentsObject", "MsrModifier", "NetworkInterface", "NetworkOverride",
    "PartialDrive", "PartialNetworkInterface", "PartialPmem", "Pmem", "PmemOverride",
    "RateLimiter", "SerialDevice", "SnapshotCreateParams", "SnapshotLoadParams",
    "TokenBucket", "TransportError", "VcpuHealth", "Vm", "VmmMemoryUse", "Vsock",
    "VsockOverride", "WaitResult", "WorkingSetParams"
]
