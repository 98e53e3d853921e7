#ifndef EMBER_SNAPSHOT_CBOR_H_
#define EMBER_SNAPSHOT_CBOR_H_

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"
#include "snapshot/state_value.h"

// State as CBOR (RFC 8949). Pure functions; any thread.
namespace ember::snapshot {

// Lists and maps within each other, so that nothing that walks a tree recurses deeply.
inline constexpr size_t kMaxStateDepth = 16;
// Values in one tree: what bounds the memory that a hostile file can ask for.
inline constexpr size_t kMaxStateValues = size_t{1} << 20;

// One CBOR item, the members of maps in the order of their names: equal trees give equal bytes.
std::vector<std::byte> EncodeCbor(const StateValue& root);

// The reverse, for bytes that may be hostile. Refuses what a StateValue cannot be (negative and
// fractional numbers, null, tags), a name twice in a map, bytes after the item, and trees past the
// bounds above.
Result<StateValue> DecodeCbor(std::span<const std::byte> bytes);

}  // namespace ember::snapshot

#endif  // EMBER_SNAPSHOT_CBOR_H_
