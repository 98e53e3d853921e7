#include "firmware/command_line.h"

#include <algorithm>
#include <cstddef>

#include "base/concat.h"

namespace ember::firmware {
namespace {

bool IsAllowed(char letter) { return (letter >= ' ' && letter <= '~') || letter == '\t'; }

bool IsSpace(char letter) { return letter == ' ' || letter == '\t'; }

// Where the word that begins at `start` ends. As in the kernel's next_arg(), spaces between double
// quotes do not end it.
size_t EndOfWord(std::string_view line, size_t start) {
  bool quoted = false;
  size_t at = start;
  for (; at < line.size() && (quoted || !IsSpace(line[at])); ++at) {
    if (line[at] == '"') quoted = !quoted;
  }
  return at;
}

// Where the word "--" begins; the line's end if there is none.
size_t FindInitWords(std::string_view line) {
  size_t at = 0;
  while (at < line.size()) {
    if (IsSpace(line[at])) {
      ++at;
      continue;
    }
    const size_t end = EndOfWord(line, at);
    const std::string_view word = line.substr(at, end - at);
    if (word == "--" || word == "\"--\"") return at;
    at = end;
  }
  return line.size();
}

}  // namespace

Status CheckCommandLine(std::string_view line, uint64_t limit_bytes) {
  if (line.size() > limit_bytes) {
    return Error(Concat("command line of ", line.size(),
                        " bytes exceeds the kernel's cmdline_size ", limit_bytes));
  }
  const auto wrong = std::ranges::find_if_not(line, IsAllowed);
  if (wrong == line.end()) return {};
  return Error(Concat("command line has byte ", Hex{static_cast<unsigned char>(*wrong)},
                      " at position ", wrong - line.begin(), ", which is not printable ASCII"));
}

std::string AppendWord(std::string_view line, std::string_view word) {
  const size_t split = FindInitWords(line);
  const std::string_view for_kernel = line.substr(0, split);
  const std::string_view for_init = line.substr(split);
  std::string out(for_kernel);
  if (!out.empty() && !IsSpace(out.back())) out += ' ';
  out += word;
  if (!for_init.empty()) out += ' ';
  out += for_init;
  return out;
}

}  // namespace ember::firmware
