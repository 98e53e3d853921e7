#include "tests/virtio/driver/net_driver.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ember::virtio::testing {
namespace {

constexpr uint64_t kTransmitAreaBytes = uint64_t{2} << 20;

std::vector<Segment> Split(GuestAddress at, uint32_t len, std::span<const uint32_t> lens,
                           bool device_writes) {
  std::vector<Segment> segments;
  for (const uint32_t piece : lens) {
    if (piece >= len) break;
    segments.push_back({at, piece, device_writes});
    at = at + piece;
    len -= piece;
  }
  segments.push_back({at, len, device_writes});
  return segments;
}

}  // namespace

NetDriver::NetDriver(Rig& rig, const Options& options)
    : rig_(rig),
      control_index_(static_cast<uint16_t>(2 * options.pairs)),
      transmit_area_(rig.ram.Allocate(kTransmitAreaBytes, 4096)) {
  const bool event_index = (options.features & kEventIndexFeature64) != 0;
  rig.driver.Negotiate(kVersion1Feature | options.features);
  for (uint32_t queue = 0; queue < 2U * options.pairs; ++queue) {
    rings_.push_back(std::make_unique<DriverRing>(rig.ram, options.queue_size, event_index));
    rig.driver.EnableQueue(queue, rings_.back()->place());
  }
  if ((options.features & kNetControl) != 0) {
    control_.emplace(rig.ram, uint16_t{16}, event_index);
    rig.driver.EnableQueue(control_index_, control_->place());
  }
  rig.driver.AddStatus(kDriverOk);
}

void NetDriver::Offer(size_t count, uint32_t len, uint32_t piece_len, uint16_t pair) {
  for (size_t i = 0; i < count; ++i) {
    std::vector<GuestAddress>& spare = spare_[len];
    const GuestAddress at = spare.empty() ? rig_.ram.Allocate(len) : spare.back();
    if (!spare.empty()) spare.pop_back();
    const std::vector<uint32_t> lens(len / piece_len, piece_len);
    const uint16_t head = receive_ring(pair).Add(Split(at, len, lens, true));
    offered_[{pair, head}] = {at, len};
  }
}

void NetDriver::Kick(size_t queue) {
  if (rings_[queue]->Publish()) rig_.driver.Notify(static_cast<uint32_t>(queue));
}
void NetDriver::KickReceive(uint16_t pair) { Kick(2 * size_t{pair}); }
void NetDriver::KickTransmit(uint16_t pair) { Kick(2 * size_t{pair} + 1); }

std::optional<Packet> NetDriver::Take(uint16_t pair) {
  Packet packet;
  std::vector<std::byte> bytes;
  do {
    const std::optional<UsedEntry> used = receive_ring(pair).TakeUsed();
    if (!used) return std::nullopt;
    const Buffer buffer = std::exchange(offered_[{pair, used->id}], {});
    const std::span<std::byte> there = rig_.ram.Bytes(buffer.at, buffer.len);
    bytes.insert(bytes.end(), there.begin(), there.begin() + std::min(used->len, buffer.len));
    packet.used_lens.push_back(used->len);
    spare_[buffer.len].push_back(buffer.at);
    if (packet.used_lens.size() == 1 && bytes.size() >= sizeof(packet.header)) {
      std::memcpy(&packet.header, bytes.data(), sizeof(packet.header));
    }
  } while (packet.used_lens.size() < packet.header.num_buffers);
  const size_t header_bytes = std::min(bytes.size(), sizeof(packet.header));
  packet.frame.assign(bytes.begin() + static_cast<ptrdiff_t>(header_bytes), bytes.end());
  return packet;
}

void NetDriver::Put(const PacketHeader& header, std::span<const std::byte> frame,
                    std::span<const uint32_t> lens, uint16_t pair) {
  const uint64_t len = sizeof(header) + frame.size();
  if (transmit_used_ + len > kTransmitAreaBytes) transmit_used_ = 0;
  const GuestAddress at = transmit_area_ + transmit_used_;
  transmit_used_ += len;
  const std::span<std::byte> there = rig_.ram.Bytes(at, len);
  std::memcpy(there.data(), &header, sizeof(header));
  std::ranges::copy(frame, there.begin() + sizeof(header));
  transmit_ring(pair).Add(Split(at, static_cast<uint32_t>(len), lens, false));
}

void NetDriver::Send(const PacketHeader& header, std::span<const std::byte> frame) {
  Put(header, frame);
  KickTransmit();
  rig_.Pump();
}

size_t NetDriver::Reclaim(uint16_t pair) {
  size_t count = 0;
  while (transmit_ring(pair).TakeUsed()) ++count;
  return count;
}

uint8_t NetDriver::Command(std::span<const std::byte> command) {
  const GuestAddress at = rig_.ram.Allocate(command.size() + 1);
  std::ranges::copy(command, rig_.ram.Bytes(at, command.size()).begin());
  const GuestAddress answer = at + command.size();
  rig_.ram.Bytes(answer, 1)[0] = std::byte{0xee};
  control_->Add(
      {Segment{at, static_cast<uint32_t>(command.size()), false}, Segment{answer, 1, true}});
  if (control_->Publish()) rig_.driver.Notify(control_index_);
  rig_.Pump();
  control_->TakeUsed();
  return static_cast<uint8_t>(rig_.ram.Bytes(answer, 1)[0]);
}

uint8_t NetDriver::UsePairs(uint16_t count) {
  const std::array command{std::byte{4}, std::byte{0}, static_cast<std::byte>(count),
                           static_cast<std::byte>(count >> 8)};
  return Command(command);
}

uint16_t NetDriver::link_status() const {
  return static_cast<uint16_t>(rig_.driver.ReadWide(reg::kConfig + 6, 2));
}

}  // namespace ember::virtio::testing
