#include "vmm/snapshot/board_state.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "snapshot/fields.h"

namespace ember {

void Describe(snapshot::Fields& fields, Serial::State& serial) {
  fields.Add("interrupt_enable", serial.interrupt_enable);
  fields.Add("fifo_control", serial.fifo_control);
  fields.Add("line_control", serial.line_control);
  fields.Add("modem_control", serial.modem_control);
  fields.Add("line_errors", serial.line_errors);
  fields.Add("modem_deltas", serial.modem_deltas);
  fields.Add("scratch", serial.scratch);
  fields.Add("divisor", serial.divisor);
  fields.Add("transmit_interrupt", serial.transmit_interrupt);
  fields.Add("received", serial.received);
  fields.Add("received_count", serial.received_count);
}

void Describe(snapshot::Fields& fields, I8042::State& keyboard) {
  fields.Add("command_byte", keyboard.command_byte);
  fields.AddEnum("target", keyboard.target, I8042::DataTarget::kDiscard);
  fields.Add("keyboard_command", keyboard.keyboard_command);
  fields.Add("last_write_was_command", keyboard.last_write_was_command);
  fields.Add("scanning", keyboard.scanning);
  fields.Add("scan_code_set", keyboard.scan_code_set);
  fields.Add("reply", keyboard.reply);
  std::array<std::byte, I8042::kKeyboardQueueBytes> keys;
  std::memcpy(keys.data(), keyboard.keyboard_out.data(), keys.size());
  fields.Add("keyboard_out", keys);
  std::memcpy(keyboard.keyboard_out.data(), keys.data(), keys.size());
  fields.Add("keyboard_out_count", keyboard.keyboard_out_count);
}

void Describe(snapshot::Fields& fields, AcpiEventRegister::State& power) {
  fields.Add("events", power.events);
}

void Describe(snapshot::Fields& fields, VmClock::State& clock) {
  fields.Add("sequence", clock.sequence);
  fields.Add("disruptions", clock.disruptions);
  fields.Add("generation", clock.generation);
}

namespace vmm {

void Describe(snapshot::Fields& fields, BoardState& board) {
  fields.Add("serial", board.serial);
  fields.Add("keyboard", board.keyboard);
  fields.Add("power", board.power);
  fields.AddSince(2, "clock", board.clock);
}

}  // namespace vmm
}  // namespace ember
