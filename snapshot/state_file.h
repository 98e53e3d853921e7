#ifndef EMBER_SNAPSHOT_STATE_FILE_H_
#define EMBER_SNAPSHOT_STATE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "snapshot/new_file.h"
#include "snapshot/state_value.h"

// The bytes of a snapshot's state file: docs/formats/snapshot.md. Any thread.
namespace ember::snapshot {

// What this build writes, and the newest that it reads. It reads all before it too.
inline constexpr uint32_t kStateVersion = 2;
inline constexpr size_t kStateHeaderBytes = 32;
// No file is longer: 32 vCPUs and every device need a hundredth of it.
inline constexpr uint64_t kMaxStateFileBytes = uint64_t{64} << 20;

struct StateFile {
  uint32_t version = kStateVersion;
  StateValue root;
};

// A whole file, of kStateVersion. An error: it would be longer than readers take.
Result<std::vector<std::byte>> EncodeStateFile(const StateValue& root);

// The reverse, for bytes that may be damaged or hostile. The error says which is wrong: magic,
// version, features, length, checksum or contents.
Result<StateFile> DecodeStateFile(std::span<const std::byte> bytes);
// The same for a file; errors name it.
Result<StateFile> ReadStateFile(const std::string& path);
// The same for one that is open already; `name` is for the errors.
Result<StateFile> ReadStateFile(const Fd& file, const std::string& name);

// Writes a whole file, durably, under the temporary name that the suffix makes: it is to be
// published.
Result<NewFile> WriteStateFile(const std::string& path, std::string_view suffix,
                               const StateValue& root);

}  // namespace ember::snapshot

#endif  // EMBER_SNAPSHOT_STATE_FILE_H_
