#ifndef EMBER_VMM_FORK_HAND_OVER_H_
#define EMBER_VMM_FORK_HAND_OVER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"

namespace ember::vmm {

// A forked machine on its way to one process that waits: a request to that process's API with
// descriptors beside it, and the answer, which may be anything, or never come. Whoever owns it sees
// to a limit of time, and ends it by destroying it. Loop thread.
class HandOver {
 public:
  struct Options {
    std::string socket_path;       // of the API
    std::string body;              // JSON
    std::vector<int> descriptors;  // borrowed until the end
  };
  // Called at most once, and not before Begin() has returned: the clone is there, or why it is not.
  using Done = std::function<void(const Status& outcome)>;

  // Connects and sends what it can. The loop must outlive it.
  static std::unique_ptr<HandOver> Begin(EventLoop& loop, const Options& options, Done done);

 private:
  HandOver(EventLoop& loop, Done done) : loop_(loop), done_(std::move(done)) {}

  Status Connect(const Options& options);
  Status WatchSocket();
  // What the socket is ready for.
  void OnReady();
  Status Send();
  // True once the answer is complete.
  Result<bool> Receive();
  void Finish(const Status& outcome);

  EventLoop& loop_;
  Done done_;
  Fd socket_;
  std::string request_;  // what of it is still to be sent
  std::vector<int> descriptors_;
  std::string answer_;
  std::optional<EventLoop::Watch> watch_;
  // Gone with this: what is posted to the loop then does nothing.
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_FORK_HAND_OVER_H_
