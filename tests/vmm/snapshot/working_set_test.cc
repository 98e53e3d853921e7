#include "vmm/snapshot/working_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>
#include <vector>

#include "snapshot/fields.h"
#include "snapshot/state_file.h"
#include "tests/base/temporary_directory.h"
#include "tests/vmm/snapshot/sample_machine.h"

namespace ember::vmm {
namespace {

using ::testing::HasSubstr;

constexpr SnapshotName kName = {std::byte{0xab}, std::byte{1}};
const snapshot::PageBits kPages = {{0x8000'0000'0000'0001, 1}, {0xff}};

WorkingSet Sample() { return {.snapshot = kName, .pages = ToBytes(kPages)}; }

// Of so many pages each.
std::vector<snapshot::MemoryPiece> Pieces(std::initializer_list<uint64_t> page_counts) {
  std::vector<snapshot::MemoryPiece> pieces;
  for (const uint64_t pages : page_counts) {
    pieces.emplace_back().region.range.size_bytes = pages * DirtyPages::kPageBytes;
  }
  return pieces;
}

class WorkingSetTest : public ::testing::Test {
 protected:
  Result<snapshot::PageBits> Read(const SnapshotName& name = kName) const {
    return ReadWorkingSet(path_, name, Pieces({65, 8}));
  }
  std::string Fault(const SnapshotName& name = kName) const {
    const auto read = Read(name);
    return read ? "none" : read.error().message();
  }
  void Put(const std::string& bytes) const { std::ofstream(path_, std::ios::binary) << bytes; }
  void PutTree(const snapshot::StateValue& tree) const {
    const std::vector<std::byte> bytes = *snapshot::EncodeStateFile(tree);
    Put({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.Path("set");
};

TEST_F(WorkingSetTest, ComesBackAsItWas) {
  ASSERT_TRUE(WriteWorkingSet(path_, Sample()));
  const auto read = Read();
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(*read, kPages);
}

// EMBER_WRITE_GOLDEN=1 writes the file of a new version.
TEST_F(WorkingSetTest, IsTheGoldenFileByteForByte) {
  const std::string golden = std::string(EMBER_MACHINE_GOLDEN) + "/working_set_v2.bin";
  ASSERT_TRUE(WriteWorkingSet(path_, Sample()));
  if (std::getenv("EMBER_WRITE_GOLDEN") != nullptr) {
    std::filesystem::copy_file(path_, golden, std::filesystem::copy_options::overwrite_existing);
  }
  EXPECT_TRUE(TemporaryDirectory::Read(path_) == TemporaryDirectory::Read(golden));
  const auto read = ReadWorkingSet(golden, kName, Pieces({65, 8}));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(*read, kPages);
}

TEST_F(WorkingSetTest, TakesThePlaceOfTheOneBeforeAndLeavesNothingElse) {
  Put("the one before");
  ASSERT_TRUE(WriteWorkingSet(path_, Sample()));
  EXPECT_TRUE(Read());
  const std::filesystem::directory_iterator files(std::filesystem::path(path_).parent_path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST_F(WorkingSetTest, ThatCannotBeWrittenIsNamed) {
  const Status written = WriteWorkingSet(directory_.Path("no/set"), Sample());
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message(), HasSubstr(directory_.Path("no/set")));
}

TEST_F(WorkingSetTest, ThatIsNotThereIsNamed) { EXPECT_THAT(Fault(), HasSubstr(path_)); }

TEST_F(WorkingSetTest, OfAnotherSnapshotIsRefused) {
  ASSERT_TRUE(WriteWorkingSet(path_, Sample()));
  EXPECT_EQ(Fault({}), path_ +
                           " is the working set of the snapshot ab010000000000000000000000000000, "
                           "not of 00000000000000000000000000000000");
}

TEST_F(WorkingSetTest, IsRefusedWhicheverByteOfItIsAnother) {
  ASSERT_TRUE(WriteWorkingSet(path_, Sample()));
  const std::string good = TemporaryDirectory::Read(path_);
  for (size_t at = 0; at < good.size(); ++at) {
    for (const char change : {'\x01', '\x80', '\xff'}) {
      std::string bad = good;
      bad[at] ^= change;
      Put(bad);
      EXPECT_THAT(Fault(), HasSubstr(path_)) << at;
    }
    Put(good.substr(0, at));
    EXPECT_THAT(Fault(), HasSubstr(path_)) << "cut off at " << at;
  }
  Put(good + "x");
  EXPECT_THAT(Fault(), HasSubstr(path_));
}

TEST_F(WorkingSetTest, OfAnotherMemoryIsRefused) {
  const auto fault_of = [&](const snapshot::PageBits& pages) {
    EXPECT_TRUE(WriteWorkingSet(path_, {.snapshot = kName, .pages = ToBytes(pages)}));
    return Fault();
  };
  EXPECT_THAT(fault_of({}), HasSubstr("regions"));
  EXPECT_THAT(fault_of({{1, 1}}), HasSubstr("regions"));
  EXPECT_THAT(fault_of({{1, 1}, {1}, {1}}), HasSubstr("regions"));
  EXPECT_THAT(fault_of({{1}, {1}}), HasSubstr("region 0 has 65 pages"));
  EXPECT_THAT(fault_of({{1, 1, 1}, {1}}), HasSubstr("region 0 has 65 pages"));
  EXPECT_THAT(fault_of({{1, 2}, {1}}), HasSubstr("region 0 has no pages beyond 65"));
  EXPECT_THAT(fault_of({{1, 1}, {0x100}}), HasSubstr("region 1 has no pages beyond 8"));
}

TEST_F(WorkingSetTest, AMachinesStateIsNone) {
  PutTree(snapshot::ToTree(testing::SampleMachine()));
  EXPECT_THAT(Fault(), HasSubstr(path_ + ": "));
  PutTree({snapshot::StateValue::Map{}});
  EXPECT_THAT(Fault(), HasSubstr("missing"));
  PutTree({uint64_t{1}});
  EXPECT_THAT(Fault(), HasSubstr("a map"));
}

}  // namespace
}  // namespace ember::vmm
