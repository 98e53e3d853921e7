#include "kvm/system.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/concat.h"
#include "kvm/arch.h"
#include "kvm/capabilities.h"
#include "kvm/ioctl.h"

namespace ember::kvm {
namespace {

Error DescribeOpenError(Error error, const std::string& path) {
  switch (error.error_number()) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return Error(Concat(error.message(), ": the host's kernel has no KVM module loaded"));
    case EACCES:
    case EPERM:
      return Error(Concat(error.message(), ": to use KVM, a user who is not root must be in the ",
                          "group that owns ", path, ", as a rule the group kvm"));
    default:
      return error;
  }
}

Result<Fd> OpenDevice(const std::string& path) {
  Result<Fd> fd = OpenFile(path, Access::kReadWrite);
  if (!fd) return DescribeOpenError(std::move(fd).error(), path);
  struct stat status {};
  if (::fstat(fd->get(), &status) < 0) return Error::FromErrno("fstat", path);
  if (!S_ISCHR(status.st_mode)) return Error(Concat(path, " is not a character device"));
  return fd;
}

Status CheckVersion(const Fd& fd, const std::string& path) {
  const Result<int> version = Ioctl(fd, KVM_GET_API_VERSION, "KVM_GET_API_VERSION");
  if (!version) return Error(Concat(path, " is not a KVM device: ", version.error().message()));
  return CheckApiVersion(*version, path);
}

Backend DetectBackend() {
  // One back end registers at a time, so where the software one is loaded it is the one in use.
  const bool software_module = ::access("/sys/module/kvm_pvm", F_OK) == 0;
  return software_module || !arch::CpuHasVirtualization() ? Backend::kSoftware : Backend::kHardware;
}

}  // namespace

std::string_view Describe(Backend backend) {
  switch (backend) {
    case Backend::kHardware:
      return "hardware KVM: the processor runs the guest";
    case Backend::kSoftware:
      return "software KVM: the processor has no virtualization, so the guest's kernel mode is "
             "emulated, slowly and in part";
  }
  return "unknown KVM back end";
}

Result<System> System::Open(const std::string& path,
                            std::span<const CapabilityModifier> modifiers) {
  System system(TRY(OpenDevice(path)));
  TRY(CheckVersion(system.fd_, path));

  system.backend_ = DetectBackend();
  const CapabilityQuery query = [&system](int number) { return system.QueryCapability(number); };
  for (const auto needed : {CommonCapabilities(), arch::Capabilities()}) {
    TRY_CONTEXT(CheckCapabilities(needed, query, path, modifiers), Describe(system.backend_));
  }
  TRY_CONTEXT(CheckModifiers(modifiers, query, path), Describe(system.backend_));

  system.run_area_bytes_ =
      static_cast<size_t>(TRY(Ioctl(system.fd_, KVM_GET_VCPU_MMAP_SIZE, "KVM_GET_VCPU_MMAP_SIZE")));
  if (system.run_area_bytes_ < sizeof(kvm_run)) {
    return Error(Concat(path, " shares ", system.run_area_bytes_, " bytes with a vCPU, less than ",
                        sizeof(kvm_run)));
  }
  // What a kernel that does not say means by it (Linux, Documentation/virt/kvm/api.rst, 4.7).
  const int recommended = TRY(system.QueryCapability(KVM_CAP_NR_VCPUS));
  system.recommended_vcpus_ = recommended > 0 ? static_cast<uint32_t>(recommended) : 4;
  const int most = TRY(system.QueryCapability(KVM_CAP_MAX_VCPUS));
  system.max_vcpus_ = most > 0 ? static_cast<uint32_t>(most) : system.recommended_vcpus_;
  return system;
}

Result<uint32_t> System::PhysicalAddressBits() const { return arch::PhysicalAddressBits(*this); }

Result<int> System::QueryCapability(int number) const {
  return Ioctl(fd_, KVM_CHECK_EXTENSION, "KVM_CHECK_EXTENSION", static_cast<unsigned long>(number));
}

}  // namespace ember::kvm
