#include "base/event_loop.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>
#include <cerrno>
#include <exception>
#include <utility>

#include "base/concat.h"
#include "base/fd.h"
#include "base/log.h"

namespace ember {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Descriptor = asio::posix::stream_descriptor;

// What a watch and its pending handler share. The handler outlives the watch where the callback
// destroys it or where the cancellation is still queued.
struct Shared {
  explicit Shared(EventLoop::Task on_event) : task(std::move(on_event)) {}
  virtual ~Shared() = default;
  virtual void Cancel() = 0;

  void RunTask() {
    in_task = true;
    task();
    in_task = false;
    if (ended) task = nullptr;
  }

  // No call after this one. What the task captured goes now, or at the end of the call under way.
  void End() {
    ended = true;
    Cancel();
    if (!in_task) task = nullptr;
  }

  EventLoop::Task task;
  bool in_task = false;
  bool ended = false;
};

struct DescriptorShared final : Shared {
  DescriptorShared(asio::io_context& context, Descriptor::wait_type ready_for,
                   EventLoop::Task on_event)
      : Shared(std::move(on_event)), descriptor(context), wait(ready_for) {}

  void Cancel() override {
    error_code ignored;  // Closing our own duplicate; it is gone whatever close() says.
    descriptor.close(ignored);
  }

  Descriptor descriptor;
  const Descriptor::wait_type wait;
};

struct TimerShared final : Shared {
  TimerShared(asio::io_context& context, std::chrono::nanoseconds delay, EventLoop::Task on_event)
      : Shared(std::move(on_event)), timer(context, delay) {}

  void Cancel() override { timer.cancel(); }

  asio::steady_timer timer;
};

// Asks for one event; the handler asks again, which makes Asio's edge-triggered epoll look
// level-triggered.
void Await(std::shared_ptr<DescriptorShared> shared) {
  Descriptor& descriptor = shared->descriptor;
  const Descriptor::wait_type wait = shared->wait;
  descriptor.async_wait(wait, [shared = std::move(shared)](error_code error) mutable {
    if (shared->ended) return;
    if (error) {
      EMBER_LOG(kError, "event loop: waiting for a descriptor failed: ", error.message());
      return;
    }
    shared->RunTask();
    if (!shared->ended) Await(std::move(shared));
  });
}

// Regular files, /dev/null and the like cannot be polled. Asio would report that only through the
// first wait, so the kernel is asked beforehand.
Status CheckPollable(int epoll_fd, int fd) {
  epoll_event event{};
  if (::epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
    return Error::FromErrno(Concat("descriptor ", fd, " cannot be watched"));
  }
  ::epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, &event);
  return {};
}

}  // namespace

class EventLoop::Watch::Impl {
 public:
  explicit Impl(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  ~Impl() { shared_->End(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

 private:
  std::shared_ptr<Shared> shared_;
};

EventLoop::Watch::Watch(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EventLoop::Watch::Watch(Watch&&) noexcept = default;
EventLoop::Watch& EventLoop::Watch::operator=(Watch&&) noexcept = default;
EventLoop::Watch::~Watch() = default;

class EventLoop::Impl {
 public:
  explicit Impl(Fd probe) : probe_(std::move(probe)), work_(context_.get_executor()) {}

  Result<Watch> WatchDescriptor(int fd, Descriptor::wait_type wait, Task task) {
    TRY(CheckPollable(probe_.get(), fd));
    // A duplicate: Asio closes what it is given, and one epoll takes a descriptor number only once.
    Fd duplicate(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!duplicate.valid()) return Error::FromErrno("duplicate a descriptor");
    auto shared = std::make_shared<DescriptorShared>(context_, wait, std::move(task));
    error_code error;
    shared->descriptor.assign(duplicate.get(), error);
    if (error) return Error::FromErrorNumber("watch a descriptor", error.value());
    static_cast<void>(duplicate.Release());
    // Asio makes non-blocking what it waits for, and our duplicate shares that with the caller's
    // descriptor and, for stdin, with the user's shell. Only waited for, it need not be.
    const int flags = ::fcntl(fd, F_GETFL);
    Await(shared);
    Watch watch(std::make_unique<Watch::Impl>(std::move(shared)));
    if (::fcntl(fd, F_SETFL, flags) < 0) return Error::FromErrno("keep a descriptor's flags");
    return watch;
  }

  asio::io_context& context() { return context_; }

 private:
  Fd probe_;  // an epoll of its own, for CheckPollable()
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
};

EventLoop::EventLoop(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EventLoop::~EventLoop() = default;

Result<std::unique_ptr<EventLoop>> EventLoop::Create() {
  Fd probe(::epoll_create1(EPOLL_CLOEXEC));
  if (!probe.valid()) return Error::FromErrno("epoll_create1");
  try {  // io_context has no other way to say that the host is out of descriptors.
    auto impl = std::make_unique<Impl>(std::move(probe));
    return std::unique_ptr<EventLoop>(new EventLoop(std::move(impl)));
  } catch (const std::exception& exception) {
    return Error(Concat("event loop: ", exception.what()));
  }
}

void EventLoop::Run() { impl_->context().run(); }

void EventLoop::Stop() { impl_->context().stop(); }

void EventLoop::Post(Task task) { asio::post(impl_->context(), std::move(task)); }

Result<EventLoop::Watch> EventLoop::WatchReadable(int fd, Task on_ready) {
  return impl_->WatchDescriptor(fd, Descriptor::wait_read, std::move(on_ready));
}

Result<EventLoop::Watch> EventLoop::WatchWritable(int fd, Task on_ready) {
  return impl_->WatchDescriptor(fd, Descriptor::wait_write, std::move(on_ready));
}

Result<EventLoop::Watch> EventLoop::CallAfter(std::chrono::nanoseconds delay, Task task) {
  auto shared = std::make_shared<TimerShared>(impl_->context(), delay, std::move(task));
  shared->timer.async_wait([shared](error_code) {
    if (!shared->ended) shared->RunTask();
  });
  return Watch(std::make_unique<Watch::Impl>(std::move(shared)));
}

}  // namespace ember
