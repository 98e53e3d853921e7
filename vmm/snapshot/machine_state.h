#ifndef EMBER_VMM_SNAPSHOT_MACHINE_STATE_H_
#define EMBER_VMM_SNAPSHOT_MACHINE_STATE_H_

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "kvm/saved_state.h"
#include "snapshot/memory_file.h"
#include "vmm/snapshot/board_state.h"
#include "vmm/snapshot/device_states.h"

// All of a machine but its memory and its disks' contents: the body of a state file. Plain data.
namespace ember {
namespace snapshot {
class Fields;
}

namespace kvm {
void Describe(snapshot::Fields& fields, StatePart& part);
}  // namespace kvm

namespace vmm {

// Tells snapshots apart: random, in the state file and at one place of the memory file.
using SnapshotName = std::array<std::byte, 16>;

struct VcpuState {
  kvm::StateParts parts;
};

// Of a snapshot that holds only what was written since another one.
struct DiffState {
  SnapshotName base{};  // that one, whole or a diff
  SnapshotName full{};  // the last whole one before it
  // Of each piece of the memory file, a bit a page, that of the first one lowest.
  std::vector<std::vector<std::byte>> pages;
};

struct SavedMachine {
  SnapshotName name{};
  // The snapshot before it: of the same machine, or that which the machine was restored from.
  std::optional<SnapshotName> parent;
  std::string config;            // a configuration file's text
  std::vector<VcpuState> vcpus;  // by index
  kvm::StateParts controllers;
  BoardState board;
  DeviceStates devices;
  std::optional<DeviceMemoryState> pluggable;  // where pluggable memory is
  std::optional<DiffState> diff;               // none: the memory file is whole
};

void Describe(snapshot::Fields& fields, VcpuState& vcpu);
void Describe(snapshot::Fields& fields, DiffState& diff);
void Describe(snapshot::Fields& fields, SavedMachine& machine);

// Page bits as a diff's state has them, and back. An error: there are not as many as `pieces` have
// pages.
std::vector<std::vector<std::byte>> ToBytes(const snapshot::PageBits& pages);
Result<snapshot::PageBits> ToPageBits(const std::vector<std::vector<std::byte>>& bytes,
                                      const std::vector<snapshot::MemoryPiece>& pieces);

}  // namespace vmm
}  // namespace ember

#endif  // EMBER_VMM_SNAPSHOT_MACHINE_STATE_H_
