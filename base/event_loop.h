#ifndef EMBER_BASE_EVENT_LOOP_H_
#define EMBER_BASE_EVENT_LOOP_H_

#include <chrono>
#include <functional>
#include <memory>

#include "base/result.h"

namespace ember {

// The loop thread's heart: waits for descriptors, timers and posted tasks, and runs their callbacks
// one at a time on the thread that called Run(). Only Post() and Stop() may be called from other
// threads. Watches and timers are owned by their holder and must be destroyed on the loop thread
// (or while the loop does not run), before the loop. A callback may destroy its own watch.
class EventLoop {
 public:
  using Task = std::function<void()>;

  // Calls back for as long as it lives. Move-only.
  class Watch {
   public:
    class Impl;
    explicit Watch(std::unique_ptr<Impl> impl);
    Watch(Watch&&) noexcept;
    Watch& operator=(Watch&&) noexcept;
    ~Watch();

   private:
    std::unique_ptr<Impl> impl_;
  };

  static Result<std::unique_ptr<EventLoop>> Create();
  ~EventLoop();

  // Runs callbacks until Stop().
  void Run();
  // Makes Run() return after the callback under way. Any thread.
  void Stop();
  // Runs `task` on the loop thread, in order of posting. Any thread. Tasks posted after the loop
  // has ended are destroyed unrun.
  void Post(Task task);

  // Calls `on_ready` each time `fd` is readable (level-triggered: the callback must read it empty
  // or it is called again). The descriptor stays the caller's and must outlive the watch.
  Result<Watch> WatchReadable(int fd, Task on_ready);
  // The same for writable.
  Result<Watch> WatchWritable(int fd, Task on_ready);
  // Calls `task` once after `delay`.
  Result<Watch> CallAfter(std::chrono::nanoseconds delay, Task task);

 private:
  class Impl;
  explicit EventLoop(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ember

#endif  // EMBER_BASE_EVENT_LOOP_H_
