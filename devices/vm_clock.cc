#include "devices/vm_clock.h"

#include <bit>
#include <cstddef>

namespace ember {
namespace {

// As guests have it, little-endian.
struct Page {
  // These never change.
  uint32_t magic = 0x4b4c'4356;  // "VCLK"
  uint32_t size_bytes = VmClock::kRegionBytes;
  uint16_t version = 1;
  uint8_t counter_id = 0xff;  // VMCLOCK_COUNTER_INVALID
  uint8_t time_type = 1;      // VMCLOCK_TIME_TAI, of which there is nothing
  // Those below change while this is odd.
  uint32_t sequence = 0;
  uint64_t disruption_marker = 0;
  uint64_t flags = uint64_t{1} << 8 | uint64_t{1} << 9;  // VM_GEN_COUNTER, NOTIFICATION_PRESENT
  uint8_t pad[2] = {};
  uint8_t clock_status = 0;  // VMCLOCK_STATUS_UNKNOWN
  uint8_t leap_second_smearing_hint = 0;
  uint16_t tai_offset_seconds = 0;
  uint8_t leap_indicator = 0;
  uint8_t counter_period_shift = 0;
  // The counter's value, its period and the time with their errors.
  uint64_t counter_and_time[8] = {};
  uint64_t vm_generation_counter = 0;
};
static_assert(sizeof(Page) == 112);
static_assert(offsetof(Page, sequence) == 12);
static_assert(offsetof(Page, flags) == 24);
static_assert(offsetof(Page, vm_generation_counter) == 104);
static_assert(std::endian::native == std::endian::little);

Page PageOf(const VmClock::State& state) {
  Page page;
  page.sequence = state.sequence;
  page.disruption_marker = state.disruptions;
  page.vm_generation_counter = state.generation;
  return page;
}

}  // namespace

Status VmClock::Show(const GuestMemory& memory) const { return memory.Write(at_, PageOf(state_)); }

Status VmClock::BeginGeneration(const GuestMemory& memory, uint64_t generation) {
  // A program of the guest may have been saved between two looks at the structure. No vCPU runs
  // now, and starting them orders all this before what they see.
  state_.sequence |= 1;
  TRY(memory.Write(at_ + offsetof(Page, sequence), state_.sequence));
  ++state_.disruptions;
  state_.generation = generation;
  TRY(Show(memory));
  ++state_.sequence;
  return memory.Write(at_ + offsetof(Page, sequence), state_.sequence);
}

}  // namespace ember
