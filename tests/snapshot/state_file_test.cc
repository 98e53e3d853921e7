#include "snapshot/state_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/base/temporary_directory.h"
#include "tests/snapshot/sample_state.h"

namespace ember::snapshot::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kGolden = std::string(EMBER_SNAPSHOT_GOLDEN) + "/state_v2.bin";

std::vector<std::byte> SampleFile() { return *EncodeStateFile(ToTree(Sample())); }

std::string_view AsText(const std::vector<std::byte>& bytes) {
  return {static_cast<const char*>(static_cast<const void*>(bytes.data())), bytes.size()};
}

std::vector<std::byte> AsBytes(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string DecodeError(std::span<const std::byte> bytes) {
  const Result<StateFile> file = DecodeStateFile(bytes);
  return file ? "none" : file.error().message();
}

TEST(StateFileTest, ComesBackAsItWas) {
  const Result<StateFile> file = DecodeStateFile(SampleFile());
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ(file->version, kStateVersion);
  EXPECT_EQ(*FromTree<SampleState>(file->root, 2), Sample());
}

// EMBER_WRITE_GOLDEN=1 writes the file of a new version.
TEST(StateFileTest, IsTheGoldenFileByteForByte) {
  if (std::getenv("EMBER_WRITE_GOLDEN") != nullptr) {
    std::ofstream(kGolden, std::ios::binary) << AsText(SampleFile());
  }
  EXPECT_EQ(SampleFile(), AsBytes(TemporaryDirectory::Read(kGolden)));
}

TEST(StateFileTest, OfAnOlderVersionSaysSo) {
  const std::string older = std::string(EMBER_SNAPSHOT_GOLDEN) + "/state_v1.bin";
  const Result<StateFile> file = ReadStateFile(older);
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ(file->version, 1U);
  EXPECT_EQ(*FromTree<SampleState>(file->root, 2), Sample());
}

TEST(StateFileTest, EveryChangedByteIsNoticed) {
  std::vector<std::byte> file = SampleFile();
  for (std::byte& byte : file) {
    const std::byte before = byte;
    for (const int flip : {0x01, 0x80, 0xff}) {
      byte = before ^ static_cast<std::byte>(flip);
      EXPECT_NE(DecodeError(file), "none") << "byte " << &byte - file.data();
    }
    byte = before;
  }
  EXPECT_EQ(DecodeError(file), "none");
}

TEST(StateFileTest, EveryTruncationIsNoticed) {
  const std::vector<std::byte> file = SampleFile();
  for (size_t length = 0; length < file.size(); ++length) {
    const std::string error = DecodeError(std::span(file).first(length));
    EXPECT_THAT(error, length < kStateHeaderBytes ? HasSubstr("shorter than a header")
                                                  : HasSubstr("its header says"));
  }
}

TEST(StateFileTest, BytesAfterItsEndAreNoticed) {
  std::vector<std::byte> file = SampleFile();
  file.push_back(std::byte{0});
  EXPECT_THAT(DecodeError(file), HasSubstr("its header says"));
}

TEST(StateFileTest, SaysWhatIsWrongWithAHeader) {
  const auto changed = [](size_t at, int value) {
    std::vector<std::byte> file = SampleFile();
    file[at] = static_cast<std::byte>(value);
    return DecodeError(file);
  };
  EXPECT_EQ(changed(0, 'X'), "the file does not begin as a snapshot's state does");
  EXPECT_EQ(changed(8, 3), "the file is of version 3; this program reads 1 to 2");
  EXPECT_EQ(changed(8, 0), "the file is of version 0; this program reads 1 to 2");
  EXPECT_EQ(changed(24, 4), "the file has features that this program does not know: 0x4");
  EXPECT_THAT(changed(40, 0xee), StartsWith("the file is damaged: its checksum is 0x"));
}

TEST(StateFileTest, ReadingNamesTheFile) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("state", "no snapshot, but longer than its header is");
  const Result<StateFile> file = ReadStateFile(path);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().message(),
            "snapshot state " + path + ": the file does not begin as a snapshot's state does");
  EXPECT_FALSE(ReadStateFile(directory.Path("missing")));
}

TEST(StateFileTest, IsReadFromAFile) {
  const TemporaryDirectory directory;
  const Result<StateFile> file = ReadStateFile(directory.Write("state", AsText(SampleFile())));
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ(*FromTree<SampleState>(file->root, 2), Sample());
}

}  // namespace
}  // namespace ember::snapshot::testing
