#include "firmware/x86_64/setup_data.h"

#include <asm/bootparam.h>

#include <algorithm>

#include "base/concat.h"
#include "firmware/x86_64/layout.h"

namespace ember::firmware::x86_64 {
namespace {

// struct setup_data without its data, whose length is not known to the compiler.
struct NodeHeader {
  uint64_t next = 0;
  uint32_t type = 0;
  uint32_t len = 0;
};
static_assert(sizeof(NodeHeader) == sizeof(setup_data));

constexpr uint64_t RoundUpToPage(uint64_t n) { return (n + kPageBytes - 1) & ~(kPageBytes - 1); }

}  // namespace

Result<GuestAddress> WriteSetupData(const GuestMemory& memory,
                                    std::span<const SetupDataNode> nodes) {
  if (nodes.empty()) return GuestAddress{0};
  GuestAddress at = kSetupDataArea.start;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const SetupDataNode& node = nodes[i];
    // `at` may be past the end, which is not at a page's.
    const uint64_t room_bytes =
        ToInteger(kSetupDataArea.end()) - std::min(ToInteger(at), ToInteger(kSetupDataArea.end()));
    if (room_bytes < sizeof(NodeHeader) || node.data.size() > room_bytes - sizeof(NodeHeader)) {
      return Error(Concat("setup_data of type ", node.type, " with ", node.data.size(),
                          " bytes exceeds the ", room_bytes, " bytes left for it"));
    }
    const GuestAddress after = at + RoundUpToPage(sizeof(NodeHeader) + node.data.size());
    const bool last = i + 1 == nodes.size();
    TRY(memory.Write(at, NodeHeader{.next = last ? 0 : ToInteger(after),
                                    .type = node.type,
                                    .len = static_cast<uint32_t>(node.data.size())}));
    TRY(memory.WriteBytes(at + sizeof(NodeHeader), node.data));
    at = after;
  }
  return kSetupDataArea.start;
}

}  // namespace ember::firmware::x86_64
