#ifndef EMBER_TESTS_MEMORY_PAGE_DELIVERER_H_
#define EMBER_TESTS_MEMORY_PAGE_DELIVERER_H_

#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/fd.h"

namespace ember {

// What a page-fault handler does, on a thread of the test's: delivers pages filled with a byte, and
// pages of zeros where pages were given back.
class PageDeliverer {
 public:
  static constexpr uint64_t kPage = 4096;

  // Borrows a userfaultfd until its end.
  PageDeliverer(int faults, std::byte content)
      : faults_(faults), thread_([this, content] { Serve(content); }) {}
  ~PageDeliverer() {
    const uint64_t one = 1;
    EMBER_CHECK(WriteAll(stop_, std::as_bytes(std::span(&one, 1))).has_value());
    thread_.join();
  }
  PageDeliverer(const PageDeliverer&) = delete;
  PageDeliverer& operator=(const PageDeliverer&) = delete;

  uint64_t delivered() const { return delivered_.load(std::memory_order_relaxed); }

 private:
  using Range = std::pair<uint64_t, uint64_t>;

  void Serve(std::byte content) {
    alignas(kPage) std::array<std::byte, kPage> page;
    page.fill(content);
    for (;;) {
      std::array<pollfd, 2> waits{pollfd{.fd = stop_.get(), .events = POLLIN, .revents = 0},
                                  pollfd{.fd = faults_, .events = POLLIN, .revents = 0}};
      EMBER_CHECK(::poll(waits.data(), waits.size(), -1) > 0 || errno == EINTR);
      if (waits[0].revents != 0) return;
      uffd_msg message{};
      if (::read(faults_, &message, sizeof(message)) != sizeof(message)) continue;
      if (message.event == UFFD_EVENT_REMOVE) {
        removed_.emplace_back(uint64_t{message.arg.remove.start}, uint64_t{message.arg.remove.end});
      } else {
        Deliver(message.arg.pagefault.address & ~(kPage - 1), page);
      }
    }
  }

  void Deliver(uint64_t address, std::span<const std::byte> page) {
    // Before whoever waits for it can go on.
    delivered_.fetch_add(1, std::memory_order_relaxed);
    int result;
    do {
      if (IsRemoved(address)) {
        uffdio_zeropage zeros{.range = {.start = address, .len = kPage}, .mode = 0, .zeropage = 0};
        result = ::ioctl(faults_, UFFDIO_ZEROPAGE, &zeros);
      } else {
        uffdio_copy copy{.dst = address,
                         .src = reinterpret_cast<uintptr_t>(page.data()),
                         .len = kPage,
                         .mode = 0,
                         .copy = 0};
        result = ::ioctl(faults_, UFFDIO_COPY, &copy);
      }
    } while (result < 0 && errno == EAGAIN);
    EMBER_CHECK(result == 0 || errno == EEXIST);
  }

  bool IsRemoved(uint64_t address) const {
    for (const auto& [start, end] : removed_) {
      if (address >= start && address < end) return true;
    }
    return false;
  }

  const int faults_;
  const Fd stop_ = *CreateEventFd();
  std::vector<Range> removed_;  // the thread's
  std::atomic<uint64_t> delivered_{0};
  std::thread thread_;  // ends before what it uses
};

}  // namespace ember

#endif  // EMBER_TESTS_MEMORY_PAGE_DELIVERER_H_
