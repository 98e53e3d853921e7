#include "sandbox/filter_set.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/concat.h"
#include "base/endian.h"
#include "base/fd.h"
#include "sandbox/audit_architecture.h"

namespace ember::sandbox {
namespace {

constexpr std::string_view kMagic = "EMBRSECC";
constexpr uint32_t kVersion = 1;
constexpr size_t kNameBytes = 16;
constexpr size_t kInstructionBytes = 8;
static_assert(sizeof(sock_filter) == kInstructionBytes);

template <typename T>
void Append(std::vector<std::byte>& out, T value) {
  std::array<std::byte, sizeof(T)> bytes;
  StoreLe(value, bytes);
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void Append(std::vector<std::byte>& out, std::string_view text, size_t padded_bytes) {
  const auto bytes = std::as_bytes(std::span(text));
  out.insert(out.end(), bytes.begin(), bytes.end());
  out.resize(out.size() + padded_bytes - text.size());
}

// What is left of a file.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes), size_(bytes.size()) {}

  Result<std::span<const std::byte>> Take(size_t count) {
    if (count > bytes_.size()) {
      return Error(Concat("the file ends after ", size_, " bytes, within what it says it holds"));
    }
    const std::span<const std::byte> taken = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return taken;
  }
  Result<uint32_t> TakeNumber() { return LoadLe<uint32_t>(TRY(Take(sizeof(uint32_t)))); }
  size_t left() const { return bytes_.size(); }

 private:
  std::span<const std::byte> bytes_;
  const size_t size_;
};

Status TakeHeader(Reader& in) {
  const auto magic = std::as_bytes(std::span(kMagic));
  if (!std::ranges::equal(TRY(in.Take(magic.size())), magic)) {
    return Error("the file is no set of compiled filters (see ember-seccomp)");
  }
  const uint32_t version = TRY(in.TakeNumber());
  if (version != kVersion) {
    return Error(Concat("the file's version ", version, " is not ", kVersion));
  }
  const uint32_t architecture = TRY(in.TakeNumber());
  if (architecture != kAuditArchitecture) {
    return Error(Concat("the filters are for processor ", Hex{architecture}, ", not for ",
                        Hex{kAuditArchitecture}));
  }
  const uint32_t count = TRY(in.TakeNumber());
  if (count != kThreadKinds) {
    return Error(Concat("the file has ", count, " filters; there are ", kThreadKinds, " threads"));
  }
  return {};
}

Result<ThreadKind> TakeName(Reader& in) {
  const std::span<const std::byte> bytes = TRY(in.Take(kNameBytes));
  std::string name;
  for (const std::byte byte : bytes) name += static_cast<char>(byte);
  const size_t end = std::min(name.find('\0'), name.size());
  const std::optional<ThreadKind> kind = ThreadKindOf(std::string_view(name).substr(0, end));
  const bool padded = name.find_first_not_of('\0', end) == std::string::npos;
  if (!kind || !padded) return Error("a filter is for a thread that there is not");
  return *kind;
}

Result<std::vector<sock_filter>> TakeInstructions(Reader& in, ThreadKind kind) {
  const uint32_t count = TRY(in.TakeNumber());
  if (count < 1 || count > BPF_MAXINSNS) {
    return Error(Concat("the filter of ", NameOf(kind), " has ", count,
                        " instructions, which is not between 1 and ", BPF_MAXINSNS));
  }
  const std::span<const std::byte> bytes = TRY(in.Take(count * kInstructionBytes));
  std::vector<sock_filter> instructions(count);
  for (size_t i = 0; i < count; ++i) {
    const std::span<const std::byte> at = bytes.subspan(i * kInstructionBytes, kInstructionBytes);
    instructions[i] = {.code = LoadLe<uint16_t>(at.subspan(0, 2)),
                       .jt = LoadLe<uint8_t>(at.subspan(2, 1)),
                       .jf = LoadLe<uint8_t>(at.subspan(3, 1)),
                       .k = LoadLe<uint32_t>(at.subspan(4, 4))};
  }
  return instructions;
}

}  // namespace

FilterSet Borrow(const OwnedFilters& filters) {
  FilterSet borrowed;
  std::ranges::copy(filters, borrowed.begin());
  return borrowed;
}

std::vector<sock_filter> ForProcess(uint32_t process, std::span<const sock_filter> filter) {
  constexpr uint16_t kIsEqual = BPF_JMP | BPF_JEQ | BPF_K;
  std::vector<sock_filter> out(filter.begin(), filter.end());
  for (sock_filter& instruction : out) {
    if (instruction.code == kIsEqual && instruction.k == kOwnProcess) instruction.k = process;
  }
  return out;
}

std::vector<std::byte> WriteFilterFile(const FilterSet& filters) {
  std::vector<std::byte> out;
  Append(out, kMagic, kMagic.size());
  Append(out, kVersion);
  Append(out, kAuditArchitecture);
  Append(out, static_cast<uint32_t>(filters.size()));
  for (size_t i = 0; i < filters.size(); ++i) {
    Append(out, kThreadKindNames[i], kNameBytes);
    Append(out, static_cast<uint32_t>(filters[i].size()));
    for (const sock_filter& instruction : filters[i]) {
      Append(out, instruction.code);
      Append(out, instruction.jt);
      Append(out, instruction.jf);
      Append(out, instruction.k);
    }
  }
  return out;
}

Result<OwnedFilters> ReadFilterFile(std::span<const std::byte> bytes) {
  Reader in(bytes);
  TRY(TakeHeader(in));
  OwnedFilters filters;
  for (size_t i = 0; i < kThreadKinds; ++i) {
    const ThreadKind kind = TRY(TakeName(in));
    std::vector<sock_filter>& filter = filters[static_cast<size_t>(kind)];
    if (!filter.empty()) return Error(Concat("two filters are for ", NameOf(kind)));
    filter = TRY(TakeInstructions(in, kind));
  }
  if (in.left() > 0) return Error(Concat(in.left(), " bytes follow the last filter"));
  return filters;
}

Result<OwnedFilters> LoadFilterFile(const std::string& path) {
  const Fd file = TRY(OpenFile(path, Access::kReadOnly));
  const uint64_t size_bytes = TRY(FileSize(file, path));
  if (size_bytes > kMaxFilterFileBytes) {
    return Error(Concat(path, ": ", size_bytes, " bytes exceed the limit ", kMaxFilterFileBytes));
  }
  std::vector<std::byte> bytes(size_bytes);
  TRY_CONTEXT(ReadExactAt(file, 0, bytes), path);
  return TRY_CONTEXT(ReadFilterFile(bytes), path);
}

}  // namespace ember::sandbox
