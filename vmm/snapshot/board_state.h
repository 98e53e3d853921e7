#ifndef EMBER_VMM_SNAPSHOT_BOARD_STATE_H_
#define EMBER_VMM_SNAPSHOT_BOARD_STATE_H_

#include <optional>

#include "devices/acpi_power.h"
#include "devices/i8042.h"
#include "devices/serial.h"
#include "devices/vm_clock.h"

// A board in a snapshot: what its devices remember. Plain data.
namespace ember {
namespace snapshot {
class Fields;
}

void Describe(snapshot::Fields& fields, Serial::State& serial);
void Describe(snapshot::Fields& fields, I8042::State& keyboard);
void Describe(snapshot::Fields& fields, AcpiEventRegister::State& power);
void Describe(snapshot::Fields& fields, VmClock::State& clock);

namespace vmm {

struct BoardState {
  Serial::State serial;
  std::optional<I8042::State> keyboard;  // where boards have one
  AcpiEventRegister::State power;
  std::optional<VmClock::State> clock;  // none where the machine began before there was one
};

void Describe(snapshot::Fields& fields, BoardState& board);

}  // namespace vmm
}  // namespace ember

#endif  // EMBER_VMM_SNAPSHOT_BOARD_STATE_H_
