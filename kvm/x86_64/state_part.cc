#include "kvm/x86_64/state_part.h"

#include <algorithm>
#include <utility>

#include "base/concat.h"
#include "kvm/ioctl.h"

namespace ember::kvm::x86_64 {

Result<StatePart> Save(const Fd& fd, const StructurePart& part) {
  StatePart saved{.name = std::string(part.name), .bytes = {}};
  saved.bytes.resize(part.size_bytes);
  TRY(Ioctl(fd, part.get, part.get_name, saved.bytes.data()));
  return saved;
}

Status Restore(const Fd& fd, const StructurePart& part, const StateParts& saved) {
  const std::span<const std::byte> bytes = TRY(Find(saved, part.name));
  TRY(CheckSize(part.name, bytes.size(), part.size_bytes));
  // The kernel only reads it, but a request takes what it may write.
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  TRY(Ioctl(fd, part.set, part.set_name, copy.data()));
  return {};
}

Result<std::span<const std::byte>> Find(const StateParts& saved, std::string_view name) {
  const auto found = std::ranges::find(saved, name, &StatePart::name);
  if (found == saved.end()) return Error(Concat(name, " is missing"));
  return std::span<const std::byte>(found->bytes);
}

bool Has(const StateParts& saved, std::string_view name) {
  return std::ranges::find(saved, name, &StatePart::name) != saved.end();
}

Status CheckSize(std::string_view name, size_t actual_bytes, size_t wanted_bytes) {
  if (actual_bytes == wanted_bytes) return {};
  return Error(Concat(name, " is ", actual_bytes, " bytes, not ", wanted_bytes));
}

Status CheckNames(const StateParts& saved, std::span<const std::string_view> known) {
  for (auto part = saved.begin(); part != saved.end(); ++part) {
    if (std::ranges::find(known, part->name) == known.end()) {
      return Error(Concat(part->name, " is unknown"));
    }
    if (std::find_if(saved.begin(), part, [part](const StatePart& before) {
          return before.name == part->name;
        }) != part) {
      return Error(Concat(part->name, " is there twice"));
    }
  }
  return {};
}

}  // namespace ember::kvm::x86_64
