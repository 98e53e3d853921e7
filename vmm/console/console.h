#ifndef EMBER_VMM_CONSOLE_CONSOLE_H_
#define EMBER_VMM_CONSOLE_CONSOLE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "vmm/thread_choice.h"

// The virtio console as clients describe it: ours, beside the contract. A machine has one at most,
// with several ports.
namespace ember::vmm {

inline constexpr size_t kMaxConsolePorts = 8;
inline constexpr size_t kMaxPortIdBytes = 64;
inline constexpr uint64_t kMaxConsoleLogBytes = uint64_t{16} << 20;
// What fits a Unix socket's address, with ".ctl" behind it.
inline constexpr size_t kMaxConsolePathBytes = 103;

struct ConsolePortConfig {
  std::string id;           // the guest knows the port by it
  std::string socket_path;  // clients attach there; and at this with ".ctl" behind, to resize
  bool is_console = false;
  uint64_t log_bytes = uint64_t{64} << 10;
  std::optional<std::string> output_path;

  friend bool operator==(const ConsolePortConfig&, const ConsolePortConfig&) = default;
};

// Of the numbers in the message that tells a guest its new size.
enum class ConsoleResizeOrder : uint8_t { kColumnsFirst, kRowsFirst };

struct ConsoleConfig {
  std::vector<ConsolePortConfig> ports;
  ConsoleResizeOrder resize_order = ConsoleResizeOrder::kColumnsFirst;
  ThreadChoice thread = ThreadChoice::kVmm;

  friend bool operator==(const ConsoleConfig&, const ConsoleConfig&) = default;
};

// A port's terminal has another size.
struct ConsoleResize {
  std::optional<std::string> port;  // its id; absent: the first
  uint16_t columns = 0;             // 1 at least, as rows
  uint16_t rows = 0;

  friend bool operator==(const ConsoleResize&, const ConsoleResize&) = default;
};

// What holds within one console. The error names the field and both values.
Status Validate(const ConsoleConfig& console);
Status Validate(const ConsoleResize& resize);

}  // namespace ember::vmm

#endif  // EMBER_VMM_CONSOLE_CONSOLE_H_
