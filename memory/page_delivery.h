#ifndef EMBER_MEMORY_PAGE_DELIVERY_H_
#define EMBER_MEMORY_PAGE_DELIVERY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "memory/user_faults.h"

// What a thread of this process asks and answers that delivers the pages of UserFaults; one thread
// at a time. It must touch none of that memory itself, nor wait for one that may.
namespace ember {

// What became of memory, in the order in which it did.
struct PageEvent {
  enum class Kind : uint8_t {
    kMissing,    // somebody waits for the page at `host`, its first byte
    kGivenBack,  // it is gone; who gave it goes on
  };

  Kind kind = Kind::kMissing;
  std::byte* host = nullptr;
  uint64_t size_bytes = 0;
};

// Those that are there to be read, in whole pages of `page_bytes`, a bounded number of them; none
// where nothing happened. The descriptor is readable while there are more.
Result<std::vector<PageEvent>> ReadPageEvents(const UserFaults& faults, uint64_t page_bytes);

enum class Delivery : uint8_t {
  kDone,   // or it was there already; who waited for it goes on
  kLater,  // not while memory is being given back: to be tried again once all events were read
};

// Puts the page there.
Result<Delivery> DeliverPage(const UserFaults& faults, std::byte* host,
                             std::span<const std::byte> page);
// A page of zeros, which takes no memory until somebody writes to it.
Result<Delivery> DeliverZeros(const UserFaults& faults, std::byte* host, uint64_t page_bytes);
// For a page that cannot be had: nobody may touch it from now on. Who waits for it goes on and
// fails, a system call with EFAULT, a thread of ours by SIGSEGV; none ever finds zeros.
Status DenyPage(const UserFaults& faults, std::byte* host, uint64_t page_bytes);

}  // namespace ember

#endif  // EMBER_MEMORY_PAGE_DELIVERY_H_
