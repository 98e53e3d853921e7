#include "vmm/virtual_machine_builder.h"

#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/concat.h"
#include "base/log.h"
#include "devices/console_fd.h"
#include "memory/layout.h"
#include "vmm/guest_kernel.h"
#include "vmm/kernel_command_line.h"
#include "vmm/memory_hotplug/memory_hotplug_device.h"
#include "vmm/processors.h"
#include "vmm/snapshot/snapshot_files.h"

namespace ember::vmm {
namespace {

MemoryBacking Backing(const VmConfig& config) {
  // A back end behind a socket must be able to map it.
  const bool shared = std::ranges::any_of(
      config.drives, [](const DriveConfig& drive) { return drive.socket.has_value(); });
  if (shared && config.machine.huge_pages != HugePages::k2M) return MemoryBacking::kMemfd;
  switch (config.machine.huge_pages) {
    case HugePages::k2M:
      return MemoryBacking::kHugetlbfs2M;
    case HugePages::kTransparent:
      return MemoryBacking::kTransparentHuge;
    case HugePages::kNone:
      break;
  }
  if (config.machine.forkable) return MemoryBacking::kForkable;
  return MemoryBacking::kAnonymous;
}

}  // namespace

VirtualMachine::Builder::Builder(VmConfig config, const MachineHost& host)
    : machine_(new VirtualMachine(std::move(config), host)), config_(machine_->config_) {}

Result<std::unique_ptr<Machine>> VirtualMachine::Builder::Build() {
  TRY(OpenSystem());
  AddressAllocator addresses(TRY(DeviceMemory()));
  std::optional<PluggableMemory::Options> pluggable;
  if (config_.memory_hotplug) {
    pluggable = TRY_CONTEXT(TakePluggable(*config_.memory_hotplug, addresses), "memory-hotplug");
  }
  TRY(AllocateMemory(pluggable));
  machine_->vm_ = TRY(kvm::Vm::Create(*machine_->system_, *machine_->memory_));
  TRY(AddBoard(std::nullopt));
  TRY(AddDevices(addresses, nullptr));
  auto vcpus = TRY(CreateProcessors(*machine_->system_, *machine_->vm_, config_));
  TRY(LoadKernel(*vcpus.front()));
  TRY(StartThreads(std::move(vcpus)));
  if (machine_->host_.before_guest) TRY(machine_->host_.before_guest(config_));
  TRY(machine_->Resume());
  return std::unique_ptr<Machine>(std::move(machine_));
}

Status VirtualMachine::Builder::OpenSystem() {
  std::span<const kvm::CapabilityModifier> modifiers;
  if (config_.cpu) modifiers = config_.cpu->kvm_capabilities;
  machine_->system_ = TRY(kvm::System::Open("/dev/kvm", modifiers));
  // Limited, as a guest that is reset at its end may end as often as it likes.
  EMBER_LOG_LIMITED(kInfo, "KVM: ", kvm::Describe(machine_->system_->backend()));
  return {};
}

uint64_t VirtualMachine::Builder::RamBytes() const {
  constexpr uint64_t kMib = uint64_t{1024} * 1024;
  return config_.machine.mem_size_mib * kMib;
}

// Costs a third of a millisecond, so only for a machine that needs some.
Result<GuestRange> VirtualMachine::Builder::DeviceMemory() const {
  if (config_.pmem.empty() && !config_.memory_hotplug) return GuestRange{};
  return DeviceMemoryRange(RamBytes(), TRY(machine_->system_->PhysicalAddressBits()));
}

Status VirtualMachine::Builder::AllocateMemory(
    const std::optional<PluggableMemory::Options>& pluggable) {
  machine_->memory_ = TRY(GuestMemory::Create(
      RamRanges(RamBytes()), {.backing = Backing(config_),
                              .track_dirty_pages = config_.machine.track_dirty_pages,
                              .pluggable = pluggable}));
  ShowMemory(*machine_->memory_);
  return {};
}

void VirtualMachine::Builder::ShowMemory(const GuestMemory& memory) const {
  std::vector<HostRange> ranges;
  const auto add = [&](const std::byte* host, uint64_t size_bytes) {
    const auto begin = reinterpret_cast<uintptr_t>(host);  // to be shown, not to be used
    ranges.push_back({.begin = begin, .end = begin + size_bytes});
  };
  for (const GuestMemory::Region& region : memory.regions()) {
    add(region.host, region.range.size_bytes);
  }
  if (const PluggableMemory* pluggable = memory.pluggable()) {
    add(pluggable->host(), pluggable->range().size_bytes);
  }
  machine_->host_.vitals.SetGuestMemory(std::move(ranges));
}

Status VirtualMachine::Builder::AddBoard(std::optional<BoardState> state) {
  Board::Options options{.vm = *machine_->vm_,
                         .loop = machine_->host_.loop,
                         .requests = *machine_,
                         .console_output = TRY(OpenOutput()),
                         .console_limit = ConsoleLimit(),
                         .console_input = std::nullopt,
                         .boot_timer = machine_->host_.boot_timer,
                         .state = state};
  if (machine_->host_.console_input >= 0) {
    options.console_input =
        TRY(DuplicateConsoleFd(machine_->host_.console_input, Access::kReadOnly));
  }
  machine_->board_ = TRY(Board::Create(std::move(options)));
  return {};
}

TokenBucketOptions VirtualMachine::Builder::ConsoleLimit() const {
  if (!config_.serial.rate_limiter) return {};
  return ToOptions(*config_.serial.rate_limiter);
}

Result<Fd> VirtualMachine::Builder::OpenOutput() const {
  if (config_.serial.serial_out_path) return OpenConsoleOutput(*config_.serial.serial_out_path);
  return DuplicateConsoleFd(STDOUT_FILENO, Access::kReadWrite);
}

Status VirtualMachine::Builder::AddDevices(const AddressAllocator& addresses,
                                           const DeviceStates* states) {
  machine_->devices_ = TRY(DeviceSet::Create(config_, {.vm = *machine_->vm_,
                                                       .board = *machine_->board_,
                                                       .loop = machine_->host_.loop,
                                                       .journal = machine_->host_.journal,
                                                       .vitals = machine_->host_.vitals,
                                                       .memory = *machine_->memory_,
                                                       .metadata = machine_->host_.metadata,
                                                       .addresses = addresses,
                                                       .rings = machine_->host_.rings,
                                                       .states = states}));
  return {};
}

Status VirtualMachine::Builder::LoadKernel(const kvm::Vcpu& boot_vcpu) const {
  const firmware::Platform platform =
      machine_->board_->Describe(*machine_->memory_, config_.machine.vcpu_count);
  TRY(WriteGenerationId(platform));
  TRY(machine_->board_->ShowClock(*machine_->memory_));
  return LoadGuestKernel({.memory = *machine_->memory_,
                          .platform = platform,
                          .boot_source = *config_.boot_source,
                          .command_line = KernelCommandLine(config_)},
                         boot_vcpu);
}

// A host that has just started may have no randomness yet; then it is zero, as of any other machine
// that began so.
Status VirtualMachine::Builder::WriteGenerationId(const firmware::Platform& platform) const {
  if (!platform.generation_id) return {};
  const Result<SnapshotName> id = MakeSnapshotName();
  if (!id) return {};
  return machine_->memory_->WriteBytes(*platform.generation_id, *id);
}

Status VirtualMachine::Builder::StartThreads(std::vector<std::unique_ptr<kvm::Vcpu>> vcpus) {
  VirtualMachine* machine = machine_.get();
  for (auto& vcpu : vcpus) {
    machine_->vcpus_.push_back(TRY(VcpuThread::Start(
        {.vcpu = std::move(vcpu),
         .mmio = machine_->board_->mmio(),
         .pio = machine_->board_->pio(),
         .on_exit = [machine](kvm::VcpuIndex index, const kvm::ExitReport& report) {
           machine->OnVcpuEnd(index, report);
         }})));
    const VcpuThread& thread = *machine_->vcpus_.back();
    machine_->vcpu_entries_.push_back(machine_->host_.vitals.AddVcpu(
        static_cast<uint32_t>(thread.vcpu().index()), thread.pulse()));
  }
  return {};
}

Result<std::unique_ptr<Machine>> VirtualMachine::Build(const VmConfig& config,
                                                       const MachineHost& host) {
  return Builder(config, host).Build();
}

}  // namespace ember::vmm
