#include "firmware/x86_64/boot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "memory/layout.h"
#include "tests/firmware/elf_builder.h"
#include "tests/firmware/x86_64/bzimage_builder.h"

namespace ember::firmware {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kGiB = 1 << 30;
constexpr uint64_t kElfStart = 16 * kMiB;

// An ELF kernel with both entries.
ElfBuilder ElfWithPvh() {
  ElfBuilder elf;
  elf.Load(kElfStart, 0x1000, Pattern(1024, 1)).Notes(0x2000, PvhNote(kElfStart + 0x20));
  elf.header.e_entry = kElfStart + 0x10;
  return elf;
}

class BootTest : public testing::Test {
 protected:
  Result<BootInfo> Boot(const Bytes& kernel) {
    const Fd kernel_fd = FileOf(kernel);
    const Fd initrd_fd = FileOf(initrd_);
    return LoadLinux(*memory_,
                     {.kernel_path = "kernel",
                      .kernel = kernel_fd,
                      .initrd_path = "initrd",
                      .initrd = initrd_.empty() ? nullptr : &initrd_fd},
                     parameters_);
  }
  std::string BootError(const Bytes& kernel) {
    const auto info = Boot(kernel);
    return info ? "no error" : info.error().message();
  }
  template <typename T>
  T Guest(uint64_t at) {
    return memory_->Read<T>(GuestAddress{at}).value();
  }

  std::unique_ptr<GuestMemory> memory_ = RamOf(64 * kMiB);
  BootParameters parameters_{.command_line = "quiet"};
  Bytes initrd_;
};

TEST_F(BootTest, ABzImageIsEnteredInLongModeAt0x200) {
  const BootInfo info = Boot(BzImageBuilder().Build()).value();
  EXPECT_EQ(info.protocol, BootProtocol::kLinux64);
  EXPECT_EQ(info.entry, GuestAddress{16 * kMiB + 0x200});
  EXPECT_EQ(info.parameters, GuestAddress{0x7000});
  EXPECT_EQ(info.page_table_root, GuestAddress{0x9000});
  EXPECT_EQ(info.gdt, GuestAddress{0x500});
  EXPECT_EQ(info.gdt_limit, 31);
  EXPECT_EQ(Guest<uint64_t>(0x510), 0x00af9b000000ffffU);
  EXPECT_EQ(Guest<uint64_t>(0x9000), 0xa003U);
}

TEST_F(BootTest, ABzImageIsToldItsCommandLineSeedAndMemory) {
  parameters_.rng_seed.fill(std::byte{0x5a});
  ASSERT_TRUE(Boot(BzImageBuilder().Build()).has_value());
  EXPECT_EQ(Guest<uint32_t>(0x7228), 0x20000U);
  EXPECT_EQ(ReadGuest(*memory_, GuestAddress{0x20000}, 6),
            Bytes({std::byte{'q'}, std::byte{'u'}, std::byte{'i'}, std::byte{'e'}, std::byte{'t'},
                   std::byte{0}}));
  EXPECT_EQ(Guest<uint8_t>(0x71e8), 4);
  EXPECT_EQ(Guest<uint64_t>(0x7250), 0x30000U);
  EXPECT_EQ(Guest<uint64_t>(0x30000), 0U);  // the only node
  EXPECT_EQ(Guest<uint32_t>(0x30008), 9U);  // SETUP_RNG_SEED
  EXPECT_EQ(ReadGuest(*memory_, GuestAddress{0x30010}, 32), Bytes(32, std::byte{0x5a}));
}

TEST_F(BootTest, ADeviceTreeFollowsTheSeed) {
  parameters_.device_tree = Pattern(999, 8);
  ASSERT_TRUE(Boot(BzImageBuilder().Build()).has_value());
  EXPECT_EQ(Guest<uint64_t>(0x30000), 0x31000U);
  EXPECT_EQ(Guest<uint32_t>(0x31008), 2U);  // SETUP_DTB
  EXPECT_EQ(ReadGuest(*memory_, GuestAddress{0x31010}, 999), parameters_.device_tree);
}

TEST_F(BootTest, AnElfWithThePvhNoteIsEnteredByPvh) {
  parameters_.acpi_rsdp = GuestAddress{0xe0000};
  const BootInfo info = Boot(ElfWithPvh().Build()).value();
  EXPECT_EQ(info.protocol, BootProtocol::kPvh);
  EXPECT_EQ(info.entry, GuestAddress{kElfStart + 0x20});
  EXPECT_EQ(info.parameters, GuestAddress{0x6000});
  EXPECT_EQ(Guest<uint32_t>(0x6000), 0x336ec578U);
  EXPECT_EQ(Guest<uint64_t>(0x6018), 0x20000U);
  EXPECT_EQ(Guest<uint64_t>(0x6020), 0xe0000U);
  EXPECT_EQ(Guest<uint32_t>(0x6030), 4U);
}

TEST_F(BootTest, APvhNoteMayHave32Bits) {
  ElfBuilder elf;
  const uint32_t entry = kElfStart;
  elf.Load(kElfStart, 0x1000, Pattern(1024, 1))
      .Notes(0x2000, Note("Xen", 18, std::as_bytes(std::span(&entry, 1))));
  EXPECT_EQ(Boot(elf.Build()).value().entry, GuestAddress{kElfStart});
}

TEST_F(BootTest, AnElfCanBeEnteredBy64BitLinuxAllTheSame) {
  parameters_.protocol = BootProtocol::kLinux64;
  const BootInfo info = Boot(ElfWithPvh().Build()).value();
  EXPECT_EQ(info.protocol, BootProtocol::kLinux64);
  EXPECT_EQ(info.entry, GuestAddress{kElfStart + 0x10});
  EXPECT_EQ(info.parameters, GuestAddress{0x7000});
}

TEST_F(BootTest, ADeviceTreeMeans64BitLinux) {
  parameters_.device_tree = Pattern(100, 1);
  EXPECT_EQ(Boot(ElfWithPvh().Build()).value().protocol, BootProtocol::kLinux64);
}

TEST_F(BootTest, AnElfWithoutTheNoteIsEnteredAtItsEntry) {
  ElfBuilder elf;
  elf.Load(kElfStart, 0x1000, Pattern(1024, 1));
  elf.header.e_entry = kElfStart;
  const BootInfo info = Boot(elf.Build()).value();
  EXPECT_EQ(info.protocol, BootProtocol::kLinux64);
  EXPECT_EQ(info.entry, GuestAddress{kElfStart});
}

TEST_F(BootTest, WhatPvhCannotDoIsAnErrorThatSaysWhy) {
  parameters_.protocol = BootProtocol::kPvh;
  EXPECT_EQ(BootError(BzImageBuilder().Build()),
            "kernel: boot protocol pvh needs an ELF kernel, and this is a bzImage");
  ElfBuilder elf;
  elf.Load(kElfStart, 0x1000, Pattern(1024, 1));
  EXPECT_EQ(BootError(elf.Build()),
            "kernel: boot protocol pvh needs the ELF note Xen 18, and this kernel has none");
  parameters_.device_tree = Pattern(100, 1);
  EXPECT_THAT(BootError(ElfWithPvh().Build()), HasSubstr("no place for a device tree"));
}

TEST_F(BootTest, EntriesOutsideTheKernelAreRefused) {
  ElfBuilder elf;
  elf.Load(kElfStart, 0x1000, Pattern(1024, 1));
  elf.header.e_entry = kElfStart + 1024;
  EXPECT_EQ(BootError(elf.Build()),
            "kernel: e_entry 0x1000400 is in no PT_LOAD from 0x1000000 to 0x1000400");
  elf.Notes(0x2000, PvhNote(kElfStart - 1));
  EXPECT_THAT(BootError(elf.Build()), HasSubstr("PVH entry 0xffffff is in no PT_LOAD"));
  elf.pieces.back().contents = PvhNote(uint64_t{1} << 32);
  EXPECT_THAT(BootError(elf.Build()), HasSubstr("PVH entry 0x100000000 exceeds the 32-bit limit"));
  elf.pieces.back().contents = Note("Xen", 18, Pattern(8, 1));
  SetField(elf.pieces.back().contents, {"n_descsz", 4, 4}, 5);
  EXPECT_THAT(BootError(elf.Build()), HasSubstr("n_descsz 5 of the PVH entry note"));
}

TEST_F(BootTest, FilesOfAnyOtherKindAreRefusedByName) {
  for (const Bytes& bytes : {Bytes(), Bytes(1), Bytes(0x206), Pattern(100'000, 1)}) {
    EXPECT_THAT(BootError(bytes), StartsWith("kernel: ")) << bytes.size();
    EXPECT_THAT(BootError(bytes), HasSubstr("neither ELF's magic number")) << bytes.size();
  }
}

TEST_F(BootTest, TheInitrdLiesAtTheEndOfRamAndBothProtocolsSayWhere) {
  initrd_ = Pattern(5000, 4);
  constexpr uint64_t kStart = 64 * kMiB - 0x2000;
  ASSERT_TRUE(Boot(BzImageBuilder().Build()).has_value());
  EXPECT_EQ(Guest<uint32_t>(0x7218), kStart);
  EXPECT_EQ(Guest<uint32_t>(0x721c), 5000U);
  EXPECT_EQ(ReadGuest(*memory_, GuestAddress{kStart}, 5000), initrd_);
  ASSERT_TRUE(Boot(ElfWithPvh().Build()).has_value());
  EXPECT_EQ(Guest<uint32_t>(0x600c), 1U);
  EXPECT_EQ(Guest<uint64_t>(0x6040), kStart);
  EXPECT_EQ(Guest<uint64_t>(0x6048), 5000U);
}

TEST_F(BootTest, TheInitrdStaysBelowInitrdAddrMaxAndTheMmioGap) {
  memory_ = GuestMemory::Create(RamRanges(4 * kGiB), {}).value();
  initrd_ = Pattern(5000, 4);
  BzImageBuilder bz;
  ASSERT_TRUE(Boot(bz.Build()).has_value());
  EXPECT_EQ(Guest<uint32_t>(0x7218), 2 * kGiB - 0x2000);
  bz.header.initrd_addr_max = UINT32_MAX;
  ASSERT_TRUE(Boot(bz.Build()).has_value());
  EXPECT_EQ(Guest<uint32_t>(0x7218), 3 * kGiB - 0x2000);
}

TEST_F(BootTest, AnInitrdThatDoesNotFitNamesBothEndsAndTheFile) {
  initrd_ = Pattern(47 * kMiB, 4);
  EXPECT_TRUE(Boot(BzImageBuilder().Build()).has_value());
  initrd_.push_back(std::byte{1});
  EXPECT_EQ(BootError(BzImageBuilder().Build()),
            "initrd: the initrd of 49283073 bytes does not fit between the kernel's end at "
            "0x1100000 and RAM's end at 0x4000000");
}

TEST_F(BootTest, TheCommandLineMayBeAsLongAsTheHeaderSays) {
  BzImageBuilder bz;
  bz.header.cmdline_size = 100;
  parameters_.command_line = std::string(100, 'x');
  EXPECT_TRUE(Boot(bz.Build()).has_value());
  EXPECT_EQ(Guest<uint8_t>(0x20000 + 99), 'x');
  EXPECT_EQ(Guest<uint8_t>(0x20000 + 100), 0);
  parameters_.command_line += 'x';
  EXPECT_EQ(BootError(bz.Build()),
            "kernel: command line of 101 bytes exceeds the kernel's cmdline_size 100");
}

TEST_F(BootTest, ACommandLineForAnElfMayHave2047Bytes) {
  parameters_.command_line = std::string(2047, 'x');
  EXPECT_TRUE(Boot(ElfWithPvh().Build()).has_value());
  parameters_.command_line += 'x';
  EXPECT_THAT(BootError(ElfWithPvh().Build()), HasSubstr("2048"));
}

TEST_F(BootTest, AHeadersBoastOfCommandLineSpaceIsCutToOurs) {
  BzImageBuilder bz;
  bz.header.cmdline_size = UINT32_MAX;
  parameters_.command_line = std::string(0xffff, 'x');
  ASSERT_TRUE(Boot(bz.Build()).has_value());
  EXPECT_EQ(Guest<uint8_t>(0x2ffff), 0);
  parameters_.command_line += 'x';
  EXPECT_THAT(BootError(bz.Build()), HasSubstr("65535"));
}

TEST_F(BootTest, RamThatDoesNotGoBeyond1MiBIsRefused) {
  memory_ = RamOf(kMiB);
  EXPECT_THAT(BootError(BzImageBuilder().Build()), HasSubstr("RAM from 0x0 to 0x100000"));
  memory_ = GuestMemory::Create({{GuestAddress{kMiB}, 64 * kMiB}}, {}).value();
  EXPECT_THAT(BootError(BzImageBuilder().Build()), HasSubstr("RAM from 0x100000"));
}

}  // namespace
}  // namespace ember::firmware
