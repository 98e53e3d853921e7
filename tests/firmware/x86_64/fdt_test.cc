#include "firmware/fdt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libfdt.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "firmware/fdt_writer.h"
#include "tests/firmware/sample_platform.h"
#include "tests/firmware/tool.h"

namespace ember::firmware {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Bytes = std::vector<std::byte>;

// A tree as a kernel reads it.
class Tree {
 public:
  explicit Tree(Bytes bytes) : bytes_(std::move(bytes)) {
    EXPECT_EQ(fdt_check_full(bytes_.data(), bytes_.size()), 0);
  }

  bool Has(const std::string& path) const {
    return fdt_path_offset(bytes_.data(), path.c_str()) >= 0;
  }
  bool HasProperty(const std::string& path, const char* name) const {
    return fdt_getprop(bytes_.data(), Node(path), name, nullptr) != nullptr;
  }
  std::string String(const std::string& path, const char* name) const {
    int size = 0;
    const void* value = fdt_getprop(bytes_.data(), Node(path), name, &size);
    return value == nullptr ? "" : std::string(static_cast<const char*>(value));
  }
  std::vector<uint32_t> Cells(const std::string& path, const char* name) const {
    int size = 0;
    const void* value = fdt_getprop(bytes_.data(), Node(path), name, &size);
    std::vector<uint32_t> cells;
    for (int i = 0; value != nullptr && i < size / 4; ++i) {
      cells.push_back(fdt32_ld(static_cast<const fdt32_t*>(value) + i));
    }
    return cells;
  }
  std::vector<std::string> Children(const std::string& path) const {
    std::vector<std::string> names;
    int node = 0;
    fdt_for_each_subnode(node, bytes_.data(), Node(path)) {
      names.emplace_back(fdt_get_name(bytes_.data(), node, nullptr));
    }
    return names;
  }

 private:
  int Node(const std::string& path) const {
    const int node = fdt_path_offset(bytes_.data(), path.c_str());
    EXPECT_GE(node, 0) << path;
    return node;
  }

  Bytes bytes_;
};

Tree TreeOf(const Platform& platform, const DeviceTreeOptions& options = {}) {
  return Tree(BuildDeviceTree(platform, options).value());
}

TEST(DeviceTreeTest, ChosenHoldsTheCommandLineAndTheInitrd) {
  const Tree tree =
      TreeOf(SamplePlatform(), {.command_line = "console=ttyS0 x=\"y z\"",
                                .initrd = GuestRange{GuestAddress{0x1'0000'2000}, 0x1234}});
  EXPECT_EQ(tree.String("/chosen", "bootargs"), "console=ttyS0 x=\"y z\"");
  EXPECT_THAT(tree.Cells("/chosen", "linux,initrd-start"), ElementsAre(1, 0x2000));
  EXPECT_THAT(tree.Cells("/chosen", "linux,initrd-end"), ElementsAre(1, 0x3234));
  EXPECT_FALSE(TreeOf(SamplePlatform()).HasProperty("/chosen", "linux,initrd-start"));
}

TEST(DeviceTreeTest, EachPieceOfRamIsAMemoryNode) {
  const Tree tree = TreeOf(SamplePlatform());
  EXPECT_THAT(tree.Cells("/memory@0", "reg"), ElementsAre(0, 0, 0, 0xc000'0000));
  EXPECT_THAT(tree.Cells("/memory@100000000", "reg"), ElementsAre(1, 0, 0, 0x4000'0000));
  EXPECT_EQ(tree.String("/memory@100000000", "device_type"), "memory");
}

TEST(DeviceTreeTest, ProcessorsAreNamedByTheirApicIds) {
  Platform platform = SamplePlatform({.processors = 32});
  platform.apic_ids[31] = 0x1ff;
  const Tree tree = TreeOf(platform);
  EXPECT_THAT(tree.Children("/cpus"), SizeIs(32));
  EXPECT_THAT(tree.Cells("/cpus", "#address-cells"), ElementsAre(1));
  EXPECT_THAT(tree.Cells("/cpus/cpu@1e", "reg"), ElementsAre(30));
  EXPECT_THAT(tree.Cells("/cpus/cpu@1ff", "reg"), ElementsAre(0x1ff));
  EXPECT_EQ(tree.String("/cpus/cpu@0", "device_type"), "cpu");
}

// arch/x86/kernel/devicetree.c of Linux looks for these words.
TEST(DeviceTreeTest, TheInterruptControllersAreThoseThatLinuxLooksFor) {
  const Tree tree = TreeOf(SamplePlatform());
  const std::string local = "/soc/lapic@fee00000";
  EXPECT_EQ(tree.String(local, "compatible"), "intel,ce4100-lapic");
  EXPECT_THAT(tree.Cells(local, "reg"), ElementsAre(0, 0xfee0'0000, 0, 0x1000));
  EXPECT_FALSE(tree.HasProperty(local, "intel,virtual-wire-mode")) << "masks the 8259s";
  const std::string io = "/soc/interrupt-controller@fec00000";
  EXPECT_EQ(tree.String(io, "compatible"), "intel,ce4100-ioapic");
  EXPECT_THAT(tree.Cells(io, "reg"), ElementsAre(0, 0xfec0'0000, 0, 0x1000));
  EXPECT_TRUE(tree.HasProperty(io, "interrupt-controller"));
  EXPECT_THAT(tree.Cells(io, "#interrupt-cells"), ElementsAre(2));
  EXPECT_EQ(tree.Cells(io, "phandle"), tree.Cells("/", "interrupt-parent"));
}

TEST(DeviceTreeTest, EachVirtioDeviceIsOnTheSimpleBus) {
  const Tree tree = TreeOf(SamplePlatform({.virtio_devices = 19}));
  EXPECT_EQ(tree.String("/soc", "compatible"), "simple-bus");
  EXPECT_TRUE(tree.HasProperty("/soc", "ranges"));
  EXPECT_THAT(tree.Children("/soc"), SizeIs(2 + 19));
  const std::string last = "/soc/virtio_mmio@d0012000";
  EXPECT_EQ(tree.String(last, "compatible"), "virtio,mmio");
  EXPECT_THAT(tree.Cells(last, "reg"), ElementsAre(0, 0xd001'2000, 0, 0x1000));
  EXPECT_THAT(tree.Cells(last, "interrupts"), ElementsAre(23, 3)) << "pin, rising edge";
}

TEST(DeviceTreeTest, TheSerialPortIsAnIsaDeviceWithAnInterrupt) {
  const Tree tree = TreeOf(SamplePlatform());
  EXPECT_EQ(tree.String("/isa", "compatible"), "isa");
  EXPECT_THAT(tree.Cells("/isa", "ranges"), ElementsAre(1, 0, 0, 0, 0x1'0000));
  EXPECT_EQ(tree.String("/isa/serial@i3f8", "compatible"), "ns16550a");
  EXPECT_THAT(tree.Cells("/isa/serial@i3f8", "reg"), ElementsAre(1, 0x3f8, 8));
  EXPECT_THAT(tree.Cells("/isa/serial@i3f8", "clock-frequency"), ElementsAre(1'843'200));
  EXPECT_THAT(tree.Cells("/isa/serial@i3f8", "interrupts"), ElementsAre(4, 3));
  EXPECT_THAT(tree.Cells("/isa/pvpanic@i505", "reg"), ElementsAre(1, 0x505, 1));
}

TEST(DeviceTreeTest, ABareMachineHasNoDevices) {
  const Tree tree = TreeOf(BarePlatform());
  EXPECT_THAT(tree.Children("/isa"), IsEmpty());
  EXPECT_THAT(tree.Children("/soc"), SizeIs(2));
}

TEST(DeviceTreeTest, TheCompilerMakesTheSameTreeOfIt) {
  const Bytes tree = BuildDeviceTree(SamplePlatform({.processors = 32, .virtio_devices = 19}),
                                     {.command_line = "console=ttyS0"})
                         .value();
  const ScratchDirectory scratch;
  WriteFile(scratch.path() / "tree.dtb", tree);
  const ToolResult apart = RunTool(scratch.path(), "dtc -I dtb -O dts -o tree.dts tree.dtb");
  ASSERT_EQ(apart.exit_status, 0) << apart.output;
  const ToolResult again = RunTool(scratch.path(), "dtc -I dts -O dtb -o again.dtb tree.dts");
  ASSERT_EQ(again.exit_status, 0) << again.output;
  const ToolResult second = RunTool(scratch.path(), "dtc -I dtb -O dts -o again.dts again.dtb");
  ASSERT_EQ(second.exit_status, 0) << second.output;
  const Bytes source = ReadFile(scratch.path() / "tree.dts");
  EXPECT_FALSE(source.empty());
  EXPECT_EQ(source, ReadFile(scratch.path() / "again.dts"));
}

TEST(FdtWriterTest, TheBufferGrowsWithTheTree) {
  const std::string line(100'000, 'x');
  const Tree tree =
      TreeOf(SamplePlatform({.processors = 500, .virtio_devices = 500}), {.command_line = line});
  EXPECT_EQ(tree.String("/chosen", "bootargs"), line);
  EXPECT_THAT(tree.Children("/cpus"), SizeIs(500));
  EXPECT_THAT(tree.Children("/soc"), SizeIs(502));
}

TEST(FdtWriterDeathTest, ATreeWithAnOpenNodeIsOurMistake) {
  FdtWriter tree;
  tree.BeginNode("");
  EXPECT_DEATH(static_cast<void>(std::move(tree).Finish()), "open_nodes_");
}

TEST(FdtWriterTest, ATreeThatNoKernelWouldTakeIsAnError) {
  const auto result =
      BuildDeviceTree(SamplePlatform(), {.command_line = std::string(size_t{17} << 20, 'x')});
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message(), HasSubstr("FDT_ERR_NOSPACE"));
}

}  // namespace
}  // namespace ember::firmware
