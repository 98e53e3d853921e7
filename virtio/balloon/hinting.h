#ifndef EMBER_VIRTIO_BALLOON_HINTING_H_
#define EMBER_VIRTIO_BALLOON_HINTING_H_

#include <linux/virtio_balloon.h>

#include <cstdint>
#include <optional>

#include "base/concat.h"
#include "base/result.h"
#include "virtio/balloon/balloon_state.h"

namespace ember::virtio {

// Whose turn it is in free page hinting (virtio 1.2, 5.5.6.5). The device begins a run by a command
// id of its own; the driver repeats that id, sends free pages, which it keeps for itself meanwhile,
// and then sends STOP; the device says DONE when the driver may use the pages again. What the
// driver sends under another id belongs to a run that is over. One thread at a time.
class Hinting {
 public:
  // What is done once the driver has sent all: say DONE, or wait for the client to say it.
  enum class OnStop { kAcknowledge, kWait };

  // The device's command, for the configuration space.
  uint32_t host_command() const { return host_command_; }
  // The driver's last command, if it sent one since it is up.
  std::optional<uint32_t> guest_command() const { return guest_command_; }
  // Whether pages that come now belong to the run under way.
  bool takes_pages() const {
    return host_command_ > VIRTIO_BALLOON_CMD_ID_DONE && guest_command_ == host_command_;
  }

  // Begins a run, in place of one under way, under an id that the last one had not.
  void Start(OnStop on_stop) {
    on_stop_ = on_stop;
    last_id_ = last_id_ < UINT32_MAX ? last_id_ + 1 : kFirstId;
    host_command_ = last_id_;
  }
  // The driver may use its pages again.
  void Finish() { host_command_ = VIRTIO_BALLOON_CMD_ID_DONE; }
  // Takes the driver's command. True where it ends the run and Finish() is to follow.
  [[nodiscard]] bool TakeGuestCommand(uint32_t command) {
    const bool ends = takes_pages() && command <= VIRTIO_BALLOON_CMD_ID_DONE;
    guest_command_ = command;
    return ends && on_stop_ == OnStop::kAcknowledge;
  }
  // For a snapshot, and back. An error: no run can stand there.
  HintingState Save() const {
    return {.host_command = host_command_,
            .guest_command = guest_command_,
            .last_id = last_id_,
            .acknowledges_stop = on_stop_ == OnStop::kAcknowledge};
  }
  Status Restore(const HintingState& state) {
    if (state.last_id < kFirstId - 1) return Error(Concat("no run has the id ", state.last_id));
    host_command_ = state.host_command;
    guest_command_ = state.guest_command;
    last_id_ = state.last_id;
    on_stop_ = state.acknowledges_stop ? OnStop::kAcknowledge : OnStop::kWait;
    return {};
  }
  // The driver is gone, and any run with it. Ids go on, so that none is taken for another's.
  void Reset() {
    host_command_ = VIRTIO_BALLOON_CMD_ID_STOP;
    guest_command_.reset();
  }

 private:
  static constexpr uint32_t kFirstId = VIRTIO_BALLOON_CMD_ID_DONE + 1;

  uint32_t host_command_ = VIRTIO_BALLOON_CMD_ID_STOP;
  std::optional<uint32_t> guest_command_;
  uint32_t last_id_ = kFirstId - 1;
  OnStop on_stop_ = OnStop::kAcknowledge;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BALLOON_HINTING_H_
