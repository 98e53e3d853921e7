#include "base/event_set.h"

#include <algorithm>
#include <array>

namespace ember {
namespace {

Status Control(int epoll, int operation, int fd, EventSet::Interest interest, uint64_t token) {
  epoll_event event{};
  event.events = static_cast<uint32_t>(interest);
  event.data.u64 = token;
  if (::epoll_ctl(epoll, operation, fd, &event) < 0) return Error::FromErrno("epoll_ctl");
  return {};
}

}  // namespace

Result<EventSet> EventSet::Create() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return Error::FromErrno("epoll_create1");
  return EventSet(std::move(epoll));
}

Status EventSet::Add(int fd, Interest interest, uint64_t token) {
  return Control(epoll_.get(), EPOLL_CTL_ADD, fd, interest, token);
}

Status EventSet::Change(int fd, Interest interest, uint64_t token) {
  return Control(epoll_.get(), EPOLL_CTL_MOD, fd, interest, token);
}

void EventSet::Remove(int fd) {
  // Fails only where it is not there.
  static_cast<void>(Control(epoll_.get(), EPOLL_CTL_DEL, fd, Interest::kNone, 0));
}

std::span<const EventSet::Event> EventSet::Poll(std::span<Event> room) const {
  std::array<epoll_event, kMaxEvents> ready;
  const int limit = static_cast<int>(std::min(room.size(), ready.size()));
  if (limit == 0) return {};
  const int count = ::epoll_wait(epoll_.get(), ready.data(), limit, 0);
  if (count <= 0) return {};  // nothing, or a signal came first
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = ready[static_cast<size_t>(i)];
    room[static_cast<size_t>(i)] = {.token = event.data.u64,
                                    .readable = (event.events & EPOLLIN) != 0,
                                    .writable = (event.events & EPOLLOUT) != 0,
                                    .hung_up = (event.events & (EPOLLHUP | EPOLLERR)) != 0};
  }
  return room.first(static_cast<size_t>(count));
}

}  // namespace ember
