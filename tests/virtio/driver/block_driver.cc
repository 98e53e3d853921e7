#include "tests/virtio/driver/block_driver.h"

#include <algorithm>
#include <cstring>

namespace ember::virtio::testing {
namespace {

constexpr uint64_t kScratchBytes = uint64_t{2} << 20;

struct Header {
  uint32_t type;
  uint32_t priority;
  uint64_t sector;
};
static_assert(sizeof(Header) == 16);

bool IsDataForTheDevice(uint32_t type) {
  return type == kBlockOut || type == kBlockDiscard || type == kBlockWriteZeroes;
}

}  // namespace

BlockDriver::BlockDriver(Rig& rig, uint64_t extra_features, uint16_t queue_size)
    : rig_(rig),
      ring_(rig.ram, queue_size, (extra_features & kEventIndexFeature64) != 0),
      scratch_(rig.ram.Allocate(kScratchBytes, 4096)) {
  rig.driver.Start(kVersion1Feature | extra_features, ring_.place());
}

// Goes round and round: what is handed out is used up by the time it comes again.
GuestAddress BlockDriver::Scratch(uint64_t len) {
  if (scratch_used_ + len > kScratchBytes) scratch_used_ = 0;
  const GuestAddress at = scratch_ + scratch_used_;
  scratch_used_ += len;
  return at;
}

GuestAddress BlockDriver::PutHeader(uint32_t type, uint64_t sector) {
  const GuestAddress at = Scratch(sizeof(Header));
  const Header header{.type = type, .priority = 0, .sector = sector};
  std::memcpy(rig_.ram.Bytes(at, sizeof(header)).data(), &header, sizeof(header));
  return at;
}

GuestAddress BlockDriver::FreshStatus() {
  const GuestAddress at = Scratch(1);
  rig_.ram.Bytes(at, 1)[0] = std::byte{kBlockUntouched};
  return at;
}

BlockDriver::Request BlockDriver::Put(uint32_t type, uint64_t sector, GuestAddress data,
                                      uint32_t data_len) {
  Request request{.data = data, .data_len = data_len, .status = FreshStatus()};
  const Segment header{PutHeader(type, sector), sizeof(Header), false};
  const Segment middle{data, data_len, !IsDataForTheDevice(type)};
  const Segment status{request.status, 1, true};
  request.head = data_len > 0 ? ring_.Add({header, middle, status}) : ring_.Add({header, status});
  return request;
}

BlockDriver::Request BlockDriver::PutSplit(uint32_t type, uint64_t sector,
                                           std::span<const uint32_t> readable_lens,
                                           std::span<const uint32_t> writable_lens) {
  std::vector<Segment> segments;
  uint64_t readable = 0, writable = 0;
  for (const uint32_t len : readable_lens) readable += len;
  for (const uint32_t len : writable_lens) writable += len;
  const GuestAddress out = Scratch(readable), in = Scratch(writable);
  const Header header{.type = type, .priority = 0, .sector = sector};
  const auto header_bytes = std::as_bytes(std::span(&header, 1));
  std::ranges::copy(header_bytes.first(std::min<uint64_t>(readable, sizeof(header))),
                    rig_.ram.Bytes(out, readable).begin());
  std::ranges::fill(rig_.ram.Bytes(in, writable), std::byte{kBlockUntouched});
  uint64_t at = 0;
  for (const uint32_t len : readable_lens) {
    segments.push_back({out + at, len, false});
    at += len;
  }
  at = 0;
  for (const uint32_t len : writable_lens) {
    segments.push_back({in + at, len, true});
    at += len;
  }
  const bool to_device = IsDataForTheDevice(type);
  const uint64_t data_len = to_device ? readable - std::min<uint64_t>(readable, sizeof(Header))
                                      : writable - std::min<uint64_t>(writable, 1);
  return {.head = ring_.Add(segments),
          .data = to_device ? out + sizeof(Header) : in,
          .data_len = static_cast<uint32_t>(data_len),
          .status = writable > 0 ? in + (writable - 1) : GuestAddress{}};
}

void BlockDriver::Kick() {
  if (ring_.Publish()) rig_.driver.Notify(0);
}

std::optional<BlockDriver::Answer> BlockDriver::Take(const Request& request) {
  const std::optional<UsedEntry> used = ring_.TakeUsed();
  if (!used || used->id != request.head) return std::nullopt;
  return Answer{.status = std::to_integer<uint8_t>(rig_.ram.Bytes(request.status, 1)[0]),
                .used_len = used->len};
}

BlockDriver::Answer BlockDriver::Do(uint32_t type, uint64_t sector, GuestAddress data,
                                    uint32_t data_len) {
  const Request request = Put(type, sector, data, data_len);
  Kick();
  rig_.Pump();
  return Take(request).value_or(Answer{});
}

BlockDriver::Answer BlockDriver::Write(uint64_t sector, std::span<const std::byte> bytes) {
  const GuestAddress at = Scratch(bytes.size());
  std::ranges::copy(bytes, rig_.ram.Bytes(at, bytes.size()).begin());
  return Do(kBlockOut, sector, at, static_cast<uint32_t>(bytes.size()));
}

std::vector<std::byte> BlockDriver::Read(uint64_t sector, uint32_t len, Answer* answer) {
  const GuestAddress at = Scratch(len);
  const std::span<std::byte> bytes = rig_.ram.Bytes(at, len);
  std::ranges::fill(bytes, std::byte{0xcc});
  const Answer got = Do(kBlockIn, sector, at, len);
  if (answer != nullptr) *answer = got;
  return {bytes.begin(), bytes.end()};
}

BlockDriver::Answer BlockDriver::DoRanges(uint32_t type, std::span<const Range> ranges) {
  const auto bytes = std::as_bytes(ranges);
  const GuestAddress at = Scratch(bytes.size());
  std::ranges::copy(bytes, rig_.ram.Bytes(at, bytes.size()).begin());
  return Do(type, 0, at, static_cast<uint32_t>(bytes.size()));
}

}  // namespace ember::virtio::testing
