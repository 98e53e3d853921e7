#include "vmm/guest_kernel.h"

#include <sys/random.h>

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "base/fd.h"
#include "firmware/command_line.h"
#include "firmware/fdt.h"
#include "firmware/x86_64/acpi_tables.h"
#include "firmware/x86_64/boot.h"
#include "firmware/x86_64/mptable.h"
#include "kvm/x86_64/entry.h"

namespace ember::vmm {
namespace {

std::optional<firmware::BootProtocol> Protocol(BootProtocolChoice choice) {
  switch (choice) {
    case BootProtocolChoice::kLinux64:
      return firmware::BootProtocol::kLinux64;
    case BootProtocolChoice::kPvh:
      return firmware::BootProtocol::kPvh;
    case BootProtocolChoice::kAuto:
      break;
  }
  return std::nullopt;
}

// Writes the one description of the platform that the guest gets, or has the loader hand it over.
Status Describe(const GuestKernelInputs& inputs, firmware::BootParameters& parameters) {
  switch (HardwareDescriptionOf(inputs.boot_source)) {
    case firmware::HardwareDescription::kAcpi:
      parameters.acpi_rsdp = TRY(firmware::WriteAcpiTables(inputs.memory, inputs.platform));
      return {};
    case firmware::HardwareDescription::kMpTable:
      TRY(firmware::WriteMpTable(inputs.memory, inputs.platform));
      for (const std::string& word : firmware::VirtioMmioWords(inputs.platform)) {
        parameters.command_line = firmware::AppendWord(parameters.command_line, word);
      }
      return {};
    case firmware::HardwareDescription::kDeviceTree:
      break;
  }
  parameters.device_tree =
      TRY(firmware::BuildDeviceTree(inputs.platform, {.command_line = parameters.command_line}));
  return {};
}

Status Enter(const firmware::BootInfo& info, const kvm::Vcpu& vcpu) {
  if (info.protocol == firmware::BootProtocol::kPvh) {
    return SetEntryState(vcpu,
                         kvm::x86_64::PvhEntry{.rip = info.entry, .start_info = info.parameters});
  }
  return SetEntryState(vcpu,
                       kvm::x86_64::LinuxEntry{.rip = info.entry,
                                               .boot_params = info.parameters,
                                               .page_table_root = info.page_table_root,
                                               .gdt = {.base = info.gdt, .limit = info.gdt_limit}});
}

}  // namespace

Status LoadGuestKernel(const GuestKernelInputs& inputs, const kvm::Vcpu& boot_vcpu) {
  const BootSource& source = inputs.boot_source;
  const Fd kernel = TRY(OpenFile(source.kernel_image_path, Access::kReadOnly));
  Fd initrd;
  if (source.initrd_path) initrd = TRY(OpenFile(*source.initrd_path, Access::kReadOnly));
  const firmware::BootFiles files{.kernel_path = source.kernel_image_path,
                                  .kernel = kernel,
                                  .initrd_path = source.initrd_path.value_or(""),
                                  .initrd = source.initrd_path ? &initrd : nullptr};

  firmware::BootParameters parameters{.command_line = inputs.command_line,
                                      .protocol = Protocol(source.boot_protocol)};
  TRY(Describe(inputs, parameters));
  // Does not block: the host's own generator is long since ready where VMs are started.
  if (::getrandom(parameters.rng_seed.data(), parameters.rng_seed.size(), GRND_NONBLOCK) < 0) {
    return Error::FromErrno("getrandom for the guest's seed");
  }
  return Enter(TRY(firmware::LoadLinux(inputs.memory, files, parameters)), boot_vcpu);
}

}  // namespace ember::vmm
