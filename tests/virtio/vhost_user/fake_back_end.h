#ifndef EMBER_TESTS_VIRTIO_VHOST_USER_FAKE_BACK_END_H_
#define EMBER_TESTS_VIRTIO_VHOST_USER_FAKE_BACK_END_H_

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/thread.h"
#include "tests/base/temporary_directory.h"
#include "virtio/vhost_user/protocol.h"

namespace ember::virtio::vhost_user::testing {

// What a hostile back end does in place of its answer.
enum class Fault {
  kSilence,
  kDisconnect,
  kHalfHeader,  // and then nothing
  kHalfPayload,
  kShortPayload,
  kLongPayload,
  kHugePayload,  // says so, and sends none
  kOtherRequest,
  kNoReplyFlag,
  kOtherVersion,
  kExtraFds,
  kGarbage,
};
inline constexpr Fault kAllFaults[] = {
    Fault::kSilence,      Fault::kDisconnect,   Fault::kHalfHeader,  Fault::kHalfPayload,
    Fault::kShortPayload, Fault::kLongPayload,  Fault::kHugePayload, Fault::kOtherRequest,
    Fault::kNoReplyFlag,  Fault::kOtherVersion, Fault::kExtraFds,    Fault::kGarbage};

// A back end that answers as told, one connection after the other, on a thread of its own. It works
// on no queue. The fields are set before the first connection; what it was told is read with
// Seen().
class FakeBackEnd {
 public:
  // What the front end has said on the latest connection.
  struct Seen {
    std::vector<Request> requests;
    uint64_t features = 0;
    uint64_t protocol_features = 0;
    MemoryTable memory{};
    std::vector<Fd> memory_fds;
    std::map<uint32_t, uint32_t> sizes;
    std::map<uint32_t, VringAddress> addresses;
    std::map<uint32_t, Fd> kicks;
    std::map<uint32_t, Fd> calls;
    std::map<uint32_t, uint32_t> enabled;
  };

  FakeBackEnd();
  ~FakeBackEnd();
  FakeBackEnd(const FakeBackEnd&) = delete;
  FakeBackEnd& operator=(const FakeBackEnd&) = delete;

  void Start();
  const std::string& path() const { return path_; }
  // Calls `look` with what was seen, and nothing going on.
  template <typename Look>
  auto WithSeen(Look look) {
    const std::lock_guard lock(mutex_);
    return look(seen_);
  }
  // From now on. Change() is for the fields, once it is started.
  void SetFault(std::optional<Request> request, Fault fault);
  template <typename Assign>
  void Change(Assign assign) {
    const std::lock_guard lock(mutex_);
    assign();
  }
  // Ends the connection, and waits until it is.
  void Disconnect();
  // Sends bytes that nobody asked for.
  void Chatter();

  uint64_t features = (uint64_t{1} << 32) | (uint64_t{1} << 30) | (uint64_t{1} << 29) |
                      (uint64_t{1} << 28) | (uint64_t{1} << 9) | (uint64_t{1} << 6) |
                      (uint64_t{1} << 12);
  uint64_t protocol_features = kProtocolMq | kProtocolReplyAck | kProtocolConfig;
  uint64_t queues = 4;
  uint64_t acknowledgement = 0;
  std::array<std::byte, 60> config{};

 private:
  struct Message {
    Header header{};
    std::vector<std::byte> payload;
    std::vector<Fd> fds;
  };

  void Work();
  // Until the connection ends.
  void Serve(int socket);
  bool Read(int socket, Message& message);
  bool ReadBytes(int socket, std::span<std::byte> out, std::vector<Fd>& fds);
  void Note(Message& message);
  std::vector<std::byte> Answer(const Message& message);
  // False to end the connection.
  bool Reply(int socket, const Message& message);

  TemporaryDirectory directory_;
  const std::string path_ = directory_.Path("socket");
  Fd listener_;
  Fd stop_ = *CreateEventFd();

  std::mutex mutex_;
  std::condition_variable changed_;
  Seen seen_;
  std::optional<Request> faulty_;
  Fault fault_ = Fault::kSilence;
  int socket_ = -1;  // of the connection

  Thread thread_;
};

}  // namespace ember::virtio::vhost_user::testing

#endif  // EMBER_TESTS_VIRTIO_VHOST_USER_FAKE_BACK_END_H_
