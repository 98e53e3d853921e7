#include "api/memory_survey.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>

#include "base/fd.h"

namespace ember::api {
namespace {

constexpr uint64_t kKib = 1024;
// Some thousand mappings; a process of ours has some hundred.
constexpr size_t kMaxSmapsBytes = size_t{8} << 20;

// "7f3a80000000-7f3a90000000 rw-p …": the first line of a mapping.
std::optional<vmm::HostRange> ReadRange(std::string_view line) {
  constexpr int kHex = 16;
  vmm::HostRange range;
  const char* const end = line.data() + line.size();
  const auto [dash, first] = std::from_chars(line.data(), end, range.begin, kHex);
  if (first != std::errc() || dash == end || *dash != '-') return std::nullopt;
  const auto [rest, second] = std::from_chars(dash + 1, end, range.end, kHex);
  if (second != std::errc() || rest == end || *rest != ' ') return std::nullopt;
  return range;
}

// "Rss:      512 kB", as bytes.
uint64_t ReadAmount(std::string_view line) {
  const size_t digits = line.find_first_of("0123456789");
  uint64_t amount = 0;
  if (digits != std::string_view::npos) {
    std::from_chars(line.data() + digits, line.data() + line.size(), amount);
  }
  return amount * kKib;
}

void Count(std::string_view line, HeldMemory& held) {
  if (line.starts_with("Rss:")) held.rss += ReadAmount(line);
  if (line.starts_with("Pss:")) held.pss += ReadAmount(line);
  if (line.starts_with("Swap:")) held.swap += ReadAmount(line);
  // Not in Rss and Pss.
  if (line.starts_with("Shared_Hugetlb:") || line.starts_with("Private_Hugetlb:")) {
    held.rss += ReadAmount(line);
    held.pss += ReadAmount(line);
  }
}

}  // namespace

MemorySurvey ReadSurvey(std::string_view smaps, const std::vector<vmm::HostRange>& guest) {
  MemorySurvey survey;
  HeldMemory* held = &survey.vmm;
  while (!smaps.empty()) {
    const size_t end = std::min(smaps.find('\n'), smaps.size());
    const std::string_view line = smaps.substr(0, end);
    smaps.remove_prefix(std::min(end + 1, smaps.size()));
    if (const std::optional<vmm::HostRange> mapping = ReadRange(line)) {
      const bool is_guest = std::ranges::any_of(guest, [&](const vmm::HostRange& range) {
        return mapping->begin < range.end && range.begin < mapping->end;
      });
      held = is_guest ? &survey.guest : &survey.vmm;
    } else {
      Count(line, *held);
    }
  }
  return survey;
}

Result<MemorySurvey> SurveyMemory(const std::vector<vmm::HostRange>& guest) {
  constexpr const char* kPath = "/proc/self/smaps";
  constexpr size_t kStepBytes = 65536;
  const Fd file = TRY(OpenFile(kPath, Access::kReadOnly));
  std::string text;
  for (;;) {
    const size_t have = text.size();
    if (have > kMaxSmapsBytes) return Error("/proc/self/smaps is too long");
    text.resize(have + kStepBytes);
    const ssize_t got = ::read(file.get(), text.data() + have, kStepBytes);
    if (got < 0 && errno != EINTR) return Error::FromErrno("read", kPath);
    text.resize(have + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return ReadSurvey(text, guest);
  }
}

}  // namespace ember::api
