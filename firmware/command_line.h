#ifndef EMBER_FIRMWARE_COMMAND_LINE_H_
#define EMBER_FIRMWARE_COMMAND_LINE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

// The kernel's command line. Pure functions; any thread.
namespace ember::firmware {

// Whether a kernel that takes at most `limit_bytes` (the closing zero not counted) gets the line as
// it is: only printable ASCII and tabs. The error names the byte and its place, or both lengths.
Status CheckCommandLine(std::string_view line, uint64_t limit_bytes);

// `line` with `word` as one more word for the kernel: before the word "--", after which the kernel
// hands everything to init.
std::string AppendWord(std::string_view line, std::string_view word);

}  // namespace ember::firmware

#endif  // EMBER_FIRMWARE_COMMAND_LINE_H_
