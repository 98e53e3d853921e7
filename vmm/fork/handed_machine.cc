#include "vmm/fork/handed_machine.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <string_view>
#include <utility>

#include "base/concat.h"
#include "memory/backing.h"

namespace ember::vmm {
namespace {

constexpr size_t kDescriptors = 2;
// Nobody has it mapped: that no mapping to come may write is enough.
constexpr unsigned kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

Status CheckSealed(const Fd& file, std::string_view name) {
  const int seals = ::fcntl(file.get(), F_GET_SEALS);
  if (seals < 0) return Error(Concat("the ", name, " is not a file in memory"));
  const bool keeps_length = (seals & F_SEAL_SHRINK) != 0;
  const bool keeps_bytes = (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0;
  if (keeps_length && keeps_bytes) return {};
  return Error(Concat("the ", name, " is a file that can still be changed"));
}

}  // namespace

Result<HandedMachine> TakeHandedMachine(std::vector<Fd> descriptors) {
  if (descriptors.size() != kDescriptors) {
    return Error(Concat("a forked machine comes as ", kDescriptors,
                        " descriptors beside the request, not ", descriptors.size()));
  }
  return HandedMachine{.state = std::move(descriptors[0]),
                       .memory = std::make_shared<const Fd>(std::move(descriptors[1]))};
}

Status CheckSealed(const HandedMachine& machine) {
  TRY(CheckSealed(machine.state, "state"));
  return CheckSealed(*machine.memory, "memory");
}

Result<Fd> SealedFile(std::span<const std::byte> bytes) {
  return SealedFile("machine-state", [&](const Fd& file) { return WriteAll(file, bytes); });
}

Result<Fd> SealedFile(const char* name, const std::function<Status(const Fd& file)>& fill) {
  Fd file(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file.valid()) return Error::FromErrno("memfd_create");
  TRY(fill(file));
  TRY(AddSeals(file, kSeals));
  return file;
}

}  // namespace ember::vmm
