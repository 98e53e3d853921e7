#include "tests/virtio/console/console_bench.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/check.h"
#include "base/unix_socket.h"

namespace ember::virtio::testing {
namespace {

struct Header {
  uint32_t port;
  uint16_t event;
  uint16_t value;
};

}  // namespace

ConsoleGuest::ConsoleGuest(Rig& rig, size_t port_count)
    : rig_(rig),
      text_(rig.ram.Allocate(kTextBytes)),
      control_text_(rig.ram.Allocate(kRingSize * kMaxControlBytes)) {
  for (size_t i = 0; i < 2 * port_count + 2; ++i) rings_.emplace_back(rig.ram, kRingSize);
}

void ConsoleGuest::Start(uint64_t features) {
  rig_.driver.Write(reg::kStatus, 0);
  posted_.clear();
  for (size_t i = 0; i < rings_.size(); ++i) {
    const RingPlace place = rings_[i].place();
    rings_[i] = DriverRing(rig_.ram.memory(), place);
    rings_[i].SetAvailableIndex(0);
    std::ranges::fill(rig_.ram.Bytes(place.used, 6 + 8 * kRingSize), std::byte{0});
  }
  EMBER_CHECK(rig_.driver.Negotiate(features | kVersion1Feature));
  for (size_t i = 0; i < rings_.size(); ++i) {
    EMBER_CHECK(rig_.driver.EnableQueue(static_cast<uint32_t>(i), rings_[i].place()));
  }
  rig_.driver.AddStatus(kDriverOk);
  rig_.Pump();
}

void ConsoleGuest::StartAndOpen() {
  Start();
  PostControl(kRingSize);
  SendControl(~uint32_t{0}, kDeviceReady, 1);
  const uint32_t port_count = static_cast<uint32_t>(rings_.size() / 2 - 1);
  for (uint32_t i = 0; i < port_count; ++i) SendControl(i, kPortReady, 1);
  for (uint32_t i = 0; i < port_count; ++i) SendControl(i, kPortOpen, 1);
  TakeControl();
  PostControl(kRingSize / 2);
}

void ConsoleGuest::SendControl(uint32_t port, uint16_t event, uint16_t value) {
  const Header header{port, event, value};
  SendControl({reinterpret_cast<const char*>(&header), sizeof(header)});
}

void ConsoleGuest::SendControl(std::string_view bytes) {
  const auto len = static_cast<uint32_t>(bytes.size());
  EMBER_CHECK(len <= kMaxControlBytes);
  const GuestAddress at = control_text_ + next_control_text_++ % kRingSize * kMaxControlBytes;
  std::memcpy(rig_.ram.Bytes(at, len).data(), bytes.data(), len);
  control_transmit().Add({Segment{at, len, false}});
  Kick(control_transmit());
  while (control_transmit().TakeUsed()) {
  }
}

void ConsoleGuest::Post(DriverRing& ring, uint32_t len) {
  const GuestAddress at = rig_.ram.Allocate(len);
  const uint16_t head = ring.Add({Segment{at, len, true}});
  posted_[&ring][head] = {at, len};
}

void ConsoleGuest::PostControl(int count, uint32_t len) {
  for (int i = 0; i < count && control_receive().free_descriptors() > 0; ++i) {
    Post(control_receive(), len);
  }
  Kick(control_receive());
}

void ConsoleGuest::Kick(DriverRing& ring) {
  ring.Publish();
  const auto found =
      std::ranges::find_if(rings_, [&](const DriverRing& each) { return &each == &ring; });
  rig_.driver.Notify(static_cast<uint32_t>(found - rings_.begin()));
  rig_.Pump();
}

std::vector<std::string> ConsoleGuest::TakeFilled(DriverRing& ring) {
  std::vector<std::string> filled;
  while (const std::optional<UsedEntry> used = ring.TakeUsed()) {
    const Buffer buffer = posted_[&ring][static_cast<uint16_t>(used->id)];
    EMBER_CHECK(used->len <= buffer.len);
    const auto bytes = rig_.ram.Bytes(buffer.at, used->len);
    filled.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return filled;
}

std::vector<ControlMessage> ConsoleGuest::TakeControl() {
  std::vector<ControlMessage> messages;
  for (const std::string& bytes : TakeFilled(control_receive())) {
    if (bytes.size() < sizeof(Header)) continue;
    Header header;
    std::memcpy(&header, bytes.data(), sizeof(header));
    messages.push_back({header.port, header.event, header.value, bytes.substr(sizeof(header))});
  }
  return messages;
}

void ConsoleGuest::Write(size_t port, std::string_view text) {
  const auto len = static_cast<uint32_t>(text.size());
  EMBER_CHECK(len <= kTextBytes);
  std::memcpy(rig_.ram.Bytes(text_, len).data(), text.data(), len);
  transmit(port).Add({Segment{text_, len, false}});
  Kick(transmit(port));
  while (transmit(port).TakeUsed()) {
  }
}

void ConsoleGuest::PostInput(size_t port, uint32_t len) {
  Post(receive(port), len);
  Kick(receive(port));
}

std::string ConsoleGuest::TakeInput(size_t port) {
  std::string text;
  for (const std::string& part : TakeFilled(receive(port))) text += part;
  return text;
}

ConsoleSocket::ConsoleSocket(const std::string& path) : fd_(*ConnectUnix(path)) {}

void ConsoleSocket::Send(std::string_view text) { EMBER_CHECK(SendSome(text) == text.size()); }

size_t ConsoleSocket::SendSome(std::string_view text) {
  const ssize_t count = ::send(fd_.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return count < 0 ? 0 : static_cast<size_t>(count);
}

std::string ConsoleSocket::Read(size_t limit) {
  std::string text;
  std::string room(65536, '\0');
  while (text.size() < limit) {
    const size_t wanted = std::min(room.size(), limit - text.size());
    const ssize_t count = ::recv(fd_.get(), room.data(), wanted, MSG_DONTWAIT);
    if (count <= 0) break;
    text.append(room, 0, static_cast<size_t>(count));
  }
  return text;
}

bool ConsoleSocket::closed() {
  char byte = 0;
  const ssize_t count = ::recv(fd_.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK);
  return count == 0 || (count < 0 && errno != EAGAIN);
}

void ConsoleSocket::ShutDownWrite() { ::shutdown(fd_.get(), SHUT_WR); }

ConsoleBench::ConsoleBench(std::vector<ConsolePort::Options> ports, ResizeOrder order)
    : options{.ports = std::move(ports), .resize_order = order} {
  for (ConsolePort::Options& port : options.ports) {
    port.socket_path = directory.Path(port.name);
  }
  device = *ConsoleDevice::Create(options);
  rig = std::make_unique<Rig>(*device);
  guest = std::make_unique<ConsoleGuest>(*rig, options.ports.size());
}

ConsoleBench::ConsoleBench()
    : ConsoleBench({{.name = "con", .socket_path = {}, .is_console = true},
                    {.name = "agent", .socket_path = {}}}) {}

ConsoleSocket ConsoleBench::Attach(size_t port) {
  ConsoleSocket socket(PathOf(port));
  rig->Pump();
  return socket;
}

ConsoleSocket ConsoleBench::AttachResize(size_t port) {
  ConsoleSocket socket(PathOf(port) + ".ctl");
  rig->Pump();
  return socket;
}

uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace ember::virtio::testing
