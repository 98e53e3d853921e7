#ifndef EMBER_TESTS_KVM_FABRICATED_RUN_H_
#define EMBER_TESTS_KVM_FABRICATED_RUN_H_

#include <linux/kvm.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "kvm/run_area.h"

namespace ember::kvm {

// A run area as KVM would have left it: the kvm_run and a page of port data behind it, on the heap
// so that AddressSanitizer sees what goes past its end.
class FabricatedRun {
 public:
  static constexpr size_t kBytes = 8192;
  static constexpr uint64_t kDataOffset = 4096;

  kvm_run& run() { return area_.header(); }
  const RunArea& area() const { return area_; }

  // A port access whose elements lie one after the other in `data`.
  void SetPio(uint8_t direction, uint16_t port, uint8_t size, std::vector<uint8_t> data) {
    run().exit_reason = KVM_EXIT_IO;
    run().io.direction = direction;
    run().io.port = port;
    run().io.size = size;
    run().io.count = static_cast<uint32_t>(data.size() / size);
    run().io.data_offset = kDataOffset;
    std::memcpy(bytes_->data() + kDataOffset, data.data(), data.size());
  }
  std::vector<uint8_t> PioData(size_t len) const {
    std::vector<uint8_t> data(len);
    std::memcpy(data.data(), bytes_->data() + kDataOffset, len);
    return data;
  }

  void SetMmio(uint64_t address, uint32_t len, bool is_write, uint64_t data = 0) {
    run().exit_reason = KVM_EXIT_MMIO;
    run().mmio.phys_addr = address;
    run().mmio.len = len;
    run().mmio.is_write = is_write ? 1 : 0;
    std::memcpy(run().mmio.data, &data, sizeof(data));
  }
  uint64_t MmioData() {
    uint64_t data = 0;
    std::memcpy(&data, run().mmio.data, sizeof(data));
    return data;
  }

 private:
  struct alignas(8) Bytes : std::array<std::byte, kBytes> {};
  std::unique_ptr<Bytes> bytes_ = std::make_unique<Bytes>();
  RunArea area_{std::span(*bytes_)};
};

}  // namespace ember::kvm

#endif  // EMBER_TESTS_KVM_FABRICATED_RUN_H_
