#include "firmware/fdt.h"

#include <utility>

#include "firmware/fdt_architecture.h"
#include "firmware/fdt_writer.h"

namespace ember::firmware {
namespace {

constexpr uint32_t kTwoCells = 2;

void WriteChosen(FdtWriter& tree, const DeviceTreeOptions& options) {
  tree.BeginNode("chosen");
  tree.String("bootargs", options.command_line);
  if (options.initrd) {
    tree.Cells64("linux,initrd-start", {ToInteger(options.initrd->start)});
    tree.Cells64("linux,initrd-end", {ToInteger(options.initrd->end())});
  }
  tree.EndNode();
}

void WriteMemory(FdtWriter& tree, const GuestRange& range) {
  tree.BeginNode(NodeName("memory", ToInteger(range.start)));
  tree.String("device_type", "memory");
  tree.Range("reg", range);
  tree.EndNode();
}

void WriteVirtioMmio(FdtWriter& tree, const MmioDevice& device) {
  tree.BeginNode(NodeName("virtio_mmio", ToInteger(device.range.start)));
  tree.String("compatible", "virtio,mmio");
  tree.Range("reg", device.range);
  WriteInterrupt(tree, device.gsi);
  tree.Flag("dma-coherent");
  tree.EndNode();
}

void WriteSoc(FdtWriter& tree, const Platform& platform) {
  tree.BeginNode("soc");
  tree.String("compatible", "simple-bus");
  tree.Cell("#address-cells", kTwoCells);
  tree.Cell("#size-cells", kTwoCells);
  tree.Flag("ranges");
  WriteInterruptControllers(tree);
  for (const MmioDevice& device : platform.virtio_mmio) WriteVirtioMmio(tree, device);
  tree.EndNode();
}

}  // namespace

Result<std::vector<std::byte>> BuildDeviceTree(const Platform& platform,
                                               const DeviceTreeOptions& options) {
  FdtWriter tree;
  tree.BeginNode("");
  tree.Cell("#address-cells", kTwoCells);
  tree.Cell("#size-cells", kTwoCells);
  tree.String("compatible", "ember,microvm");
  tree.String("model", "Ember microVM");
  tree.Cell("interrupt-parent", kInterruptControllerPhandle);
  WriteChosen(tree, options);
  for (const GuestRange& range : platform.ram) WriteMemory(tree, range);
  WriteProcessors(tree, platform);
  WriteSoc(tree, platform);
  WritePortDevices(tree, platform);
  tree.EndNode();
  return std::move(tree).Finish();
}

}  // namespace ember::firmware
