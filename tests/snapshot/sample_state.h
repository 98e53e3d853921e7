#ifndef EMBER_TESTS_SNAPSHOT_SAMPLE_STATE_H_
#define EMBER_TESTS_SNAPSHOT_SAMPLE_STATE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "memory/guest_address.h"
#include "snapshot/fields.h"

namespace ember::snapshot::testing {

enum class Mood : uint8_t { kCalm, kBusy };

// A structure that has a field of every kind.
struct SamplePart {
  uint16_t size = 0;
  bool ready = false;
  GuestAddress at{};

  friend bool operator==(const SamplePart&, const SamplePart&) = default;
};

inline void Describe(Fields& fields, SamplePart& part) {
  fields.Add("size", part.size);
  fields.Add("ready", part.ready);
  fields.Add("at", part.at);
}

struct SampleState {
  std::string name;
  uint64_t count = 0;
  Mood mood = Mood::kCalm;
  std::vector<std::byte> blob;
  std::array<std::byte, 4> id{};
  std::vector<SamplePart> parts;
  std::optional<uint32_t> limit;
  uint32_t weight = 7;  // since version 2

  friend bool operator==(const SampleState&, const SampleState&) = default;
};

inline void Describe(Fields& fields, SampleState& state) {
  fields.Add("name", state.name);
  fields.Add("count", state.count);
  fields.AddEnum("mood", state.mood, Mood::kBusy);
  fields.Add("blob", state.blob);
  fields.Add("id", state.id);
  fields.Add("parts", state.parts);
  fields.Add("limit", state.limit);
  fields.AddSince(2, "weight", state.weight);
}

inline SampleState Sample() {
  return {.name = "sample",
          .count = 0x1122'3344'5566'7788,
          .mood = Mood::kBusy,
          .blob = {std::byte{0}, std::byte{0xff}, std::byte{0x80}},
          .id = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}},
          .parts = {{.size = 256, .ready = true, .at = GuestAddress{0x1000}}, {.size = 1}},
          .limit = 70'000,
          .weight = 9};
}

}  // namespace ember::snapshot::testing

#endif  // EMBER_TESTS_SNAPSHOT_SAMPLE_STATE_H_
