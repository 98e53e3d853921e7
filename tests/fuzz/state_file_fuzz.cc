// A snapshot's state file that is the input, read as a tree and as a structure.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"
#include "snapshot/cbor.h"
#include "snapshot/state_file.h"
#include "tests/snapshot/sample_state.h"

namespace {

using namespace ember;                     // NOLINT(google-build-using-namespace)
using namespace ember::snapshot;           // NOLINT(google-build-using-namespace)
using namespace ember::snapshot::testing;  // NOLINT(google-build-using-namespace)

// What was read is written and read again, the same.
void CheckTree(const StateValue& tree) {
  const Result<StateValue> again = DecodeCbor(EncodeCbor(tree));
  EMBER_CHECK(again.has_value());
  EMBER_CHECK(EncodeCbor(*again) == EncodeCbor(tree));
  for (const uint32_t version : {1U, 2U}) {
    const Result<SampleState> state = FromTree<SampleState>(tree, version);
    if (state) EMBER_CHECK(*FromTree<SampleState>(ToTree(*state), 2) == *state);
  }
}

}  // namespace

// The file, whose contents are looked at also where its header and checksum are wrong.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> input = std::as_bytes(std::span(data, size));
  const Result<StateFile> file = DecodeStateFile(input);
  if (file) CheckTree(file->root);
  if (input.size() < kStateHeaderBytes) return 0;
  const Result<StateValue> tree = DecodeCbor(input.subspan(kStateHeaderBytes));
  EMBER_CHECK(!file || tree.has_value());
  if (tree) CheckTree(*tree);
  return 0;
}
