#ifndef EMBER_VMM_ACTION_H_
#define EMBER_VMM_ACTION_H_

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "vmm/config.h"
#include "vmm/console/handed_socket.h"
#include "vmm/fork/fork_request.h"
#include "vmm/snapshot/snapshot_request.h"

// Everything a client can ask a machine to do: a closed set, so that each controller must say what
// it makes of each.
namespace ember::vmm {

struct PutMachineConfig {
  MachineConfig machine;
  bool names_template = false;  // be it None
};
struct PatchMachineConfig {
  MachineConfigUpdate update;
};
struct PutCpuConfig {
  CpuConfig cpu;
};
struct PutBootSource {
  BootSource boot_source;
};
struct PutDrive {
  DriveConfig drive;
};
struct PutNetworkInterface {
  NetworkInterfaceConfig interface;
};
struct PutMmdsConfig {
  MmdsConfig mmds;
};
struct PutMemoryHotplug {
  MemoryHotplugConfig memory;
};
struct PutLogger {
  LoggerConfig logger;
};
struct PutMetrics {
  MetricsConfig metrics;
};
struct PutSerial {
  SerialConfig serial;
};
struct PutPmem {
  PmemConfig pmem;
};
struct PutBalloon {
  BalloonConfig balloon;
};
struct PutConsole {
  ConsoleConfig console;
};
struct PutEntropy {
  EntropyConfig entropy;
};
struct PutVsock {
  VsockConfig vsock;
};
struct PatchDrive {
  DriveUpdate update;
};
struct PatchPmem {
  PmemUpdate update;
};
struct PatchBalloon {
  BalloonUpdate update;
};
struct PatchBalloonStatistics {
  BalloonStatisticsUpdate update;
};
struct GetBalloonStatistics {};
struct StartBalloonHinting {
  BalloonHintingStart start;
};
struct StopBalloonHinting {};
struct GetBalloonHinting {};
struct PatchNetworkInterface {
  NetworkInterfaceUpdate update;
};
struct PatchMemoryHotplug {
  MemoryHotplugUpdate update;
};
struct GetMemoryHotplug {};
struct AttachConsole {
  std::optional<std::string> port;  // its id; absent: the first
  std::shared_ptr<HandedSocket> socket;
};
struct ResizeConsole {
  ConsoleResize resize;
};
struct PutLifecycle {
  LifecycleConfig lifecycle;
};
struct CreateSnapshot {
  SnapshotCreation creation;
};
struct SaveWorkingSet {
  WorkingSetFile file;
};
struct LoadSnapshot {
  SnapshotLoad load;
};
// Answered late, when its clones have answered; the others are carried out meanwhile.
struct ForkMachine {
  ForkRequest request;
};
struct InstanceStart {};
struct PauseVm {};
struct ResumeVm {};
struct SendCtrlAltDel {};
struct PressPowerButton {};
struct ResetInPlace {};
struct FlushMetrics {};
struct GetMetrics {};

// What is asked of the devices of a machine that runs.
using DeviceAction =
    std::variant<PatchDrive, PatchPmem, PatchNetworkInterface, PatchBalloon, PatchBalloonStatistics,
                 GetBalloonStatistics, StartBalloonHinting, StopBalloonHinting, GetBalloonHinting,
                 PatchMemoryHotplug, GetMemoryHotplug, AttachConsole, ResizeConsole>;

using Action =
    std::variant<PutMachineConfig, PatchMachineConfig, PutCpuConfig, PutBootSource, PutDrive,
                 PutPmem, PutNetworkInterface, PutSerial, PutBalloon, PutEntropy, PutConsole,
                 PutVsock, PutMemoryHotplug, PutMmdsConfig, PutLifecycle, PutLogger, PutMetrics,
                 LoadSnapshot, InstanceStart, PauseVm, ResumeVm, CreateSnapshot, SaveWorkingSet,
                 ForkMachine, SendCtrlAltDel, PressPowerButton, ResetInPlace, FlushMetrics,
                 GetMetrics, DeviceAction>;

}  // namespace ember::vmm

#endif  // EMBER_VMM_ACTION_H_
