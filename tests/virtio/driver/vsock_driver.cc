#include "tests/virtio/driver/vsock_driver.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace ember::virtio::testing {

VsockDriver::VsockDriver(Rig& rig, const Options& options)
    : rig_(rig),
      options_(options),
      rx_(rig.ram, options.queue_size, (options.features & kEventIndexFeature64) != 0),
      tx_(rig.ram, options.queue_size, (options.features & kEventIndexFeature64) != 0),
      event_(rig.ram, options.queue_size, (options.features & kEventIndexFeature64) != 0),
      event_buffer_(rig.ram.Allocate(64)) {
  for (uint32_t i = 0; i < options.rx_buffers; ++i) {
    rx_buffers_.push_back(rig.ram.Allocate(options.rx_buffer_bytes));
  }
  for (uint32_t i = 0; i < options.tx_buffers; ++i) {
    tx_free_.push_back(rig.ram.Allocate(options.tx_buffer_bytes));
  }
  Start();
}

void VsockDriver::Start() {
  rig_.driver.Write(reg::kStatus, 0);
  const bool event_index = (options_.features & kEventIndexFeature64) != 0;
  const GuestMemory& memory = rig_.ram.memory();
  for (DriverRing* const ring : {&rx_, &tx_, &event_}) {
    *ring = DriverRing(memory, ring->place(), event_index);
    ring->StartAt(0);
  }
  for (const auto& [head, buffer] : tx_in_flight_) tx_free_.push_back(buffer);
  tx_in_flight_.clear();
  rx_in_flight_.clear();
  rig_.driver.Negotiate(kVersion1Feature | options_.features);
  rig_.driver.EnableQueue(0, rx_.place());
  rig_.driver.EnableQueue(1, tx_.place());
  rig_.driver.EnableQueue(2, event_.place());
  rig_.driver.AddStatus(kDriverOk);
  for (const GuestAddress buffer : rx_buffers_) OfferRx(buffer);
  KickRx();
}

GuestAddress VsockDriver::TakeTxBuffer(const VsockHeader& header) {
  if (!can_put()) std::abort();
  const GuestAddress at = tx_free_.back();
  tx_free_.pop_back();
  std::memcpy(rig_.ram.Bytes(at, sizeof(header)).data(), &header, sizeof(header));
  return at;
}

void VsockDriver::AddTx(GuestAddress at, uint32_t len) {
  if (len > options_.tx_buffer_bytes - sizeof(VsockHeader)) std::abort();
  const Segment header{at, sizeof(VsockHeader), false};
  const Segment payload{at + sizeof(VsockHeader), len, false};
  tx_in_flight_[len == 0 ? tx_.Add({header}) : tx_.Add({header, payload})] = at;
}

void VsockDriver::Put(const VsockHeader& header, std::string_view payload) {
  const GuestAddress at = TakeTxBuffer(header);
  std::ranges::copy(std::as_bytes(std::span(payload)),
                    rig_.ram.Bytes(at + sizeof(header), payload.size()).begin());
  AddTx(at, static_cast<uint32_t>(payload.size()));
}

void VsockDriver::PutStale(const VsockHeader& header) { AddTx(TakeTxBuffer(header), header.len); }

void VsockDriver::ReclaimTx() {
  while (const auto used = tx_.TakeUsed()) {
    const auto found = tx_in_flight_.find(static_cast<uint16_t>(used->id));
    tx_free_.push_back(found->second);
    tx_in_flight_.erase(found);
  }
}

bool VsockDriver::can_put() {
  ReclaimTx();
  return !tx_free_.empty() && tx_.free_descriptors() >= 2;
}

void VsockDriver::KickTx() {
  if (tx_.Publish()) rig_.driver.Notify(1);
}

std::optional<VsockReceived> VsockDriver::Receive() {
  const auto used = rx_.TakeUsed();
  if (!used) return std::nullopt;
  const auto found = rx_in_flight_.find(static_cast<uint16_t>(used->id));
  const GuestAddress buffer = found->second;
  rx_in_flight_.erase(found);
  const std::span<std::byte> bytes = rig_.ram.Bytes(buffer, options_.rx_buffer_bytes);
  VsockReceived received{.header = {}, .payload = {}, .used_len = used->len};
  std::memcpy(&received.header, bytes.data(), sizeof(received.header));
  const size_t len = std::min<size_t>(received.header.len, bytes.size() - sizeof(received.header));
  received.payload.assign(reinterpret_cast<const char*>(bytes.data() + sizeof(received.header)),
                          len);
  if (!hold_rx_) {
    OfferRx(buffer);
    KickRx();
  }
  return received;
}

std::optional<VsockHeader> VsockDriver::ReceiveHeader() {
  const auto used = rx_.TakeUsed();
  if (!used) return std::nullopt;
  const auto found = rx_in_flight_.find(static_cast<uint16_t>(used->id));
  const GuestAddress buffer = found->second;
  rx_in_flight_.erase(found);
  VsockHeader header;
  std::memcpy(&header, rig_.ram.Bytes(buffer, sizeof(header)).data(), sizeof(header));
  OfferRx(buffer);
  KickRx();
  return header;
}

void VsockDriver::OfferRx(GuestAddress buffer) {
  rx_in_flight_[rx_.Add({Segment{buffer, options_.rx_buffer_bytes, true}})] = buffer;
}

void VsockDriver::KickRx() {
  if (rx_.Publish()) rig_.driver.Notify(0);
}

void VsockDriver::OfferEvent(uint32_t len) {
  event_.Add({Segment{event_buffer_, len, true}});
  if (event_.Publish()) rig_.driver.Notify(2);
}

std::optional<uint32_t> VsockDriver::TakeEvent() {
  const auto used = event_.TakeUsed();
  if (!used || used->len != 4) return std::nullopt;
  uint32_t id = ~uint32_t{0};
  std::memcpy(&id, rig_.ram.Bytes(event_buffer_, 4).data(), 4);
  return id;
}

}  // namespace ember::virtio::testing
