// A vhost-user back end whose answers are the input.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/check.h"
#include "base/log.h"
#include "tests/virtio/driver/guest_ram.h"
#include "virtio/vhost_user/back_end.h"

namespace {

using namespace ember;                      // NOLINT(google-build-using-namespace)
using namespace ember::virtio;              // NOLINT(google-build-using-namespace)
using namespace ember::virtio::vhost_user;  // NOLINT(google-build-using-namespace)

constexpr size_t kMaxInputBytes = 8192;  // what a socket holds without a reader

// All that a device asks of a back end, from first to last.
void AskAll(Connection connection, const GuestMemory& memory) {
  const Deadline deadline(std::chrono::milliseconds(1000));
  Result<BackEnd> back_end = BackEnd::Negotiate(std::move(connection), deadline);
  if (!back_end) return;
  std::array<std::byte, 60> config;
  if (!back_end->ReadConfig(config, deadline)) return;
  if (!back_end->SetFeatures(back_end->features(), deadline)) return;
  if (!back_end->ShareMemory(memory, deadline)) return;
  const QueueConfig queue{.size = QueueSize{16},
                          .descriptors = GuestAddress{0x1000},
                          .available = GuestAddress{0x2000},
                          .used = GuestAddress{0x3000},
                          .ready = true};
  const Result<QueueRings> rings = ResolveQueueRings(queue, kMaxQueueSize, memory);
  const Fd kick = *CreateEventFd(), call = *CreateEventFd();
  const BackEnd::Vring vring{
      .index = QueueIndex{0}, .config = queue, .rings = *rings, .kick = kick, .call = call};
  if (!back_end->StartVring(vring, deadline)) return;
  static_cast<void>(back_end->StopVring(QueueIndex{0}, deadline));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ConfigureLog({.level = LogLevel::kOff, .instance_id = {}});
  static const virtio::testing::GuestRam ram(
      GuestMemory::Options{.backing = MemoryBacking::kMemfd});
  int sockets[2];
  EMBER_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) == 0);
  Connection connection{Fd(sockets[0])};
  const Fd other(sockets[1]);
  const auto input = std::as_bytes(std::span(data, std::min(size, kMaxInputBytes)));
  if (!WriteAll(other, input)) return 0;
  // After the input there is nothing more to wait for.
  ::shutdown(other.get(), SHUT_WR);
  AskAll(std::move(connection), ram.memory());
  return 0;
}
