#ifndef EMBER_MMDS_TCP_SERVER_H_
#define EMBER_MMDS_TCP_SERVER_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/mac_address.h"
#include "mmds/guest_service.h"
#include "mmds/packet.h"
#include "mmds/random.h"
#include "mmds/tcp_connection.h"

namespace ember::mmds {

// The service's port, and the guest's connections to it: at most kMaxConnections. When all are
// taken a newcomer has the place of one that the guest opened and did not go on with, or that has
// stood still for long; if there is none, it is reset. One thread at a time.
class TcpServer {
 public:
  static constexpr uint16_t kPort = 80;
  static constexpr size_t kMaxConnections = 30;
  static constexpr size_t kMaxResets = 100;  // waiting to be sent; one more is forgotten
  static constexpr std::chrono::seconds kOpenForgottenAfter{1};
  static constexpr std::chrono::seconds kForgottenAfter{30};

  struct Options {
    uint16_t max_segment_bytes = 1460;
    FillRandom random = FillFromKernel;
  };
  // The service must outlive the server.
  TcpServer(GuestService& service, const Options& options) : service_(service), options_(options) {}

  // The guest's end of a connection.
  struct Peer {
    MacAddress mac;
    Ipv4Address address;
    uint16_t port = 0;
  };
  struct Outgoing {
    Peer peer;
    TcpSegment segment;  // with ports; its payload is valid until the next call of anything
  };

  void Receive(const Peer& peer, const TcpSegment& segment, std::chrono::nanoseconds now);
  // The next segment to send: each connection has its turn.
  std::optional<Outgoing> Next(std::chrono::nanoseconds now);
  // When Next() may have something, if nothing comes; the past: now. Nothing: never.
  std::optional<std::chrono::nanoseconds> NextAt() const;
  // There is nothing to send, and nothing to wait for but the guest.
  bool idle() const { return connections_ == 0 && resets_count_ == 0; }
  // Forgets every connection, without a word to the guest.
  void Clear();

 private:
  struct Connection {
    Connection(const Peer& other, const TcpSegment& syn, const TcpConnection::Options& options)
        : peer(other), tcp(syn, options) {}
    const Peer peer;
    TcpConnection tcp;
  };
  struct Reset {
    Peer peer;
    uint32_t sequence = 0;
    uint32_t acknowledgment = 0;
    uint8_t flags = 0;
  };
  using Slot = std::unique_ptr<Connection>;

  Slot* Find(const Peer& peer);
  // A free place, made free if it must be. Null where there is none.
  Slot* MakeRoom(std::chrono::nanoseconds now);
  void Open(const Peer& peer, const TcpSegment& syn, std::chrono::nanoseconds now);
  // Answers what was asked.
  void Serve(TcpConnection& tcp);
  void Remove(Slot& slot);
  // To a segment of no connection's (RFC 9293, 3.10.7.1).
  void AddReset(const Peer& peer, const TcpSegment& segment);
  std::optional<Outgoing> NextReset();

  GuestService& service_;
  const Options options_;
  std::array<Slot, kMaxConnections> slots_;
  size_t connections_ = 0;  // in them
  size_t turn_ = 0;         // whose it is

  std::array<Reset, kMaxResets> resets_;  // a ring: resets_count_ from resets_first_ on
  size_t resets_first_ = 0;
  size_t resets_count_ = 0;
};

}  // namespace ember::mmds

#endif  // EMBER_MMDS_TCP_SERVER_H_
