#include "memory/page_delivery.h"

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "base/concat.h"

namespace ember {
namespace {

constexpr size_t kMostEvents = 16;

// Addresses, which the kernel knows as numbers: of memory of ours, as it was registered.
uint64_t NumberOf(const std::byte* host) { return reinterpret_cast<uintptr_t>(host); }
std::byte* HostAt(uint64_t number) {
  return reinterpret_cast<std::byte*>(number);  // NOLINT(performance-no-int-to-ptr): so it comes
}

PageEvent EventOf(const uffd_msg& message, uint64_t page_bytes) {
  if (message.event == UFFD_EVENT_REMOVE) {
    const uint64_t start = message.arg.remove.start;
    return {.kind = PageEvent::Kind::kGivenBack,
            .host = HostAt(start),
            .size_bytes = message.arg.remove.end - start};
  }
  const uint64_t address = message.arg.pagefault.address;
  return {.kind = PageEvent::Kind::kMissing,
          .host = HostAt(address / page_bytes * page_bytes),
          .size_bytes = page_bytes};
}

// Of a request that failed.
Result<Delivery> FailedDelivery(const char* request) {
  if (errno == EAGAIN) return Delivery::kLater;
  if (errno == EEXIST) return Delivery::kDone;
  return Error::FromErrno(request);
}

}  // namespace

Result<std::vector<PageEvent>> ReadPageEvents(const UserFaults& faults, uint64_t page_bytes) {
  std::array<uffd_msg, kMostEvents> messages;
  const ssize_t count = ::read(faults.fd().get(), messages.data(), sizeof(messages));
  if (count < 0 && errno != EAGAIN && errno != EINTR)
    return Error::FromErrno("read of page faults");
  std::vector<PageEvent> events;
  const size_t read_bytes = count < 0 ? 0 : static_cast<size_t>(count);
  for (size_t i = 0; i < read_bytes / sizeof(uffd_msg); ++i) {
    // No other events were asked for.
    events.push_back(EventOf(messages[i], page_bytes));
  }
  return events;
}

Result<Delivery> DeliverPage(const UserFaults& faults, std::byte* host,
                             std::span<const std::byte> page) {
  uffdio_copy copy{.dst = NumberOf(host),
                   .src = NumberOf(page.data()),
                   .len = page.size(),
                   .mode = 0,
                   .copy = 0};
  if (::ioctl(faults.fd().get(), UFFDIO_COPY, &copy) < 0) return FailedDelivery("UFFDIO_COPY");
  return Delivery::kDone;
}

Result<Delivery> DeliverZeros(const UserFaults& faults, std::byte* host, uint64_t page_bytes) {
  uffdio_zeropage zeros{
      .range = {.start = NumberOf(host), .len = page_bytes}, .mode = 0, .zeropage = 0};
  if (::ioctl(faults.fd().get(), UFFDIO_ZEROPAGE, &zeros) < 0) {
    return FailedDelivery("UFFDIO_ZEROPAGE");
  }
  return Delivery::kDone;
}

Status DenyPage(const UserFaults& faults, std::byte* host, uint64_t page_bytes) {
  if (::mprotect(host, page_bytes, PROT_NONE) < 0) return Error::FromErrno("mprotect");
  uffdio_range range{.start = NumberOf(host), .len = page_bytes};
  if (::ioctl(faults.fd().get(), UFFDIO_WAKE, &range) < 0) return Error::FromErrno("UFFDIO_WAKE");
  return {};
}

}  // namespace ember
