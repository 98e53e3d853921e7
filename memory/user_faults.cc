#include "memory/user_faults.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/concat.h"

namespace ember {
namespace {

constexpr char kDevice[] = "/dev/userfaultfd";
// Non-blocking, as the contract's handlers expect it.
constexpr int kFlags = O_CLOEXEC | O_NONBLOCK;

Result<Fd> FromDevice() {
  const Fd device = TRY(OpenFile(kDevice, Access::kReadWrite));
  Fd fd(::ioctl(device.get(), USERFAULTFD_IOC_NEW, kFlags));
  if (!fd.valid()) return Error::FromErrno("USERFAULTFD_IOC_NEW", kDevice);
  return fd;
}

Result<Fd> FromSystemCall() {
  Fd fd(static_cast<int>(::syscall(SYS_userfaultfd, kFlags)));
  if (!fd.valid()) return Error::FromErrno("userfaultfd");
  return fd;
}

Result<Fd> Open() {
  Result<Fd> device = FromDevice();
  if (device) return device;
  Result<Fd> call = FromSystemCall();
  if (call) return call;
  return Error(Concat("memory that is delivered as it is touched needs access to ", kDevice, " (",
                      device.error().message(),
                      "), or CAP_SYS_PTRACE or vm.unprivileged_userfaultfd=1 (",
                      call.error().message(), ")"));
}

uffdio_range RangeOf(std::span<std::byte> bytes) {
  // For the kernel, which knows addresses as numbers.
  return {.start = reinterpret_cast<uintptr_t>(bytes.data()), .len = bytes.size()};
}

}  // namespace

Result<UserFaults> UserFaults::Begin(const GuestMemory& memory) {
  UserFaults faults(TRY(Open()));
  uint64_t features = UFFD_FEATURE_EVENT_REMOVE;
  if (memory.backing() == MemoryBacking::kHugetlbfs2M) features |= UFFD_FEATURE_MISSING_HUGETLBFS;
  uffdio_api api{.api = UFFD_API, .features = features, .ioctls = 0};
  if (::ioctl(faults.fd_.get(), UFFDIO_API, &api) < 0) {
    return Error::FromErrno(Concat("userfaultfd with the features ", Hex{features}));
  }
  for (const GuestMemory::Region& region : memory.regions()) {
    TRY(faults.Add({region.host, region.range.size_bytes}));
  }
  if (const PluggableMemory* const pluggable = memory.pluggable()) {
    TRY(faults.Add({pluggable->host(), pluggable->range().size_bytes}));
  }
  return faults;
}

Status UserFaults::Add(std::span<std::byte> bytes) {
  uffdio_register wanted{
      .range = RangeOf(bytes), .mode = UFFDIO_REGISTER_MODE_MISSING, .ioctls = 0};
  if (::ioctl(fd_.get(), UFFDIO_REGISTER, &wanted) < 0) {
    return Error::FromErrno(Concat("userfaultfd for ", bytes.size(), " bytes of memory"));
  }
  ranges_.push_back(bytes);
  return {};
}

void UserFaults::GiveUp() const {
  for (const std::span<std::byte>& bytes : ranges_) {
    uffdio_range range = RangeOf(bytes);
    ::ioctl(fd_.get(), UFFDIO_UNREGISTER, &range);
  }
}

}  // namespace ember
