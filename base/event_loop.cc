#include "base/event_loop.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/concat.h"
#include "base/fd.h"
#include "base/thread_annotations.h"
#include "base/timer.h"

namespace ember {
namespace {

constexpr size_t kEventsAtOnce = 64;
// The descriptor that Post() and Stop() wake the loop by; no watch's name.
constexpr uint64_t kWakeUp = ~uint64_t{0};

Status AddTo(const Fd& epoll, int fd, uint32_t events, uint64_t name) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = name;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) < 0) {
    return Error::FromErrno(Concat("descriptor ", fd, " cannot be watched"));
  }
  return {};
}

uint32_t EventsOf(EventLoop::Interest interest) {
  switch (interest) {
    case EventLoop::Interest::kHangUp:
      return 0;  // the kernel tells of it always
    case EventLoop::Interest::kReadable:
      return EPOLLIN;
    case EventLoop::Interest::kWritable:
      return EPOLLOUT;
    case EventLoop::Interest::kBoth:
      break;
  }
  return EPOLLIN | EPOLLOUT;
}

}  // namespace

class EventLoop::Impl {
 public:
  Impl(Fd epoll, Fd wake_up) : epoll_(std::move(epoll)), wake_up_(std::move(wake_up)) {}

  Status Start() { return AddTo(epoll_, wake_up_.get(), EPOLLIN | EPOLLET, kWakeUp); }
  void Run(const Wait* wait);
  void Stop();
  void Post(Task task);

  Result<Watch> Add(int fd, uint32_t events, Task task);
  Result<Watch> AddTimer(std::chrono::nanoseconds delay, Task task);
  void Remove(uint64_t name);

 private:
  // One watch. Its name is its place and how many were there before it, so that an event of one
  // that has ended is nobody's.
  struct Source {
    int fd = -1;  // -1: a free place
    uint32_t generation = 0;
    Fd duplicate;                // of the caller's, where that is watched already
    std::optional<Timer> timer;  // a timer's
    Task task;
  };
  static constexpr int kGenerationShift = 32;

  uint64_t NameOf(size_t place) const {
    return uint64_t{sources_[place].generation} << kGenerationShift | place;
  }
  // Null where it has ended.
  Source* Find(uint64_t name) {
    Source& source = sources_[static_cast<uint32_t>(name)];
    return source.generation == name >> kGenerationShift ? &source : nullptr;
  }
  size_t TakePlace();
  void WakeUp();
  void RunPosted();
  void RunTask(uint64_t name);

  const Fd epoll_;
  const Fd wake_up_;
  std::vector<Source> sources_;

  std::atomic<bool> stopped_{false};
  Mutex mutex_;
  std::vector<Task> posted_ GUARDED_BY(mutex_);
};

void EventLoop::Impl::Run(const Wait* wait) {
  std::array<epoll_event, kEventsAtOnce> ready;
  while (!stopped_.load(std::memory_order_acquire)) {
    if (wait != nullptr && (*wait)(epoll_.get()) == Woken::kByItsOwn) continue;
    const int count = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()),
                                   wait != nullptr ? 0 : -1);
    EMBER_CHECK(count >= 0 || errno == EINTR);
    for (int i = 0; i < count && !stopped_.load(std::memory_order_acquire); ++i) {
      const uint64_t name = ready[static_cast<size_t>(i)].data.u64;
      name == kWakeUp ? RunPosted() : RunTask(name);
    }
  }
  stopped_.store(false, std::memory_order_release);
}

void EventLoop::Impl::Stop() {
  stopped_.store(true, std::memory_order_release);
  WakeUp();
}

void EventLoop::Impl::Post(Task task) {
  {
    const MutexLock lock(mutex_);
    posted_.push_back(std::move(task));
    if (posted_.size() > 1) return;  // whoever posted the first wakes it
  }
  WakeUp();
}

// The watch of it is edge-triggered: each write is an event, and nobody need read it.
void EventLoop::Impl::WakeUp() {
  const uint64_t one = 1;
  EMBER_CHECK(::write(wake_up_.get(), &one, sizeof(one)) == sizeof(one));
}

void EventLoop::Impl::RunPosted() {
  std::vector<Task> tasks;
  {
    const MutexLock lock(mutex_);
    tasks.swap(posted_);
  }
  for (const Task& task : tasks) {
    if (stopped_.load(std::memory_order_acquire)) return;
    task();
  }
}

// The callback may end any watch, its own too: what it captured stays until it returns. It may also
// add watches, which moves the sources.
void EventLoop::Impl::RunTask(uint64_t name) {
  Source* source = Find(name);
  if (source == nullptr) return;
  Task task = std::move(source->task);
  task();
  source = Find(name);
  if (source != nullptr) source->task = std::move(task);
}

size_t EventLoop::Impl::TakePlace() {
  const auto free =
      std::ranges::find_if(sources_, [](const Source& source) { return source.fd < 0; });
  const auto place = static_cast<size_t>(free - sources_.begin());
  if (free == sources_.end()) sources_.emplace_back();
  return place;
}

Result<EventLoop::Watch> EventLoop::Impl::Add(int fd, uint32_t events, Task task) {
  const size_t place = TakePlace();
  const uint64_t name = NameOf(place);
  Status added = AddTo(epoll_, fd, events, name);
  // An epoll takes a descriptor once, and a second watch of it goes by a duplicate.
  if (!added && added.error().error_number() == EEXIST) {
    Fd duplicate(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!duplicate.valid()) return Error::FromErrno("duplicate a descriptor");
    fd = duplicate.get();
    added = AddTo(epoll_, fd, events, name);
    sources_[place].duplicate = std::move(duplicate);
  }
  TRY(std::move(added));
  sources_[place].fd = fd;
  sources_[place].task = std::move(task);
  return Watch(this, name);
}

Result<EventLoop::Watch> EventLoop::Impl::AddTimer(std::chrono::nanoseconds delay, Task task) {
  Timer timer = TRY(Timer::Create());
  timer.Arm(delay);
  // It expires once, which is one event.
  Watch watch = TRY(Add(timer.fd().get(), EPOLLIN | EPOLLET, std::move(task)));
  Find(watch.name_)->timer.emplace(std::move(timer));
  return watch;
}

void EventLoop::Impl::Remove(uint64_t name) {
  Source& source = *Find(name);
  // Fails only where it is not there, as after a close() that was against the contract.
  static_cast<void>(::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, source.fd, nullptr));
  source.fd = -1;
  ++source.generation;
  source.duplicate.Reset();
  source.timer.reset();
  // Destroyed last, for what it captured may hold watches.
  const Task ended = std::exchange(source.task, nullptr);
}

EventLoop::Watch::Watch(Impl* loop, uint64_t name) : loop_(loop), name_(name) {}
EventLoop::Watch::Watch(Watch&& other) noexcept
    : loop_(std::exchange(other.loop_, nullptr)), name_(other.name_) {}
EventLoop::Watch& EventLoop::Watch::operator=(Watch&& other) noexcept {
  std::swap(loop_, other.loop_);
  std::swap(name_, other.name_);
  const Watch ended(std::move(other));  // what this one was
  return *this;
}
EventLoop::Watch::~Watch() {
  if (loop_ != nullptr) loop_->Remove(name_);
}

EventLoop::EventLoop(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EventLoop::~EventLoop() = default;

Result<std::unique_ptr<EventLoop>> EventLoop::Create() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return Error::FromErrno("epoll_create1");
  auto impl = std::make_unique<Impl>(std::move(epoll), TRY(CreateEventFd()));
  TRY(impl->Start());
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(impl)));
}

void EventLoop::Run() { impl_->Run(nullptr); }
void EventLoop::Run(const Wait& wait) { impl_->Run(&wait); }
void EventLoop::Stop() { impl_->Stop(); }
void EventLoop::Post(Task task) { impl_->Post(std::move(task)); }

Result<EventLoop::Watch> EventLoop::WatchReadable(int fd, Task on_ready) {
  return impl_->Add(fd, EPOLLIN, std::move(on_ready));
}

Result<EventLoop::Watch> EventLoop::WatchWritable(int fd, Task on_ready) {
  return impl_->Add(fd, EPOLLOUT, std::move(on_ready));
}

Result<EventLoop::Watch> EventLoop::WatchFor(int fd, Interest interest, Task on_ready) {
  return impl_->Add(fd, EventsOf(interest), std::move(on_ready));
}

Result<EventLoop::Watch> EventLoop::WatchArrivals(int event_fd, Task on_arrival) {
  return impl_->Add(event_fd, EPOLLIN | EPOLLET, std::move(on_arrival));
}

Result<EventLoop::Watch> EventLoop::CallAfter(std::chrono::nanoseconds delay, Task task) {
  return impl_->AddTimer(delay, std::move(task));
}

}  // namespace ember
