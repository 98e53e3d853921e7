#ifndef EMBER_TESTS_VMM_SNAPSHOT_SAMPLE_MACHINE_H_
#define EMBER_TESTS_VMM_SNAPSHOT_SAMPLE_MACHINE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "memory/guest_address.h"
#include "vmm/snapshot/machine_state.h"

// What a snapshot can have, all fields unlike their defaults, for every test of the format.
namespace ember::vmm::testing {

inline BoardState SampleBoard() {
  BoardState state{.serial = {.interrupt_enable = 1,
                              .fifo_control = 2,
                              .line_control = 3,
                              .modem_control = 4,
                              .line_errors = 6,
                              .modem_deltas = 7,
                              .scratch = 8,
                              .divisor = 0x1234,
                              .transmit_interrupt = true,
                              .received_count = 2},
                   .keyboard = I8042::State{.command_byte = 9,
                                            .target = I8042::DataTarget::kOutputPort,
                                            .keyboard_command = 10,
                                            .last_write_was_command = true,
                                            .scanning = false,
                                            .scan_code_set = 1,
                                            .reply = 11,
                                            .keyboard_out_count = 1},
                   .power = {.events = 1},
                   .clock = VmClock::State{.sequence = 12, .disruptions = 13, .generation = 14}};
  state.serial.received[0] = std::byte{0x41};
  state.serial.received[1] = std::byte{0x42};
  state.keyboard->keyboard_out[0] = 0x1d;
  return state;
}

// A driver that is up, and its one queue.
inline virtio::SavedMmio SampleTransport(uint64_t features) {
  return {.device = {.status = 15,
                     .config_generation = 3,
                     .driver_features = features,
                     .unknown_feature_word = true,
                     .queues = {{.config = {.size = virtio::QueueSize{16},
                                            .descriptors = GuestAddress{0x1000},
                                            .available = GuestAddress{0x1100},
                                            .used = GuestAddress{0x1200},
                                            .ready = true},
                                 .position = 7}}},
          .interrupt_status = 1,
          .device_features_word = 1,
          .driver_features_word = 2,
          .queue = 4};
}

// One of each type.
inline DeviceStates SampleDevices() {
  constexpr uint64_t kVersion1 = uint64_t{1} << 32;
  DeviceStates states;
  const auto add = [&](virtio::DeviceId type, std::string id) -> VirtioState& {
    const size_t index = states.devices.size();
    return states.devices.emplace_back(
        VirtioState{.type = static_cast<uint32_t>(type),
                    .id = std::move(id),
                    .address = GuestAddress{0xc000'2000} + 0x1000 * index,
                    .gsi = static_cast<uint32_t>(5 + index),
                    .transport = SampleTransport(kVersion1)});
  };
  add(virtio::DeviceId::kBlock, "rootfs").capacity_sectors = 1024;
  add(virtio::DeviceId::kPmem, "rootfs").memory = {.start = GuestAddress{uint64_t{1} << 40},
                                                   .size_bytes = uint64_t{2} << 20};
  add(virtio::DeviceId::kNet, "eth0").net = {.used_pairs = 2, .link_up = false};
  add(virtio::DeviceId::kBalloon, "balloon").balloon = {
      .target_pages = 1,
      .actual_pages = 2,
      .statistics_interval_ns = 1'000'000'000,
      .statistics = {{.tag = 3, .value = 4}},
      .hinting = {.host_command = 5, .guest_command = 2, .last_id = 6, .acknowledges_stop = false}};
  add(virtio::DeviceId::kRng, "entropy");
  add(virtio::DeviceId::kConsole, "console").console = {
      .device_ready = true,
      .ports = {{.phase = virtio::ConsolePortPhase::kReady,
                 .guest_open = true,
                 .host_open = true,
                 .marks = 8,
                 .size = virtio::ConsoleSize{.columns = 80, .rows = 25}},
                {}}};
  add(virtio::DeviceId::kVsock, "vsock");
  add(virtio::DeviceId::kMem, "memory").hotplug = {.requested_bytes = uint64_t{8} << 20,
                                                   .usable_bytes = uint64_t{16} << 20,
                                                   .plugged = {std::byte{3}}};
  return states;
}

inline SavedMachine SampleMachine() {
  SavedMachine state;
  for (size_t i = 0; i < state.name.size(); ++i) state.name[i] = static_cast<std::byte>(i);
  state.parent.emplace().fill(std::byte{0x17});
  state.config = "{}";
  state.vcpus = {{.parts = {{.name = "regs", .bytes = {std::byte{1}, std::byte{2}}}}}, {}};
  state.controllers = {{.name = "clock", .bytes = {std::byte{3}}}};
  state.board = SampleBoard();
  state.devices = SampleDevices();
  state.pluggable = {.start = GuestAddress{uint64_t{1} << 32}, .size_bytes = uint64_t{1} << 31};
  return state;
}

inline SavedMachine SampleDiff() {
  SavedMachine state = SampleMachine();
  state.diff = {.base = *state.parent,
                .full = {std::byte{0x18}},
                .pages = {std::vector<std::byte>(8, std::byte{0x11}), {}}};
  return state;
}

}  // namespace ember::vmm::testing

#endif  // EMBER_TESTS_VMM_SNAPSHOT_SAMPLE_MACHINE_H_
