#ifndef EMBER_API_ENDPOINTS_ENDPOINTS_H_
#define EMBER_API_ENDPOINTS_ENDPOINTS_H_

#include "api/endpoints/endpoint.h"

// Every endpoint, METHOD /path as MethodPath; docs/api.md says what each takes and answers.
namespace ember::api {

// instance.cc
Result<Outcome> GetInstance(const Call& call);
Result<Outcome> GetVersion(const Call& call);
// actions.cc
Result<Outcome> PutActions(const Call& call);
// balloon.cc
Result<Outcome> GetBalloon(const Call& call);
Result<Outcome> PutBalloon(const Call& call);
Result<Outcome> PatchBalloon(const Call& call);
Result<Outcome> GetBalloonStatistics(const Call& call);
Result<Outcome> PatchBalloonStatistics(const Call& call);
Result<Outcome> PatchBalloonHintingStart(const Call& call);
Result<Outcome> PatchBalloonHintingStop(const Call& call);
Result<Outcome> GetBalloonHintingStatus(const Call& call);
// boot_source.cc
Result<Outcome> PutBootSource(const Call& call);
// cpu_config.cc
Result<Outcome> PutCpuConfig(const Call& call);
// drives.cc
Result<Outcome> PutDrive(const Call& call);
Result<Outcome> PatchDrive(const Call& call);
// console.cc
Result<Outcome> GetConsole(const Call& call);
Result<Outcome> PutConsole(const Call& call);
Result<Outcome> PatchConsole(const Call& call);
// entropy.cc
Result<Outcome> PutEntropy(const Call& call);
// events.cc
Result<Outcome> GetEvents(const Call& call);
// hot_unplug.cc, for drives, pmem and network-interfaces
Result<Outcome> DeleteDevice(const Call& call);
// fork.cc
Result<Outcome> PutFork(const Call& call);
Result<Outcome> PutForkReceive(const Call& call);
// health.cc
Result<Outcome> GetHealth(const Call& call);
// lifecycle.cc
Result<Outcome> PutLifecycle(const Call& call);
// log.cc
Result<Outcome> GetLog(const Call& call);
// machine_config.cc
Result<Outcome> GetMachineConfig(const Call& call);
Result<Outcome> PutMachineConfig(const Call& call);
Result<Outcome> PatchMachineConfig(const Call& call);
// logger.cc
Result<Outcome> PutLogger(const Call& call);
// metrics.cc
Result<Outcome> GetMetrics(const Call& call);
Result<Outcome> PutMetrics(const Call& call);
// memory.cc
Result<Outcome> GetMemory(const Call& call);
// memory_hotplug.cc
Result<Outcome> GetMemoryHotplug(const Call& call);
Result<Outcome> PutMemoryHotplug(const Call& call);
Result<Outcome> PatchMemoryHotplug(const Call& call);
// mmds.cc
Result<Outcome> GetMmds(const Call& call);
Result<Outcome> PutMmds(const Call& call);
Result<Outcome> PatchMmds(const Call& call);
Result<Outcome> PutMmdsConfig(const Call& call);
// pmem.cc
Result<Outcome> PutPmem(const Call& call);
Result<Outcome> PatchPmem(const Call& call);
// network_interfaces.cc
Result<Outcome> PutNetworkInterface(const Call& call);
Result<Outcome> PatchNetworkInterface(const Call& call);
// serial.cc
Result<Outcome> PutSerial(const Call& call);
// snapshot.cc
Result<Outcome> PutSnapshotCreate(const Call& call);
Result<Outcome> PutSnapshotLoad(const Call& call);
Result<Outcome> PutSnapshotWorkingSet(const Call& call);
// vm.cc
Result<Outcome> GetVmConfig(const Call& call);
Result<Outcome> PatchVm(const Call& call);
// vsock.cc
Result<Outcome> PutVsock(const Call& call);
// wait.cc
Result<Outcome> GetWait(const Call& call);

}  // namespace ember::api

#endif  // EMBER_API_ENDPOINTS_ENDPOINTS_H_
