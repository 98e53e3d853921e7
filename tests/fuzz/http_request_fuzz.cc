#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "api/session.h"
#include "base/check.h"
#include "base/event_loop.h"
#include "vmm/controller.h"

namespace {

using namespace ember;  // NOLINT(google-build-using-namespace): a program of its own

constexpr size_t kMaxBodyBytes = 512;

// What the first client of a process gets for its bytes, sent in pieces of `piece_bytes`. Actions
// succeed at once.
std::string Converse(EventLoop& loop, std::string_view bytes, size_t piece_bytes) {
  using Made = Result<std::unique_ptr<vmm::Machine>>;
  vmm::Controller controller(
      loop, {.build = [](const vmm::VmConfig&) -> Made { return Error("a fuzzer has no machine"); },
             .restore = [](const vmm::SnapshotLoad&, const vmm::VmConfig&) -> Made {
               return Error("a fuzzer has no snapshot");
             }});
  const api::Router router(controller, "fuzz");
  api::Session session(router, kMaxBodyBytes);
  std::string output;
  while (!bytes.empty() && session.wants_input()) {
    const std::string_view piece = bytes.substr(0, piece_bytes);
    bytes.remove_prefix(piece.size());
    session.Receive(piece);
    while (session.waiting() || !session.output().empty()) {
      output += session.output();
      session.OnSent(session.output().size());
      if (session.TakeAction()) session.Complete({});
      // Nothing happens that a late answer could wait for.
      if (session.following()) session.LookLast(std::chrono::steady_clock::now());
    }
  }
  return output;
}

}  // namespace

// Hostile bytes on a connection: HTTP, the routes and the bodies. However they are cut into pieces,
// the answers are the same. The first byte says how.
//
// Bytes that end the head or body under way and then cannot begin a request come last, as a fault
// may be told as soon as it is seen or when its head is complete.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::unique_ptr<EventLoop> loop = *EventLoop::Create();
  if (size == 0 || size > api::RequestParser::kMaxHeadBytes / 2) return 0;
  const std::string bytes = std::string(data + 1, data + size) + "\r\n\r\n" +
                            std::string(kMaxBodyBytes, '\n') + "\r\n\r\n";
  const std::string whole = Converse(*loop, bytes, bytes.size());
  const std::string pieces = Converse(*loop, bytes, size_t{data[0]} + 1);
  // Told to go on with its body is only who has not sent it yet, and events and
  // the log have times.
  const bool varies = bytes.find("100-") != std::string::npos ||
                      bytes.find("/events") != std::string::npos ||
                      bytes.find("/log") != std::string::npos;
  if (!varies) EMBER_CHECK(whole == pieces);
  return 0;
}
