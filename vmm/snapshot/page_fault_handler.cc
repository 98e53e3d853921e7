#include "vmm/snapshot/page_fault_handler.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "base/concat.h"
#include "base/socket_message.h"
#include "base/thread.h"
#include "base/unix_socket.h"
#include "snapshot/memory_file.h"

namespace ember::vmm {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// All at once, for which a socket that was just made has room.
Status SendAll(const Fd& socket, std::string_view text, const Fd& passed) {
  const int number = passed.get();
  const size_t count = TRY(SendMessage(socket, std::as_bytes(std::span(text)), {&number, 1}));
  if (count < text.size()) return Error("the socket took part of a message");
  return {};
}

// Whether `done` became readable before either time is up.
Status AwaitDone(const Fd& done, const Fd& connection, const PageFaultHandler::Patience& patience) {
  auto deadline = steady_clock::now() + patience.first_page;
  bool ended = false;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(std::max(deadline - steady_clock::now(), {}));
    std::array<pollfd, 2> waits{pollfd{.fd = done.get(), .events = POLLIN, .revents = 0},
                                pollfd{.fd = connection.get(), .events = 0, .revents = 0}};
    const int ready = ::poll(waits.data(), ended ? 1 : 2, static_cast<int>(left.count()));
    if (ready < 0 && errno != EINTR) return Error::FromErrno("poll");
    if (waits[0].revents != 0) return {};
    if (!ended && waits[1].revents != 0) {
      ended = true;
      deadline = std::min(deadline, steady_clock::now() + patience.after_end);
    } else if (ready == 0) {
      return Error(
          ended ? Concat("it ended the connection and delivered no page")
                : Concat("it delivered no page within ", patience.first_page.count(), " ms"));
    }
  }
}

}  // namespace

std::string DescribeMemory(const GuestMemory& memory) {
  std::string text = "[";
  for (const snapshot::MemoryPiece& piece : snapshot::PiecesOf(memory)) {
    // The contract has the size of a page twice; both are bytes, whatever the second one's name.
    const uint64_t page_bytes = memory.page_bytes();
    // An address for another process, which finds it in messages of the kernel's.
    const auto address = reinterpret_cast<uintptr_t>(piece.region.host);
    text += Concat(text.size() > 1 ? "," : "", R"({"base_host_virt_addr":)", address, R"(,"size":)",
                   piece.region.range.size_bytes, R"(,"offset":)", piece.file_offset_bytes,
                   R"(,"page_size":)", page_bytes, R"(,"page_size_kib":)", page_bytes, "}");
  }
  return text + "]";
}

Result<PageFaultHandler> PageFaultHandler::Engage(const std::string& socket_path,
                                                  const GuestMemory& memory) {
  std::string name = Concat("page-fault handler at ", socket_path);
  Fd connection = TRY_CONTEXT(ConnectUnix(socket_path), name);
  UserFaults faults = TRY_CONTEXT(UserFaults::Begin(memory), name);
  TRY_CONTEXT(SendAll(connection, DescribeMemory(memory), faults.fd()), name);
  return PageFaultHandler(std::move(name), std::move(faults), std::move(connection));
}

// The page is touched on a thread of its own: who touches it can wait for nothing else.
Status PageFaultHandler::AwaitPage(const GuestMemory& memory, GuestAddress at,
                                   const Patience& patience) const {
  const Fd done = TRY(CreateEventFd());
  Thread toucher = TRY(Thread::Start("first-page", [&memory, &done, at] {
    std::byte ignored{};
    static_cast<void>(memory.ReadBytes(at, {&ignored, 1}));
    // It was never written to, and has room.
    static_cast<void>(::eventfd_write(done.get(), 1));
  }));
  Status delivered = AwaitDone(done, connection_, patience);
  if (delivered) return {};
  // The thread goes on then, and is waited for.
  faults_.GiveUp();
  return std::move(delivered).error().WithContext(name_);
}

}  // namespace ember::vmm
