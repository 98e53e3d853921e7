#include "kvm/ioctl.h"

#include <sys/ioctl.h>

#include <cerrno>

namespace ember::kvm {
namespace {

template <typename Argument>
Result<int> Retry(const Fd& fd, unsigned long request, std::string_view name, Argument argument) {
  int result = 0;
  do {
    result = ::ioctl(fd.get(), request, argument);
  } while (result < 0 && errno == EINTR);
  if (result < 0) return Error::FromErrno(name);
  return result;
}

}  // namespace

Result<int> Ioctl(const Fd& fd, unsigned long request, std::string_view name,
                  unsigned long argument) {
  return Retry(fd, request, name, argument);
}

Result<int> Ioctl(const Fd& fd, unsigned long request, std::string_view name, void* argument) {
  return Retry(fd, request, name, argument);
}

}  // namespace ember::kvm
