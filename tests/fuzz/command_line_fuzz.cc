// A command line that is the input, but for its first byte, the limit.
#include "firmware/command_line.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ember::firmware;  // NOLINT(google-build-using-namespace)
  if (size == 0) return 0;
  const auto letters = std::span(data, size).subspan(1);
  const std::string line(letters.begin(), letters.end());
  if (CheckCommandLine(line, data[0])) {
    EMBER_CHECK(line.size() <= data[0] && line.find('\n') == std::string::npos &&
                line.find('\0') == std::string::npos);
  }
  // The word is added, with at most a space on each side.
  const std::string longer = AppendWord(line, "word");
  const size_t at = longer.find("word");
  EMBER_CHECK(at != std::string::npos && longer.size() >= line.size() + 4 &&
              longer.size() <= line.size() + 6);
  // Two words are added in the order in which they come.
  const std::string both = AppendWord(AppendWord(line, "FIRST"), "SECOND");
  EMBER_CHECK(both.rfind("SECOND") > both.find("FIRST"));
  return 0;
}
