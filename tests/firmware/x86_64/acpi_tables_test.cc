#include "firmware/x86_64/acpi_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "base/endian.h"
#include "firmware/x86_64/acpi_madt.h"
#include "firmware/x86_64/layout.h"
#include "tests/firmware/image_bytes.h"
#include "tests/firmware/sample_platform.h"
#include "tests/firmware/tool.h"

namespace ember::firmware {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr uint64_t kMiB = 1 << 20;
constexpr size_t kHeaderBytes = 36;

uint8_t SumOf(std::span<const std::byte> bytes) {
  return std::accumulate(bytes.begin(), bytes.end(), uint8_t{0}, [](uint8_t sum, std::byte byte) {
    return static_cast<uint8_t>(sum + std::to_integer<uint8_t>(byte));
  });
}

template <typename T>
T At(const Bytes& bytes, size_t offset) {
  return LoadLe<T>(std::span(bytes).subspan(offset));
}

std::string Text(const Bytes& bytes, size_t offset, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += static_cast<char>(bytes.at(offset + i));
  return text;
}

struct Table {
  GuestAddress at{};
  Bytes bytes;
};

// The tables as an operating system finds them, from the root pointer on.
class TablesInMemory {
 public:
  explicit TablesInMemory(const Platform& platform) : memory_(RamOf(2 * kMiB)) {
    root_ = WriteAcpiTables(*memory_, platform).value();
    AddTable(GuestAddress{At<uint64_t>(RootPointer(), 24)});
    const Bytes& xsdt = tables_.at("XSDT").bytes;
    for (size_t offset = kHeaderBytes; offset < xsdt.size(); offset += sizeof(uint64_t)) {
      AddTable(GuestAddress{At<uint64_t>(xsdt, offset)});
    }
    AddTable(GuestAddress{At<uint64_t>(tables_.at("FACP").bytes, 140)});
  }

  GuestAddress root() const { return root_; }
  Bytes RootPointer() const { return ReadGuest(*memory_, root_, 36); }
  const std::map<std::string, Table>& all() const { return tables_; }
  const Bytes& Get(const std::string& signature) const { return tables_.at(signature).bytes; }

 private:
  void AddTable(GuestAddress at) {
    const auto size_bytes = memory_->Read<uint32_t>(at + 4).value();
    Table table{at, ReadGuest(*memory_, at, size_bytes)};
    tables_.emplace(Text(table.bytes, 0, 4), std::move(table));
  }

  std::unique_ptr<GuestMemory> memory_;
  GuestAddress root_{};
  std::map<std::string, Table> tables_;
};

// The structures of a MADT by type, without type and length.
std::multimap<uint8_t, Bytes> MadtStructures(const Bytes& madt) {
  std::multimap<uint8_t, Bytes> structures;
  for (size_t offset = kHeaderBytes + 8; offset < madt.size();) {
    const size_t size_bytes = At<uint8_t>(madt, offset + 1);
    const auto start = madt.begin() + static_cast<ptrdiff_t>(offset);
    structures.emplace(At<uint8_t>(madt, offset),
                       Bytes(start + 2, start + static_cast<ptrdiff_t>(size_bytes)));
    offset += size_bytes;
  }
  return structures;
}

struct Length {
  size_t value = 0;
  size_t encoded_bytes = 0;
};

Length PackageLength(const Bytes& aml, size_t offset) {
  const auto first = At<uint8_t>(aml, offset);
  const size_t more = first >> 6;
  if (more == 0) return {first, 1};
  size_t value = first & 0xf;
  for (size_t i = 0; i < more; ++i) {
    value |= size_t{At<uint8_t>(aml, offset + 1 + i)} << (4 + 8 * i);
  }
  return {value, more + 1};
}

// The names of the devices in \_SB, which holds nothing but devices.
std::vector<std::string> DeviceNames(const Bytes& dsdt) {
  std::vector<std::string> names;
  const Length scope = PackageLength(dsdt, kHeaderBytes + 1);
  const size_t end = kHeaderBytes + 1 + scope.value;
  size_t offset = kHeaderBytes + 1 + scope.encoded_bytes + 5;  // past "\_SB_"
  while (offset < end) {
    EXPECT_EQ(At<uint16_t>(dsdt, offset), 0x825b);
    const Length device = PackageLength(dsdt, offset + 2);
    names.push_back(Text(dsdt, offset + 2 + device.encoded_bytes, 4));
    offset += 2 + device.value;
  }
  return names;
}

TEST(AcpiTablesTest, TheRootPointerIsWhereKernelsSearchForIt) {
  const TablesInMemory tables(SamplePlatform());
  EXPECT_EQ(ToInteger(tables.root()) % 16, 0U);
  EXPECT_GE(tables.root(), GuestAddress{0xe0000});
  EXPECT_LT(tables.root() + 36, GuestAddress{0x100000});
  const Bytes pointer = tables.RootPointer();
  EXPECT_EQ(Text(pointer, 0, 8), "RSD PTR ");
  EXPECT_EQ(SumOf(std::span(pointer).first(20)), 0);
  EXPECT_EQ(SumOf(pointer), 0);
  EXPECT_EQ(At<uint8_t>(pointer, 15), 2);
  EXPECT_EQ(At<uint32_t>(pointer, 16), 0U) << "no RSDT";
  EXPECT_EQ(At<uint32_t>(pointer, 20), 36U);
}

TEST(AcpiTablesTest, EveryTableIsInTheAreaAndAddsUpToZero) {
  const TablesInMemory tables(SamplePlatform({.processors = 32, .virtio_devices = 19}));
  EXPECT_THAT(tables.all(), SizeIs(4));
  std::vector<GuestRange> ranges{{tables.root(), 36}};
  for (const auto& [signature, table] : tables.all()) {
    EXPECT_EQ(SumOf(table.bytes), 0) << signature;
    EXPECT_EQ(Text(table.bytes, 10, 6), "EMBER ") << signature;
    ranges.push_back({table.at, table.bytes.size()});
  }
  std::ranges::sort(ranges, {}, &GuestRange::start);
  GuestAddress end = x86_64::kAcpiArea.start;
  for (const GuestRange& range : ranges) {
    EXPECT_GE(range.start, end) << "overlap";
    end = range.end();
  }
  EXPECT_LE(end, x86_64::kAcpiArea.end());
}

TEST(FadtTest, SaysThatTheHardwareIsReducedAndWhatOfAPcIsThere) {
  const TablesInMemory tables(SamplePlatform());
  const Bytes& fadt = tables.Get("FACP");
  EXPECT_EQ(fadt.size(), 276U);
  EXPECT_EQ(At<uint8_t>(fadt, 8), 6);
  EXPECT_EQ(At<uint8_t>(fadt, 131), 4);
  // Hardware-reduced, reset register, no fixed buttons, C1, WBINVD.
  EXPECT_EQ(At<uint32_t>(fadt, 112), 0x100435U);
  // A keyboard controller; no VGA, no CMOS clock.
  EXPECT_EQ(At<uint16_t>(fadt, 109), 0x26);
  EXPECT_EQ(At<uint32_t>(fadt, 40), At<uint64_t>(fadt, 140));
  // Port 0x64, a byte wide, value 0xfe.
  EXPECT_EQ(At<uint32_t>(fadt, 116), 0x01000801U);
  EXPECT_EQ(At<uint64_t>(fadt, 120), 0x64U);
  EXPECT_EQ(At<uint8_t>(fadt, 128), 0xfe);
  // Sleep control and status.
  EXPECT_EQ(At<uint32_t>(fadt, 244), 0x01000801U);
  EXPECT_EQ(At<uint64_t>(fadt, 248), 0x600U);
  EXPECT_EQ(At<uint32_t>(fadt, 256), 0x01000801U);
  EXPECT_EQ(At<uint64_t>(fadt, 260), 0x601U);
}

TEST(FadtTest, HasNoRegistersOfDevicesThatAreNotThere) {
  const TablesInMemory tables(BarePlatform());
  const Bytes& fadt = tables.Get("FACP");
  EXPECT_EQ(At<uint32_t>(fadt, 112), 0x100035U) << "no reset register";
  EXPECT_EQ(At<uint16_t>(fadt, 109), 0x24) << "no keyboard controller";
  EXPECT_EQ(Bytes(fadt.begin() + 116, fadt.begin() + 129), Bytes(13));
  EXPECT_EQ(Bytes(fadt.begin() + 244, fadt.begin() + 268), Bytes(24));
}

TEST(MadtTest, ListsEveryProcessorTheIoApicAndTheNmiPin) {
  const TablesInMemory tables(SamplePlatform({.processors = 32}));
  const Bytes& madt = tables.Get("APIC");
  EXPECT_EQ(At<uint32_t>(madt, 36), 0xfee00000U);
  EXPECT_EQ(At<uint32_t>(madt, 40), 1U) << "two 8259s";
  const auto structures = MadtStructures(madt);
  EXPECT_EQ(structures.size(), 34U);
  uint8_t index = 0;
  for (auto [it, end] = structures.equal_range(0); it != end; ++it, ++index) {
    EXPECT_EQ(At<uint8_t>(it->second, 0), index) << "UID";
    EXPECT_EQ(At<uint8_t>(it->second, 1), index) << "APIC id";
    EXPECT_EQ(At<uint32_t>(it->second, 2), 1U) << "enabled";
  }
  EXPECT_EQ(index, 32);
  const Bytes& io_apic = structures.find(1)->second;
  EXPECT_EQ(At<uint8_t>(io_apic, 0), 32) << "an id that no processor has";
  EXPECT_EQ(At<uint32_t>(io_apic, 2), 0xfec00000U);
  EXPECT_EQ(At<uint32_t>(io_apic, 6), 0U);
  const Bytes& nmi = structures.find(4)->second;
  EXPECT_EQ(At<uint8_t>(nmi, 0), 0xff);
  EXPECT_EQ(At<uint8_t>(nmi, 3), 1) << "LINT1";
}

TEST(MadtTest, ApicIdsFrom255OnGetTheWideStructures) {
  const std::vector<uint32_t> apic_ids{0, 254, 255, 1000};
  const auto structures = MadtStructures(x86_64::Madt(apic_ids));
  EXPECT_EQ(structures.count(0), 2U);
  std::vector<uint32_t> ids;
  std::vector<uint32_t> uids;
  for (auto [it, end] = structures.equal_range(9); it != end; ++it) {
    ids.push_back(At<uint32_t>(it->second, 2));
    EXPECT_EQ(At<uint32_t>(it->second, 6), 1U) << "enabled";
    uids.push_back(At<uint32_t>(it->second, 10));
  }
  EXPECT_THAT(ids, ElementsAre(255, 1000));
  EXPECT_THAT(uids, ElementsAre(2, 3));
  EXPECT_EQ(structures.count(10), 1U) << "the NMI pin of wide processors";
  EXPECT_EQ(At<uint8_t>(structures.find(1)->second, 0), 1) << "the lowest free id";
}

TEST(DsdtTest, NamesEveryDeviceOnce) {
  const TablesInMemory tables(SamplePlatform({.processors = 32, .virtio_devices = 300}));
  const std::vector<std::string> names = DeviceNames(tables.Get("DSDT"));
  EXPECT_EQ(names.size(), 32U + 300U + 7U);
  EXPECT_THAT(std::set<std::string>(names.begin(), names.end()), SizeIs(names.size()));
}

TEST(DsdtTest, ListsOnlyWhatTheMachineHas) {
  EXPECT_THAT(DeviceNames(TablesInMemory(SamplePlatform()).Get("DSDT")),
              ElementsAre("C000", "C001", "V000", "V001", "V002", "COM1", "PS2K", "PEVT", "VGEN",
                          "VCLK", "PWRB", "GED0"));
  const TablesInMemory bare(BarePlatform());
  EXPECT_THAT(DeviceNames(bare.Get("DSDT")), ElementsAre("C000"));
  EXPECT_THAT(Text(bare.Get("DSDT"), 0, bare.Get("DSDT").size()), testing::Not(HasSubstr("_S5_")));
}

TEST(DsdtTest, AVirtioDeviceHasItsWindowAndItsInterrupt) {
  const TablesInMemory tables(SamplePlatform({.processors = 1, .virtio_devices = 19}));
  const std::string dsdt = Text(tables.Get("DSDT"), 0, tables.Get("DSDT").size());
  // The last one: page 18 of the window, GSI 23.
  const std::string memory("\x86\x09\x00\x01\x00\x20\x01\xd0\x00\x10\x00\x00", 12);
  const std::string interrupt("\x89\x06\x00\x03\x01\x17\x00\x00\x00", 9);
  EXPECT_THAT(dsdt, HasSubstr(memory + interrupt));
}

TEST(AcpiTablesTest, MoreThanTheAreaHoldsIsAnErrorThatNamesTheTable) {
  const auto memory = RamOf(2 * kMiB);
  const auto result = WriteAcpiTables(*memory, SamplePlatform({.virtio_devices = 2500}));
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message(), HasSubstr("the DSDT of "));
  EXPECT_THAT(result.error().message(), HasSubstr("left of 118784"));
}

TEST(AcpiTablesTest, MoreThanCanBeNamedIsAnErrorWithBothNumbers) {
  const auto memory = RamOf(2 * kMiB);
  const auto devices = WriteAcpiTables(*memory, SamplePlatform({.virtio_devices = 4097}));
  ASSERT_FALSE(devices.has_value());
  EXPECT_THAT(devices.error().message(), HasSubstr("4097 virtio devices exceed the 4096"));
  const auto processors = WriteAcpiTables(*memory, SamplePlatform({.processors = 4097}));
  ASSERT_FALSE(processors.has_value());
  EXPECT_THAT(processors.error().message(), HasSubstr("4097 processors exceed the 4096"));
}

TEST(AcpiTablesTest, AVirtioDeviceAbove4GiBIsAnErrorThatNamesIt) {
  const auto memory = RamOf(2 * kMiB);
  Platform platform = SamplePlatform();
  platform.virtio_mmio[1].range = {GuestAddress{0xffff'f000}, 0x2000};
  const auto result = WriteAcpiTables(*memory, platform);
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message(), HasSubstr("0x2000 bytes at 0xfffff000"));
}

TEST(AcpiTablesTest, AMachineWithoutRamInTheAreaIsAnError) {
  const auto result = WriteAcpiTables(*RamOf(512 << 10), SamplePlatform());
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message(), HasSubstr("ACPI tables"));
}

// What iasl makes of a table that it has taken apart, which is as good as the table was; its own
// name as the compiler is put back to ours.
Bytes Recompiled(const Bytes& table) {
  const ScratchDirectory scratch;
  WriteFile(scratch.path() / "table.dat", table);
  const ToolResult apart = RunTool(scratch.path(), "iasl -d table.dat");
  EXPECT_EQ(apart.exit_status, 0) << apart.output;
  const ToolResult together = RunTool(scratch.path(), "iasl -oa -we -p again table.dsl");
  EXPECT_EQ(together.exit_status, 0) << together.output;
  EXPECT_THAT(together.output, HasSubstr("0 Errors, 0 Warnings"));
  Bytes again = ReadFile(scratch.path() / "again.aml");
  if (again.size() < kHeaderBytes) return again;
  constexpr ptrdiff_t kCompilerOffset = 28;
  std::copy_n(table.begin() + kCompilerOffset, 8, again.begin() + kCompilerOffset);
  again[9] = table[9];
  return again;
}

TEST(AcpiCompilerTest, UnderstandsEveryTableAndMakesTheSameBytesOfIt) {
  for (const Platform& platform :
       {SamplePlatform({.processors = 32, .virtio_devices = 19}), BarePlatform()}) {
    const TablesInMemory tables(platform);
    for (const auto& [signature, table] : tables.all()) {
      EXPECT_EQ(Recompiled(table.bytes), table.bytes) << signature;
    }
  }
}

TEST(AcpiCompilerTest, UnderstandsWideProcessors) {
  const Bytes madt = x86_64::Madt(std::vector<uint32_t>{0, 300});
  EXPECT_EQ(Recompiled(madt), madt);
}

// Runs a command of ACPICA's debugger on the sample machine, with every register reading as
// `register_value`.
std::string Interpreted(const std::string& command, int register_value) {
  const ScratchDirectory scratch;
  WriteFile(scratch.path() / "dsdt.dat", TablesInMemory(SamplePlatform()).Get("DSDT"));
  const ToolResult result =
      RunTool(scratch.path(), "acpiexec -r -fv " + std::to_string(register_value) + " -b '" +
                                  command + "' dsdt.dat");
  EXPECT_EQ(result.exit_status, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("1 ACPI AML tables successfully acquired and loaded"));
  return result.output;
}

TEST(AcpiInterpreterTest, APressedPowerButtonIsNotified) {
  EXPECT_THAT(Interpreted("execute \\_SB.GED0._EVT 9", 1),
              HasSubstr("Received a Device Notify on [PWRB]"));
}

TEST(AcpiInterpreterTest, NothingIsNotifiedWithoutAPressOrByAnotherInterrupt) {
  const auto is_quiet = testing::Not(HasSubstr("Notify on [PWRB]"));
  EXPECT_THAT(Interpreted("execute \\_SB.GED0._EVT 9", 0), is_quiet);
  EXPECT_THAT(Interpreted("execute \\_SB.GED0._EVT 9", 2), is_quiet);
  EXPECT_THAT(Interpreted("execute \\_SB.GED0._EVT 8", 1), is_quiet);
}

TEST(AcpiInterpreterTest, ANewGenerationIsNotified) {
  EXPECT_THAT(Interpreted("execute \\_SB.GED0._EVT 9", 2),
              HasSubstr("Received a Device Notify on [VGEN]"));
  const std::string both = Interpreted("execute \\_SB.GED0._EVT 9", 3);
  EXPECT_THAT(both, HasSubstr("Notify on [VGEN]"));
  EXPECT_THAT(both, HasSubstr("Notify on [VCLK]"));
  EXPECT_THAT(both, HasSubstr("Notify on [PWRB]"));
}

TEST(AcpiInterpreterTest, TheGenerationIdIsWhereThePlatformSays) {
  EXPECT_THAT(Interpreted("evaluate \\_SB.VGEN.ADDR", 0),
              HasSubstr("[Integer] = 00000000000FE000"));
}

// A Memory32Fixed descriptor, read-only, and an end tag.
TEST(AcpiInterpreterTest, TheClockHasAPageThatIsRead) {
  EXPECT_THAT(Interpreted("evaluate \\_SB.VCLK._HID", 0), HasSubstr("AMZNC10C"));
  EXPECT_THAT(Interpreted("evaluate \\_SB.VCLK._CRS", 0),
              HasSubstr("86 09 00 00 00 D0 0F 00 00 10 00 00 79"));
}

TEST(AcpiInterpreterTest, SoftOffIsSleepType5) {
  EXPECT_THAT(Interpreted("evaluate \\_S5", 0), HasSubstr("[Integer] = 0000000000000005"));
}

}  // namespace
}  // namespace ember::firmware
