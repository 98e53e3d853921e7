#ifndef EMBER_BASE_EVENT_SET_H_
#define EMBER_BASE_EVENT_SET_H_

#include <sys/epoll.h>

#include <cstdint>
#include <span>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace ember {

// Descriptors to wait for that are together one descriptor: readable while any of them is ready. An
// owner gives it to an event loop once, and then changes what is in it from whatever thread it is
// on, which a watch of the loop's could not bear. Level-triggered. Move-only.
//
// Thread safety: any thread, at any time; a descriptor must be removed before it is closed.
class EventSet {
 public:
  // Bits of what a descriptor is waited for; kNone keeps it in the set, silent but for its hang-up.
  enum class Interest : uint32_t {
    kNone = 0,
    kReadable = EPOLLIN,
    kWritable = EPOLLOUT,
    kBoth = EPOLLIN | EPOLLOUT,
  };
  // A descriptor that is ready.
  struct Event {
    uint64_t token = 0;  // the owner's name for it
    bool readable = false;
    bool writable = false;
    bool hung_up = false;  // the other end is gone, or the descriptor is in error
  };
  // The most that one Poll() tells.
  static constexpr size_t kMaxEvents = 64;

  static Result<EventSet> Create();

  const Fd& fd() const { return epoll_; }

  Status Add(int fd, Interest interest, uint64_t token);
  Status Change(int fd, Interest interest, uint64_t token);
  // Harmless where it is not in the set.
  void Remove(int fd);

  // What is ready now, in `room`; empty where nothing is. Never waits.
  std::span<const Event> Poll(std::span<Event> room) const;

 private:
  explicit EventSet(Fd epoll) : epoll_(std::move(epoll)) {}
  Fd epoll_;
};

}  // namespace ember

#endif  // EMBER_BASE_EVENT_SET_H_
