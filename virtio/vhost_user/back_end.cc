#include "virtio/vhost_user/back_end.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

#include "base/concat.h"

namespace ember::virtio::vhost_user {
namespace {

constexpr uint64_t kWantedProtocolFeatures = kProtocolMq | kProtocolReplyAck | kProtocolConfig;

// An address in our own memory, by which the back end finds the place in the memory we share.
uint64_t UserAddress(const std::byte* at) {
  static_assert(sizeof(at) == sizeof(uint64_t));
  return std::bit_cast<uint64_t>(at);
}

Result<uint64_t> GetNumber(Connection& connection, Request request, const Deadline& deadline) {
  TRY(connection.Send(request, 0, {}, {}, deadline));
  uint64_t number = 0;
  TRY(connection.ReceiveReply(request, std::as_writable_bytes(std::span(&number, 1)), deadline));
  return number;
}

}  // namespace

Result<BackEnd> BackEnd::Connect(const std::string& path, const Deadline& deadline) {
  return Negotiate(TRY(Connection::Connect(path)), deadline);
}

Result<BackEnd> BackEnd::Negotiate(Connection connection, const Deadline& deadline) {
  TRY(connection.Send(Request::kSetOwner, 0, {}, {}, deadline));
  const uint64_t features = TRY(GetNumber(connection, Request::kGetFeatures, deadline));
  BackEnd back_end(std::move(connection), Features::FromBits(features));
  TRY(back_end.AgreeOnProtocol(deadline));
  return back_end;
}

Status BackEnd::AgreeOnProtocol(const Deadline& deadline) {
  if (!features_.Has(VIRTIO_F_VERSION_1) || !features_.Has(kProtocolFeaturesFeature)) {
    return Error(Concat("the back end offers the features ", Hex{features_.bits()},
                        ", without virtio 1 or without protocol features"));
  }
  const uint64_t offered = TRY(GetNumber(connection_, Request::kGetProtocolFeatures, deadline));
  if ((offered & kProtocolConfig) == 0) {
    return Error(Concat("the back end offers the protocol features ", Hex{offered},
                        ", without configuration messages"));
  }
  const uint64_t accepted = offered & kWantedProtocolFeatures;
  TRY(Set(Request::kSetProtocolFeatures, accepted, deadline));
  acknowledges_ = (accepted & kProtocolReplyAck) != 0;
  if ((accepted & kProtocolMq) != 0) {
    max_queues_ = TRY(GetNumber(connection_, Request::kGetQueueNum, deadline));
    if (max_queues_ == 0) return Error("the back end serves 0 queues");
  }
  return {};
}

Status BackEnd::SetBytes(Request request, std::span<const std::byte> payload,
                         std::span<const int> fds, const Deadline& deadline) {
  TRY(connection_.Send(request, acknowledges_ ? kNeedReplyFlag : 0, payload, fds, deadline));
  if (!acknowledges_) return {};
  uint64_t failure = 0;
  TRY(connection_.ReceiveReply(request, std::as_writable_bytes(std::span(&failure, 1)), deadline));
  if (failure == 0) return {};
  return Error(
      Concat("the back end refuses request ", static_cast<uint32_t>(request), " with ", failure));
}

Status BackEnd::ReadConfig(std::span<std::byte> out, const Deadline& deadline) {
  const ConfigHeader asked{
      .offset = 0, .size_bytes = static_cast<uint32_t>(out.size()), .flags = 0};
  std::vector<std::byte> payload(sizeof(asked) + out.size());
  std::memcpy(payload.data(), &asked, sizeof(asked));
  TRY(connection_.Send(Request::kGetConfig, 0, payload, {}, deadline));
  TRY(connection_.ReceiveReply(Request::kGetConfig, payload, deadline));
  ConfigHeader got;
  std::memcpy(&got, payload.data(), sizeof(got));
  if (got.offset != asked.offset || got.size_bytes != asked.size_bytes) {
    return Error(Concat("the back end gives ", got.size_bytes, " bytes of configuration at ",
                        got.offset, " in place of ", asked.size_bytes, " at 0"));
  }
  std::ranges::copy(std::span(payload).subspan(sizeof(got)), out.begin());
  return {};
}

Status BackEnd::SetFeatures(Features features, const Deadline& deadline) {
  const Features all = features | Features{kProtocolFeaturesFeature};
  return Set(Request::kSetFeatures, all.bits(), deadline);
}

Status BackEnd::ShareMemory(const GuestMemory& memory, const Deadline& deadline) {
  const std::span<const GuestMemory::Region> regions = memory.regions();
  if (regions.size() > kMaxMemoryRegions) {
    return Error(Concat("guest memory has ", regions.size(), " regions; a back end takes ",
                        kMaxMemoryRegions));
  }
  MemoryTable table{.region_count = static_cast<uint32_t>(regions.size())};
  std::array<int, kMaxMemoryRegions> fds;
  for (size_t i = 0; i < regions.size(); ++i) {
    if (regions[i].memfd < 0) return Error("guest memory is not backed by a file to share");
    table.regions[i] = {.guest_address = ToInteger(regions[i].range.start),
                        .size_bytes = regions[i].range.size_bytes,
                        .user_address = UserAddress(regions[i].host),
                        .mmap_offset = regions[i].memfd_offset_bytes};
    fds[i] = regions[i].memfd;
  }
  const size_t used_bytes = offsetof(MemoryTable, regions) + regions.size() * sizeof(MemoryRegion);
  return SetBytes(Request::kSetMemTable, std::as_bytes(std::span(&table, 1)).first(used_bytes),
                  std::span(fds).first(regions.size()), deadline);
}

Status BackEnd::StartVring(const Vring& vring, const Deadline& deadline) {
  const uint32_t index = ToInteger(vring.index);
  const VringState size{.index = index, .value = ToInteger(vring.config.size)};
  const VringState base{.index = index, .value = 0};
  const VringAddress address{.index = index,
                             .flags = 0,
                             .descriptors = UserAddress(vring.rings.descriptors),
                             .used = UserAddress(vring.rings.used),
                             .available = UserAddress(vring.rings.available),
                             .log = 0};
  TRY(Set(Request::kSetVringNum, size, deadline));
  TRY(Set(Request::kSetVringBase, base, deadline));
  TRY(Set(Request::kSetVringAddr, address, deadline));
  const int call = vring.call.get();
  const int kick = vring.kick.get();
  TRY(Set(Request::kSetVringCall, uint64_t{index}, deadline, {&call, 1}));
  TRY(Set(Request::kSetVringKick, uint64_t{index}, deadline, {&kick, 1}));
  return Set(Request::kSetVringEnable, VringState{.index = index, .value = 1}, deadline);
}

Status BackEnd::StopVring(QueueIndex index, const Deadline& deadline) {
  const VringState asked{.index = ToInteger(index), .value = 0};
  TRY(connection_.Send(Request::kGetVringBase, 0, std::as_bytes(std::span(&asked, 1)), {},
                       deadline));
  VringState got{};
  TRY(connection_.ReceiveReply(Request::kGetVringBase, std::as_writable_bytes(std::span(&got, 1)),
                               deadline));
  if (got.index == asked.index) return {};
  return Error(Concat("the back end stops queue ", got.index, " in place of ", asked.index));
}

}  // namespace ember::virtio::vhost_user
