#ifndef EMBER_VMM_SNAPSHOT_PAGE_FAULT_HANDLER_H_
#define EMBER_VMM_SNAPSHOT_PAGE_FAULT_HANDLER_H_

#include <chrono>
#include <string>
#include <utility>

#include "base/fd.h"
#include "base/result.h"
#include "memory/guest_address.h"
#include "memory/guest_memory.h"
#include "memory/user_faults.h"

namespace ember::vmm {

// What a handler is told of `memory`: for each piece of the memory file a place in this process, as
// a JSON array.
std::string DescribeMemory(const GuestMemory& memory);

// The process that delivers a restored machine's memory, page by page as it is touched, from
// wherever it has it. It listens on a Unix socket; each machine is one connection, on which it is
// told once where the memory is (docs/snapshots.md). The machine's, for as long as it lives: the
// end of the connection tells the handler of the machine's.
class PageFaultHandler {
 public:
  // How long one waits for a handler.
  struct Patience {
    std::chrono::milliseconds first_page{10'000};
    // The same once it has ended the connection; it may yet be there.
    std::chrono::milliseconds after_end{1'000};
  };

  // Has the handler at `socket_path` deliver all of `memory`, which nobody has touched. Errors name
  // the path: nobody listens there, the handler ended the connection before it was told, or the
  // host allows no such memory.
  static Result<PageFaultHandler> Engage(const std::string& socket_path, const GuestMemory& memory);

  // Waits until it has delivered the page at `at`, of that memory's RAM. The error names the path:
  // it did not in time, and is asked no more; the memory is then of no use. Not under a system call
  // filter.
  Status AwaitPage(const GuestMemory& memory, GuestAddress at, const Patience& patience) const;
  Status AwaitPage(const GuestMemory& memory, GuestAddress at) const {
    return AwaitPage(memory, at, {});
  }

  const UserFaults& faults() const { return faults_; }

 private:
  PageFaultHandler(std::string name, UserFaults faults, Fd connection)
      : name_(std::move(name)), faults_(std::move(faults)), connection_(std::move(connection)) {}

  std::string name_;  // for errors
  UserFaults faults_;
  Fd connection_;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_SNAPSHOT_PAGE_FAULT_HANDLER_H_
