#ifndef EMBER_FIRMWARE_FDT_ARCHITECTURE_H_
#define EMBER_FIRMWARE_FDT_ARCHITECTURE_H_

#include <cstdint>

#include "devices/interrupt_line.h"
#include "firmware/fdt_writer.h"
#include "firmware/platform.h"

// The parts of the device tree that differ between architectures, written into the node that is
// open: firmware/<architecture>/fdt_architecture.cc implements them. Addresses and sizes have two
// cells. Any thread.
namespace ember::firmware {

// The phandle of the controller that interrupts without another parent go to.
inline constexpr uint32_t kInterruptControllerPhandle = 1;

// Into the root: /cpus.
void WriteProcessors(FdtWriter& tree, const Platform& platform);
// Into /soc: the nodes of the interrupt controllers.
void WriteInterruptControllers(FdtWriter& tree);
// The property of a device with this one edge-triggered, active-high interrupt.
void WriteInterrupt(FdtWriter& tree, Gsi gsi);
// Into the root: the devices in port space, if the architecture has one.
void WritePortDevices(FdtWriter& tree, const Platform& platform);

}  // namespace ember::firmware

#endif  // EMBER_FIRMWARE_FDT_ARCHITECTURE_H_
