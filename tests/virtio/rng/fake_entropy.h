#ifndef EMBER_TESTS_VIRTIO_RNG_FAKE_ENTROPY_H_
#define EMBER_TESTS_VIRTIO_RNG_FAKE_ENTROPY_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "virtio/rng/entropy_source.h"

namespace ember::virtio::testing {

// Gives the same byte again and again, or fails when told to. One thread.
class FakeEntropy final : public EntropySource {
 public:
  static constexpr std::byte kByte{0xa5};

  Status Fill(std::span<std::byte> out) override {
    ++calls;
    if (fails) {
      std::ranges::fill(out.first(out.size() / 2), kByte);
      return Error("told to fail");
    }
    std::ranges::fill(out, kByte);
    bytes += out.size();
    return {};
  }

  bool fails = false;
  int calls = 0;
  uint64_t bytes = 0;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_RNG_FAKE_ENTROPY_H_
