#include "firmware/x86_64/mptable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/endian.h"
#include "firmware/x86_64/layout.h"
#include "tests/firmware/image_bytes.h"
#include "tests/firmware/sample_platform.h"

namespace ember::firmware {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kMiB = 1 << 20;
constexpr size_t kHeaderBytes = 44;

template <typename T>
T At(const Bytes& bytes, size_t offset) {
  return LoadLe<T>(std::span(bytes).subspan(offset));
}

// Sums without the code under test.
bool AddsUpToZero(const Bytes& bytes) {
  unsigned sum = 0;
  for (const std::byte byte : bytes) sum += std::to_integer<unsigned>(byte);
  return sum % 256 == 0;
}

// The table as a kernel finds it: the pointer, where it points, and the entries by type.
struct MpTable {
  Bytes pointer;
  Bytes table;
  std::multimap<uint8_t, Bytes> entries;
};

MpTable ReadMpTable(const GuestMemory& memory) {
  MpTable mp;
  mp.pointer = ReadGuest(memory, GuestAddress{0x9fc00}, 16);
  const GuestAddress at{At<uint32_t>(mp.pointer, 4)};
  mp.table = ReadGuest(memory, at, memory.Read<uint16_t>(at + 4).value());
  for (size_t offset = kHeaderBytes; offset < mp.table.size();) {
    const auto type = At<uint8_t>(mp.table, offset);
    const size_t size_bytes = type == 0 ? 20 : 8;
    const auto start = mp.table.begin() + static_cast<ptrdiff_t>(offset);
    mp.entries.emplace(type, Bytes(start, start + static_cast<ptrdiff_t>(size_bytes)));
    offset += size_bytes;
  }
  return mp;
}

MpTable TableOf(const Platform& platform) {
  const auto memory = RamOf(2 * kMiB);
  EXPECT_TRUE(WriteMpTable(*memory, platform).has_value());
  return ReadMpTable(*memory);
}

TEST(MpTableTest, ThePointerIsWhereKernelsSearchForIt) {
  const MpTable mp = TableOf(SamplePlatform());
  EXPECT_EQ(At<uint32_t>(mp.pointer, 0), 0x5f504d5fU) << "_MP_";
  EXPECT_EQ(At<uint8_t>(mp.pointer, 8), 1) << "16 bytes";
  EXPECT_EQ(At<uint8_t>(mp.pointer, 9), 4) << "version 1.4";
  EXPECT_EQ(At<uint8_t>(mp.pointer, 11), 0) << "with a table";
  EXPECT_TRUE(AddsUpToZero(mp.pointer));
}

TEST(MpTableTest, TheHeaderCountsTheEntries) {
  const MpTable mp = TableOf(SamplePlatform());
  EXPECT_EQ(At<uint32_t>(mp.table, 0), 0x504d4350U) << "PCMP";
  EXPECT_EQ(At<uint8_t>(mp.table, 6), 4);
  EXPECT_EQ(At<uint16_t>(mp.table, 34), mp.entries.size());
  EXPECT_EQ(At<uint32_t>(mp.table, 36), 0xfee00000U);
  EXPECT_TRUE(AddsUpToZero(mp.table));
}

TEST(MpTableTest, ThirtyTwoProcessorsFitAndTheFirstOneBoots) {
  const MpTable mp = TableOf(SamplePlatform({.processors = 32}));
  EXPECT_EQ(mp.entries.count(0), 32U);
  uint8_t index = 0;
  for (auto [it, end] = mp.entries.equal_range(0); it != end; ++it, ++index) {
    EXPECT_EQ(At<uint8_t>(it->second, 1), index) << "APIC id";
    EXPECT_EQ(At<uint8_t>(it->second, 3), index == 0 ? 3 : 1) << "enabled, boots";
  }
  EXPECT_LE(mp.pointer.size() + mp.table.size(), x86_64::kMpTableArea.size_bytes);
}

TEST(MpTableTest, EveryInterruptButTheCascadeIsAtItsOwnPin) {
  const MpTable mp = TableOf(SamplePlatform());
  const Bytes& io_apic = mp.entries.find(2)->second;
  EXPECT_EQ(At<uint8_t>(io_apic, 1), 2) << "an id that no processor has";
  EXPECT_EQ(At<uint8_t>(io_apic, 3), 1) << "enabled";
  EXPECT_EQ(At<uint32_t>(io_apic, 4), 0xfec00000U);
  std::vector<uint8_t> pins;
  for (auto [it, end] = mp.entries.equal_range(3); it != end; ++it) {
    const Bytes& entry = it->second;
    EXPECT_EQ(At<uint8_t>(entry, 1), 0) << "vectored";
    EXPECT_EQ(At<uint16_t>(entry, 2), 5) << "active-high, edge";
    EXPECT_EQ(At<uint8_t>(entry, 4), 0) << "the ISA bus";
    EXPECT_EQ(At<uint8_t>(entry, 5), At<uint8_t>(entry, 7)) << "IRQ = pin";
    EXPECT_EQ(At<uint8_t>(entry, 6), 2) << "the I/O APIC";
    pins.push_back(At<uint8_t>(entry, 7));
  }
  EXPECT_THAT(pins, ElementsAre(0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
                                20, 21, 22, 23));
}

TEST(MpTableTest, TheIsaBusIsNamedAndTheLocalPinsAreThe8259sAndNmi) {
  const MpTable mp = TableOf(SamplePlatform());
  const Bytes& bus = mp.entries.find(1)->second;
  EXPECT_EQ(At<uint64_t>(bus, 0), 0x2020'2041'5349'0001U) << "entry 1, bus 0, \"ISA   \"";
  std::vector<uint64_t> pins;
  for (auto [it, end] = mp.entries.equal_range(4); it != end; ++it) {
    pins.push_back(At<uint64_t>(it->second, 0));
  }
  // Pin, all local APICs, IRQ, bus, flags (2), kind, entry 4.
  EXPECT_THAT(pins, ElementsAre(0x00ff'0000'0000'0304U, 0x01ff'0000'0000'0104U));
}

TEST(MpTableTest, AnApicIdThatNeedsMoreThanAByteIsAnError) {
  Platform platform = SamplePlatform();
  platform.apic_ids[1] = 254;
  EXPECT_TRUE(WriteMpTable(*RamOf(2 * kMiB), platform).has_value());
  platform.apic_ids[1] = 255;
  const Status status = WriteMpTable(*RamOf(2 * kMiB), platform);
  ASSERT_FALSE(status.has_value());
  EXPECT_THAT(status.error().message(), HasSubstr("APIC id 255 exceeds the limit 254"));
}

TEST(MpTableTest, MoreProcessorsThanTheAreaHoldsIsAnErrorAndTouchesNothing) {
  const auto memory = RamOf(2 * kMiB);
  const Status status = WriteMpTable(*memory, SamplePlatform({.processors = 254}));
  ASSERT_FALSE(status.has_value());
  EXPECT_THAT(status.error().message(), HasSubstr("254 processors need 5356 bytes"));
  EXPECT_THAT(status.error().message(), HasSubstr("1024 at 0x9fc00"));
  EXPECT_EQ(ReadGuest(*memory, GuestAddress{0x9fc00}, 0x400), Bytes(0x400));
}

TEST(MpTableTest, NothingIsWrittenBeyondTheArea) {
  const auto memory = RamOf(2 * kMiB);
  ASSERT_TRUE(WriteMpTable(*memory, SamplePlatform({.processors = 36})).has_value());
  EXPECT_EQ(memory->Read<uint64_t>(GuestAddress{0x9fbf8}).value(), 0U);
  EXPECT_EQ(memory->Read<uint64_t>(GuestAddress{0xa0000}).value(), 0U);
  EXPECT_FALSE(WriteMpTable(*memory, SamplePlatform({.processors = 40})).has_value());
}

TEST(VirtioMmioWordsTest, SayWindowAndInterruptOfEachDevice) {
  Platform platform = SamplePlatform({.virtio_devices = 2});
  platform.virtio_mmio[1].range.size_bytes = 0x200;
  EXPECT_THAT(VirtioMmioWords(platform), ElementsAre("virtio_mmio.device=4K@0xd0000000:5",
                                                     "virtio_mmio.device=512@0xd0001000:6"));
  EXPECT_THAT(VirtioMmioWords(BarePlatform()), IsEmpty());
}

}  // namespace
}  // namespace ember::firmware
