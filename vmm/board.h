#ifndef EMBER_VMM_BOARD_H_
#define EMBER_VMM_BOARD_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/token_bucket.h"
#include "devices/boot_timer.h"
#include "devices/bus.h"
#include "devices/i8042.h"
#include "devices/panic_report.h"
#include "devices/uart_metrics.h"
#include "devices/vm_request.h"
#include "firmware/platform.h"
#include "kvm/vm.h"
#include "memory/guest_memory.h"
#include "vmm/snapshot/board_state.h"
#include "vmm/snapshot/snapshot_files.h"

namespace ember::vmm {

// Null: there is no such device. Borrowed from a board.
struct BoardMetrics {
  const I8042::Metrics* keyboard = nullptr;
  const UartMetrics* uart = nullptr;
  const PanicReport::Metrics* panic_report = nullptr;
};

// What every machine of an architecture has soldered on: its buses, the serial console, the
// keyboard controller, power control, the panic report and the boot timer, with the addresses and
// interrupts they are at; and the free places for virtio devices. vmm/<architecture>/board.cc
// implements it.
//
// Made, changed and destroyed on the loop thread while no vCPU runs.
class Board {
 public:
  struct Options {
    kvm::Vm& vm;  // these three outlive the board
    EventLoop& loop;
    VmRequestSink& requests;
    Fd console_output;                           // non-blocking (devices/console_fd.h)
    TokenBucketOptions console_limit;            // of output; what is beyond it is dropped
    std::optional<Fd> console_input;             // none: the console hears nothing
    std::optional<BootTimer::Start> boot_timer;  // none: there is no boot timer
    std::optional<BoardState> state;             // of a snapshot
  };

  static Result<std::unique_ptr<Board>> Create(Options options);
  ~Board();
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;

  Bus& mmio();
  Bus& pio();

  // For a snapshot. No vCPU runs.
  BoardState Save() const;

  // Where the memory file of a snapshot has its names. At the first its guests have their
  // generation id.
  static NamePlaces snapshot_names();

  // The next free place for a virtio device. The error says how many there are.
  Result<firmware::MmioDevice> TakeVirtioPlace();
  // The one that a device of a snapshot has. An error: there is none like it, or it is taken.
  Result<firmware::MmioDevice> TakeVirtioPlace(GuestAddress address, Gsi gsi);
  // The machine as firmware tables should describe it, with all places taken so far.
  firmware::Platform Describe(const GuestMemory& memory, uint32_t vcpu_count) const;

  // What its devices count, for as long as it lives.
  BoardMetrics metrics() const;

  // Presses the keys, as a person would. Any thread. Fails where no guest listens.
  Status SendCtrlAltDel();
  // Any thread.
  void PressPowerButton();
  // Writes what a new machine's VMClock says. Of a snapshot's, memory has it already, or no guest
  // knows of it.
  Status ShowClock(const GuestMemory& memory) const;
  // Gives the VMClock, where there is one, another generation, and tells the guest that its
  // generation id is another one too. Once interrupt controllers are restored.
  Status BeginGeneration(const GuestMemory& memory, uint64_t clock_generation);
  // Triggers the lines of restored devices that have something to tell: an edge may have been lost.
  // Once interrupt controllers are restored.
  void RepeatInterrupts();
  // Once no vCPU runs: writes what the guest has left in the console, not waiting long for a
  // reader.
  void DrainConsole();

 private:
  class Impl;
  explicit Board(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_BOARD_H_
