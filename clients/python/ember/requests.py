"""Every request of the API. Made by scripts/api-generate from docs/api/openapi.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from . import types
from .transport import Transport

if TYPE_CHECKING:
    from typing import Unpack


class Requests:
    """A method for each request, named after it: PUT /boot-source is put_boot_source().

    The fields of a body are its keywords. What the server refuses is an ApiError.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def get_instance(self) -> types.InstanceInfo:
        """The machine and its process. Always."""
        return cast('types.InstanceInfo', self.transport.call("GET", "/"))

    def get_version(self) -> types.FirecrackerVersion:
        """The contract's release. Always."""
        return cast('types.FirecrackerVersion', self.transport.call("GET", "/version"))

    def get_vm_config(self) -> types.FullVmConfiguration:
        """The whole configuration. Always."""
        return cast('types.FullVmConfiguration', self.transport.call("GET", "/vm/config"))

    def get_machine_config(self) -> types.MachineConfiguration:
        """Processors and memory. Always."""
        return cast('types.MachineConfiguration', self.transport.call("GET", "/machine-config"))

    def put_machine_config(self, **body: Unpack[types.MachineConfiguration]) -> None:
        """Sets processors and memory; what is not named gets its default. Before the start."""
        self.transport.call("PUT", "/machine-config", body)

    def patch_machine_config(self, **body: Unpack[types.MachineConfigurationUpdate]) -> None:
        """Changes what is named of processors and memory. Before the start."""
        self.transport.call("PATCH", "/machine-config", body)

    def put_cpu_config(self, **body: Unpack[types.CpuConfig]) -> None:
        """Says what the guest's processors are to be, in place of what was said before. Before the
        start.
        """
        self.transport.call("PUT", "/cpu-config", body)

    def put_boot_source(self, **body: Unpack[types.BootSource]) -> None:
        """Says what the guest boots. The files are opened to see that they can be, and again at the
        start. Before the start.
        """
        self.transport.call("PUT", "/boot-source", body)

    def put_drives(self, **body: Unpack[types.Drive]) -> None:
        """Adds a drive, or replaces the one with its id. Before the start."""
        self.transport.call("PUT", f"/drives/{quote(body['drive_id'], safe='')}", body)

    def patch_drives(self, **body: Unpack[types.PartialDrive]) -> None:
        """Changes a drive's file, its limits, or both. After the start."""
        self.transport.call("PATCH", f"/drives/{quote(body['drive_id'], safe='')}", body)

    def delete_drives(self, drive_id: str) -> None:
        """Unplugs a device. After the start."""
        self.transport.call("DELETE", f"/drives/{quote(drive_id, safe='')}")

    def put_pmem(self, **body: Unpack[types.Pmem]) -> None:
        """Adds a pmem device, or replaces the one with its id. Before the start."""
        self.transport.call("PUT", f"/pmem/{quote(body['id'], safe='')}", body)

    def patch_pmem(self, **body: Unpack[types.PartialPmem]) -> None:
        """Changes a pmem device's limits. After the start."""
        self.transport.call("PATCH", f"/pmem/{quote(body['id'], safe='')}", body)

    def delete_pmem(self, id: str) -> None:
        """Unplugs a device. After the start."""
        self.transport.call("DELETE", f"/pmem/{quote(id, safe='')}")

    def put_network_interfaces(self, **body: Unpack[types.NetworkInterface]) -> None:
        """Adds an interface, or replaces the one with its id. Before the start."""
        self.transport.call("PUT", f"/network-interfaces/{quote(body['iface_id'], safe='')}", body)

    def patch_network_interfaces(self, **body: Unpack[types.PartialNetworkInterface]) -> None:
        """Changes an interface's limits. After the start."""
        self.transport.call("PATCH", f"/network-interfaces/{quote(body['iface_id'], safe='')}", body)

    def delete_network_interfaces(self, iface_id: str) -> None:
        """Unplugs a device. After the start."""
        self.transport.call("DELETE", f"/network-interfaces/{quote(iface_id, safe='')}")

    def put_vsock(self, **body: Unpack[types.Vsock]) -> None:
        """Sets the socket device. Before the start."""
        self.transport.call("PUT", "/vsock", body)

    def put_entropy(self, **body: Unpack[types.EntropyDevice]) -> None:
        """Gives the guest an entropy device. Before the start."""
        self.transport.call("PUT", "/entropy", body)

    def put_serial(self, **body: Unpack[types.SerialDevice]) -> None:
        """Says where the serial port's output goes. Before the start."""
        self.transport.call("PUT", "/serial", body)

    def patch_console(self, **body: Unpack[types.ConsoleResize]) -> None:
        """Gives a port's terminal its size. After the start."""
        self.transport.call("PATCH", "/console", body)

    def put_console(self, **body: Unpack[types.Console]) -> None:
        """Gives the guest a virtio console and named ports. Before the start."""
        self.transport.call("PUT", "/console", body)

    def get_balloon(self) -> types.Balloon:
        """The balloon as configured; an error without one. Always."""
        return cast('types.Balloon', self.transport.call("GET", "/balloon"))

    def put_balloon(self, **body: Unpack[types.Balloon]) -> None:
        """Sets the balloon. Before the start."""
        self.transport.call("PUT", "/balloon", body)

    def patch_balloon(self, **body: Unpack[types.BalloonUpdate]) -> None:
        """Changes the balloon's target. The guest's driver must be up. After the start."""
        self.transport.call("PATCH", "/balloon", body)

    def get_balloon_statistics(self) -> types.BalloonStats:
        """The guest's statistics, where they are on. After the start."""
        return cast('types.BalloonStats', self.transport.call("GET", "/balloon/statistics"))

    def patch_balloon_statistics(self, **body: Unpack[types.BalloonStatsUpdate]) -> None:
        """Changes the interval between statistics. After the start."""
        self.transport.call("PATCH", "/balloon/statistics", body)

    def patch_balloon_hinting_start(self, **body: Unpack[types.BalloonStartCmd]) -> None:
        """Begins a hinting run, where hinting is on. After the start."""
        self.transport.call("PATCH", "/balloon/hinting/start", body or None)

    def get_balloon_hinting_status(self) -> types.BalloonHintingStatus:
        """The hinting run. After the start."""
        return cast('types.BalloonHintingStatus', self.transport.call("GET", "/balloon/hinting/status"))

    def patch_balloon_hinting_stop(self) -> None:
        """Ends a hinting run. After the start."""
        self.transport.call("PATCH", "/balloon/hinting/stop")

    def get_hotplug_memory(self) -> types.MemoryHotplugStatus:
        """What memory is plugged. After the start."""
        return cast('types.MemoryHotplugStatus', self.transport.call("GET", "/hotplug/memory"))

    def put_hotplug_memory(self, **body: Unpack[types.MemoryHotplugConfig]) -> None:
        """Says what memory can be plugged. Before the start."""
        self.transport.call("PUT", "/hotplug/memory", body)

    def patch_hotplug_memory(self, **body: Unpack[types.MemoryHotplugSizeUpdate]) -> None:
        """Asks the guest to plug or unplug memory. Its driver must be up. After the start."""
        self.transport.call("PATCH", "/hotplug/memory", body)

    def get_mmds(self) -> types.MmdsContentsObject:
        """All metadata; {} before the first PUT. Always."""
        return cast('types.MmdsContentsObject', self.transport.call("GET", "/mmds"))

    def put_mmds(self, body: types.MmdsContentsObject) -> None:
        """Sets the metadata. Always."""
        self.transport.call("PUT", "/mmds", body)

    def patch_mmds(self, body: types.MmdsContentsObject) -> None:
        """Merges a patch (RFC 7396) into the metadata. Always."""
        self.transport.call("PATCH", "/mmds", body)

    def put_mmds_config(self, **body: Unpack[types.MmdsConfig]) -> None:
        """Says who may read the metadata, and how. Before the start."""
        self.transport.call("PUT", "/mmds/config", body)

    def put_logger(self, **body: Unpack[types.Logger]) -> None:
        """Sets the log up; once. Before the start, once."""
        self.transport.call("PUT", "/logger", body)

    def get_metrics(self) -> str:
        """What is counted, as text for Prometheus. Always."""
        return cast('str', self.transport.call("GET", "/metrics"))

    def put_metrics(self, **body: Unpack[types.Metrics]) -> None:
        """Says where metrics go; once. Before the start, once."""
        self.transport.call("PUT", "/metrics", body)

    def put_actions(self, **body: Unpack[types.InstanceActionInfo]) -> None:
        """Starts the machine, or does something to it. The action says when. Always."""
        self.transport.call("PUT", "/actions", body)

    def patch_vm(self, **body: Unpack[types.Vm]) -> None:
        """Pauses or resumes the machine. After the start."""
        self.transport.call("PATCH", "/vm", body)

    def put_snapshot_create(self, **body: Unpack[types.SnapshotCreateParams]) -> None:
        """Saves the machine, which must be paused. While paused."""
        self.transport.call("PUT", "/snapshot/create", body)

    def put_snapshot_working_set(self, **body: Unpack[types.WorkingSetParams]) -> None:
        """Saves which pages a machine has touched since it was loaded to be recorded. While paused."""
        self.transport.call("PUT", "/snapshot/working-set", body)

    def put_snapshot_load(self, **body: Unpack[types.SnapshotLoadParams]) -> None:
        """Makes the machine of a snapshot, in a process in which none was described. Before the start."""
        self.transport.call("PUT", "/snapshot/load", body)

    def put_fork(self, **body: Unpack[types.ForkParams]) -> types.ForkOutcome:
        """Makes clones of the machine in processes that wait, while it goes on. After the start."""
        return cast('types.ForkOutcome', self.transport.call("PUT", "/fork", body))

    def put_fork_receive(self, **body: Unpack[types.CloneChanges]) -> None:
        """Takes a machine that another process forks, as the descriptors beside the request. No client
        sends it. Before the start.
        """
        self.transport.call("PUT", "/fork/receive", body)

    def put_lifecycle(self, **body: Unpack[types.Lifecycle]) -> None:
        """Says what becomes of the machine when its guest ends. Before the start."""
        self.transport.call("PUT", "/lifecycle", body)

    def get_health(self, timeout_ms: int = 1000) -> types.Health:
        """Tells a machine that is stuck from one that is busy. Always."""
        return cast('types.Health', self.transport.call("GET", f"/health?timeout_ms={timeout_ms}"))

    def get_memory(self) -> types.MemoryUse:
        """What guest and VMM really hold. Always."""
        return cast('types.MemoryUse', self.transport.call("GET", "/memory"))

    def get_log(self, lines: int = 65536) -> str:
        """The last lines of the log. Always."""
        return cast('str', self.transport.call("GET", f"/log?lines={lines}"))

    def get_wait(self, state: str, timeout: int = 60) -> types.WaitResult:
        """Answers when the machine is in a state. Always."""
        return cast('types.WaitResult', self.transport.call("GET", f"/wait?state={state}&timeout={timeout}"))
