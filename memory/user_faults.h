#ifndef EMBER_MEMORY_USER_FAULTS_H_
#define EMBER_MEMORY_USER_FAULTS_H_

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "memory/guest_memory.h"

namespace ember {

// Guest memory whose missing pages somebody delivers (userfaultfd(2)): another process, or a thread
// here (memory/page_delivery.h). Whoever touches one, the guest in KVM, a system call or a thread
// here, stands still until it is there; so does whoever gives pages back (GuestMemory::Release()),
// until that was read of. Lives as long as the memory, and is not needed to unmap it. Move-only;
// const methods from any thread.
class UserFaults {
 public:
  // From now on for all of RAM and of pluggable memory, of which nothing was touched. Without
  // privileges this takes /dev/userfaultfd: the system call's faults of the kernel's own accesses,
  // KVM's among them, are root's. An error names what of both the host refused.
  static Result<UserFaults> Begin(const GuestMemory& memory);

  UserFaults(UserFaults&& other) noexcept
      : fd_(std::move(other.fd_)), ranges_(std::exchange(other.ranges_, {})) {}
  UserFaults& operator=(UserFaults&&) = delete;
  ~UserFaults() = default;

  // For no memory any more: who waits for a page goes on and finds zeros, and so does who comes
  // later. Only before a guest runs, or its memory would change under it.
  void GiveUp() const;

  // Whom reads tell of faults and of pages that were given back, and by whom ioctls deliver pages;
  // non-blocking. While it is open here nobody finds zeros because another process ended.
  const Fd& fd() const { return fd_; }

 private:
  explicit UserFaults(Fd fd) : fd_(std::move(fd)) {}
  Status Add(std::span<std::byte> bytes);

  Fd fd_;
  std::vector<std::span<std::byte>> ranges_;
};

}  // namespace ember

#endif  // EMBER_MEMORY_USER_FAULTS_H_
