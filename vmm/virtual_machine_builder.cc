#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/concat.h"
#include "base/log.h"
#include "devices/console_fd.h"
#include "kvm/system.h"
#include "memory/layout.h"
#include "vmm/guest_kernel.h"
#include "vmm/memory_hotplug/memory_hotplug_device.h"
#include "vmm/processors.h"
#include "vmm/snapshot/snapshot_files.h"
#include "vmm/virtual_machine.h"

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
  return MemoryBacking::kAnonymous;
}

// The client's command line with the root device's word, as the API's contract adds it.
std::string CommandLine(const VmConfig& config) {
  std::string line(BootArgs(*config.boot_source));
  if (config.drives.empty() || !config.drives.front().is_root_device) {
    return Concat(line, RootArgument(config.pmem));
  }
  const DriveConfig& root = config.drives.front();
  const std::string device =
      root.partuuid ? Concat("PARTUUID=", *root.partuuid) : std::string("/dev/vda");
  return Concat(line, " root=", device, root.is_read_only ? " ro" : " rw");
}

}  // namespace

// The steps from a configuration to a running guest, in their order.
class VirtualMachine::Builder {
 public:
  Builder(const VmConfig& config, const MachineHost& host)
      : config_(config), machine_(new VirtualMachine(config, host)) {}

  Result<std::unique_ptr<Machine>> Build() {
    kvm::System system = TRY(OpenSystem());
    // Limited, as a guest that is reset at its end may end as often as it likes.
    EMBER_LOG_LIMITED(kInfo, "KVM: ", kvm::Describe(system.backend()));
    AddressAllocator addresses(TRY(DeviceMemory(system)));
    TRY(AllocateMemory(addresses));
    machine_->vm_ = TRY(kvm::Vm::Create(system, *machine_->memory_));
    TRY(AddBoard());
    machine_->devices_ = TRY(DeviceSet::Create(config_, {.vm = *machine_->vm_,
                                                         .board = *machine_->board_,
                                                         .loop = machine_->host_.loop,
                                                         .journal = machine_->host_.journal,
                                                         .vitals = machine_->host_.vitals,
                                                         .memory = *machine_->memory_,
                                                         .metadata = machine_->host_.metadata,
                                                         .addresses = addresses}));
    auto vcpus = TRY(CreateProcessors(system, *machine_->vm_, config_));
    TRY(LoadKernel(*vcpus.front()));
    TRY(StartThreads(std::move(vcpus)));
    TRY(machine_->Resume());
    return std::unique_ptr<Machine>(std::move(machine_));
  }

 private:
  Result<kvm::System> OpenSystem() const {
    if (!config_.cpu) return kvm::System::Open();
    return kvm::System::Open("/dev/kvm", config_.cpu->kvm_capabilities);
  }

  uint64_t RamBytes() const {
    constexpr uint64_t kMib = uint64_t{1024} * 1024;
    return config_.machine.mem_size_mib * kMib;
  }

  Status AllocateMemory(AddressAllocator& addresses) {
    GuestMemory::Options options{.backing = Backing(config_),
                                 .track_dirty_pages = config_.machine.track_dirty_pages};
    if (config_.memory_hotplug) {
      options.pluggable =
          TRY_CONTEXT(TakePluggable(*config_.memory_hotplug, addresses), "memory-hotplug");
    }
    machine_->memory_ = TRY(GuestMemory::Create(RamRanges(RamBytes()), options));
    ShowMemory(*machine_->memory_);
    return {};
  }

  void ShowMemory(const GuestMemory& memory) {
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

  // Costs a third of a millisecond, so only for a machine that needs some.
  Result<GuestRange> DeviceMemory(const kvm::System& system) const {
    if (config_.pmem.empty() && !config_.memory_hotplug) return GuestRange{};
    return DeviceMemoryRange(RamBytes(), TRY(system.PhysicalAddressBits()));
  }

  Status AddBoard() {
    Board::Options options{.vm = *machine_->vm_,
                           .loop = machine_->host_.loop,
                           .requests = *machine_,
                           .console_output = TRY(OpenOutput()),
                           .console_limit = ConsoleLimit(),
                           .console_input = std::nullopt,
                           .boot_timer = machine_->host_.boot_timer};
    if (machine_->host_.console_input >= 0) {
      options.console_input =
          TRY(DuplicateConsoleFd(machine_->host_.console_input, Access::kReadOnly));
    }
    machine_->board_ = TRY(Board::Create(std::move(options)));
    return {};
  }

  TokenBucketOptions ConsoleLimit() const {
    if (!config_.serial.rate_limiter) return {};
    return ToOptions(*config_.serial.rate_limiter);
  }

  Result<Fd> OpenOutput() const {
    if (config_.serial.serial_out_path) return OpenConsoleOutput(*config_.serial.serial_out_path);
    return DuplicateConsoleFd(STDOUT_FILENO, Access::kReadWrite);
  }

  Status LoadKernel(const kvm::Vcpu& boot_vcpu) {
    const firmware::Platform platform =
        machine_->board_->Describe(*machine_->memory_, config_.machine.vcpu_count);
    TRY(WriteGenerationId(platform));
    return LoadGuestKernel({.memory = *machine_->memory_,
                            .platform = platform,
                            .boot_source = *config_.boot_source,
                            .command_line = CommandLine(config_)},
                           boot_vcpu);
  }

  // A host that has just started may have no randomness yet; then it is zero, as of any other
  // machine that began so.
  Status WriteGenerationId(const firmware::Platform& platform) const {
    if (!platform.generation_id) return {};
    const Result<SnapshotName> id = MakeSnapshotName();
    if (!id) return {};
    return machine_->memory_->WriteBytes(*platform.generation_id, *id);
  }

  Status StartThreads(std::vector<std::unique_ptr<kvm::Vcpu>> vcpus) {
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

  const VmConfig& config_;
  std::unique_ptr<VirtualMachine> machine_;
};

Result<std::unique_ptr<Machine>> VirtualMachine::Build(const VmConfig& config,
                                                       const MachineHost& host) {
  return Builder(config, host).Build();
}

}  // namespace ember::vmm
