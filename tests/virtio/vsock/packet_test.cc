#include "virtio/vsock/packet.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/guest_ram.h"
#include "virtio/queue.h"

namespace ember::virtio::testing {
namespace {

constexpr uint16_t kQueueSize = 64;

// A queue of packets and the driver that fills it.
class PacketQueue {
 public:
  explicit PacketQueue(std::vector<GuestRange> ranges = {GuestRam::kLow, GuestRam::kHigh})
      : ram(std::move(ranges), /*track_dirty_pages=*/false),
        ring(ram, kQueueSize),
        queue(MakeQueue()) {}

  // Begins anew, with nothing in the rings.
  void Renew() {
    ring = DriverRing(ram.memory(), ring.place());
    ring.StartAt(0);
    queue.emplace(MakeQueue());
  }

  // Offers a chain and takes it. Nothing is left of it in the ring.
  Queue::PopResult Offer(std::span<const Segment> segments) {
    ring.Add(segments);
    ring.Publish();
    return queue->Pop(storage);
  }
  void Finish(DescriptorChain chain) {
    queue->Complete(std::move(chain), 0);
    static_cast<void>(queue->Publish());
    ring.TakeUsed();
  }
  // What parsing the chain says: its breach, or nothing.
  std::optional<Breach> BreachOf(std::span<const Segment> segments) {
    Queue::PopResult popped = Offer(segments);
    if (!popped) return popped.error();
    const auto packet = ParseVsockPacket(**popped);
    Finish(std::move(**popped));
    if (!packet) return packet.error();
    return std::nullopt;
  }
  GuestAddress PutHeader(uint32_t len) {
    virtio_vsock_hdr header{};
    header.len = len;
    const GuestAddress at = ram.Allocate(sizeof(header));
    std::memcpy(ram.Bytes(at, sizeof(header)).data(), &header, sizeof(header));
    return at;
  }

  GuestRam ram;
  DriverRing ring;
  ChainStorage storage{QueueSize{kQueueSize}};
  std::optional<Queue> queue;

 private:
  Queue MakeQueue() const {
    return *Queue::Create(ram.memory(),
                          {.size = QueueSize{kQueueSize},
                           .descriptors = ring.place().descriptors,
                           .available = ring.place().available,
                           .used = ring.place().used,
                           .ready = true},
                          {});
  }
};

virtio_vsock_hdr SampleHeader() {
  virtio_vsock_hdr header{};
  header.src_cid = 3;
  header.dst_cid = 2;
  header.src_port = 0x11223344;
  header.dst_port = 52;
  header.len = 8;
  header.type = VIRTIO_VSOCK_TYPE_STREAM;
  header.op = VIRTIO_VSOCK_OP_RW;
  header.flags = 5;
  header.buf_alloc = 65536;
  header.fwd_cnt = 7;
  return header;
}

// `total` cut at random into one to `most` pieces.
std::vector<uint32_t> Cut(std::minstd_rand& random, uint32_t total, size_t most) {
  std::vector<uint32_t> lens;
  while (lens.size() + 1 < most && total > 1 && random() % 4 != 0) {
    lens.push_back(static_cast<uint32_t>(1 + random() % (total - 1)));
    total -= lens.back();
  }
  lens.push_back(total);
  return lens;
}

TEST(VsockPacketTest, IsFoundInAnyLayout) {
  std::minstd_rand random(1);
  const virtio_vsock_hdr header = SampleHeader();
  std::string wire(reinterpret_cast<const char*>(&header), sizeof(header));
  wire += "payload!and what is not part of it";
  PacketQueue packets;
  const GuestAddress at = packets.ram.Allocate(wire.size());
  std::memcpy(packets.ram.Bytes(at, wire.size()).data(), wire.data(), wire.size());
  for (int round = 0; round < 500; ++round) {
    std::vector<Segment> segments;
    uint64_t offset = 0;
    for (const uint32_t len : Cut(random, static_cast<uint32_t>(wire.size()), kQueueSize)) {
      segments.push_back({at + offset, len, false});
      offset += len;
    }
    Queue::PopResult popped = packets.Offer(segments);
    ASSERT_TRUE(popped && *popped);
    const auto packet = ParseVsockPacket(**popped);
    ASSERT_TRUE(packet);
    EXPECT_EQ(std::memcmp(&packet->header, &header, sizeof(header)), 0);
    std::string payload;
    for (const iovec& piece : packet->payload.pieces()) {
      payload.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
    }
    EXPECT_EQ(payload, "payload!");
    packets.Finish(std::move(**popped));
  }
}

TEST(VsockPacketTest, MustHaveItsWholeHeader) {
  PacketQueue packets;
  const GuestAddress header = packets.PutHeader(0);
  for (uint32_t len = 0; len < kVsockHeaderBytes; ++len) {
    EXPECT_EQ(packets.BreachOf({{{header, len, false}}}), Breach::kRequestHeaderTooShort) << len;
  }
  EXPECT_EQ(packets.BreachOf({{{header, 44, false}}}), std::nullopt);
  // Writable bytes are no header.
  EXPECT_EQ(packets.BreachOf({{{header, 44, true}}}), Breach::kRequestHeaderTooShort);
}

TEST(VsockPacketTest, MustHaveAllThePayloadThatItsHeaderSays) {
  PacketQueue packets;
  const GuestAddress data = packets.ram.Allocate(256);
  for (const uint32_t said : {1U, 2U, 100U, 255U, 256U, 65536U, 0x7fffffffU, 0xffffffffU}) {
    for (const uint32_t there : {0U, 1U, 2U, 99U, 100U, 101U, 255U, 256U}) {
      const GuestAddress header = packets.PutHeader(said);
      const auto breach = packets.BreachOf({{{header, 44, false}, {data, there, false}}});
      EXPECT_EQ(breach, said <= there ? std::nullopt : std::optional(Breach::kRequestDataTooShort))
          << said << " in " << there;
    }
  }
}

TEST(VsockPacketTest, ReadsItsHeaderOnce) {
  PacketQueue packets;
  const GuestAddress header = packets.PutHeader(4);
  Queue::PopResult popped =
      packets.Offer({{{header, 44, false}, {packets.ram.Allocate(4), 4, false}}});
  ASSERT_TRUE(popped && *popped);
  const auto packet = ParseVsockPacket(**popped);
  ASSERT_TRUE(packet);
  std::ranges::fill(packets.ram.Bytes(header, 44), std::byte{0xff});
  EXPECT_EQ(packet->header.len, 4U);
  EXPECT_EQ(packet->payload.size_bytes(), 4U);
  packets.Finish(std::move(**popped));
}

// CVE-2019-18960: descriptors past a region's end were used as though they were inside.
TEST(VsockPacketTest, StaysInsideRamAtTheEndOfEveryRegion) {
  constexpr uint64_t kPage = 4096;
  // Two that touch, a hole of one page, one on its own, one at the top of what is mapped.
  const std::vector<GuestRange> regions{{GuestAddress{0}, 64 * kPage},
                                        {GuestAddress{64 * kPage}, 2 * kPage},
                                        {GuestAddress{67 * kPage}, kPage},
                                        {GuestAddress{uint64_t{4} << 30}, 2 * kPage}};
  PacketQueue packets(regions);
  const auto is_ram = [&](uint64_t addr, uint64_t len) {
    uint64_t at = addr;
    while (at < addr + len) {
      const auto region = std::ranges::find_if(
          regions, [&](const GuestRange& each) { return each.Contains(GuestAddress{at}); });
      if (region == regions.end()) return false;
      at = ToInteger(region->start) + region->size_bytes;
    }
    return true;
  };
  std::vector<uint64_t> edges;
  for (const GuestRange& region : regions) {
    edges.push_back(ToInteger(region.start));
    edges.push_back(ToInteger(region.start) + region.size_bytes);
  }
  const std::vector<int64_t> offsets{-4097, -4096, -4095, -100, -46, -45, -44,
                                     -43,   -2,    -1,    0,    1,   2};
  const std::vector<uint32_t> lens{1,   2,    43,   44,   45,   99,   100,  101,
                                   200, 4095, 4096, 4097, 8191, 8192, 8193, 12289};
  const GuestAddress header = packets.PutHeader(1);
  int inside = 0;
  for (const uint64_t edge : edges) {
    for (const int64_t offset : offsets) {
      const uint64_t addr = edge + static_cast<uint64_t>(offset);
      if (addr > uint64_t{1} << 40) continue;  // below 0
      for (const uint32_t len : lens) {
        const bool ram = is_ram(addr, len);
        inside += ram ? 1 : 0;
        const auto expected = ram ? std::nullopt : std::optional(Breach::kBufferNotInRam);
        const Segment data{GuestAddress{addr}, len, false};
        packets.Renew();
        ASSERT_EQ(packets.BreachOf({{{header, 44, false}, data}}), expected) << addr << " " << len;
        // The same as a place to write to.
        packets.Renew();
        Queue::PopResult popped = packets.Offer({{{GuestAddress{addr}, len, true}}});
        ASSERT_EQ(popped.has_value(), ram) << addr << " " << len;
        if (popped) {
          EXPECT_EQ(PacketRoom::In(**popped).has_value(), len > kVsockHeaderBytes);
          std::move(**popped).Abandon();
        }
      }
    }
  }
  EXPECT_GT(inside, 100);
  // And ends that wrap.
  for (const uint64_t addr : {~uint64_t{0}, ~uint64_t{0} - 44, uint64_t{1} << 63}) {
    packets.Renew();
    EXPECT_EQ(packets.BreachOf({{{GuestAddress{addr}, 0xffffffff, false}}}),
              Breach::kBufferNotInRam);
  }
}

TEST(PacketRoomTest, NeedsAHeaderAndOneByte) {
  PacketQueue packets;
  const GuestAddress at = packets.ram.Allocate(64);
  for (uint32_t len = 0; len <= 64; ++len) {
    Queue::PopResult popped = packets.Offer({{{at, len, true}}});
    ASSERT_TRUE(popped && *popped);
    const auto room = PacketRoom::In(**popped);
    EXPECT_EQ(room.has_value(), len > 44) << len;
    EXPECT_TRUE(room || room.error() == Breach::kBufferTooSmall);
    packets.Finish(std::move(**popped));
  }
}

TEST(PacketRoomTest, PutsTheHeaderBeforeThePayloadInAnyLayout) {
  std::minstd_rand random(2);
  const virtio_vsock_hdr header = SampleHeader();
  constexpr uint32_t kBytes = 80;
  PacketQueue packets;
  const GuestAddress at = packets.ram.Allocate(kBytes);
  for (int round = 0; round < 500; ++round) {
    std::ranges::fill(packets.ram.Bytes(at, kBytes), std::byte{0});
    std::vector<Segment> segments;
    uint64_t offset = 0;
    for (const uint32_t len : Cut(random, kBytes, kQueueSize)) {
      segments.push_back({at + offset, len, true});
      offset += len;
    }
    Queue::PopResult popped = packets.Offer(segments);
    ASSERT_TRUE(popped && *popped);
    auto room = PacketRoom::In(**popped);
    ASSERT_TRUE(room);
    EXPECT_EQ(room->payload().size_bytes(), kBytes - kVsockHeaderBytes);
    const std::string text(kBytes - kVsockHeaderBytes, 'p');
    ASSERT_TRUE(room->payload().PutFront(std::as_bytes(std::span(text))));
    room->PutHeader(header);
    const std::span<std::byte> bytes = packets.ram.Bytes(at, kBytes);
    EXPECT_EQ(std::memcmp(bytes.data(), &header, sizeof(header)), 0);
    EXPECT_EQ(std::memcmp(bytes.data() + 44, text.data(), text.size()), 0);
    packets.Finish(std::move(**popped));
  }
}

}  // namespace
}  // namespace ember::virtio::testing
