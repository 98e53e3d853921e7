// What a kernel finds in low memory, byte for byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "firmware/x86_64/e820.h"
#include "firmware/x86_64/gdt.h"
#include "firmware/x86_64/page_tables.h"
#include "firmware/x86_64/pvh.h"
#include "firmware/x86_64/setup_data.h"
#include "firmware/x86_64/zero_page.h"
#include "memory/layout.h"
#include "tests/firmware/image_bytes.h"

namespace ember::firmware::x86_64 {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kGiB = 1 << 30;

MemoryMapEntry Entry(uint64_t start, uint64_t end, MemoryType type) {
  return {{GuestAddress{start}, end - start}, type};
}

TEST(MemoryMapTest, TheFirmwareAreasAreReservedAndVideoMemoryIsAHole) {
  EXPECT_THAT(BuildMemoryMap(*RamOf(128 * kMiB)),
              ElementsAre(Entry(0, 0x9fc00, MemoryType::kRam),
                          Entry(0x9fc00, 0xa0000, MemoryType::kReserved),
                          Entry(0xe0000, 0x100000, MemoryType::kReserved),
                          Entry(0x100000, 128 * kMiB, MemoryType::kRam)));
}

TEST(MemoryMapTest, RamAboveTheGapIsAnEntryOfItsOwn) {
  const auto memory = GuestMemory::Create(RamRanges(4 * kGiB), {}).value();
  const auto map = BuildMemoryMap(*memory);
  ASSERT_EQ(map.size(), 5U);
  EXPECT_EQ(map[3], Entry(0x100000, 3 * kGiB, MemoryType::kRam));
  EXPECT_EQ(map[4], Entry(4 * kGiB, 5 * kGiB, MemoryType::kRam));
}

TEST(GdtTest, HoldsFlat64BitCodeAt0x10AndDataAt0x18) {
  const auto memory = RamOf(2 * kMiB);
  ASSERT_TRUE(WriteGdt(*memory).has_value());
  const auto table = memory->Read<std::array<uint64_t, 5>>(GuestAddress{0x500}).value();
  EXPECT_THAT(table, ElementsAre(0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0));
  EXPECT_EQ(kGdtLimit, 31);
}

// Walks the tables as a processor does.
uint64_t Translate(const GuestMemory& memory, GuestAddress root, uint64_t address) {
  const auto entry_at = [&memory](uint64_t table, uint64_t index) {
    return memory.Read<uint64_t>(GuestAddress{table + index * 8}).value();
  };
  uint64_t table = ToInteger(root);
  for (const unsigned shift : {39U, 30U}) {
    const uint64_t entry = entry_at(table, address >> shift & 511);
    EXPECT_EQ(entry & 0xfff, 0x3U);
    table = entry & ~uint64_t{0xfff};
  }
  const uint64_t entry = entry_at(table, address >> 21 & 511);
  EXPECT_EQ(entry & 0x1f'ffff, 0x83U);
  return (entry & ~uint64_t{0x1f'ffff}) + (address & 0x1f'ffff);
}

TEST(PageTablesTest, MapEveryAddressBelow4GiBToItself) {
  const auto memory = RamOf(2 * kMiB);
  const GuestAddress root = WriteIdentityPageTables(*memory).value();
  for (uint64_t address = 0x123; address < 4 * kGiB; address += 2 * kMiB) {
    ASSERT_EQ(Translate(*memory, root, address), address);
  }
}

TEST(PageTablesTest, MapNothingElse) {
  const auto memory = RamOf(2 * kMiB);
  ASSERT_EQ(WriteIdentityPageTables(*memory).value(), GuestAddress{0x9000});
  EXPECT_EQ(ReadGuest(*memory, GuestAddress{0x9008}, 0xa000 - 0x9008), Bytes(0xa000 - 0x9008));
  EXPECT_EQ(ReadGuest(*memory, GuestAddress{0xa020}, 0xb000 - 0xa020), Bytes(0xb000 - 0xa020));
  EXPECT_EQ(ReadGuest(*memory, GuestAddress{0xf000}, 0x1000), Bytes(0x1000));
}

const std::vector<MemoryMapEntry> kMap{
    {{GuestAddress{0}, 0x9fc00}, MemoryType::kRam},
    {{GuestAddress{0xe0000}, 0x20000}, MemoryType::kReserved},
};

TEST(ZeroPageTest, HoldsTheKernelsHeaderTheLoadersFieldsAndNothingElse) {
  const auto memory = RamOf(2 * kMiB);
  SetupHeader header;
  const Bytes header_bytes = Pattern(sizeof(header), 3);
  std::ranges::copy(header_bytes, std::as_writable_bytes(std::span(&header, 1)).begin());
  const GuestAddress at =
      WriteZeroPage(*memory, {.header = header,
                              .command_line = GuestAddress{0x20000},
                              .initrd = GuestRange{GuestAddress{0x7'1234'5000}, 0x2'0000'0042},
                              .acpi_rsdp = GuestAddress{0xe0010},
                              .setup_data = GuestAddress{0x30000},
                              .memory_map = kMap})
          .value();

  Bytes golden(4096);  // offsets as of the kernel's Documentation/arch/x86/{zero-page,boot}.rst
  Put<uint64_t>(golden, 0x070, 0xe0010);      // acpi_rsdp_addr
  Put<uint32_t>(golden, 0x0c0, 0x7);          // ext_ramdisk_image
  Put<uint32_t>(golden, 0x0c4, 0x2);          // ext_ramdisk_size
  Put<uint8_t>(golden, 0x1e8, 2);             // e820_entries
  Put(golden, 0x1f1, header_bytes);           // setup_header
  Put<uint8_t>(golden, 0x210, 0xff);          // type_of_loader
  Put<uint32_t>(golden, 0x218, 0x1234'5000);  // ramdisk_image
  Put<uint32_t>(golden, 0x21c, 0x42);         // ramdisk_size
  Put<uint32_t>(golden, 0x228, 0x20000);      // cmd_line_ptr
  Put<uint64_t>(golden, 0x250, 0x30000);      // setup_data
  Put<uint64_t>(golden, 0x2d8, 0x9fc00);      // e820_table[0]
  Put<uint32_t>(golden, 0x2e0, 1);
  Put<uint64_t>(golden, 0x2e4, 0xe0000);  // e820_table[1]
  Put<uint64_t>(golden, 0x2ec, 0x20000);
  Put<uint32_t>(golden, 0x2f4, 2);
  EXPECT_EQ(at, GuestAddress{0x7000});
  EXPECT_EQ(ReadGuest(*memory, at, 4096), golden);
}

TEST(ZeroPageTest, WithoutInitrdRsdpAndSetupDataTheirFieldsAreZeroWhateverTheFileHeld) {
  const auto memory = RamOf(2 * kMiB);
  SetupHeader header;
  header.fields.ramdisk_image = header.fields.ramdisk_size = 1;
  header.fields.setup_data = 1;
  const GuestAddress at = WriteZeroPage(*memory, {.header = header}).value();
  Bytes golden(4096);
  Put<uint8_t>(golden, 0x210, 0xff);
  EXPECT_EQ(ReadGuest(*memory, at, 4096), golden);
}

TEST(ZeroPageTest, TakesAsManyMapEntriesAsItHasRoomFor) {
  const auto memory = RamOf(2 * kMiB);
  std::vector<MemoryMapEntry> map(128, kMap[0]);
  EXPECT_TRUE(WriteZeroPage(*memory, {.header = {}, .memory_map = map}).has_value());
  EXPECT_EQ(memory->Read<uint8_t>(GuestAddress{0x71e8}).value(), 128);
  map.push_back(kMap[0]);
  EXPECT_THAT(WriteZeroPage(*memory, {.header = {}, .memory_map = map}).error().message(),
              AllOf(HasSubstr("129"), HasSubstr("128")));
}

TEST(ZeroPageTest, AnElfKernelGetsAHeaderThatSaysWhatItIsNotTold) {
  const auto memory = RamOf(2 * kMiB);
  ASSERT_TRUE(WriteZeroPage(*memory, {.header = SetupHeaderForElf()}).has_value());
  EXPECT_EQ(memory->Read<uint16_t>(GuestAddress{0x71fe}).value(), 0xaa55);
  EXPECT_EQ(memory->Read<uint32_t>(GuestAddress{0x7202}).value(), 0x53726448U);
  EXPECT_EQ(memory->Read<uint16_t>(GuestAddress{0x7206}).value(), 0x020c);
  EXPECT_EQ(memory->Read<uint32_t>(GuestAddress{0x7238}).value(), 2047U);
}

TEST(SetupDataTest, NodesAreChainedAndTheLastOneEndsTheChain) {
  const auto memory = RamOf(2 * kMiB);
  const Bytes seed = Pattern(32, 1);
  const Bytes tree = Pattern(5000, 2);
  const std::array<SetupDataNode, 2> nodes{{{.type = 9, .data = seed}, {.type = 2, .data = tree}}};
  EXPECT_EQ(WriteSetupData(*memory, nodes).value(), GuestAddress{0x30000});
  Bytes golden;
  Put<uint64_t>(golden, 0, 0x31000);
  Put<uint32_t>(golden, 8, 9);
  Put<uint32_t>(golden, 12, 32);
  Put(golden, 16, seed);
  Put<uint32_t>(golden, 0x1008, 2);
  Put<uint32_t>(golden, 0x100c, 5000);
  Put(golden, 0x1010, tree);
  golden.resize(0x3000);
  EXPECT_EQ(ReadGuest(*memory, GuestAddress{0x30000}, golden.size()), golden);
}

TEST(SetupDataTest, WithoutNodesThereIsNoChain) {
  EXPECT_EQ(WriteSetupData(*RamOf(2 * kMiB), {}).value(), GuestAddress{0});
}

TEST(SetupDataTest, ANodeThatDoesNotFitIsAnErrorWithBothLengths) {
  const auto memory = RamOf(2 * kMiB);
  const Bytes most(0x6fc00 - 16);
  std::vector<SetupDataNode> nodes{{.type = 2, .data = most}};
  EXPECT_TRUE(WriteSetupData(*memory, nodes).has_value());
  EXPECT_EQ(ReadGuest(*memory, GuestAddress{0x9fc00}, 16), Bytes(16));
  nodes.push_back({.type = 9, .data = {}});
  EXPECT_THAT(WriteSetupData(*memory, nodes).error().message(), HasSubstr("0 bytes left"));
  const Bytes more(most.size() + 1);
  nodes = {{.type = 2, .data = more}};
  EXPECT_THAT(WriteSetupData(*memory, nodes).error().message(),
              AllOf(HasSubstr("457713"), HasSubstr("457728")));
}

TEST(PvhStartInfoTest, HoldsMapModuleCommandLineAndRsdp) {
  const auto memory = RamOf(2 * kMiB);
  const GuestAddress at =
      WritePvhStartInfo(*memory, {.initrd = GuestRange{GuestAddress{0x1'2345'6000}, 0x789},
                                  .command_line = GuestAddress{0x20000},
                                  .acpi_rsdp = GuestAddress{0xe0010},
                                  .memory_map = kMap})
          .value();
  Bytes golden(0x1000);  // xen/include/public/arch-x86/hvm/start_info.h
  Put<uint32_t>(golden, 0x00, 0x336ec578);
  Put<uint32_t>(golden, 0x04, 1);        // version
  Put<uint32_t>(golden, 0x0c, 1);        // nr_modules
  Put<uint64_t>(golden, 0x10, 0x6040);   // modlist_paddr
  Put<uint64_t>(golden, 0x18, 0x20000);  // cmdline_paddr
  Put<uint64_t>(golden, 0x20, 0xe0010);  // rsdp_paddr
  Put<uint64_t>(golden, 0x28, 0x6080);   // memmap_paddr
  Put<uint32_t>(golden, 0x30, 2);        // memmap_entries
  Put<uint64_t>(golden, 0x40, 0x1'2345'6000);
  Put<uint64_t>(golden, 0x48, 0x789);
  Put<uint64_t>(golden, 0x88, 0x9fc00);
  Put<uint32_t>(golden, 0x90, 1);
  Put<uint64_t>(golden, 0x98, 0xe0000);
  Put<uint64_t>(golden, 0xa0, 0x20000);
  Put<uint32_t>(golden, 0xa8, 2);
  EXPECT_EQ(at, GuestAddress{0x6000});
  EXPECT_EQ(ReadGuest(*memory, at, 0x1000), golden);
}

TEST(PvhStartInfoTest, WithoutInitrdAndRsdpThereIsNoModuleAndNoAddress) {
  const auto memory = RamOf(2 * kMiB);
  ASSERT_TRUE(WritePvhStartInfo(*memory, {.memory_map = kMap}).has_value());
  EXPECT_EQ(ReadGuest(*memory, GuestAddress{0x600c}, 12), Bytes(12));
  EXPECT_EQ(ReadGuest(*memory, GuestAddress{0x6020}, 8), Bytes(8));
}

TEST(PvhStartInfoTest, AMapTooLargeForItsPageIsAnErrorWithBothLengths) {
  const auto memory = RamOf(2 * kMiB);
  std::vector<MemoryMapEntry> map(165, kMap[0]);
  EXPECT_TRUE(WritePvhStartInfo(*memory, {.memory_map = map}).has_value());
  map.push_back(kMap[0]);
  EXPECT_THAT(WritePvhStartInfo(*memory, {.memory_map = map}).error().message(),
              AllOf(HasSubstr("3984"), HasSubstr("3968")));
}

}  // namespace
}  // namespace ember::firmware::x86_64
