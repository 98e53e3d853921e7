#include "firmware/acpi/aml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "firmware/acpi/aml_resources.h"

namespace ember::firmware::aml {
namespace {

using testing::ElementsAre;
using Bytes = std::vector<std::byte>;

Bytes Of(std::initializer_list<int> values) {
  Bytes bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

Bytes First(const Bytes& bytes, size_t count) {
  return {bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(count)};
}

TEST(AmlIntegerTest, TakesTheShortestEncoding) {
  EXPECT_EQ(Integer(0).bytes, Of({0x00}));
  EXPECT_EQ(Integer(1).bytes, Of({0x01}));
  EXPECT_EQ(Integer(2).bytes, Of({0x0a, 0x02}));
  EXPECT_EQ(Integer(0xff).bytes, Of({0x0a, 0xff}));
  EXPECT_EQ(Integer(0x100).bytes, Of({0x0b, 0x00, 0x01}));
  EXPECT_EQ(Integer(0xffff).bytes, Of({0x0b, 0xff, 0xff}));
  EXPECT_EQ(Integer(0x10000).bytes, Of({0x0c, 0x00, 0x00, 0x01, 0x00}));
  EXPECT_EQ(Integer(0xffffffff).bytes, Of({0x0c, 0xff, 0xff, 0xff, 0xff}));
  EXPECT_EQ(Integer(0x1'0000'0000).bytes, Of({0x0e, 0, 0, 0, 0, 1, 0, 0, 0}));
  EXPECT_EQ(Integer(std::numeric_limits<uint64_t>::max()).bytes,
            Of({0x0e, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}));
}

TEST(AmlStringTest, EndsWithAZero) {
  EXPECT_EQ(String("").bytes, Of({0x0d, 0}));
  EXPECT_EQ(String("AB").bytes, Of({0x0d, 'A', 'B', 0}));
}

TEST(AmlEisaIdTest, PacksLettersAndDigitsBigEndian) {
  EXPECT_EQ(EisaId("PNP0501").bytes, Of({0x0c, 0x41, 0xd0, 0x05, 0x01}));
  EXPECT_EQ(EisaId("PNP0C0C").bytes, Of({0x0c, 0x41, 0xd0, 0x0c, 0x0c}));
}

TEST(AmlPathTest, FillsSegmentsAndCountsThem) {
  EXPECT_EQ(Path("COM1").bytes, Of({'C', 'O', 'M', '1'}));
  EXPECT_EQ(Path("_S5").bytes, Of({'_', 'S', '5', '_'}));
  EXPECT_EQ(Path("\\_SB").bytes, Of({'\\', '_', 'S', 'B', '_'}));
  EXPECT_EQ(Path("^^A").bytes, Of({'^', '^', 'A', '_', '_', '_'}));
  EXPECT_EQ(Path("\\_SB.PWRB").bytes, Of({'\\', 0x2e, '_', 'S', 'B', '_', 'P', 'W', 'R', 'B'}));
  EXPECT_EQ(Path("A.B.C").bytes,
            Of({0x2f, 3, 'A', '_', '_', '_', 'B', '_', '_', '_', 'C', '_', '_', '_'}));
}

TEST(AmlPathDeathTest, NamesThatAmlHasNotAbort) {
  EXPECT_DEATH(Path("TOOLONG"), "segment");
  EXPECT_DEATH(Path(""), "segment");
  EXPECT_DEATH(Path("1ABC"), "segment");
  EXPECT_DEATH(Path("ab"), "segment|IsNameChar");
  EXPECT_DEATH(Path("A..B"), "segment");
}

// What Buffer() puts before its contents: opcode, length, and the size as an integer.
struct BufferCase {
  size_t contents = 0;
  std::initializer_list<int> header;
};

TEST(AmlLengthTest, GrowsByAByteWhereTheShorterOneEnds) {
  const BufferCase cases[] = {
      // The length counts itself: 63 is the last one of one byte.
      {60, {0x11, 0x3f, 0x0a, 60}},
      {61, {0x11, 0x41, 0x04, 0x0a, 61}},
      // 4095 of two, of which the low four bits are in the first.
      {4090, {0x11, 0x4f, 0xff, 0x0b, 0xfa, 0x0f}},
      {4091, {0x11, 0x81, 0x00, 0x01, 0x0b, 0xfb, 0x0f}},
      // 2^20 - 1 of three.
      {0xffff7, {0x11, 0x8f, 0xff, 0xff, 0x0c, 0xf7, 0xff, 0x0f, 0x00}},
      {0xffff8, {0x11, 0xc1, 0x00, 0x00, 0x01, 0x0c, 0xf8, 0xff, 0x0f, 0x00}},
  };
  for (const BufferCase& buffer : cases) {
    const Bytes contents(buffer.contents, std::byte{0xa5});
    const Bytes bytes = Buffer(contents).bytes;
    EXPECT_EQ(bytes.size(), buffer.header.size() + buffer.contents);
    EXPECT_EQ(First(bytes, buffer.header.size()), Of(buffer.header)) << buffer.contents;
  }
}

TEST(AmlFieldTest, CountsBitsWithoutTheirLength) {
  EXPECT_EQ(Field("REG", FieldAccess::kByte, {{.name = "A", .bits = 8}}).bytes,
            Of({0x5b, 0x81, 0x0b, 'R', 'E', 'G', '_', 0x01, 'A', '_', '_', '_', 8}));
  // 63 bits fit one byte, 64 do not; a unit without a name is skipped.
  EXPECT_EQ(
      Field("REG", FieldAccess::kQword, {{.bits = 63}, {.name = "B", .bits = 64}}).bytes,
      Of({0x5b, 0x81, 0x0e, 'R', 'E', 'G', '_', 0x04, 0x00, 63, 'B', '_', '_', '_', 0x40, 0x04}));
}

TEST(AmlRegionTest, SaysItsSpaceStartAndLength) {
  EXPECT_EQ(OperationRegion("R", {.space = RegionSpace::kSystemIo, .start = 0x600, .size_bytes = 2})
                .bytes,
            Of({0x5b, 0x80, 'R', '_', '_', '_', 0x01, 0x0b, 0x00, 0x06, 0x0a, 0x02}));
}

TEST(AmlPackageTest, CountsItsElements) {
  EXPECT_EQ(Package({}).bytes, Of({0x12, 0x02, 0x00}));
  EXPECT_EQ(Package({Integer(5), Integer(0)}).bytes, Of({0x12, 0x05, 0x02, 0x0a, 0x05, 0x00}));
}

TEST(AmlMethodTest, HoldsItsSignatureAndStatements) {
  EXPECT_EQ(Method("M", {.argument_count = 2, .serialized = true}, {Return(Arg(1))}).bytes,
            Of({0x14, 0x08, 'M', '_', '_', '_', 0x0a, 0xa4, 0x69}));
  EXPECT_EQ(Method("M", {}, {}).bytes, Of({0x14, 0x06, 'M', '_', '_', '_', 0x00}));
}

TEST(AmlStatementTest, OperandsFollowTheOpcodeInOrder) {
  EXPECT_EQ(Store(Integer(1), Local(7)).bytes, Of({0x70, 0x01, 0x67}));
  EXPECT_EQ(Notify(Path("PWRB"), Integer(0x80)).bytes, Of({0x86, 'P', 'W', 'R', 'B', 0x0a, 0x80}));
  EXPECT_EQ(And(Local(0), Integer(2)).bytes, Of({0x7b, 0x60, 0x0a, 0x02, 0x00}));
  EXPECT_EQ(Equal(Arg(0), Integer(0)).bytes, Of({0x93, 0x68, 0x00}));
  EXPECT_EQ(If(Equal(Arg(0), Integer(0)), {Return(Integer(1))}).bytes,
            Of({0xa0, 0x06, 0x93, 0x68, 0x00, 0xa4, 0x01}));
}

TEST(AmlDefinitionTest, ScopesAndDevicesHoldTheirTerms) {
  const Bytes device = Device("D", {Name("_UID", Integer(0))}).bytes;
  EXPECT_EQ(device, Of({0x5b, 0x82, 0x0b, 'D', '_', '_', '_', 0x08, '_', 'U', 'I', 'D', 0x00}));
  const Bytes scope = Scope("\\_SB", {{device}}).bytes;
  EXPECT_EQ(First(scope, 7), Of({0x10, 0x13, '\\', '_', 'S', 'B', '_'}));
  EXPECT_EQ(Bytes(scope.begin() + 7, scope.end()), device);
}

TEST(AmlResourceTest, ATemplateHoldsItsDescriptorsAndAnEndTag) {
  EXPECT_EQ(Memory32Fixed(0xd0000000, 0x1000, MemoryUse::kReadWrite).bytes,
            Of({0x86, 9, 0, 1, 0, 0, 0, 0xd0, 0, 0x10, 0, 0}));
  EXPECT_EQ(Memory32Fixed(0xd0000000, 0x1000, MemoryUse::kReadOnly).bytes,
            Of({0x86, 9, 0, 0, 0, 0, 0, 0xd0, 0, 0x10, 0, 0}));
  EXPECT_EQ(IoPorts(0x3f8, 8).bytes, Of({0x47, 1, 0xf8, 0x03, 0xf8, 0x03, 1, 8}));
  // Consumer, edge-triggered, active-high, exclusive.
  EXPECT_EQ(EdgeInterrupt(Gsi{0x123}).bytes, Of({0x89, 6, 0, 0x03, 1, 0x23, 0x01, 0, 0}));
  EXPECT_EQ(ResourceTemplate({IoPorts(0x60, 1)}).bytes,
            Of({0x11, 0x0d, 0x0a, 10, 0x47, 1, 0x60, 0, 0x60, 0, 1, 1, 0x79, 0}));
}

}  // namespace
}  // namespace ember::firmware::aml
