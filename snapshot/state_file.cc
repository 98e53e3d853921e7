#include "snapshot/state_file.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/concat.h"
#include "base/crc32c.h"
#include "base/endian.h"
#include "base/fd.h"
#include "snapshot/cbor.h"

namespace ember::snapshot {
namespace {

// docs/formats/snapshot.md
constexpr std::string_view kMagic = "EMBERSNP";
constexpr size_t kVersionOffset = 8;
constexpr size_t kChecksumOffset = 12;
constexpr size_t kBodyLengthOffset = 16;
constexpr size_t kFeaturesOffset = 24;

// Of all bytes, those of the checksum taken as zero.
uint32_t Checksum(std::span<const std::byte> file) {
  constexpr std::array<std::byte, sizeof(uint32_t)> kZeros{};
  const uint32_t before = Crc32c(file.first(kChecksumOffset));
  return Crc32c(file.subspan(kChecksumOffset + kZeros.size()), Crc32c(kZeros, before));
}

Status CheckHeader(std::span<const std::byte> bytes) {
  if (bytes.size() < kStateHeaderBytes) {
    return Error(Concat("the file is ", bytes.size(), " bytes long, shorter than a header of ",
                        kStateHeaderBytes));
  }
  if (!std::ranges::equal(bytes.first(kMagic.size()), std::as_bytes(std::span(kMagic)))) {
    return Error("the file does not begin as a snapshot's state does");
  }
  const auto version = LoadLe<uint32_t>(bytes.subspan(kVersionOffset));
  if (version == 0 || version > kStateVersion) {
    return Error(
        Concat("the file is of version ", version, "; this program reads 1 to ", kStateVersion));
  }
  if (const auto features = LoadLe<uint64_t>(bytes.subspan(kFeaturesOffset)); features != 0) {
    return Error(Concat("the file has features that this program does not know: ", Hex{features}));
  }
  const auto body_bytes = LoadLe<uint64_t>(bytes.subspan(kBodyLengthOffset));
  if (body_bytes != bytes.size() - kStateHeaderBytes) {
    return Error(Concat("the file holds ", bytes.size() - kStateHeaderBytes,
                        " bytes of state, its header says ", body_bytes));
  }
  const auto checksum = LoadLe<uint32_t>(bytes.subspan(kChecksumOffset));
  if (const uint32_t actual = Checksum(bytes); actual != checksum) {
    return Error(Concat("the file is damaged: its checksum is ", Hex{actual}, ", its header says ",
                        Hex{checksum}));
  }
  return {};
}

Result<StateFile> Read(const Fd& file, const std::string& name) {
  const uint64_t size_bytes = TRY(FileSize(file, name));
  if (size_bytes > kMaxStateFileBytes) {
    return Error(Concat("the file is ", size_bytes, " bytes long, more than ", kMaxStateFileBytes));
  }
  std::vector<std::byte> bytes(size_bytes);
  TRY(ReadExactAt(file, 0, bytes));
  return DecodeStateFile(bytes);
}

}  // namespace

Result<std::vector<std::byte>> EncodeStateFile(const StateValue& root) {
  const std::vector<std::byte> body = EncodeCbor(root);
  std::vector<std::byte> file(kStateHeaderBytes);
  file.insert(file.end(), body.begin(), body.end());
  if (file.size() > kMaxStateFileBytes) {
    return Error(Concat("the state takes ", file.size(), " bytes, more than ", kMaxStateFileBytes));
  }
  const std::span<std::byte> bytes(file);
  std::ranges::copy(std::as_bytes(std::span(kMagic)), bytes.begin());
  StoreLe<uint32_t>(kStateVersion, bytes.subspan(kVersionOffset));
  StoreLe<uint64_t>(body.size(), bytes.subspan(kBodyLengthOffset));
  StoreLe<uint32_t>(Checksum(bytes), bytes.subspan(kChecksumOffset));
  return file;
}

Result<NewFile> WriteStateFile(const std::string& path, std::string_view suffix,
                               const StateValue& root) {
  const std::vector<std::byte> bytes = TRY(EncodeStateFile(root));
  NewFile file = TRY(NewFile::Create(path, suffix));
  TRY_CONTEXT(WriteAll(file.fd(), bytes), file.temporary_path());
  TRY(file.Sync());
  return file;
}

Result<StateFile> DecodeStateFile(std::span<const std::byte> bytes) {
  TRY(CheckHeader(bytes));
  StateFile file{.version = LoadLe<uint32_t>(bytes.subspan(kVersionOffset)), .root = {}};
  file.root = TRY(DecodeCbor(bytes.subspan(kStateHeaderBytes)));
  return file;
}

Result<StateFile> ReadStateFile(const std::string& path) {
  const Fd file = TRY_CONTEXT(OpenFile(path, Access::kReadOnly), Concat("snapshot state ", path));
  return ReadStateFile(file, path);
}

Result<StateFile> ReadStateFile(const Fd& file, const std::string& name) {
  return TRY_CONTEXT(Read(file, name), Concat("snapshot state ", name));
}

}  // namespace ember::snapshot
