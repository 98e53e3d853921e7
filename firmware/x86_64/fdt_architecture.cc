#include "firmware/fdt_architecture.h"

#include <string>

#include "firmware/x86_64/apic.h"

// Linux's arch/x86/kernel/devicetree.c is what reads these nodes; their bindings are those of the
// first x86 machine that had a device tree, Intel's CE4100
// (Documentation/devicetree/bindings/x86/ce4100.txt).
namespace ember::firmware {
namespace {

// The second cell of an interrupt, as that I/O APIC has it: neither Linux's nor others' numbers.
constexpr uint32_t kEdgeRising = 3;

// The first cell of an address on an ISA bus: ports, not memory.
constexpr uint32_t kIsaPorts = 1;
constexpr uint32_t kPortSpaceBytes = 0x1'0000;

// What a PC's 16550 divides to get its bit rate.
constexpr uint32_t kSerialClockHz = 1'843'200;

// ISA's unit addresses have an "i" for ports.
void BeginPortDevice(FdtWriter& tree, const std::string& name, uint32_t port, uint32_t count) {
  tree.BeginNode(NodeName(name, port).insert(name.size() + 1, "i"));
  tree.Cells("reg", {kIsaPorts, port, count});
}

void WriteSerial(FdtWriter& tree, const SerialPort& serial) {
  BeginPortDevice(tree, "serial", serial.port, serial.port_count);
  tree.String("compatible", "ns16550a");
  tree.Cell("clock-frequency", kSerialClockHz);
  WriteInterrupt(tree, serial.gsi);
  tree.EndNode();
}

void WritePanicReport(FdtWriter& tree, uint16_t port) {
  BeginPortDevice(tree, "pvpanic", port, 1);
  tree.String("compatible", "qemu,pvpanic-mmio");
  tree.EndNode();
}

}  // namespace

void WriteProcessors(FdtWriter& tree, const Platform& platform) {
  tree.BeginNode("cpus");
  tree.Cell("#address-cells", 1);
  tree.Cell("#size-cells", 0);
  for (const uint32_t apic_id : platform.apic_ids) {
    tree.BeginNode(NodeName("cpu", apic_id));
    tree.String("device_type", "cpu");
    tree.String("compatible", "x86");
    tree.Cell("reg", apic_id);
    tree.EndNode();
  }
  tree.EndNode();
}

void WriteInterruptControllers(FdtWriter& tree) {
  tree.BeginNode(NodeName("lapic", ToInteger(x86_64::kLocalApic.start)));
  tree.String("compatible", "intel,ce4100-lapic");
  tree.Range("reg", x86_64::kLocalApic);
  // No "intel,virtual-wire-mode": without it Linux leaves the 8259s connected by LINT0, and that is
  // how the keyboard, which no binding describes, gets its interrupt.
  tree.EndNode();

  tree.BeginNode(NodeName("interrupt-controller", ToInteger(x86_64::kIoApic.start)));
  tree.String("compatible", "intel,ce4100-ioapic");
  tree.Range("reg", x86_64::kIoApic);
  tree.Flag("interrupt-controller");
  tree.Cell("#address-cells", 0);
  tree.Cell("#interrupt-cells", 2);
  tree.Cell("phandle", kInterruptControllerPhandle);
  tree.EndNode();
}

void WriteInterrupt(FdtWriter& tree, Gsi gsi) {
  tree.Cells("interrupts", {static_cast<uint32_t>(gsi), kEdgeRising});
}

// Linux looks for the name and the binding of an ISA bus. Without this node it finds a console at
// the usual port all the same, but not its interrupt, whose pin nothing else connects.
void WritePortDevices(FdtWriter& tree, const Platform& platform) {
  tree.BeginNode("isa");
  tree.String("compatible", "isa");
  tree.String("device_type", "isa");
  tree.Cell("#address-cells", 2);
  tree.Cell("#size-cells", 1);
  tree.Cells("ranges", {kIsaPorts, 0, 0, 0, kPortSpaceBytes});
  if (platform.serial) WriteSerial(tree, *platform.serial);
  if (platform.panic_port) WritePanicReport(tree, *platform.panic_port);
  tree.EndNode();
}

}  // namespace ember::firmware
