#ifndef EMBER_TESTS_VIRTIO_BLOCK_SCRIPTED_ENGINE_H_
#define EMBER_TESTS_VIRTIO_BLOCK_SCRIPTED_ENGINE_H_

#include <unistd.h>

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "virtio/block/io_engine.h"
#include "virtio/block/sync_engine.h"

namespace ember::virtio::testing {

// An engine whose calls stay in flight until the test ends them, in any order, with any result. One
// thread.
class ScriptedEngine final : public IoEngine {
 public:
  struct InFlight {
    IoTag tag{};
    IoCall call;
  };

  explicit ScriptedEngine(Disk& used_disk, size_t depth = 32)
      : disk(&used_disk), depth_(depth), event_(*CreateEventFd()) {}

  size_t depth() const override { return depth_; }
  int finished_fd() const override { return event_.get(); }
  bool gathers() const override { return gathering; }
  std::optional<IoResult> Start(IoTag tag, const IoCall& call) override {
    started.push_back(call.kind);
    unsubmitted.push_back({tag, call});
    return std::nullopt;
  }
  bool Submit() override {
    if (refuses) return false;
    in_flight.insert(in_flight.end(), unsubmitted.begin(), unsubmitted.end());
    unsubmitted.clear();
    return true;
  }
  std::optional<IoCompletion> TakeFinished() override {
    if (finished_.empty()) {
      uint64_t count = 0;
      static_cast<void>(::read(event_.get(), &count, sizeof(count)) < 0);
      return std::nullopt;
    }
    IoCompletion completion = std::move(finished_.front());
    finished_.pop_front();
    return completion;
  }
  void WaitForAll() override {
    Submit();
    while (!in_flight.empty()) Finish(0);
  }
  void Stop() override {
    ++stops;
    cancelled += in_flight.size() + unsubmitted.size();
    in_flight.clear();
    unsubmitted.clear();
    finished_.clear();
  }
  Status UseDisk(Disk& other) override {
    if (refuses) return Error("told to refuse the disk");
    disk = &other;
    return {};
  }

  // Carries a call out and ends it.
  void Finish(size_t index) { FinishWith(index, CallDisk(*disk, in_flight[index].call)); }
  // Carries out as much of a transfer as fits in the first `bytes` of its first piece.
  void FinishShort(size_t index, size_t bytes) {
    IoCall call = in_flight[index].call;
    const iovec cut{.iov_base = call.pieces[0].iov_base, .iov_len = bytes};
    call.pieces = {&cut, 1};
    FinishWith(index, CallDisk(*disk, call));
  }
  void FinishWith(size_t index, IoResult result) {
    finished_.push_back({in_flight[index].tag, std::move(result)});
    in_flight.erase(in_flight.begin() + static_cast<std::ptrdiff_t>(index));
    const uint64_t one = 1;
    static_cast<void>(::write(event_.get(), &one, sizeof(one)) < 0);
  }
  void FinishAll() {
    while (!in_flight.empty()) Finish(0);
  }

  Disk* disk;
  std::vector<IoKind> started;
  std::vector<InFlight> unsubmitted;
  std::vector<InFlight> in_flight;
  bool refuses = false;
  bool gathering = false;
  int stops = 0;
  size_t cancelled = 0;

 private:
  size_t depth_;
  Fd event_;
  std::deque<IoCompletion> finished_;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_BLOCK_SCRIPTED_ENGINE_H_
