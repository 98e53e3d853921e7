#include "virtio/vsock/connection_table.h"

#include <sys/random.h>

#include <utility>

#include "base/check.h"

namespace ember::virtio {
namespace {

// What the guest cannot know. Where there is no randomness yet, ports may collide: slow, not wrong.
uint64_t RandomSeed() {
  uint64_t seed = 0;
  static_cast<void>(::getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0);
  return seed;
}

}  // namespace

// The finishing steps of the splitmix64 generator: each bit of the input reaches every bit.
size_t ConnectionTable::KeyHash::operator()(const ConnectionKey& key) const {
  uint64_t bits = (uint64_t{key.guest_port} << 32 | key.host_port) ^ seed;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
  return bits ^ (bits >> 31);
}

ConnectionTable::ConnectionTable() : entries_(0, KeyHash{RandomSeed()}) {}

TableEntry* ConnectionTable::Find(const ConnectionKey& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : found->second.get();
}

TableEntry& ConnectionTable::Insert(Fd socket, const Connection::Options& options,
                                    VsockMetrics& metrics) {
  EMBER_CHECK(!full());
  const auto [place, inserted] = entries_.try_emplace(
      options.key, std::make_unique<TableEntry>(std::move(socket), options, metrics));
  EMBER_CHECK(inserted);
  return *place->second;
}

void ConnectionTable::Erase(const ConnectionKey& key) { entries_.erase(key); }

uint32_t ConnectionTable::NextHostPort(uint32_t guest_port) {
  do {
    // Round the upper half of what is not negative.
    last_host_port_ = (last_host_port_ + 1) % kFirstHostPort + kFirstHostPort;
  } while (Find({.guest_port = guest_port, .host_port = last_host_port_}) != nullptr);
  return last_host_port_;
}

}  // namespace ember::virtio
