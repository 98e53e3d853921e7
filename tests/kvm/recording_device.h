#ifndef EMBER_TESTS_KVM_RECORDING_DEVICE_H_
#define EMBER_TESTS_KVM_RECORDING_DEVICE_H_

#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "devices/bus_device.h"

namespace ember {

// A device that remembers its writes and answers each read with the next number.
class RecordingDevice final : public BusDevice {
 public:
  struct Access {
    uint64_t offset = 0;
    size_t len = 0;
    uint64_t value = 0;
    friend bool operator==(const Access&, const Access&) = default;
  };

  std::string_view name() const override { return "recorder"; }
  void Read(uint64_t offset, std::span<std::byte> out) override {
    const std::lock_guard lock(mutex_);
    reads_.push_back({offset, out.size(), next_answer_});
    std::memcpy(out.data(), &next_answer_, out.size());
    ++next_answer_;
  }
  void Write(uint64_t offset, std::span<const std::byte> in) override {
    const std::lock_guard lock(mutex_);
    uint64_t value = 0;
    std::memcpy(&value, in.data(), in.size());
    writes_.push_back({offset, in.size(), value});
  }

  void AnswerWith(uint64_t value) {
    const std::lock_guard lock(mutex_);
    next_answer_ = value;
  }
  std::vector<Access> reads() const {
    const std::lock_guard lock(mutex_);
    return reads_;
  }
  std::vector<Access> writes() const {
    const std::lock_guard lock(mutex_);
    return writes_;
  }

 private:
  mutable std::mutex mutex_;
  uint64_t next_answer_ = 0;
  std::vector<Access> reads_;
  std::vector<Access> writes_;
};

}  // namespace ember

#endif  // EMBER_TESTS_KVM_RECORDING_DEVICE_H_
